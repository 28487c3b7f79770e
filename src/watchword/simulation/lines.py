"""How the players talk to whoever started them: a line of JSON each way.

In here: reading the order, writing the account. Not in here: what they do.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any


def order() -> Any:
    """What is to be done: the first line of standard input."""
    return json.loads(sys.stdin.readline())


def account(told: Mapping[str, Any]) -> None:
    """What came of it; the last that a player says."""
    print(json.dumps(told), flush=True)
