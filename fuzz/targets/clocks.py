"""What other clocks answer to the question what time it is.

Invariants: a time that is believed comes behind our own nonce, from a server whose
clock is set, and is the number that stands in the answer; a date that is read stands
in the head of the answer, letter by letter.

An input is a datagram, or the answer of a web server.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import format_datetime

from fuzz.target import Target
from watchword.errors import PeerError
from watchword.wire import sntp, web_date

_NONCE = 0x6E6F6E63652121FF
_NOW = 1_790_000_000.0


def check_time(octets: bytes) -> str:
    try:
        ahead = sntp.ahead(octets, _NONCE, _NOW, _NOW)
    except PeerError:
        return "refused"
    assert octets[24:32] == _NONCE.to_bytes(8)
    assert octets[0] & 7 == 4
    assert octets[0] >> 6 != 3
    assert 1 <= octets[1] <= 15
    asked, told = (int.from_bytes(octets[at : at + 8]) / 2**32 for at in (32, 40))
    era = 2.0**32
    off = ahead - ((asked + told) / 2 - 2_208_988_800 - _NOW)
    assert abs(off / (era / 2) - round(off / (era / 2))) < 1e-6
    return "believed"


def check_date(octets: bytes) -> str:
    try:
        seconds = web_date.date(octets)
    except PeerError:
        return "refused"
    head = octets.partition(b"\r\n\r\n")[0]
    written = format_datetime(datetime.fromtimestamp(seconds, UTC), usegmt=True)
    assert written.partition(", ")[2].encode("ascii") in head
    return "read"


def _answer(head: int = 0x24, stratum: int = 2, nonce: int = _NONCE) -> bytes:
    told = int((_NOW + 2_208_988_800) * 2**32)
    return struct.pack("!BBbb3I4Q", head, stratum, 0, -20, 0, 0, 0, 0, nonce, told, told)


def seed_times() -> Iterator[bytes]:
    yield _answer()
    yield _answer(head=0xE4)
    yield _answer(stratum=0)
    yield _answer(nonce=1)
    yield _answer()[:40]


def seed_dates() -> Iterator[bytes]:
    yield b"HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n"
    yield b"HTTP/1.0 404 Not Found\r\ndate:Sun, 06 Nov 1994 08:49:60 GMT\r\n\r\n"
    yield b"HTTP/1.1 200 OK\r\nDate: Sunday, 06-Nov-94 08:49:37 GMT\r\n\r\n"


TIMES = Target(
    "clock-times",
    "a datagram is refused, or is the answer to our question and has the time in it",
    check_time,
    seed_times,
    words=(_NONCE.to_bytes(8), b"\x24\x02"),
    longest=80,
)
DATES = Target(
    "clock-dates",
    "an answer is refused, or has the date in its head that is read",
    check_date,
    seed_dates,
    words=(b"\r\nDate: ", b"Sun, ", b"29 Feb 2023 ", b"24:00:00", b" GMT\r\n", b"\r\n\r\n"),
    longest=300,
)
