"""Frames and capture files, built by hand from the formats' own documents."""

from __future__ import annotations

import struct
from ipaddress import IPv4Address, IPv6Address

import pytest

from watchword.errors import OperatorError
from watchword.model.packets import Packet
from watchword.wire.frames import Link, packet_of
from watchword.wire.pcap import packets, records

PAYLOAD = b"what was said"
FOUR = ("192.0.2.7", "198.51.100.1")
SIX = ("2001:db8::7", "2001:db8::1")


def udp(payload: bytes = PAYLOAD) -> bytes:
    return struct.pack("!HHHH", 40000, 62201, 8 + len(payload), 0) + payload


def tcp(payload: bytes = PAYLOAD, options: bytes = b"", words: int = 5) -> bytes:
    offset = (words + len(options) // 4) << 4
    return struct.pack("!HHIIBBHHH", 40000, 62201, 1, 0, offset, 2, 512, 0, 0) + options + payload


def icmp(payload: bytes = PAYLOAD, kind: int = 8, code: int = 0) -> bytes:
    return struct.pack("!BBHHH", kind, code, 0, 1, 1) + payload


def ipv4(content: bytes, protocol: int = 17, *, options: bytes = b"", fragment: int = 0) -> bytes:
    size = 20 + len(options)
    head = struct.pack(
        "!BBHHHBBH", 0x40 | size // 4, 0, size + len(content), 1, fragment, 64, protocol, 0
    )
    return head + b"".join(IPv4Address(each).packed for each in FOUR) + options + content


def ipv6(content: bytes, protocol: int = 17) -> bytes:
    head = struct.pack("!IHBB", 0x60000000, len(content), protocol, 64)
    return head + b"".join(IPv6Address(each).packed for each in SIX) + content


def ethernet(content: bytes, kind: int = 0x0800, *tags: int) -> bytes:
    return (
        bytes(12)
        + b"".join(struct.pack("!HH", tag, 5) for tag in tags)
        + struct.pack("!H", kind)
        + content
    )


def ppp(content: bytes, protocol: int = 0x0021) -> bytes:
    return struct.pack("!H", protocol) + content


def pppoe(content: bytes, kind: int = 0x1100, more: int = 0) -> bytes:
    return struct.pack("!HHH", kind, 7, len(content) + more) + content


def extension(following: int, number: int = 0) -> bytes:
    """An IPv6 extension header of ``8 * (number + 1)`` bytes."""
    return bytes((following, number)) + bytes(6 + 8 * number)


def packet(addresses: tuple[str, str], protocol: int, ports: bool = True) -> Packet:
    source, destination = addresses
    given = (40000, 62201) if ports else (0, 0)
    return Packet(PAYLOAD, source, given[0], destination, given[1], protocol)


V4, V6 = packet(FOUR, 17), packet(SIX, 17)


@pytest.mark.parametrize(
    ("link", "frame", "expected"),
    [
        (Link.ETHERNET, ethernet(ipv4(udp())), V4),
        (Link.ETHERNET, ethernet(ipv6(udp()), 0x86DD), V6),
        (Link.ETHERNET, ethernet(ipv4(udp()), 0x0800, 0x8100), V4),
        (Link.ETHERNET, ethernet(ipv6(udp()), 0x86DD, 0x88A8, 0x8100), V6),
        (Link.ETHERNET, ethernet(ipv4(udp())) + b"\xde\xad\xbe\xef", V4),  # frame check sequence
        (Link.RAW, ipv4(udp()), V4),
        (Link.RAW_BSD, ipv6(udp()), V6),
        (Link.IPV4, ipv4(udp()), V4),
        (Link.IPV6, ipv6(udp()), V6),
        (Link.LINUX_COOKED, bytes(14) + b"\x08\x00" + ipv4(udp()), V4),
        (Link.LINUX_COOKED, bytes(14) + b"\x86\xdd" + ipv6(udp()), V6),
        (Link.LINUX_COOKED_2, b"\x08\x00" + bytes(18) + ipv4(udp()), V4),
        (Link.LINUX_COOKED_2, b"\x86\xdd" + bytes(18) + ipv6(udp()), V6),
        (Link.LINUX_COOKED, bytes(14) + b"\x81\x00\0\5\x08\x00" + ipv4(udp()), V4),
        (Link.ETHERNET, ethernet(pppoe(ppp(ipv4(udp()))), 0x8864), V4),
        (Link.ETHERNET, ethernet(pppoe(ppp(ipv6(udp()), 0x0057)), 0x8864, 0x8100), V6),
        (Link.PPPOE, pppoe(ppp(ipv4(udp()))) + bytes(9), V4),  # padding
        (Link.PPP, ppp(ipv4(udp())), V4),
        (Link.PPP, b"\xff\x03" + ppp(ipv6(udp()), 0x0057), V6),
        (Link.PPP_SERIAL, b"\xff\x03" + ppp(ipv4(udp())), V4),
        (Link.NULL, b"\x02\0\0\0" + ipv4(udp()), V4),
        (Link.LOOP, b"\0\0\0\x18" + ipv6(udp()), V6),
        (Link.RAW, ipv4(tcp(), 6), packet(FOUR, 6)),
        (Link.RAW, ipv4(tcp(options=bytes(12)), 6), packet(FOUR, 6)),
        (Link.RAW, ipv4(icmp(), 1), packet(FOUR, 1, ports=False)),
        (Link.RAW, ipv6(icmp(), 58), packet(SIX, 58, ports=False)),
        (Link.RAW, ipv4(icmp(kind=123, code=123), 1), packet(FOUR, 1, ports=False)),
        (Link.RAW, ipv4(udp(), options=bytes(8)), V4),
        (Link.RAW, ipv4(tcp(), 6, options=bytes(40)), packet(FOUR, 6)),
        (Link.RAW, ipv4(udp(), fragment=0x4000), V4),  # "do not fragment"
        (Link.RAW, ipv6(b"\x11\0" + bytes(6) + udp(), 0), V6),
        (Link.RAW, ipv6(b"\x3c\0" + bytes(6) + b"\x11\x01" + bytes(14) + udp(), 0), V6),
        *(
            (Link.RAW, ipv6(extension(17, 1) + udp(), number), V6)
            for number in (0, 43, 60, 135, 139, 140)
        ),
        (Link.RAW, ipv6(b"\x11\4" + bytes(22) + udp(), 51), V6),  # authentication, in words of 4
        (Link.RAW, ipv6(b"\x11\0\0\0" + bytes(4) + udp(), 44), V6),
        (Link.RAW, ipv6(bytes(8) * 7 + b"\x11" + bytes(7) + udp(), 0), V6),
    ],
)
def test_a_payload_is_found(link: Link, frame: bytes, expected: Packet) -> None:
    assert packet_of(frame, link) == expected


@pytest.mark.parametrize(
    ("link", "frame"),
    [
        (Link.ETHERNET, ethernet(ipv4(udp()), 0x0806)),
        (Link.ETHERNET, ethernet(ipv4(udp()), 0x0800, 0x8100, 0x8100, 0x8100)),
        (Link.LINUX_COOKED, bytes(14) + b"\x08\x06" + ipv4(udp())),
        (Link.LINUX_COOKED_2, b"\x08\x06" + bytes(18) + ipv4(udp())),
        (Link.RAW, b"\x55" + ipv4(udp())[1:]),
        (Link.RAW, b"\x44" + ipv4(udp())[1:]),
        (Link.RAW, ipv4(udp(), fragment=0x2000)),
        (Link.RAW, ipv4(udp(), fragment=0x0001)),
        (Link.RAW, ipv4(udp(), 47)),
        (Link.RAW, ipv4(udp(b""))),
        (Link.RAW, ipv4(tcp(b""), 6)),
        (Link.RAW, ipv4(icmp(b""), 1)),
        (Link.RAW, ipv4(icmp(b"")[:7], 1)),
        (Link.RAW, ipv6(icmp(b""), 58)),
        (Link.RAW, ipv4(tcp(words=4), 6)),
        (Link.RAW, ipv4(tcp(words=15), 6)),
        (Link.PPP, ppp(ipv4(udp()), 0xC021)),
        (Link.PPPOE, pppoe(ppp(ipv4(udp())), 0x11A7)),
        (Link.PPPOE, pppoe(ppp(ipv4(udp())), more=1)),
        (Link.PPPOE, pppoe(ppp(ipv4(udp())), more=-1)),
        (Link.ETHERNET, ethernet(pppoe(ppp(ipv4(udp()))), 0x8863)),
        (Link.RAW, ipv6(extension(17)[:7], 0)),
        (Link.RAW, ipv6(b"\x11\x09" + bytes(6) + udp(), 60)),
        (Link.RAW, ipv6(b"\x11\0\0\x01" + bytes(4) + udp(), 44)),
        (Link.RAW, ipv6(b"\0\0" + bytes(6), 0)),
        (Link.RAW, ipv6(bytes(8) * 8 + b"\x11" + bytes(7) + udp(), 0)),
    ],
)
def test_what_carries_no_payload_is_none(link: Link, frame: bytes) -> None:
    assert packet_of(frame, link) is None


@pytest.mark.requirement("6.9", partial=True)
@pytest.mark.parametrize("octets", [1, 140, 1500])
def test_eight_bytes_of_icmp_header_are_enough(octets: int) -> None:
    """Of an echo request, as of any other kind; what follows them is the payload, all of it."""
    payload = bytes(range(256)) * 6
    found = packet_of(ipv4(icmp(payload[:octets]), 1), Link.RAW)
    assert found == Packet(payload[:octets], FOUR[0], 0, FOUR[1], 0, 1)


@pytest.mark.parametrize("checksum", [0x0000, 0xFFFF, 0x1234])
def test_no_checksum_keeps_a_packet_from_being_read(checksum: int) -> None:
    """Compatible senders leave them out, and network cards put them in after the capture."""
    wrong = struct.pack("!H", checksum)
    segment, message, datagram = tcp(), icmp(), udp()
    for content, protocol in (
        (segment[:16] + wrong + segment[18:], 6),
        (message[:2] + wrong + message[4:], 1),
        (datagram[:6] + wrong + datagram[8:], 17),
    ):
        whole = ipv4(content, protocol)
        found = packet_of(whole[:10] + wrong + whole[12:], Link.RAW)
        assert found is not None
        assert (found.payload, found.protocol) == (PAYLOAD, protocol)


@pytest.mark.parametrize("link", Link)
@pytest.mark.parametrize("whole", [ethernet(ipv4(tcp(), 6)), ipv4(udp()), ipv6(udp()), bytes(99)])
def test_a_frame_cut_anywhere_is_no_error(link: Link, whole: bytes) -> None:
    for size in range(len(whole)):
        found = packet_of(whole[:size], link)
        assert found is None or link is not Link.RAW


def capture(*frames: bytes, order: str = "<", nano: bool = False, link: int = 101) -> bytes:
    magic = 0xA1B23C4D if nano else 0xA1B2C3D4
    ticks = 250_000_000 if nano else 250_000
    result = struct.pack(f"{order}IHHiIII", magic, 2, 4, 0, 0, 65535, link)
    for frame in frames:
        result += struct.pack(f"{order}IIII", 1700000000, ticks, len(frame), len(frame)) + frame
    return result


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("nano", [False, True])
def test_a_capture_file_of_either_order_and_either_clock_is_read(order: str, nano: bool) -> None:
    data = capture(ipv4(udp()), ipv4(b"", 47), ipv6(udp()), order=order, nano=nano)
    assert list(packets(data)) == [(1700000000.25, V4), (1700000000.25, V6)]
    assert [each.frame for each in records(data)] == [ipv4(udp()), ipv4(b"", 47), ipv6(udp())]


ON_LOOPBACK = """
d4c3b2a10200040000000000000000000000040001000000008c016b34260c00
2c0000002c00000000000000000000000000000008004500001ed9df40004011
62ed7f0000017f000001d903f2f9000afe1d6869008c016bb6270c0040000000
4000000000000000000000000000000086dd6000075b000a1140000000000000
0000000000000000000100000000000000000000000000000001d903f2f9000a
001d6869"""
ON_ANY = """
d4c3b2a10200040000000000000000000000040014010000008c016b34260c00
320000003200000008000000000000010304000600000000000000004500001e
d9df4000401162ed7f0000017f000001d903f2f9000afe1d6869008c016bb527
0c00460000004600000086dd0000000000010304000600000000000000006000
075b000a11400000000000000000000000000000000100000000000000000000
000000000001d903f2f9000a001d6869"""


@pytest.mark.parametrize("written", [ON_LOOPBACK, ON_ANY], ids=["-i lo", "-i any"])
def test_a_file_that_tcpdump_wrote_is_read(written: str) -> None:
    """Written by tcpdump 4.99 in a network namespace: "hi" over IPv4, then over IPv6."""
    (at, first), (_, second) = packets(bytes.fromhex(written))
    assert first == Packet(b"hi", "127.0.0.1", 55555, "127.0.0.1", 62201, 17)
    assert second == Packet(b"hi", "::1", 55555, "::1", 62201, 17)
    assert at == pytest.approx(1795263488.796212)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "not a capture file"),
        (b"\xa1\xb2\xc3\xd4", "not a capture file"),
        (b"GIF89a" + bytes(40), "not a capture file"),
        (b"\x0a\x0d\x0d\x0a" + bytes(40), "pcapng"),
        (capture(link=147), "link type 147"),
        (capture(ipv4(udp())) + b"\0" * 15, "ends within packet 2"),
        (capture(ipv4(udp()))[:-1], "ends within packet 1"),
        (capture() + struct.pack("<IIII", 0, 0, 262145, 262145) + bytes(300000), "damaged"),
    ],
)
def test_a_file_that_cannot_be_read_is_the_operators_to_mend(data: bytes, words: str) -> None:
    with pytest.raises(OperatorError, match=words):
        list(packets(data))


def test_pcapng_is_answered_with_the_command_that_converts_it() -> None:
    with pytest.raises(OperatorError) as refused:
        list(packets(b"\x0a\x0d\x0d\x0a" + bytes(40)))
    assert refused.value.complaints[0].hint == "convert it: tcpdump -r in.pcapng -w out.pcap"


def test_what_was_read_before_the_damage_is_not_lost() -> None:
    reader = packets(capture(ipv4(udp())) + b"\0")
    assert next(reader)[1] == V4
    with pytest.raises(OperatorError):
        next(reader)
