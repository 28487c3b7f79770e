"""Capture files, as tcpdump writes them, to packets.

In here: the classic pcap format, both byte orders, micro- and nanoseconds.
Not in here: frames (frames), opening the file (edges), pcapng, which tcpdump
turns into this format.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final, NamedTuple

from watchword.errors import OperatorError
from watchword.model.packets import Packet
from watchword.wire.frames import Link, packet_of

MAX_FRAME: Final = 262144
"""Bytes; the longest record that libpcap takes. More means that the file is damaged."""

_FILE_HEADER: Final = 24
_RECORD_HEADER: Final = 16
_MAGIC: Final = {
    0xA1B2C3D4: 1e-6,
    0xA1B23C4D: 1e-9,
}
"""First number of a file, and the length of a tick in its time stamps, seconds."""
_PCAPNG: Final = b"\x0a\x0d\x0d\x0a"
_BEGINNINGS: Final = tuple(
    number.to_bytes(4, "big" if order == ">" else "little")[:size]
    for number in _MAGIC
    for order in "<>"
    for size in (4, 3, 2, 1)
)
"""What the first bytes of a file can be, however few there are."""


class Reader:
    """A capture file that arrives piece by piece, perhaps while it is written."""

    def __init__(self) -> None:
        self._form: _Format | None = None
        self._rest = b""

    @property
    def link(self) -> Link | None:
        """None: the file's header has not arrived yet."""
        return self._form.link if self._form else None

    def feed(self, octets: bytes) -> list[Record]:
        """The records that are whole now; less than one is kept for the next piece.

        Raises OperatorError as ``packets`` does, but for a record that is not
        finished; a reader that raised is of no use any more.
        """
        data = self._rest + octets
        start = 0
        if self._form is None:
            if len(data) < _FILE_HEADER:
                if data and not data.startswith(_BEGINNINGS):
                    _format(data)  # it never will be one
                self._rest = data
                return []
            self._form, start = _format(data), _FILE_HEADER
        found: list[Record] = []
        header = struct.Struct(f"{self._form.order}IIII")
        while len(data) - start >= _RECORD_HEADER:
            seconds, ticks, size, _ = header.unpack_from(data, start)
            if size > MAX_FRAME:
                raise OperatorError("the capture file is damaged")
            end = start + _RECORD_HEADER + size
            if end > len(data):
                break
            found.append(Record(seconds + ticks * self._form.tick, data[end - size : end]))
            start = end
        self._rest = data[start:]
        return found


class Record(NamedTuple):
    """One captured frame."""

    at: float
    """Unix seconds."""
    frame: bytes
    """May be cut by the snapshot length of the capture."""


class _Format(NamedTuple):
    order: str
    """Of the bytes in a number, as ``struct`` writes it."""
    tick: float
    link: Link


def packets(data: bytes) -> Iterator[tuple[float, Packet]]:
    """Every UDP, TCP and ICMP payload of a capture file, with its Unix time.

    Other frames, fragments and cut packets are passed over. Raises
    OperatorError, at the place where it happens: no capture file, a link type
    that is not understood, a damaged or unfinished record.
    """
    form = _format(data)
    for at, frame in _records(data, form):
        packet = packet_of(frame, form.link)
        if packet is not None:
            yield at, packet


def records(data: bytes) -> Iterator[Record]:
    """Every frame of a capture file. Raises OperatorError as ``packets`` does."""
    return _records(data, _format(data))


def _format(data: bytes) -> _Format:
    if data.startswith(_PCAPNG):
        raise OperatorError(
            "this capture file is in pcapng format",
            hint="convert it: tcpdump -r in.pcapng -w out.pcap",
        )
    for order in "<>":
        if len(data) >= _FILE_HEADER:
            magic, link = struct.unpack_from(f"{order}I16xI", data)
            if magic in _MAGIC:
                return _Format(order, _MAGIC[magic], _link(link & 0xFFFF))
    raise OperatorError("this is not a capture file", hint="make one with: tcpdump -w out.pcap")


def _link(number: int) -> Link:
    try:
        return Link(number)
    except ValueError:
        raise OperatorError(
            f"the capture file has link type {number}, which is not understood",
            hint="capture on an Ethernet interface, or with: tcpdump -i any",
        ) from None


def _records(data: bytes, form: _Format) -> Iterator[Record]:
    header = struct.Struct(f"{form.order}IIII")
    start, count = _FILE_HEADER, 0
    while start < len(data):
        count += 1
        if len(data) - start < _RECORD_HEADER:
            raise OperatorError(f"the capture file ends within packet {count}")
        seconds, ticks, size, _ = header.unpack_from(data, start)
        if size > MAX_FRAME:
            raise OperatorError(f"the capture file is damaged at packet {count}")
        start += _RECORD_HEADER
        if len(data) - start < size:
            raise OperatorError(f"the capture file ends within packet {count}")
        yield Record(seconds + ticks * form.tick, data[start : start + size])
        start += size
