"""Frames and capture files come from anywhere; they never break their reader."""

from __future__ import annotations

import contextlib
import struct

from hypothesis import given
from hypothesis import strategies as st

from watchword.errors import OperatorError
from watchword.wire.frames import Link, packet_of
from watchword.wire.pcap import packets

links = st.sampled_from(Link)
ip_starts = st.sampled_from([b"", b"\x45\x00\x00\x40", b"\x60\x00\x00\x00\x00\x20\x00\x40"])


@given(ip_starts, st.binary(max_size=120), links)
def test_any_frame_is_a_packet_or_none(start: bytes, frame: bytes, link: Link) -> None:
    found = packet_of(start + frame, link)
    assert found is None or 0 < len(found.payload) < len(start + frame)


@given(st.binary(max_size=200), links)
def test_any_file_is_packets_or_an_error_of_the_operators(rest: bytes, link: Link) -> None:
    header = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, int(link))
    for data in (rest, header + rest):
        with contextlib.suppress(OperatorError):
            list(packets(data))
