"""How long packets are.

In here: the bounds that writers and readers share.
Not in here: what is looked at beside the length (envelope), lengths of fields (fields).
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final


SHORTEST: Final = 140
"""Bytes of the smallest packet there can be: MD5 digest, one-letter user, shortest message."""
LONGEST: Final = 1500
"""Bytes; what fwknopd takes in."""
RIJNDAEL_BELOW: Final = 400
"""Characters; a text this long or longer is taken for OpenPGP."""
MAX_TIMESTAMP: Final = 12
"""Digits of a time stamp."""
MAX_SECONDS: Final = 65536
"""The longest timeout."""
