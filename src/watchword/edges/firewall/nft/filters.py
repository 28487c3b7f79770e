"""A filter on announcements: what certain sockets caused is not even queued.

In here: its program, and attaching it. Not in here: what announcements mean (watch).
"""

from __future__ import annotations

import ctypes
import socket
import struct

_SO_ATTACH_FILTER = 26
_LOAD_WORD, _EQUAL, _RETURN = 0x20, 0x15, 0x06  # classic BPF
_PORT_OFFSET = 12  # of nlmsg_pid


def without(*ports: int) -> bytes:
    """A filter, classic BPF, that drops what the sockets of these port numbers caused."""
    instruction = struct.Struct("=HBBI")
    program = [instruction.pack(_LOAD_WORD, 0, 0, _PORT_OFFSET)]
    for port in ports:
        # BPF reads words in network order, netlink writes them in the machine's.
        (seen,) = struct.unpack("!I", struct.pack("=I", port))
        program.append(instruction.pack(_EQUAL, 0, 1, seen))
        program.append(instruction.pack(_RETURN, 0, 0, 0))
    return b"".join((*program, instruction.pack(_RETURN, 0, 0, 0xFFFFFFFF)))


def attach(channel: socket.socket, program: bytes) -> None:
    """Have a filter decide what is queued on a socket. Raises OSError."""
    memory = ctypes.create_string_buffer(program, len(program))
    fprog = struct.pack("@HP", len(program) // 8, ctypes.addressof(memory))
    channel.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, fprog)
