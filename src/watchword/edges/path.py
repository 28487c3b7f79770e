"""Sends a packet and listens for what routers and hosts say about it.

In here: one datagram, and the messages that come back: nobody there, prohibited,
too long.
Not in here: other carriers (edges.send), what it means (service.doctor.diagnosis).

Linux tells who said it; other systems tell only that somebody did.
"""

from __future__ import annotations

import errno
import os
import select
import socket
import struct
import sys
import time
from contextlib import suppress
from enum import Enum
from typing import Final

from watchword.edges import dial
from watchword.record import record

_RECVERR: Final = {4: (socket.IPPROTO_IP, 11), 6: (socket.IPPROTO_IPV6, 25)}  # Linux
_ERROR: Final = struct.Struct("IBBBBII")  # errno, origin, type, code, padding, info, data
_BY_ICMP: Final = (2, 3)  # origins: ICMP, ICMPv6
_PROHIBITED: Final = {4: {(3, 9), (3, 10), (3, 13)}, 6: {(1, 1), (1, 5), (1, 6)}}
"""ICMP type and code of a firewall that says so."""


class Objection(Enum):
    """What was said about the packet."""

    NONE = "nothing"
    NOBODY = "nobody listens"
    """The host itself says that no program has that port."""
    PROHIBITED = "prohibited"
    UNREACHABLE = "unreachable"
    NOT_LET_OUT = "not let out"
    """This machine's own firewall or routing."""


@record
class Passage:
    objection: Objection
    by: str = ""
    """Address of whom it was said by, if that is known; for NOT_LET_OUT, the system's reason."""
    source: str = ""
    """Address that the packet left by."""


class Sending:
    """A datagram that is on its way."""

    def __init__(self, payload: bytes, address: str, port: int, source_port: int = 0) -> None:
        self._version = 6 if ":" in address else 4
        family = socket.AF_INET6 if self._version == 6 else socket.AF_INET
        self._channel = socket.socket(family, socket.SOCK_DGRAM)
        self._source = ""
        self.kept = ""
        """Why the system did not let it out; empty if it did."""
        try:
            self._send(payload, address, port, source_port)
        except OSError as error:
            self.kept = os.strerror(error.errno or 0)

    def _send(self, payload: bytes, address: str, port: int, source_port: int) -> None:
        if sys.platform == "linux":
            level, option = _RECVERR[self._version]
            self._channel.setsockopt(level, option, 1)
        self._channel.setblocking(False)
        if source_port:
            self._channel.bind(("", source_port))
        self._channel.connect(dial.place(address, port))
        self._source = str(self._channel.getsockname()[0])
        self._channel.send(payload)

    def passage(self, seconds: float) -> Passage:
        """What was said about it so far, or within so many seconds; the first objection counts.

        Ends the listening.
        """
        with self._channel:
            if self.kept:
                return Passage(Objection.NOT_LET_OUT, self.kept)
            objection, by = self._listen(time.monotonic() + seconds)
        return Passage(objection, by, self._source)

    def _listen(self, end: float) -> tuple[Objection, str]:
        left = max(0.0, end - time.monotonic())
        while select.select([self._channel], [], [self._channel], left)[0]:
            if sys.platform == "linux":
                said = _errors(self._channel, self._version)
                if said is not None:
                    return said
            try:
                self._channel.recv(1)  # nobody answers a packet; whatever came is thrown away
            except BlockingIOError:
                pass
            except OSError as error:
                return _of_errno(error.errno), ""
            left = end - time.monotonic()
            if left <= 0:
                break
        return Objection.NONE, ""


def _errors(channel: socket.socket, version: int) -> tuple[Objection, str] | None:
    """The first message of the socket's error queue; None: there is none."""
    with suppress(BlockingIOError):
        _, ancillary, _, _ = channel.recvmsg(1, 512, socket.MSG_ERRQUEUE)
        for level, kind, data in ancillary:
            if (level, kind) == _RECVERR[version] and len(data) >= _ERROR.size:
                return _of_message(data, version)
    return None


def _of_message(data: bytes, version: int) -> tuple[Objection, str]:
    number, origin, kind, code, *_ = _ERROR.unpack_from(data)
    offender = data[_ERROR.size :]
    by = ""
    if version == 4 and len(offender) >= 8:
        by = socket.inet_ntop(socket.AF_INET, offender[4:8])
    elif version == 6 and len(offender) >= 24:
        by = socket.inet_ntop(socket.AF_INET6, offender[8:24])
    if origin in _BY_ICMP and (kind, code) in _PROHIBITED[version]:
        return Objection.PROHIBITED, by
    return _of_errno(number), by


def _of_errno(number: int | None) -> Objection:
    if number in (errno.ECONNREFUSED, getattr(errno, "WSAECONNRESET", -1)):
        return Objection.NOBODY
    return Objection.PROHIBITED if number == errno.EACCES else Objection.UNREACHABLE
