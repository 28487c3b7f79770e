"""IP packets for raw sending: what is refused, and the checksums against RFC and arithmetic.

Byte for byte against the packaged client: test_vectors_carriers. Whether a
kernel takes them: tests/system/test_raw_packets.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from ipaddress import ip_address

import pytest

from watchword.wire.carriers.headers import Ends, Ports, icmp_packet, tcp_packet, udp_packet
from watchword.wire.frames import Link, packet_of

FOUR = Ends(ip_address("192.0.2.7"), ip_address("198.51.100.1"))
SIX = Ends(ip_address("2001:db8::7"), ip_address("2001:db8::1"))
NOBODY = Ends(ip_address("0.0.0.0"), ip_address("198.51.100.1"))
PORTS = Ports(40000, 62201)
BOTH = pytest.mark.parametrize("ends", [FOUR, SIX], ids=["IPv4", "IPv6"])


def folded(octets: bytes) -> int:
    """The sum over whatever a right checksum is part of: 0xFFFF (RFC 1071, section 1)."""
    even = octets + b"\0" * (len(octets) % 2)
    total = sum(int.from_bytes(even[at : at + 2], "big") for at in range(0, len(even), 2))
    return (total - 1) % 0xFFFF + 1 if total else 0


def summed(packet: bytes) -> int:
    """The same over content and pseudo header."""
    if packet[0] >> 4 == 4:
        content, protocol, addresses = packet[20:], packet[9], packet[12:20]
    else:
        content, protocol, addresses = packet[40:], packet[6], packet[8:40]
    return folded(addresses + struct.pack("!II", len(content), protocol) + content)


@BOTH
@pytest.mark.parametrize("payload", [b"", b"A", b"AB", bytes(255), b"\xff" * 1400])
def test_checksums_add_up(ends: Ends, payload: bytes) -> None:
    for make in (udp_packet, tcp_packet):
        assert summed(make(payload, ends, PORTS, checksums=True)) == 0xFFFF
    for kind, code in ((None, 0), (8, 0), (128, 0), (123, 123)):
        message = icmp_packet(payload, ends, kind=kind, code=code, echo_id=7)
        assert (folded(message[20:]) if ends is FOUR else summed(message)) == 0xFFFF


def test_the_checksum_of_an_ipv4_header_is_always_there() -> None:
    for packet in (
        udp_packet(b"x", FOUR, PORTS, identification=65535),
        tcp_packet(b"x", NOBODY, PORTS),
        icmp_packet(b"x", FOUR),
    ):
        assert folded(packet[:20]) == 0xFFFF


def test_ipv6_has_the_plainest_header_there_is() -> None:
    """No traffic class, no flow label, 9 bytes of UDP, 255 hops."""
    assert udp_packet(b"x", SIX, PORTS)[:8] == bytes.fromhex("60000000 0009 11 ff")


def test_a_udp_checksum_that_comes_out_as_nothing_is_written_as_all_ones() -> None:
    packets = [udp_packet(struct.pack("!H", word), SIX, PORTS) for word in range(65536)]
    sums = {each[46:48] for each in packets}
    assert b"\0\0" not in sums
    assert b"\xff\xff" in sums


def test_ipv4_leaves_the_udp_and_tcp_checksums_out_and_ipv6_cannot() -> None:
    assert udp_packet(b"x", FOUR, PORTS)[26:28] == b"\0\0"
    assert tcp_packet(b"x", FOUR, PORTS)[36:38] == b"\0\0"
    assert udp_packet(b"x", SIX, PORTS) == udp_packet(b"x", SIX, PORTS, checksums=True)
    assert tcp_packet(b"x", SIX, PORTS) == tcp_packet(b"x", SIX, PORTS, checksums=True)


SEED_TRACE = bytes.fromhex(
    "451000bd 00004000 40013c2e 7f000001 7f000001 7b7be66f 00000000 2b636a6f"
    "50496138 7345 7a35 4864 7955 5176 624b 6637 6f51 5934 4e36 4c6c 3454 6931 4453"
    "2b4f 3756 6636 4775 6234 756f 6738 4432 3155 4377 5259 6b52 2b30 354b 7043 6b33"
    "4f66 452f 4f32 6737 6d37 5064 4846 4842 7a32 4745 3766 7a31 4a4c 7652 764e 626c"
    "7a4a 7250 5355 3665 5051 5375 7a54 394b 702b 4446 4a79 7a6b 3847 6c51 6a70 3564"
    "3957 3673 4f52 7945 3771 6f57 6b56 634e 4e41 6167 6231 5a79 6a63 4834 49"
)
"""What tcpdump saw of a perl client's packet of type 123, code 123, in the ChangeLog of 1.9.11."""


@pytest.mark.requirement("5.9", partial=True)
@pytest.mark.requirement("5.11", partial=True)
def test_an_icmp_message_is_built_as_the_perl_client_built_it() -> None:
    """161 characters, "length 169": from the ICMP header on, the sum included, octet for octet."""
    home = ip_address("127.0.0.1")
    packet = icmp_packet(SEED_TRACE[28:], Ends(home, home), kind=123, code=123)
    assert len(SEED_TRACE[20:]) == 169
    assert packet[20:] == SEED_TRACE[20:]
    assert (packet[9], packet[12:20]) == (SEED_TRACE[9], SEED_TRACE[12:20])


def test_only_an_echo_request_has_an_id_and_a_sequence() -> None:
    def numbers(ends: Ends, kind: int | None, code: int = 0) -> tuple[int, ...]:
        start = 24 if ends is FOUR else 44
        packet = icmp_packet(b"x", ends, kind=kind, code=code, echo_id=27900)
        return struct.unpack("!HH", packet[start : start + 4])

    assert numbers(FOUR, 8) == numbers(SIX, 128) == (27900, 1)
    for ends, kind, code in (
        (FOUR, None, 0),
        (FOUR, 8, 1),
        (FOUR, 128, 0),
        (SIX, 8, 0),
        (SIX, None, 0),
    ):
        assert numbers(ends, kind, code) == (0, 0)


def test_an_echo_reply_is_what_each_family_calls_one() -> None:
    assert icmp_packet(b"x", FOUR)[20:22] == b"\x00\x00"
    assert icmp_packet(b"x", SIX)[40:42] == b"\x81\x00"


@BOTH
@pytest.mark.parametrize("make", [udp_packet, tcp_packet])
def test_what_does_not_fit_into_one_packet_is_refused(
    ends: Ends, make: Callable[..., bytes]
) -> None:
    header = (20 if ends is FOUR else 0) + (8 if make is udp_packet else 20)
    longest = b"A" * (65535 - header)
    found = packet_of(make(longest, ends, PORTS, checksums=True), Link.RAW)
    assert found is not None
    assert found.payload == longest
    for checksums in (False, True):
        with pytest.raises(ValueError, match="too long"):
            make(longest + b"A", ends, PORTS, checksums=checksums)


@BOTH
def test_an_icmp_message_that_does_not_fit_is_refused(ends: Ends) -> None:
    longest = b"A" * (65535 - 8 - (20 if ends is FOUR else 0))
    assert packet_of(icmp_packet(longest, ends), Link.RAW)
    with pytest.raises(ValueError, match="too long"):
        icmp_packet(longest + b"A", ends)


def test_a_source_that_the_kernel_is_to_fill_in_can_have_no_checksum_over_it() -> None:
    nobody_in_six = Ends(ip_address("::"), ip_address("2001:db8::1"))
    assert udp_packet(b"x", NOBODY, PORTS)[12:16] == bytes(4)
    assert tcp_packet(b"x", NOBODY, PORTS)[12:16] == bytes(4)
    assert icmp_packet(b"x", NOBODY)[12:16] == bytes(4)
    for make in (udp_packet, tcp_packet):
        with pytest.raises(ValueError, match="not known"):
            make(b"x", NOBODY, PORTS, checksums=True)
        with pytest.raises(ValueError, match="not known"):
            make(b"x", nobody_in_six, PORTS)
    with pytest.raises(ValueError, match="not known"):
        icmp_packet(b"x", nobody_in_six)


@pytest.mark.parametrize("port", [-1, 0, 65536])
def test_a_port_that_is_none_is_refused_on_either_side(port: int) -> None:
    with pytest.raises(ValueError, match="port"):
        Ports(port, 62201)
    with pytest.raises(ValueError, match="port"):
        Ports(40000, port)


@pytest.mark.parametrize(
    "numbers",
    [
        {"kind": 256}, {"kind": -1}, {"code": 256}, {"code": -1},
        {"echo_id": 65536}, {"echo_id": -1}, {"identification": 65536}, {"identification": -1},
    ],
)  # fmt: skip
def test_a_number_out_of_its_range_is_refused(numbers: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="outside 0 to"):
        icmp_packet(b"x", FOUR, **numbers)


def test_two_families_are_no_way() -> None:
    with pytest.raises(ValueError, match="different families"):
        Ends(FOUR.source, SIX.destination)
