"""Signatures by which systems are told, and what they are held against."""

from __future__ import annotations

import pytest

from watchword.dialects.fwknop import pf_os
from watchword.dialects.fwknop.server_complaints import Complaints
from watchword.model.hits import Hit, Look
from watchword.model.old_knocks import Signature, Signatures
from watchword.recognise.fingerprints import BrokenOptionsError, Option, options_of, systems

FILE = """\
# of our own making, in the format
S4:64:1:60:M*,S,T,N,W0:          Linux:2.4::Linux 2.4/2.6
S22:64:1:60:M*,S,T,N,W0:         Linux:2.2::Linux 2.2
%8192:128:1:48:M*,N,N,S:         Windows:2000:SP2+:Windows 2000
8192:64:1:44:M1460:              Eagle:::Eagle
*:128:1:64:M*,N,W*,N,N,T0,N,N,S: @Windows:XP:RFC1323:Windows XP
T4:64:1:60:M*:                   Other:::by the link
*:64:*:%4:M%4,?2:                Any:::anything
"""
V4, V6 = bytes(4), bytes(16)
LINUX = "020405B40402080A012046E40000000001030300"


def signatures(text: str = FILE) -> tuple[Signature, ...]:
    complaints = Complaints()
    found = pf_os.read(text, "pf.os", complaints)
    assert complaints.listed() == ()
    return found


def names(
    length: int, ttl: int, window: int, options: str, *, whole: bool = True, source: bytes = V4
) -> set[str]:
    look = Look(ttl, length, whole, window, bytes.fromhex(options))
    hit = Hit(source, source, 6, 22, look=look)
    return {each.partition(":")[0] for each in systems(hit, Signatures(signatures()))}


@pytest.mark.requirement("8.23", partial=True)
@pytest.mark.parametrize(
    ("length", "ttl", "window", "options", "found"),
    [
        (60, 47, 5840, LINUX, {"Linux", "Any"}),
        (60, 44, 5840, LINUX, set()),
        (60, 45, 5840, LINUX, {"Linux", "Any"}),
        (60, 65, 5840, LINUX, set()),
        (60, 55, 32120, LINUX, {"Linux", "Any"}),
        (60, 55, 32121, LINUX, {"Any"}),
        (48, 113, 16384, "020405A001010402", {"Windows"}),
        (44, 51, 8192, "020405B4", {"Eagle", "Any"}),
        (64, 116, 44620, "020405B4010303030101080A000000000000000001010402", {"@Windows"}),
        (64, 116, 44620, "020405B4010303030101080A000000010000000001010402", set()),
        (60, 64, 64240, "020405B40402080AAABBCCDD0000000001030307", {"Any"}),
        (60, 47, 5840, "", set()),
        (60, 47, 5840, "0101", set()),
    ],
)
def test_a_look_is_that_of_every_system_whose_signature_fits(
    length: int, ttl: int, window: int, options: str, found: set[str]
) -> None:
    assert names(length, ttl, window, options) == found


def test_a_packet_that_may_be_taken_to_pieces_is_another_look() -> None:
    assert names(60, 47, 5840, LINUX, whole=False) == {"Any"}


def test_of_ipv6_the_longer_header_is_taken_off_and_df_is_not_asked_for() -> None:
    assert names(80, 47, 5840, LINUX, whole=False, source=V6) == {"Linux", "Any"}
    assert names(60, 47, 5840, LINUX, source=V6) == {"Any"}


def test_options_are_read_to_their_end() -> None:
    assert options_of(bytes.fromhex("020405B4010303070402")) == [
        Option("M", 1460), Option("N"), Option("W", 7), Option("S"),
    ]  # fmt: skip
    assert options_of(bytes.fromhex("0204059900020405B4")) == [Option("M", 0x599)]
    assert options_of(bytes.fromhex("FE04AABB0101")) == [
        Option("?", 0xAABB), Option("N"), Option("N"),
    ]  # fmt: skip
    assert options_of(bytes.fromhex("0102")) == [Option("N")]


@pytest.mark.parametrize("octets", ["0200", "0201", "01010300"])
def test_an_option_without_a_length_voids_the_look(octets: str) -> None:
    with pytest.raises(BrokenOptionsError):
        options_of(bytes.fromhex(octets))
    assert names(60, 47, 5840, octets) == set()


def test_lines_that_go_by_the_link_are_passed_over() -> None:
    assert "Other:::by the link" not in {each.name for each in signatures()}


@pytest.mark.parametrize(
    "line",
    [
        "S4:64:1:60:M*,S", "S4:64:1:60:M*: ", "S0:64:1:60:M*: x", "*:0:1:60:M*: x",
        "*:64:2:60:M*: x", "*:64:1:S4:M*: x", "*:64:1:%0:M*: x", "*:64:1:60:m: x",
        "*:64:1:60:M*,,N: x", "9999999:64:1:60:M*: x",
    ],
)  # fmt: skip
def test_a_line_that_is_no_signature_is_remarked_on_and_passed_over(line: str) -> None:
    complaints = Complaints()
    found = pf_os.read(f"{line}\n{FILE}", "pf.os", complaints)
    assert found == signatures()
    [complaint] = complaints.listed()
    assert not complaint.fatal
    assert str(complaint).startswith("pf.os:1: no signature")
