"""Lines of the kernel's log, and packets, to hits: who may have written a line, what is in it."""

from __future__ import annotations

import struct
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchword.model.hits import Hit, Look
from watchword.wire.hits import hit_of
from watchword.wire.kernel_log import Logged, Other, Stamps, read

HEAD = "Nov 21 09:17:20 fw kernel: [2435.015271] "
MAC = "MAC=02:00:00:00:00:01:02:00:00:00:00:02:08:00 "
V4 = f"DROP IN=eth0 OUT= {MAC}SRC=10.77.0.11 DST=10.77.0.1 LEN=60 TOS=0x00 PREC=0x00 TTL=64 ID=9 "
V6 = (
    f"DROP IN=eth0 OUT= {MAC}SRC=2001:0db8:0000:0000:0000:0000:0000:0007 "
    "DST=2001:0db8:0000:0000:0000:0000:0000:0001 LEN=80 TC=0 HOPLIMIT=63 FLOWLBL=511 "
)
SYN = "PROTO=TCP SPT=38668 DPT=61083 WINDOW=64240 RES=0x00 SYN URGP=0 OPT (020405B40402080A)"
WHOLE = f"{HEAD}{V4}DF {SYN}"
ONE, HERE = ip_address("10.77.0.11").packed, ip_address("10.77.0.1").packed
OPTIONS = bytes.fromhex("020405B40402080A")


def hit_in(line: str) -> Hit:
    found = read(line)
    assert isinstance(found, Logged), found
    return found.hit


@pytest.mark.requirement("8.22", partial=True)
def test_the_line_of_the_manual_is_read() -> None:
    found = read(WHOLE)
    look = Look(64, 60, True, 64240, OPTIONS)
    assert found == Logged(Hit(ONE, HERE, 6, 61083, 38668, -1, look, "eth0"), 2435.015271)


def test_ipv6_is_read_as_well() -> None:
    look = Look(63, 80, True, 64240, OPTIONS)
    ends = ip_address("2001:db8::7").packed, ip_address("2001:db8::1").packed
    assert hit_in(f"{HEAD}{V6}{SYN}") == Hit(*ends, 6, 61083, 38668, -1, look, "eth0")
    echo = hit_in(f"{HEAD}{V6}PROTO=ICMPv6 TYPE=128 CODE=0 ID=1 SEQ=1")
    assert (echo.protocol, echo.port) == (1, 0)


def test_datagrams_echoes_and_segments_of_any_flags_are_hits() -> None:
    assert hit_in(f"{HEAD}{V4}PROTO=UDP SPT=5 DPT=7001 LEN=9") == Hit(
        ONE, HERE, 17, 7001, 5, interface="eth0"
    )
    assert hit_in(f"{HEAD}{V4}PROTO=ICMP TYPE=8 CODE=0 ID=1 SEQ=1") == Hit(
        ONE, HERE, 1, 0, interface="eth0"
    )
    other = hit_in(f"{HEAD}{V4}PROTO=TCP SPT=1 DPT=2 WINDOW=0 RES=0x00 ACK FIN URGP=0 ")
    assert (other.port, other.look) == (2, None)


def test_sequence_numbers_and_options_of_ip_do_no_harm() -> None:
    found = hit_in(
        f"{HEAD}{V4}DF OPT (94040000) PROTO=TCP SPT=1 DPT=2 SEQ=4294967295 ACK=0 "
        "WINDOW=1 RES=0x00 SYN URGP=0 MARK=0x1 "
    )
    assert (found.port, found.sequence) == (2, 0xFFFFFFFF)


@pytest.mark.parametrize(
    "head",
    [
        "2026-11-21T09:17:20.123456+00:00 fw kernel: [ 2435.015271] ",
        "<4>Nov 21 09:17:20 fw kernel: ",
        "<6>1 2026-11-21T09:17:20Z fw kernel - - - [2435.015271] ",
        "Nov 21 09:17:20 2001:db8::1 kernel: ",
        "kernel: ",
    ],
)
def test_a_line_may_have_any_head_that_syslog_gives_it(head: str) -> None:
    assert hit_in(f"{head}{V4}{SYN}").port == 61083


