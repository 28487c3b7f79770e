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
_DROP = (_RETURN, 0, 0, 0)
_PASS = (_RETURN, 0, 0, _WHOLE)
LOOKED_AT = 8  # bytes after the first: of random ones, one in sixty thousand is of the alphabet
# One byte of the base64 alphabet. Ranges in ascending order; the last line drops.
_ALPHABET: list[Instruction] = [
    (_JUMP_EQUAL, 7, 0, ord("+")),
    (_JUMP_GREATER_EQUAL, 0, 5, ord("/")),  # which stands right before the digits
    (_JUMP_GREATER, 0, 5, ord("9")),
    (_JUMP_GREATER_EQUAL, 0, 3, ord("A")),
    (_JUMP_GREATER, 0, 3, ord("Z")),
    (_JUMP_GREATER_EQUAL, 0, 1, ord("a")),
    (_JUMP_GREATER, 0, 1, ord("z")),
    _DROP,
]


def datagram_filter(interest: Interest) -> list[Instruction]:
    """The program that keeps datagrams of the right length, whose first bytes are right.

    Longer ones too, if they begin like an HTTP request and those are of
    interest. Looks at the first byte, and at a few more if they have to be of
    the base64 alphabet. Every check jumps to the one after it if it is passed,
    and falls into a return that drops if it is not.
    """
    program = [(_LOAD_LENGTH, 0, 0, 0)]
    program += _unless([(_JUMP_GREATER_EQUAL, interest.shortest + _UDP_HEADER)])
    if interest.requests:
        program += [(_LOAD_BYTE, 0, 0, _UDP_HEADER)]
        for letter in b"Gg":
            program += [(_JUMP_EQUAL, 0, 1, letter), _PASS]
        program += [(_LOAD_LENGTH, 0, 0, 0)]
    program += [(_JUMP_GREATER, 0, 1, interest.longest + _UDP_HEADER), _DROP]
    if interest.first:
        program += [(_LOAD_BYTE, 0, 0, _UDP_HEADER)]
        program += _unless([(_JUMP_EQUAL, byte) for byte in sorted(set(interest.first))])
    if interest.base64:
        for offset in range(1, 1 + LOOKED_AT):
            program += [(_LOAD_BYTE, 0, 0, _UDP_HEADER + offset), *_ALPHABET]
    return [*program, _PASS]


def _unless(tests: list[tuple[int, int]]) -> list[Instruction]:
    """Drop unless one of the tests is true: each jumps over the others and the return."""
    count = len(tests)
    return [(code, count - index, 0, what) for index, (code, what) in enumerate(tests)] + [_DROP]


def attach(sock: socket.socket, program: list[Instruction]) -> None:
    """Put a program in front of a socket. Raises HostError if the kernel refuses it."""
    octets = b"".join(struct.pack("=HBBI", *each) for each in program)
    buffer = ctypes.create_string_buffer(octets)
    option = struct.pack("@HP", len(program), ctypes.addressof(buffer))
    try:
        sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, option)
    except OSError as error:
        raise HostError(f"cannot attach a packet filter: {error.strerror}") from error
