"""Capture filters: what they let through, held against tcpdump and the kernel's rules."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator, Sequence
from functools import cache
from ipaddress import ip_address

import pytest

from tests.sealing import sealed
from watchword.dialects.pcap_filter import MOST_TESTS, NotUnderstoodError, parse
from watchword.edges.capture.libpcap import compiled, from_ip_on, reads_link_header
from watchword.edges.capture.sieve_code import compile_filter
from watchword.edges.programs import SystemPrograms
from watchword.errors import HostError, OperatorError
from watchword.model.commands import Account
from watchword.ports import Completed, Interest
from watchword.wire import bpf
from watchword.wire.bpf import Program
from watchword.wire.carriers.headers import Ends, Ports, icmp_packet, tcp_packet, udp_packet
from watchword.wire.spa.envelope import FIRST_CHARACTERS
from watchword.wire.spa.lengths import LONGEST, SHORTEST

FOURS = [ip_address(f"{net}.{host}") for net in ("192.0.2", "10.1.2", "10.1.3") for host in (1, 77)]
SIXES = [ip_address(each) for each in ("2001:db8::1", "2001:db8::2", "2001:db8:1::5", "fe80::1")]
PORTS = (22, 80, 443, 9999, 10000, 30000, 62200, 62201, 65535)
FILTERS = r"""
udp port 62201
udp dst portrange 10000-65535
port 62201
tcp port 62201
udp
tcp
icmp
icmp6
ip
ip6
host 192.0.2.1
src host 192.0.2.1 and udp port 62201
dst net 10.1.0.0/16
net 10.1
net 10.1.2.0 mask 255.255.255.0
net 2001:db8::/32
udp port 62201 or udp port 9999
udp port 62201 or 9999
tcp port (22 or 80 or 443)
not port 22
udp and not src host 192.0.2.1
udp and not (src host 192.0.2.1 or dst port 80)
src port 22 or dst port 80 and udp
src 192.0.2.1
dst 2001:db8::1
src or dst port 62201
src and dst port 62201
ip proto 17
ip proto \udp
ip6 proto 17
proto 6
less 100
greater 100
udp portrange 10000-30000
udp src portrange 30000-10000
udp dst port 62201 and greater 150
icmp or udp port 62201
!udp
udp && (port 80 || port 22)
host 10.1.2.1 or 10.1.3.77
ip host 10.1.2.77
ip6 host 2001:db8::2
not not udp
sctp port 80
""".strip().splitlines()
INTEREST = Interest(SHORTEST, LONGEST, FIRST_CHARACTERS, base64=True)


def ethertype(packet: bytes) -> int:
    return {4: 0x0800, 6: 0x86DD}.get(packet[0] >> 4, 0)


@cache
def packets() -> Sequence[bytes]:
    """Packets of every kind, some with wrong or rare headers; no header is cut."""
    chance = random.Random(1)

    def one() -> bytes:
        pool = chance.choice([FOURS, SIXES])
        ends = Ends(chance.choice(pool), chance.choice(pool))
        ports = Ports(chance.choice(PORTS), chance.choice(PORTS))
        payload = chance.randbytes(chance.choice([20, 40, 200]))
        made = (
            udp_packet(payload, ends, ports),
            tcp_packet(payload, ends, ports),
            icmp_packet(payload, ends),
        )
        octets = bytearray(chance.choice(made))
        match chance.randrange(6):
            case 0:
                octets[6] = chance.choice([0x20, 0x1F, 0x40])
            case 1:
                octets[chance.choice([6, 9])] = chance.choice([6, 17, 44, 132, 50, 0])
            case 2 if octets[0] >> 4 == 4:
                octets[0] = 0x46
        return bytes(octets)

    return [one() for _ in range(1500)]


def passing(program: Program, packet: bytes) -> bool:
    return bool(bpf.run(program, packet, ethertype(packet)))


@pytest.mark.requirement("2.12")
@pytest.mark.requirement("8.20", partial=True)
@pytest.mark.peer("tcpdump")
@pytest.mark.parametrize("text", FILTERS)
def test_a_filter_passes_the_same_packets_as_tcpdump_compiles_it_to_pass(
    text: str, no_binding: None
) -> None:
    ours = compile_filter(parse(text), None, longest=1500)
    theirs = compiled(text, "", SystemPrograms())
    within_ours = compile_filter(theirs, None, longest=1500)
    verdicts = [passing(theirs, each) for each in packets()]
    assert [passing(ours, each) for each in packets()] == verdicts
    assert [passing(within_ours, each) for each in packets()] == verdicts
    assert len(set(verdicts)) == 2 or text in ("sctp port 80",)


@pytest.mark.parametrize(
    "text",
    [
        "udp[8] == 56",
        "port ssh",
        "host example.com",
        "ether host 1:2:3:4:5:6",
        "udp port 62201)",
        "(udp",
        "udp port",
        "udp port 65536",
        "udp portrange 5",
        "port 1-2",
        "icmp port 5",
        "udp host 192.0.2.1",
        "host 192.0.2.0/24",
        "ip6 host 192.0.2.1",
        "src udp",
        "and udp",
        "vlan 5",
        "net 10.1.2.0 mask 24",
        "udp or " * 300 + "udp",
        "(" * 300 + "udp",
        "port (22 or",
        "proto 256",
    ],
)
def test_what_is_beyond_it_is_told_with_the_word(text: str) -> None:
    with pytest.raises(NotUnderstoodError) as caught:
        parse(text)
    assert str(caught.value)


def test_no_filter_lets_everything_pass() -> None:
    assert parse("  ") is None
    program = compile_filter(None, None, longest=1500)
    assert all(passing(program, each) for each in packets())


def test_a_long_filter_is_still_a_program_for_the_kernel() -> None:
    text = " or ".join(f"udp port {port}" for port in range(1, MOST_TESTS - 20))
    program = compile_filter(parse(text), INTEREST, longest=1500)
    assert all(max(true, false) <= 255 for _, true, false, _ in program)
    ends = Ends(FOURS[0], FOURS[1])
    for port, wanted in ((1, True), (MOST_TESTS - 21, True), (MOST_TESTS - 20, False)):
        assert passing(program, udp_packet(sealed(), ends, Ports(40000, port))) is wanted


def carried(payload: bytes) -> Iterator[bytes]:
    for pool in (FOURS, SIXES):
        ends = Ends(pool[0], pool[1])
        yield udp_packet(payload, ends, Ports(5, 62201))
        yield tcp_packet(payload, ends, Ports(5, 62201))
        yield icmp_packet(payload, ends)


@pytest.mark.parametrize("tags", [b"", b"\0\5", b"\0\5\x81\x00\0\6"])
def test_behind_the_filter_only_what_looks_like_a_packet_of_ours_passes(tags: bytes) -> None:
    program = compile_filter(None, INTEREST, longest=1500)

    def passes(octets: bytes) -> bool:
        if not tags:
            return passing(program, octets)
        return bool(bpf.run(program, tags + ethertype(octets).to_bytes(2, "big") + octets, 0x8100))

    good = sealed()
    assert all(passes(each) for each in carried(good))
    for bad in (b"", b"8", good[:139], b"!" + good[1:], good[:5] + b"!" + good[6:], b"8" * 1600):
        assert not any(passes(each) for each in carried(bad))
    for octet in range(256):
        [first, *_] = carried(good[:3] + bytes([octet]) + good[4:])
        letter = bytes([octet]).isalnum() or octet in b"+/"
        assert passes(first) is letter
    assert passes(next(carried(good)) + bytes(18))  # what a link adds behind it


def test_a_request_passes_only_if_requests_are_of_interest() -> None:
    asked = b"GET /" + sealed() + b" HTTP/1.0\r\nUser-Agent: Fwknop\r\n\r\n" + b"x" * 1500
    wanted = Interest(SHORTEST, LONGEST, FIRST_CHARACTERS, base64=True, requests=True)
    for interest, passes in ((INTEREST, False), (wanted, True)):
        program = compile_filter(None, interest, longest=4096)
        assert all(passing(program, each) is passes for each in carried(asked))
        assert all(passing(program, each) for each in carried(sealed()))


def test_behind_extension_headers_it_is_for_us_to_look_and_a_fragment_is_none() -> None:
    program = compile_filter(None, INTEREST, longest=1500)
    six = bytearray(udp_packet(sealed(), Ends(SIXES[0], SIXES[1]), Ports(5, 62201)))
    six[6] = 60
    assert passing(program, bytes(six))
    six[6] = 50
    assert not passing(program, bytes(six))
    four = bytearray(udp_packet(sealed(), Ends(FOURS[0], FOURS[1]), Ports(5, 62201)))
    four[6] = 0x20
    assert not passing(program, bytes(four))


@pytest.fixture
def no_binding(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if cypcap were not installed."""
    monkeypatch.setitem(sys.modules, "cypcap", None)


