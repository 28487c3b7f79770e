"""Every field of an IP packet's headers, and whether its checksums are right.

Written apart from ``watchword.wire``, which it is held against.
"""

from __future__ import annotations

import socket
from typing import Any

Fields = dict[str, Any]
TCP, UDP, ICMP, ICMPV6 = 6, 17, 1, 58


def fields_of(packet: bytes) -> Fields:
    """The fields of a packet that begins with its IP header; ``payload`` is what it carries."""
    found = _four(packet) if packet[0] >> 4 == 4 else _six(packet)
    content: bytes = found.pop("content")
    pseudo: bytes = found.pop("pseudo")
    protocol = found["protocol"]
    if protocol == TCP:
        found |= _tcp(content)
    elif protocol == UDP:
        found |= _udp(content)
    else:
        found |= _icmp(content)
        pseudo = pseudo if protocol == ICMPV6 else b""
    found["checksum_right"] = _sum(pseudo + content) == 0
    return found


def _four(packet: bytes) -> Fields:
    length = (packet[0] & 15) * 4
    total = int.from_bytes(packet[2:4])
    content = packet[length:total]
    return {
        "header_length": length,
        "tos": packet[1],
        "total_length": total,
        "id": int.from_bytes(packet[4:6]),
        "fragment": int.from_bytes(packet[6:8]),
        "hops": packet[8],
        "protocol": packet[9],
        "ip_checksum_right": _sum(packet[:length]) == 0,
        "source": socket.inet_ntop(socket.AF_INET, packet[12:16]),
        "destination": socket.inet_ntop(socket.AF_INET, packet[16:20]),
        "content": content,
        "pseudo": packet[12:20] + bytes([0, packet[9]]) + len(content).to_bytes(2),
    }


def _six(packet: bytes) -> Fields:
    length = int.from_bytes(packet[4:6])
    content = packet[40 : 40 + length]
    return {
        "class_and_flow": int.from_bytes(packet[:4]) & 0x0FFFFFFF,
        "payload_length": length,
        "protocol": packet[6],
        "hops": packet[7],
        "source": socket.inet_ntop(socket.AF_INET6, packet[8:24]),
        "destination": socket.inet_ntop(socket.AF_INET6, packet[24:40]),
        "content": content,
        "pseudo": packet[8:40] + len(content).to_bytes(4) + bytes([0, 0, 0, packet[6]]),
    }


def _tcp(content: bytes) -> Fields:
    offset = (content[12] >> 4) * 4
    return {
        "source_port": int.from_bytes(content[:2]),
        "port": int.from_bytes(content[2:4]),
        "seq": int.from_bytes(content[4:8]),
        "ack": int.from_bytes(content[8:12]),
        "offset": offset,
        "flags": content[13],
        "window": int.from_bytes(content[14:16]),
        "checksum": int.from_bytes(content[16:18]),
        "urgent": int.from_bytes(content[18:20]),
        "payload": content[offset:],
    }


def _udp(content: bytes) -> Fields:
    return {
        "source_port": int.from_bytes(content[:2]),
        "port": int.from_bytes(content[2:4]),
        "udp_length": int.from_bytes(content[4:6]),
        "checksum": int.from_bytes(content[6:8]),
        "payload": content[8:],
    }


def _icmp(content: bytes) -> Fields:
    return {
        "type": content[0],
        "code": content[1],
        "checksum": int.from_bytes(content[2:4]),
        "echo_id": int.from_bytes(content[4:6]),
        "sequence": int.from_bytes(content[6:8]),
        "payload": content[8:],
    }


def _sum(octets: bytes) -> int:
    """The internet checksum; 0 over content that holds its own right one."""
    total = 0
    for at in range(0, len(octets), 2):
        total += int.from_bytes(octets[at : at + 2].ljust(2, b"\0"))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF
