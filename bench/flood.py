"""Sends prepared frames at a fixed rate, as fast as one process can.

``python -m bench.flood INTERFACE RATE SECONDS FILE SIZE``: FILE holds frames
of SIZE bytes each, which are sent in turn. Says ``sending`` when it begins, and
how many it sent at the end, as JSON.

In here also: making the frames. Not in here: what they say (packets).
"""

from __future__ import annotations

import ctypes
import json
import os
import socket
import struct
import sys
import time
from collections.abc import Sequence
from ipaddress import IPv4Address
from pathlib import Path

from bench.packets import SPA_PORT

_SPOOFED = int(IPv4Address("172.16.0.0"))
"""The first of a million addresses that packets pretend to come from."""
_AT_ONCE = 128  # frames for each call, at the most


def frames(
    payloads: Sequence[bytes], *, to_mac: bytes, from_mac: bytes, to: str
) -> tuple[bytes, int]:
    """Ethernet frames, one after the other, each from another address; and the size of one.

    The payloads are of one length. UDP checksums are left out, as IPv4 allows.
    """
    ethernet = to_mac + from_mac + b"\x08\x00"
    target = IPv4Address(to).packed
    made = []
    for number, payload in enumerate(payloads):
        source = struct.pack("!I", _SPOOFED + number)
        port = 1024 + number * 7919 % 60_000
        udp = struct.pack("!HHHH", port, SPA_PORT, 8 + len(payload), 0)
        size = 20 + len(udp) + len(payload)
        head = struct.pack("!BBHHHBBH", 0x45, 0, size, number & 0xFFFF, 0, 64, 17, 0)
        head = head[:10] + struct.pack("!H", checksum(head + source + target)) + source + target
        made.append(ethernet + head + udp + payload)
    return b"".join(made), len(made[0])


def checksum(header: bytes) -> int:
    """The Internet checksum of a header whose own checksum is zero."""
    total: int = sum(struct.unpack(f"!{len(header) // 2}H", header))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return 0xFFFF - total


class _Vector(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("size", ctypes.c_size_t))


class _Message(ctypes.Structure):
    """``struct mmsghdr`` of a 64-bit machine."""

    _fields_ = (
        ("name", ctypes.c_void_p),
        ("name_size", ctypes.c_uint),
        ("vectors", ctypes.POINTER(_Vector)),
        ("vector_count", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_size", ctypes.c_size_t),
        ("flags", ctypes.c_int),
        ("sent", ctypes.c_uint),
    )


def _messages(octets: bytes, size: int) -> tuple[object, ctypes.Array[_Message]]:
    """One message for each frame; the first value keeps their memory alive."""
    number = len(octets) // size
    buffer = ctypes.create_string_buffer(octets, len(octets))
    start = ctypes.addressof(buffer)
    vectors = (_Vector * number)(*(_Vector(start + at * size, size) for at in range(number)))
    messages = (_Message * number)()
    for at in range(number):
        messages[at].vectors = ctypes.pointer(vectors[at])
        messages[at].vector_count = 1
    return (buffer, vectors), messages


def send(interface: str, rate: float, seconds: float, octets: bytes, size: int) -> int:
    """Send for so many seconds; return how many frames the kernel took."""
    _kept, messages = _messages(octets, size)
    number, step = len(messages), ctypes.sizeof(_Message)
    sendmmsg = ctypes.CDLL(None, use_errno=True).sendmmsg
    sent = 0
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sock:
        sock.bind((interface, 0))
        began = time.perf_counter()
        while (passed := time.perf_counter() - began) < seconds:
            due = int(passed * rate) - sent
            if due <= 0:
                time.sleep(0.0005)
                continue
            at = sent % number
            room = min(due, _AT_ONCE, number - at)
            done = sendmmsg(sock.fileno(), ctypes.byref(messages, at * step), room, 0)
            if done < 0:
                problem = ctypes.get_errno()
                raise OSError(problem, os.strerror(problem))
            sent += done
    return int(sent)


def main() -> None:
    interface, rate, seconds, file, size = sys.argv[1:]
    octets = Path(file).read_bytes()
    print("sending", flush=True)
    sent = send(interface, float(rate), float(seconds), octets, int(size))
    print(json.dumps({"sent": sent}), flush=True)


if __name__ == "__main__":
    main()