BEYOND_OURS = [
    "udp[8] == 56",
    "ip[8] < 5 and udp",
    "udp[4:2] > 200",
    "ip6[7] == 1 or tcp[13] & 2 != 0",
]


@pytest.mark.requirement("2.12")
@pytest.mark.peer("tcpdump")
@pytest.mark.parametrize("text", [*FILTERS[::8], *BEYOND_OURS])
def test_the_binding_of_libpcap_and_tcpdump_compile_the_same(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("cypcap")
    program = Tcpdump(None)
    found = compiled(text, "", program)
    assert program.argv == (), "no program is started"
    monkeypatch.setitem(sys.modules, "cypcap", None)
    theirs = compiled(text, "", SystemPrograms())
    assert [passing(found, each) for each in packets()] == [
        passing(theirs, each) for each in packets()
    ]


@pytest.mark.peer("tcpdump")
@pytest.mark.parametrize("binding", [True, False])
def test_a_test_of_link_layer_addresses_reads_the_header_where_the_kernel_keeps_it(
    monkeypatch: pytest.MonkeyPatch, binding: bool
) -> None:
    if binding:
        pytest.importorskip("cypcap")
    else:
        monkeypatch.setitem(sys.modules, "cypcap", None)
    found = compiled("ether src 02:00:00:00:00:99 and udp port 62201", "", SystemPrograms())
    assert reads_link_header(found)
    assert (bpf.LD_W, 0, 0, bpf.LINK_HEADER + 8) in found  # the last four bytes of the source
    assert (bpf.LD_B, 0, 0, 9) in found  # IPv4's protocol, from its header on
    plain = compiled("udp[8] == 56", "", SystemPrograms())
    assert not reads_link_header(plain)
    mixed = from_ip_on(
        [(bpf.LD_B_X, 0, 0, 14), (bpf.LDX_HEADER, 0, 0, 14), (bpf.LD_W, 0, 0, bpf.ETHERTYPE)]
    )
    assert [each[3] for each in mixed] == [0, 0, bpf.ETHERTYPE]
    with pytest.raises(OperatorError, match="link header"):
        from_ip_on([(bpf.LD_B_X, 0, 0, 3)])


@pytest.mark.peer("tcpdump")
@pytest.mark.parametrize("binding", [True, False])
@pytest.mark.parametrize(
    ("text", "said", "remedy"),
    [
        ("vlan 5 and udp port 62201", "asks for vlan, which cannot be told", "stepped over"),
        ("udp port port", "Error compiling pcap filter: ", "pcap-filter(7)"),
        ("ether host nobody", "Error compiling pcap filter: ", "pcap-filter(7)"),
    ],
)
def test_what_libpcap_does_not_understand_and_what_cannot_be_told_is_refused(
    monkeypatch: pytest.MonkeyPatch, binding: bool, text: str, said: str, remedy: str
) -> None:
    if binding:
        pytest.importorskip("cypcap")
    else:
        monkeypatch.setitem(sys.modules, "cypcap", None)
    with pytest.raises(OperatorError) as caught:
        compiled(text, "why", SystemPrograms())
    assert said in str(caught.value)
    assert remedy in caught.value.complaints[0].hint


class Tcpdump:
    """Answers as the program might."""

    def __init__(self, answer: Completed | None) -> None:
        self._answer = answer
        self.argv: Sequence[str] = ()

    def run(
        self,
        argv: Sequence[str],
        *,
        stdin: bytes = b"",
        seconds: float = 10.0,
        account: Account | None = None,
    ) -> Completed:
        self.argv = argv
        if self._answer is None:
            raise HostError("there is no program tcpdump")
        return self._answer


def test_what_we_do_not_understand_goes_to_tcpdump_as_one_argument(no_binding: None) -> None:
    program = Tcpdump(Completed(0, b"2\n40 0 0 12\n6 0 0 262144\n", b""))
    assert compiled("-w /etc/x", "why", program) == [(40, 0, 0, 12), (6, 0, 0, 262144)]
    assert program.argv[-2:] == ["--", "-w /etc/x"]


@pytest.mark.parametrize(
    ("answer", "said", "remedy"),
    [
        (None, "'udp[8]' is not understood; libpcap, which would know, is not there", "install"),
        (Completed(1, b"", b"tcpdump: syntax error\n"), "pcap filter: syntax error", "pcap-filter"),
        (Completed(0, b"1\nrubbish\n", b""), "printed something that is no filter", ""),
        (Completed(0, b"", b""), "printed something that is no filter", ""),
        (Completed(0, b"1\n40 0 0 12\n", b""), "printed something that is no filter", ""),
    ],
)
def test_who_cannot_ask_tcpdump_or_gets_no_program_is_told_what_to_do(
    answer: Completed | None, said: str, remedy: str, no_binding: None
) -> None:
    with pytest.raises(OperatorError) as caught:
        compiled("udp[8] == 56", "'udp[8]' is not understood", Tcpdump(answer))
    assert said in str(caught.value)
    assert remedy in caught.value.complaints[0].hint


def test_the_machine_ends_whatever_the_program() -> None:
    assert bpf.run([(bpf.JUMP, 0, 0, 5)], b"", 0) == 0
    assert bpf.run([(0x99, 0, 0, 0), (bpf.RETURN, 0, 0, 1)], b"", 0) == 0
    assert bpf.run([(bpf.LD_LENGTH, 0, 0, 0)], b"", 0) == 0
