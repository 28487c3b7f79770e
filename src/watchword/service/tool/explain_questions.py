"""Packets to explain, from a command line, a file or a capture.

In here: reading them, and where and when each is to be judged from.
Not in here: judging (explain).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from datetime import datetime
from ipaddress import ip_address
from pathlib import Path

from watchword.edges import files
from watchword.edges.clock import SystemClock
from watchword.errors import OperatorError, Place
from watchword.model.packets import Packet
from watchword.record import record
from watchword.wire import pcap

_LATEST = 253_402_128_000.0
"""Unix seconds, some days before the year 10000, which no calendar here has."""
CAPTURE_LIMIT = 64 * 1024 * 1024  # bytes of a capture file or a file of packets


@record
class Question:
    packet: Packet
    at: float
    """Unix seconds to judge by."""


def questions(arguments: argparse.Namespace) -> Iterator[Question]:
    """Every packet that the arguments of ``watchword explain`` name. Raises OperatorError."""
    at = None if arguments.time is None else moment(arguments.time)
    if arguments.pcap:
        yield from _captured(arguments, at)
        return
    if not arguments.source:
        raise OperatorError(
            "where does the packet come from?", hint="say so: --source ADDRESS (it decides a lot)"
        )
    when = SystemClock().now().wall if at is None else at
    for text in _texts(arguments):
        peer, local = address(arguments.source), address(arguments.destination)
        yield Question(Packet(text.encode("utf-8", "surrogateescape"), peer, 0, local, 0), when)


def _texts(arguments: argparse.Namespace) -> list[str]:
    if arguments.packet:
        return [arguments.packet.strip()]
    if arguments.file == "-":
        text = sys.stdin.read(CAPTURE_LIMIT)
    else:
        text = files.read_text(Path(arguments.file), CAPTURE_LIMIT)
    return [line.strip() for line in text.splitlines() if line.strip()]


def _captured(arguments: argparse.Namespace, at: float | None) -> Iterator[Question]:
    content = files.read_bytes(Path(arguments.pcap), CAPTURE_LIMIT)
    source, destination = address(arguments.source), address(arguments.destination)
    for stamp, packet in _packets(content, arguments.pcap):
        told = packet._replace(peer=source or packet.peer, local=destination or packet.local)
        yield Question(told, stamp if at is None else at)


def _packets(content: bytes, path: str) -> Iterator[tuple[float, Packet]]:
    try:
        yield from pcap.packets(content)
    except OperatorError as error:
        each = error.complaints[0]
        hint = each.hint or "let the capture end first, or make it anew: tcpdump -U -w out.pcap"
        raise OperatorError(each.message, place=Place(path, 0), hint=hint) from error


def address(text: str | None) -> str:
    """An address as packets have it; empty: none was given. Raises OperatorError."""
    if not text:
        return ""
    try:
        return str(ip_address(text))
    except ValueError as error:
        raise OperatorError(
            f"{text!r} is no address", hint="write one as 192.0.2.7 or 2001:db8::7"
        ) from error


def moment(text: str) -> float:
    """Unix seconds, as somebody wrote them. Raises OperatorError."""
    found = _seconds(text)
    if found is None or not 0 <= found <= _LATEST:
        raise OperatorError(
            f"{text!r} is no time", hint="write Unix seconds or 2026-01-31T12:00:00"
        )
    return found


def _seconds(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        pass
    try:
        return datetime.fromisoformat(text).astimezone().timestamp()
    except (ValueError, OverflowError):
        return None
