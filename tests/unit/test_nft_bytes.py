"""What goes to the kernel by netlink, byte by byte, and what comes back."""

from __future__ import annotations

import struct
import sys
from ipaddress import ip_address

import pytest

from watchword.edges.firewall.nft import attributes, conntrack, elements
from watchword.edges.firewall.nft.attributes import Request
from watchword.edges.firewall.nft.connections import Connection
from watchword.edges.firewall.nft.elements import Live, Place, Slot
from watchword.edges.firewall.nft.filters import without
from watchword.model.openings import Hole, Tag
from watchword.model.services import Service

SSH = Service.parse("tcp/22")
TAG = Tag("0123456789abcdef")
OPEN4 = Place(1, "watchword", "open4")
little_endian = pytest.mark.skipif(
    sys.byteorder != "little", reason="bytes of this test are little"
)


def test_a_key_is_source_protocol_and_port_each_padded_to_four_bytes() -> None:
    assert (
        elements.key(Hole(ip_address("192.0.2.7"), SSH)).hex(" ", 4) == "c0000207 06000000 00160000"
    )


def test_a_key_with_destination_has_it_behind_the_source() -> None:
    hole = Hole(ip_address("2001:db8::7"), Service.parse("udp/53"), ip_address("2001:db8::1"))
    assert elements.key(hole).hex(" ", 4) == (
        "20010db8 00000000 00000000 00000007 20010db8 00000000 00000000 00000001 11000000 00350000"
    )


@little_endian
def test_an_element_is_key_timeout_and_comment() -> None:
    key = elements.key(Hole(ip_address("192.0.2.7"), SSH))
    assert elements.opening_element(OPEN4, key, 60.0, TAG).hex(" ", 4) == (
        "40000180 "  # list element, nested
        "14000180 10000100 c0000207 06000000 00160000 "  # key, value
        "0c000400 00000000 0000ea60 "  # timeout: 60,000 ms
        "1a000600 00147777 3a303132 33343536 37383961 62636465 66000000"  # comment ww:<tag>
    )


@little_endian
def test_an_element_of_a_map_says_accept() -> None:
    key = elements.key(Hole(ip_address("192.0.2.7"), SSH))
    mapped = elements.opening_element(OPEN4._replace(verdicts=True), key, 60.0, TAG)
    assert "10000280 0c000280 08000100 00000001" in mapped.hex(" ", 4)


@pytest.mark.parametrize(
    ("seconds", "milliseconds"),
    [(60.0, 60_000), (0.0001, 1), (0.0015, 2), (0.3, 300), (1e6, 10**9)],
)
def test_time_is_rounded_up_to_milliseconds_and_never_to_none(
    seconds: float, milliseconds: int
) -> None:
    element = elements.opening_element(OPEN4, b"k" * 12, seconds, TAG)
    inner = attributes.fields(attributes.fields(element)[1])
    assert int.from_bytes(inner[4], "big") == milliseconds


@little_endian
def test_a_deletion_names_table_set_and_keys() -> None:
    [request] = elements.deletions(OPEN4, [b"KKKKKKKKKKKK"])
    assert request.kind == 10 << 8 | 14
    assert request.payload.hex(" ", 4) == (
        "0e000100 77617463 68776f72 64000000 "  # watchword
        "0a000200 6f70656e 34000000 "  # open4
        "1c000380 18000180 14000180 10000100 4b4b4b4b 4b4b4b4b 4b4b4b4b"
    )


def test_what_is_added_must_be_new() -> None:
    [request] = elements.additions(OPEN4, [b""])
    assert request.flags == attributes.NLM_F_CREATE | attributes.NLM_F_EXCL


def test_many_elements_are_several_messages_none_of_them_too_long() -> None:
    longest = elements.opening_element(OPEN4._replace(verdicts=True), b"K" * 40, 60.0, TAG)
    requests = list(elements.additions(OPEN4, [longest] * 1025))
    assert len(requests) == 3
    assert all(len(each.payload) < attributes.LONGEST_ATTRIBUTE for each in requests)


