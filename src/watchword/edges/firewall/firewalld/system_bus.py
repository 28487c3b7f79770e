"""Where the system's message bus is. Not in here: what is said there (bus)."""

from __future__ import annotations

import os
from collections.abc import Mapping

_BUS = "DBUS_SYSTEM_BUS_ADDRESS"


def bus_environment() -> Mapping[str, str]:
    """What programs have to be told so that they find the bus that we find."""
    address = os.environ.get(_BUS)
    return {_BUS: address} if address else {}
