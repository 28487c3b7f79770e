"""Knocks in packets: which packets are some, and what is read of them."""

from __future__ import annotations

import struct

import pytest

from watchword.lab import knock_frames
from watchword.model.doors import TCP, UDP, Flag, Knock
from watchword.wire.knocks import SNAP, knock_in, knock_of

FOUR = (bytes((192, 0, 2, 7)), bytes((203, 0, 113, 1)))
SIX = (bytes(15) + b"\1", bytes(15) + b"\2")
SYN = int(Flag.SYN)


def four(content: bytes, protocol: int = 6) -> bytes:
    return knock_frames.packet("192.0.2.7", "203.0.113.1", protocol, content)


def changed(packet: bytes, at: int, *octets: int) -> bytes:
    return packet[:at] + bytes(octets) + packet[at + len(octets) :]


def test_a_segment_and_a_datagram_of_both_families_are_knocks() -> None:
    segment, datagram = knock_frames.segment(7000, SYN), knock_frames.datagram(53)
    assert knock_of(four(segment)) == Knock(*FOUR, TCP, 7000, SYN)
    assert knock_of(four(datagram, 17)) == Knock(*FOUR, UDP, 53, 0)
    six = knock_frames.packet("::1", "::2", 6, segment)
    assert knock_of(six) == Knock(*SIX, TCP, 7000, SYN)
    assert knock_of(knock_frames.packet("::1", "::2", 17, datagram)) == Knock(*SIX, UDP, 53, 0)


@pytest.mark.parametrize("flag", Flag)
def test_every_flag_is_read_and_those_of_congestion_are_not(flag: Flag) -> None:
    found = knock_of(four(knock_frames.segment(7000, int(flag) | 0xC0)))
    assert found is not None
    assert found.flags == int(flag)


def test_options_of_the_ip_header_are_stepped_over() -> None:
    plain = four(knock_frames.segment(7000, SYN))
    longest = changed(plain[:20], 0, 0x4F) + bytes(40) + plain[20:]
    assert knock_of(longest) == knock_of(plain)
    assert knock_of(longest[: 60 + 13]) is None
    assert knock_of(changed(longest, 6, 0x00, 0x01)) is None
    assert knock_of(changed(longest, 6, 0x20, 0x00)) == knock_of(plain)


def test_a_first_fragment_is_one_and_a_later_one_is_none() -> None:
    packet = four(knock_frames.segment(7000, SYN))
    assert knock_of(changed(packet, 6, 0x20, 0x00)) is not None
    for offset in ((0x00, 0x01), (0x20, 0x01), (0x1F, 0xFF)):
        assert knock_of(changed(packet, 6, *offset)) is None


@pytest.mark.parametrize("header", [0, 43, 44, 51, 60])
def test_ipv6_with_headers_in_between_is_none(header: int) -> None:
    content = bytes((6, 0)) + bytes(6) + knock_frames.segment(7000, SYN)
    assert knock_of(knock_frames.packet("::1", "::2", header, content)) is None


@pytest.mark.parametrize("protocol", [0, 1, 2, 41, 47, 50, 58, 132, 255])
def test_other_protocols_are_none(protocol: int) -> None:
    assert knock_of(four(knock_frames.segment(7000, SYN), protocol)) is None


@pytest.mark.parametrize("size", range(34))
def test_a_packet_that_was_cut_before_its_flags_is_none(size: int) -> None:
    assert knock_of(four(knock_frames.segment(7000, SYN))[:size]) is None


def test_a_datagram_needs_its_ports_and_no_more() -> None:
    packet = four(knock_frames.datagram(53), 17)
    assert knock_of(packet[:24]) == Knock(*FOUR, UDP, 53, 0)
    assert knock_of(packet[:23]) is None


@pytest.mark.parametrize("first", [0x00, 0x40, 0x44, 0x35, 0x55, 0xF5])
def test_what_is_no_ip_is_none(first: int) -> None:
    assert knock_of(changed(four(knock_frames.segment(7000, SYN)), 0, first)) is None


def test_what_a_packet_before_left_in_the_buffer_means_nothing() -> None:
    whole = four(knock_frames.segment(7000, SYN))
    buffer = bytearray(SNAP)
    buffer[: len(whole)] = whole
    assert knock_in(buffer, len(whole)) is not None
    assert knock_in(buffer, 33) is None


def test_what_is_longer_is_read_the_same() -> None:
    packet = four(struct.pack("!HH", 1, 53) + bytes(5000), 17)
    assert knock_of(packet) == Knock(*FOUR, UDP, 53, 0)