@pytest.mark.parametrize(
    "head",
    [
        "Nov 21 09:17:20 fw mallory: kernel: ",
        "Nov 21 09:17:20 fw mallory[123]: kernel: ",
        "Nov 21 09:17:20 mallory: kernel: ",
        "Nov 21 09:17:20 fw kernel[1]: ",
        "<14>Nov 21 09:17:20 fw kernel: ",
        "<8>Nov 21 09:17:20 fw kernel: ",
        "Nov 21 09:17:20 fw kernel-tool: ",
        "Nov 21 09:17:20 fw sshd[1]: Invalid user kernel: ",
        "",
    ],
)
def test_a_line_that_somebody_else_wrote_is_not_the_kernels(head: str) -> None:
    assert read(f"{head}{V4}{SYN}") is Other.FOREIGN


@pytest.mark.parametrize(
    "text",
    [
        'audit: type=1400 audit(1.2:3): name="',
        "audit: type=1400 comm=",
        "systemd[1]: unit 'x' said: ",
    ],
)
def test_what_the_kernel_quotes_of_others_is_no_packet(text: str) -> None:
    assert read(f"{HEAD}{text}{V4}{SYN}") is Other.UNREADABLE


@pytest.mark.parametrize(
    "text",
    [
        f"{V4}PROTO=2 ",
        f"{V4}PROTO=ESP SPI=0x1 ",
        f"{V4}FRAG:185 PROTO=TCP ",
        f"{V4}PROTO=TCP INCOMPLETE [8 bytes] ",
        f"{V4}PROTO=TCP SPT=1 DPT=65536 WINDOW=1 RES=0x00 SYN URGP=0",
        f"{V4}PROTO=TCP SPT=1 DPT=2 WINDOW=1 RES=0x00 URGP=0",
        f"{V4}PROTO=TCP SPT=1 DPT=2 WINDOW=1 RES=0x00 SYX URGP=0",
        f"{V4}PROTO=ICMP TYPE=3 CODE=3 [SRC=1.2.3.4 DST=1.2.3.4 LEN=60 PROTO={SYN}]",
        f"{V4}PROTO=ICMPv6 TYPE=128 CODE=0 ",
        f"{V6}PROTO=ICMP TYPE=8 CODE=0 ",
        V4.replace("SRC=10.77.0.11", "SRC=10.77.0.256") + SYN,
        V4.replace("SRC=10.77.0.11", "SRC=::1") + SYN,
        V4.replace("IN=eth0", "IN=") + SYN,
        "DROP OUT=eth0 IN=eth1 and nothing else",
    ],
)
def test_what_is_not_understood_is_passed_over(text: str) -> None:
    assert read(HEAD + text) is Other.UNREADABLE


def test_what_is_not_about_packets_is_something_else() -> None:
    assert read(f"{HEAD}eth0: link up") is Other.UNCONCERNED


def test_only_rules_with_the_right_prefix_count_where_there_is_one() -> None:
    assert read(WHOLE, ("DROP ",)) != Other.UNCONCERNED
    assert read(WHOLE, ("KNOCK ", "DROP")) != Other.UNCONCERNED
    assert read(WHOLE, ("KNOCK ",)) is Other.UNCONCERNED


def test_options_that_are_cut_are_none() -> None:
    look = hit_in(f"{HEAD}{V4}{SYN.replace('080A)', '080)')}").look
    assert look is not None
    assert look.options == b""


@given(st.text(max_size=300) | st.text("IN=OUT SRC.0:1[]PROTO=TCP ", max_size=300))
def test_any_line_is_something(text: str) -> None:
    for line in (text, HEAD + text, HEAD + V4 + text):
        assert isinstance(read(line), (Logged, Other))


