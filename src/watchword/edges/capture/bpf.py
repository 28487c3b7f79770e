"""Filters that the kernel runs on each datagram before it wakes us (classic BPF).

In here: writing the program for an Interest, attaching it to a socket.
Not in here: deciding; whatever a filter lets through is looked at again.
"""

from __future__ import annotations

import ctypes
import socket
import struct

from watchword.errors import HostError
from watchword.ports import Interest

Instruction = tuple[int, int, int, int]
"""Code, jump if true, jump if false, operand: one ``struct sock_filter``."""

_SO_ATTACH_FILTER = 26
_UDP_HEADER = 8  # the filter of a UDP socket sees the datagram from its header on
_LOAD_LENGTH = 0x80
_LOAD_BYTE = 0x30
_JUMP_EQUAL = 0x15
_JUMP_GREATER = 0x25
_JUMP_GREATER_EQUAL = 0x35
_RETURN = 0x06
_WHOLE = 0xFFFFFFFF


def datagram_filter(interest: Interest) -> list[Instruction]:
    """The program that keeps datagrams of the right length and first byte.

    Jumps count instructions from the one after the jump.
    """
    first = sorted(set(interest.first))
    checks = [(_JUMP_EQUAL, len(first) - index, 0, byte) for index, byte in enumerate(first)]
    loads = [(_LOAD_BYTE, 0, 0, _UDP_HEADER)] if first else []
    to_drop = len(loads) + len(checks)
    verdicts = [(_RETURN, 0, 0, 0), (_RETURN, 0, 0, _WHOLE)]
    if not first:
        verdicts.reverse()
        to_drop = 1
    return [
        (_LOAD_LENGTH, 0, 0, 0),
        (_JUMP_GREATER_EQUAL, 0, to_drop + 1, interest.shortest + _UDP_HEADER),
        (_JUMP_GREATER, to_drop, 0, interest.longest + _UDP_HEADER),
        *loads,
        *checks,
        *verdicts,
    ]


def attach(sock: socket.socket, program: list[Instruction]) -> None:
    """Put a program in front of a socket. Raises HostError if the kernel refuses it."""
    octets = b"".join(struct.pack("=HBBI", *each) for each in program)
    buffer = ctypes.create_string_buffer(octets)
    option = struct.pack("@HP", len(program), ctypes.addressof(buffer))
    try:
        sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, option)
    except OSError as error:
        raise HostError(f"cannot attach a packet filter: {error.strerror}") from error