@little_endian
def test_a_transaction_has_a_beginning_an_end_and_one_answer() -> None:
    data = attributes.batch([Request(0x0A0C, 1, b"aaaa"), Request(0x0A0E, 2, b"bbbb", 0x400)], 7)
    assert data.hex(" ", 4) == (
        "14000000 10000100 07000000 00000000 0000000a "  # begin, for nf_tables
        "18000000 0c0a0100 08000000 00000000 01000000 61616161 "
        "18000000 0e0a0504 09000000 00000000 02000000 62626262 "  # asks for the answer
        "14000000 11000100 0a000000 00000000 0000000a"  # end
    )
    assert [each.sequence for each in attributes.decode(data)] == [7, 8, 9, 10]


def listed(*parts: bytes) -> list[Live]:
    inner = attributes.nest(1, *parts)
    return list(elements.listed(attributes.nest(3, inner)))


KEY = attributes.nest(1, attributes.attribute(1, b"KKKK"))


def test_a_listing_tells_key_time_left_and_tag() -> None:
    ends = attributes.attribute(5, (1500).to_bytes(8, "big"))
    comment = attributes.attribute(6, b"\x00\x14ww:" + TAG.encode() + b"\0")
    assert listed(KEY, ends, comment) == [Live(b"KKKK", 1.5, TAG)]


@pytest.mark.parametrize(
    "comment",
    [
        b"",
        b"\x00",
        b"\x00\x06alice\0",
        b"\x00\x14ww:0123456789ABCDEF\0",
        b"\x00\x14ww:0123456789abcdefg",
        b"\x00\x14wx:0123456789abcdef\0",
        b"\x01\x14ww:0123456789abcdef\0",
        b"\x00\x13ww:0123456789abcde\0",
        b"\x00\x14ww:0123456789 bcdef\0",
    ],
)
def test_only_exactly_our_comment_is_a_tag(comment: bytes) -> None:
    assert listed(KEY, attributes.attribute(6, comment)) == [Live(b"KKKK", None, None)]


def test_one_element_is_asked_for_by_its_key() -> None:
    request = elements.lookup(Slot(OPEN4, b"KKKK"))
    assert request.kind == 10 << 8 | 13
    assert request.flags == attributes.NLM_F_ACK


@pytest.mark.parametrize("port", [1, 0x01020304, 0xFFFFFFFF])
def test_the_filter_drops_what_we_caused_and_passes_the_rest(port: int) -> None:
    program = without(port)
    own = struct.pack("=IHHII", 20, 0x0A0C, 0, 1, port)
    other = struct.pack("=IHHII", 20, 0x0A0C, 0, 1, port - 1)
    assert run(program, own) == 0
    assert run(program, other) > 0


def run(program: bytes, packet: bytes) -> int:
    """The three instructions the filter consists of, as the kernel runs them."""
    accumulator, at = 0, 0
    while True:
        code, if_true, if_false, constant = struct.unpack_from("=HBBI", program, 8 * at)
        at += 1
        if code == 0x20:
            (accumulator,) = struct.unpack_from("!I", packet, constant)
        elif code == 0x15:
            at += if_true if accumulator == constant else if_false
        else:
            assert code == 0x06
            return int(constant)


def entry(status: int, *, state: int | None = None) -> bytes:
    ends = attributes.nest(
        1,
        attributes.attribute(1, ip_address("192.0.2.7").packed),
        attributes.attribute(2, ip_address("203.0.113.1").packed),
    )
    transport = attributes.nest(
        2,
        attributes.attribute(1, b"\x06"),
        attributes.attribute(2, (4000).to_bytes(2, "big")),
        attributes.attribute(3, (8022).to_bytes(2, "big")),
    )
    info = b""
    if state is not None:
        info = attributes.nest(4, attributes.nest(1, attributes.attribute(1, bytes((state,)))))
    return attributes.nest(1, ends, transport) + attributes.number(3, status) + info


def test_a_tracked_connection_is_read_as_its_peer_sees_it() -> None:
    expected = Connection(
        ip_address("192.0.2.7"), 4000, ip_address("203.0.113.1"), Service.parse("tcp/8022")
    )
    assert list(conntrack.read(entry(0x20, state=3))) == [expected]


@pytest.mark.parametrize(
    ("status", "state"),
    [(0x10, 3), (0x20, 7), (0x20, 8)],
    ids=["not led on", "time wait", "closed"],
)
def test_what_is_over_or_not_led_on_is_left_out(status: int, state: int) -> None:
    assert list(conntrack.read(entry(status, state=state))) == []
