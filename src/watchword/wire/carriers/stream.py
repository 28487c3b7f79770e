"""A packet that comes over TCP, piece by piece.

In here: when a stream holds all of a packet or of an HTTP request, and when it
never will.
Not in here: sockets and time limits (edges), the request itself (http), what a
packet says (spa).

The sender frames nothing: a plain packet ends where its stream ends. Pieces may
be cut anywhere; only what they are together counts. No more is held than
one request, whatever is fed.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import Final

from watchword.wire.carriers import http
from watchword.wire.spa import lengths
from watchword.wire.spa.base64text import ALPHABET

_START: Final = b"get /"
_BLANK_LINE: Final = re.compile(rb"\n\r?\n")


class Progress(Enum):
    """Where a stream stands."""

    MORE = "more"
    """It can become a packet, or is one already if it ends here."""
    WHOLE = "whole"
    """A request is complete; nothing that follows will change it."""
    HOPELESS = "hopeless"
    """Whatever follows, this is no packet; it can be closed."""


class Collector:
    """One stream. Feed it until it is no longer MORE or the sender has closed, then ask ``end``."""

    __slots__ = ("_held", "_progress", "_requests")

    def __init__(self, *, requests: bool) -> None:
        """``requests``: whether HTTP requests are looked for; if not, they are hopeless at once."""
        self._requests = requests
        self._held = b""
        self._progress = Progress.MORE

    def feed(self, octets: bytes) -> Progress:
        """Add what arrived, any number of bytes. After WHOLE and HOPELESS nothing changes."""
        if self._progress is Progress.MORE:
            self._held += octets[: http.LONGEST - len(self._held)]
            self._progress = self._requested() if self._may_be_request() else self._plain()
        return self._progress

    def end(self) -> bytes | None:
        """All of the packet or request, given that nothing more comes; None: there is none.

        What is returned goes to ``http.extract``, and that or itself to
        ``flaw``, as if it had been captured. A receiver that has waited long
        enough for the sender to close may ask early: a plain packet does not
        say where it ends.
        """
        if self._progress is Progress.HOPELESS or len(self._held) < lengths.SHORTEST:
            return None
        if self._progress is Progress.MORE and self._may_be_request():
            return None
        return self._held

    def _may_be_request(self) -> bool:
        start = self._held[: len(_START)].lower()
        return self._requests and _START.startswith(start)

    def _requested(self) -> Progress:
        blank = _BLANK_LINE.search(self._held)
        if blank:
            self._held = self._held[: blank.end()]
            return Progress.WHOLE
        return Progress.MORE if len(self._held) < http.LONGEST else Progress.HOPELESS

    def _plain(self) -> Progress:
        if len(self._held) > lengths.LONGEST or self._held.translate(None, ALPHABET):
            return Progress.HOPELESS
        return Progress.MORE
