"""What a web server or a proxy answers, as far as anybody here wants to know it.

In here: the first line of an HTTP answer, and the error for an answer that is
not a yes.
Not in here: asking (http, relays), what an answer means for a packet (edges.send).
"""

from __future__ import annotations

import re
from typing import Final

from watchword.errors import PeerError
from watchword.record import record

LONGEST_LINE: Final = 4096
"""Bytes within which the first line of an answer has to end."""
_STATUS: Final = re.compile(rb"HTTP/1\.[0-9] ([1-5][0-9][0-9])(?: ([ -~]*)[\x00-\xff]*)?")
_SHOWN: Final = 64


class DeclinedError(PeerError):
    """The other side does not do it, or does not speak as it should; the message says which."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


@record
class Status:
    """The first line of an HTTP answer."""

    code: int
    reason: str = ""

    @property
    def fine(self) -> bool:
        return 200 <= self.code <= 299

    @property
    def hint(self) -> str:
        """What to do about it, where that is known."""
        return "put user:password@ in front of the proxy's name" if self.code == 407 else ""

    def __str__(self) -> str:
        return f"{self.code} {self.reason}".rstrip()


def status(answer: bytes) -> Status:
    """The status of an answer that begins so. Raises DeclinedError: it is not HTTP."""
    found = _STATUS.fullmatch(answer.split(b"\n", 1)[0].rstrip(b"\r"))
    if found is None:
        raise DeclinedError("it does not speak HTTP")
    return Status(int(found[1]), (found[2] or b"").decode("ascii")[:_SHOWN])
