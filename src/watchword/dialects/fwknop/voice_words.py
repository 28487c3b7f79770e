"""What all log lines have in common: priorities, error numbers, safety from what they quote.

Not in here: the lines (voice, voice_packets).
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum
from typing import Final, TypeAlias


class Priority(IntEnum):
    """Syslog's numbers."""

    ERR = 3
    WARNING = 4
    INFO = 6
    DEBUG = 7


Line: TypeAlias = tuple[Priority, str]

ERROR_CODES: Final = {
    4096: "Data is not a valid SPA message format",
    4097: "Not enough data to be a valid SPA message",
    4098: "Data is not an SPA message",
    4099: "SPA via HTTP request, but ENABLE_SPA_OVER_HTTP is not set",
    4100: "Error creating FKO context for incoming data.",
    4101: "Unable to retrieve digest from the SPA data.",
    4102: "Error trying to access the digest.cache file",
    4103: "Detected SPA message replay",
    4104: "SPA message timestamp is outside the allowable window",
    4105: "SPA message did not pass access checks",
    4106: "An error occurred while executing an SPA command message",
    4107: "Unsupported SPA message operation",
    4108: "Undefined/unknown fwknopd Error",
    4109: "General SPA message processing error",
    8192: "An error occurred while tring to add a firewall rule",
    8193: "An error occurred while tring to delete a firewall rule",
    8194: "Unknown/unclassified firewall rule processing error",
}
"""The server's error numbers, letter for letter (fwknopd server, section 5)."""

_LONGEST = 1000  # characters; syslog cuts at 1024 octets in places


def said(text: str) -> str:
    """One line without control characters, whatever went into it, and not endless."""
    cut = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
    return cut if cut.isprintable() else "".join(c if c.isprintable() else "?" for c in cut)


def listed(things: Iterable[object], most: int = 20) -> str:
    """``tcp/22,udp/53``, and how many more there are."""
    texts = [str(each) for each in things]
    more = f" and {len(texts) - most} more" if len(texts) > most else ""
    return (",".join(texts[:most]) + more) or "nothing"
