"""What a program on one of the hosts does with the network: catch, send, try, watch.

Run by its path inside a network namespace (``python -I demo/wire.py catch ...``),
so it starts in a moment and imports nothing of the project.

In here: four commands that print one line each thing they see, and flush it.
Not in here: what that means (demo.checks).
"""

from __future__ import annotations

import contextlib
import socket
import struct
import sys
import time
from collections.abc import Callable

IPV4, IPV6 = 0x0800, 0x86DD  # EtherType
UDP = 17
ETHERNET_HEADER = 14
IPV6_HEADER = 40
UDP_HEADER = 8


def udp_payload(frame: bytes, port: int) -> bytes | None:
    """The payload of an Ethernet frame that carries UDP to that port; else None."""
    kind = int.from_bytes(frame[12:14], "big")
    packet = frame[ETHERNET_HEADER:]
    if kind == IPV4 and len(packet) >= 20 and packet[9] == UDP:
        segment = packet[(packet[0] & 15) * 4 : int.from_bytes(packet[2:4], "big")]
    elif kind == IPV6 and len(packet) >= IPV6_HEADER and packet[6] == UDP:
        length = int.from_bytes(packet[4:6], "big")
        segment = packet[IPV6_HEADER : IPV6_HEADER + length]
    else:
        return None
    if len(segment) < UDP_HEADER or struct.unpack("!H", segment[2:4])[0] != port:
        return None
    return segment[UDP_HEADER:]


def catch(interface: str, port: str) -> None:
    """Print the payload of every UDP packet to the port that comes in there, for ever."""
    every_protocol = socket.htons(3)
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, every_protocol) as wire:
        wire.bind((interface, 0))
        print("listening", flush=True)
        while True:
            frame, (_, _, direction, *_) = wire.recvfrom(65535)
            payload = udp_payload(frame, int(port))
            if payload is not None and direction != socket.PACKET_OUTGOING:
                print(payload.hex(), flush=True)


def send(address: str, port: str, payload: str) -> None:
    """Send one UDP packet; the payload is in hexadecimal."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sender:
        sender.sendto(bytes.fromhex(payload), (address, int(port)))


def connects(address: str, port: int, seconds: float) -> bool:
    """Whether a TCP connection is answered within that time."""
    with contextlib.suppress(OSError), socket.create_connection((address, port), seconds):
        return True
    return False


def attempt(address: str, port: str, seconds: str) -> None:
    """Print ``open`` or ``shut``: one connection."""
    print("open" if connects(address, int(port), float(seconds)) else "shut", flush=True)


def watch(address: str, port: str, seconds: str) -> None:
    """Try again and again for that long; print the Unix time of the last success, 0 for none."""
    until = time.monotonic() + float(seconds)
    last = 0.0
    while time.monotonic() < until:
        began = time.time()
        if connects(address, int(port), 0.25):
            last = began
        time.sleep(0.05)
    print(last, flush=True)


COMMANDS: dict[str, Callable[..., None]] = {
    "catch": catch,
    "send": send,
    "attempt": attempt,
    "watch": watch,
}

if __name__ == "__main__":
    command, *arguments = sys.argv[1:]
    COMMANDS[command](*arguments)