def test_the_time_of_a_line_is_the_kernels_not_that_of_reading_it() -> None:
    stamps = Stamps()

    def read_at(now: float, *written: float | None) -> list[float]:
        for stamp in written:
            stamps.note(stamp, now)
        return [stamps.at(stamp, now) for stamp in written]

    assert read_at(105.0, 2000.0, 2003.0) == [102.0, 105.0]
    assert read_at(110.0, 2004.5) == [106.5]
    assert read_at(111.0, None) == [111.0]
    assert read_at(120.0, 3.0) == [120.0]  # the machine began anew
    assert read_at(130.0, 5.0) == [122.0]


# --- packets ---------------------------------------------------------------


def ipv4(content: bytes, protocol: int, fragment: int = 0x4000, options: bytes = b"") -> bytes:
    length = 20 + len(options) + len(content)
    head = struct.pack(
        "!BBHHHBBH", 0x45 + len(options) // 4, 0, length, 1, fragment, 64, protocol, 0
    )
    return head + ONE + HERE + options + content


def ipv6(content: bytes, protocol: int) -> bytes:
    return struct.pack("!IHBB", 6 << 28, len(content), protocol, 63) + bytes(32) + content


def tcp(flags: int = 2, options: bytes = OPTIONS) -> bytes:
    offset = 5 + len(options) // 4
    return struct.pack("!HHIIBBHHH", 40000, 61083, 7, 0, offset << 4, flags, 5840, 0, 0) + options


def test_a_syn_is_a_hit_with_a_look() -> None:
    look = Look(64, 48, True, 5840, OPTIONS)
    assert hit_of(ipv4(tcp(), 6), "eth0") == Hit(ONE, HERE, 6, 61083, 40000, 7, look, "eth0")
    assert hit_of(ipv4(tcp(), 6, fragment=0, options=bytes(4))) == Hit(
        ONE, HERE, 6, 61083, 40000, 7, Look(64, 52, False, 5840, OPTIONS)
    )
    six = hit_of(ipv6(tcp(), 6))
    assert six is not None
    assert six.look == Look(63, 68, True, 5840, OPTIONS)


def test_other_segments_are_hits_where_a_rule_says_which() -> None:
    found = hit_of(ipv4(tcp(flags=0x11), 6))
    assert found is not None
    assert found.look is None
    for flags in (0x11, 0x12, 0x10):
        assert hit_of(ipv4(tcp(flags), 6), beginnings=True) is None
    assert hit_of(ipv4(tcp(), 6), beginnings=True) is not None
    assert hit_of(ipv4(tcp(flags=0), 6)) is None


def test_datagrams_and_echo_requests_are_hits() -> None:
    assert hit_of(ipv4(struct.pack("!HHHH", 5, 7001, 9, 0) + b"0", 17)) == Hit(
        ONE, HERE, 17, 7001, 5
    )
    assert hit_of(ipv4(b"\x08\0\0\0", 1)) == Hit(ONE, HERE, 1, 0)
    assert hit_of(ipv6(b"\x80\0\0\0", 58)) == Hit(bytes(16), bytes(16), 1, 0)


def test_other_packets_are_none() -> None:
    for packet in (
        b"", b"\x45", ipv4(tcp(), 6)[:39], ipv4(tcp(), 6, fragment=185), ipv4(tcp(), 47),
        ipv4(b"\x03\0\0\0", 1), ipv4(b"\x80\0\0\0", 58), ipv6(b"\x08\0\0\0", 1),
        ipv6(tcp(), 0), ipv4(b"\0\1\0", 17), b"\x41" + ipv4(tcp(), 6)[1:],
    ):  # fmt: skip
        assert hit_of(packet) is None


@given(st.binary(max_size=120) | st.binary(max_size=100).map(lambda each: b"\x45" + each))
def test_any_bytes_are_a_hit_or_none(octets: bytes) -> None:
    found = hit_of(octets)
    assert found is None or len(found.source) in {4, 16}
