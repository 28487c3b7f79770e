"""The answer of a web server, as far as finding one's address needs it.

In here: status, where it sends us, the text; until when there is more to come.
Not in here: sockets and TLS (edges.whereabouts), the address in the text (claims).

It comes from a stranger, or from whoever sits on the way: never more than
HEAD_LIMIT and BODY_LIMIT bytes are looked at, and whatever they are, they are
an answer, the beginning of one, or a PeerError.
"""

from __future__ import annotations

import re
from typing import Final

from watchword.errors import PeerError
from watchword.record import record

HEAD_LIMIT: Final = 8192
"""Bytes of status line and header."""
BODY_LIMIT: Final = 2000
"""Bytes of text; an address needs 45."""
LIMIT: Final = HEAD_LIMIT + 3 * BODY_LIMIT
"""Bytes of an answer together, with what cuts the text into chunks."""

_BLANK_LINE: Final = re.compile(rb"\r?\n\r?\n")
_STATUS: Final = re.compile(rb"HTTP/1\.[01] ([1-5][0-9][0-9])(?:[ \r\n]|$)")
_CHUNK: Final = re.compile(rb"([0-9A-Fa-f]{1,8})[ \t]*(?:;[^\r\n]{0,200})?\r?\n")
_LONGEST_SIZE_LINE: Final = 220
_LONGEST_LOCATION: Final = 1024
_LENGTH: Final = re.compile(rb"[0-9]{1,9}")


@record
class WebAnswer:
    status: int
    location: str
    """Where a redirection leads, as written; empty: nowhere. Printable ASCII."""
    body: bytes
    """BODY_LIMIT bytes at the most, taken out of its chunks."""


def read(octets: bytes, *, ended: bool) -> WebAnswer | None:
    """The answer, or None while there has to come more of it.

    Args:
        octets: All that has come so far.
        ended: The server has closed the connection. Then the answer is not None.

    Raises PeerError: this is no HTTP answer, is too long, or was cut off.
    """
    if len(octets) > LIMIT:
        raise PeerError(f"the answer is longer than {LIMIT} bytes")
    blank = _BLANK_LINE.search(octets, 0, HEAD_LIMIT)
    if blank is None:
        if ended or len(octets) >= HEAD_LIMIT:
            raise PeerError("Did not find the end of HTTP header.")
        return None
    head = octets[: blank.start()]
    status = _STATUS.match(head)
    if status is None:
        raise PeerError("the answer is not HTTP")
    fields = _fields(head)
    body = _body(octets[blank.end() :], fields, ended=ended)
    if body is None:
        return None
    return WebAnswer(int(status[1]), _location(fields.get(b"location", b"")), body)


def _fields(head: bytes) -> dict[bytes, bytes]:
    """Header fields by their names in lower case; of several of one name the first."""
    found: dict[bytes, bytes] = {}
    for line in head.split(b"\n")[1:]:
        name, _, value = line.partition(b":")
        found.setdefault(name.strip().lower(), value.strip())
    return found


def _body(rest: bytes, fields: dict[bytes, bytes], *, ended: bool) -> bytes | None:
    if b"transfer-encoding" in fields:
        if fields[b"transfer-encoding"].lower() != b"chunked":
            raise PeerError("the answer is in an unknown encoding")
        return _chunks(rest, ended=ended)
    announced = fields.get(b"content-length")
    if announced is None:
        _check(len(rest))
        return rest if ended else None
    if not _LENGTH.fullmatch(announced):
        raise PeerError("the length of the answer is no number")
    length = int(announced)
    _check(length)
    return rest[:length] if len(rest) >= length else _unfinished(ended=ended)


def _chunks(rest: bytes, *, ended: bool) -> bytes | None:
    body, at = b"", 0
    while size := _CHUNK.match(rest, at):
        length, at = int(size[1], 16), size.end()
        if length == 0:
            return body
        _check(len(body) + length)
        piece = rest[at : at + length]
        after = rest[at + length : at + length + 2]
        if len(piece) < length or after in (b"", b"\r"):
            return _unfinished(ended=ended)
        if after != b"\r\n" and after[:1] != b"\n":
            raise PeerError("the answer is cut into chunks wrongly")
        body += piece
        at += length + (2 if after == b"\r\n" else 1)
    if len(rest) - at > _LONGEST_SIZE_LINE or b"\n" in rest[at:]:
        raise PeerError("the answer is cut into chunks wrongly")
    return _unfinished(ended=ended)


def _check(length: int) -> None:
    if length > BODY_LIMIT:
        raise PeerError(f"the answer is longer than {BODY_LIMIT} bytes")


def _unfinished(*, ended: bool) -> bytes | None:
    """None, as long as there can come more. Raises PeerError if not."""
    if ended:
        raise PeerError("the answer was cut off")
    return None


def _location(text: bytes) -> str:
    if len(text) > _LONGEST_LOCATION:
        raise PeerError("the page leads on to a URL that is too long")
    return re.sub(rb"[^!-~]", b"?", text).decode("ascii")
