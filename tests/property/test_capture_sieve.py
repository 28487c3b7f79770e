"""The kernel's sieve never drops what the daemon would take."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuzz.targets.frames import seed_frames
from tests.sealing import sealed
from watchword.dialects.pcap_filter import NotUnderstoodError, parse
from watchword.edges.capture.sieve_code import compile_filter
from watchword.ports import Interest
from watchword.wire import bpf
from watchword.wire.carriers.headers import Ends, Ports, icmp_packet, tcp_packet, udp_packet
from watchword.wire.frames import packet_above
from watchword.wire.spa.envelope import FIRST_CHARACTERS, flaw
from watchword.wire.spa.lengths import LONGEST, SHORTEST

INTEREST = Interest(SHORTEST, LONGEST, FIRST_CHARACTERS, base64=True)
PROGRAM = compile_filter(None, INTEREST, longest=65535)
FOURS = st.ip_addresses(v=4)
SIXES = st.ip_addresses(v=6)
PORTS = st.builds(Ports, st.integers(1, 65535), st.integers(1, 65535))
LANGUAGE = (
    "udp tcp icmp ip ip6 host net port portrange src dst and or not ! ( ) && 22 1-9 "
    "10.0.0.1 10/8 ::1 less greater proto mask [ 65536 x"
)
WORDS = LANGUAGE.split()


def takes(octets: bytes, ethertype: int) -> bool:
    packet = packet_above(ethertype, octets)
    if packet is None or flaw(packet.payload) is not None:
        return False
    return packet.payload[0] in FIRST_CHARACTERS  # nobody has a key for others


@given(
    st.one_of(st.tuples(FOURS, FOURS), st.tuples(SIXES, SIXES)),
    PORTS,
    st.sampled_from([udp_packet, tcp_packet, icmp_packet]),
    st.sampled_from([b"", b"\x20\x05", b"\x60\x07\x81\x00\x45\x00"]),
)
def test_a_packet_of_ours_gets_through_whatever_carries_it(ends, ports, make, tags) -> None:  # type: ignore[no-untyped-def]
    try:
        way = Ends(*ends)
        packet = make(sealed(), way) if make is icmp_packet else make(sealed(), way, ports)
    except ValueError:
        return  # a checksum over an unspecified source
    kind = 0x0800 if way.version == 4 else 0x86DD
    octets, announced = packet, kind
    if tags:
        octets, announced = tags + kind.to_bytes(2, "big") + packet, 0x8100
        assert takes(octets, kind)  # as newer kernels announce it
    assert takes(octets, announced)
    assert bpf.run(PROGRAM, octets, announced)


@pytest.mark.parametrize("seed", range(20))
def test_what_the_daemon_would_take_never_stays_in_the_kernel(seed: int) -> None:
    chance = random.Random(seed)
    frames = [each[1:] for each in seed_frames() if each[0] == 1 and len(each) > 60]
    taken = 0
    for _ in range(300):
        frame = bytearray(chance.choice(frames))
        for _ in range(chance.randrange(4)):
            frame[chance.randrange(12, 60)] = chance.choice([0, 1, 6, 17, 58, 69, 70, 96, 255])
        octets, kind = bytes(frame[14:]), int.from_bytes(frame[12:14], "big")
        if kind in (0x0800, 0x86DD, 0x8100, 0x88A8) and takes(octets, kind):
            taken += 1
            assert bpf.run(PROGRAM, octets, kind)
    assert taken


@given(st.lists(st.sampled_from(WORDS), max_size=12), st.binary(max_size=80))
def test_any_words_are_a_filter_or_are_told_and_any_filter_ends(
    words: list[str], octets: bytes
) -> None:
    try:
        wanted = parse(" ".join(words))
    except NotUnderstoodError:
        return
    program = compile_filter(wanted, INTEREST, longest=1500)
    for kind in (0x0800, 0x86DD, 0x8100, 0x0806):
        assert bpf.run(program, octets, kind) in (0, 1500)
