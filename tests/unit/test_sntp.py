"""Other clocks are believed only as far as they answer what was asked."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchword.errors import PeerError
from watchword.wire import sntp

NONCE = 0x0123456789ABCDEF
SENT, RECEIVED = 1_790_000_000.0, 1_790_000_000.5


def stamp(unix: float) -> int:
    return int((unix + 2_208_988_800) * 2**32) % 2**64


def answer(ahead: float = 0.0, *, head: int = 0x24, stratum: int = 2, nonce: int = NONCE) -> bytes:
    """Of a server in the middle of the way, that takes no time."""
    now = stamp((SENT + RECEIVED) / 2 + ahead)
    return struct.pack("!BBbb3I4Q", head, stratum, 0, -20, 0, 0, 0, 0, nonce, now, now)


def test_the_question_is_a_client_s_and_tells_nothing_but_the_nonce() -> None:
    asked = sntp.question(NONCE)
    assert len(asked) == sntp.LENGTH
    assert (asked[0] & 7, asked[0] >> 3 & 7) == (3, 4)
    assert asked[1:] == bytes(39) + NONCE.to_bytes(8)


@pytest.mark.parametrize("ahead", [0.0, 1000.0, -1000.0, 86400.0 * 365])
def test_the_way_there_and_back_is_taken_out(ahead: float) -> None:
    assert sntp.ahead(answer(ahead), NONCE, SENT, RECEIVED) == pytest.approx(ahead, abs=1e-3)


def test_the_clock_of_the_protocol_may_have_begun_anew() -> None:
    later = 2_100_000_000.0  # in 2036, past the end of its first era
    now = stamp(later)
    told = struct.pack("!BBbb3I4Q", 0x24, 2, 0, -20, 0, 0, 0, 0, NONCE, now, now)
    assert sntp.ahead(told, NONCE, later, later) == pytest.approx(0, abs=1e-3)


@pytest.mark.parametrize(
    "told",
    [
        b"",
        answer()[:-1],
        answer(head=0x23),  # a question
        answer(head=0xE4),  # a clock that has not been set
        answer(stratum=0),  # "go away"
        answer(stratum=16),
        answer(nonce=NONCE + 1),
        answer()[:40] + bytes(8),
    ],
)
def test_what_is_no_answer_of_a_clock_is_refused(told: bytes) -> None:
    with pytest.raises(PeerError):
        sntp.ahead(told, NONCE, SENT, RECEIVED)


@given(st.binary(max_size=100))
def test_any_bytes_are_an_answer_or_refused(told: bytes) -> None:
    try:
        ahead = sntp.ahead(told, NONCE, SENT, RECEIVED)
    except PeerError:
        return
    assert abs(ahead) < 2**33
