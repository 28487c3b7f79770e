"""Opens for the gate what it may not open itself: ports, interfaces, logs, files.

In here: whether the settings have it, and opening it; who may come to the metrics' socket.
Not in here: the firewall (counter), the control socket (relay), how each is opened
(edges.capture.openers), the passing on of what is open (edges.pair).
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

from watchword.edges import scrapes
from watchword.edges.capture import door_log
from watchword.edges.capture.openers import Openers
from watchword.edges.firewall.nft.one_door import group
from watchword.edges.report import lines
from watchword.errors import HostError
from watchword.model.door_events import DoorEvent
from watchword.model.orders import OpenWay, UseUp, Way
from watchword.model.services import Service
from watchword.model.settings import (
    CaptureFile,
    CaptureFilter,
    KnockGroup,
    KnockLog,
    KnockSniffer,
    Settings,
    Sniffer,
    TcpPort,
    UdpPort,
    UnixSocket,
)
from watchword.ports import ForbiddenError
from watchword.service.apart.rulebook import Rulebook, Rules
from watchword.service.knock.one_time_doors import used_up
from watchword.wire.bpf import Program

Files: TypeAlias = list[int]
"""Open, for whoever is given them to close."""


class Ways:
    """By which the gate hears of the world. Methods block, and raise ForbiddenError for what is in
    no settings, neither those of now nor those read last."""

    def __init__(self, book: Rulebook, openers: Openers | None = None) -> None:
        self._book = book
        self._openers = openers or Openers()

    def opened(self, order: OpenWay) -> Files:
        """None at all where there is no such file yet."""
        match order.way:
            case Way.LOG:
                return [lines.connected().detach()]
            case Way.METRICS:
                return self._metrics()
            case Way.DOORS:
                return self._door_log()
            case Way.DIGESTS:
                return _if_there(_readable, self._book.now.settings.digest_file)
            case _:
                return self._open_source(order)

    def compiled(self, text: str) -> Program:
        """What the kernel is to run for a capture filter."""
        for each in self._filters():
            if each.text == text and each.puzzle:
                return self._openers.compiled(text, each.puzzle)
        raise ForbiddenError("no such capture filter is configured")

    def use_up(self, order: UseUp) -> tuple[bool, tuple[Service, ...], list[DoorEvent]]:
        """Mark a sequence in the file that our own reading of the door names."""
        rules = self._book.of(order.policy)
        door = None if rules is None else rules.policy.door(order.door)
        if door is None or door.one_time is None:
            raise ForbiddenError(f"door {order.door} has no one-time sequences")
        told: list[DoorEvent] = []
        opens, waiting = used_up(replace(door, sequence=order.sequence), door.one_time, told.append)
        return opens, waiting.sequence, told

    def admit_to_metrics(self, settings: Settings) -> None:
        """Raises HostError: the group could not be let at their socket."""
        path = _place_of_metrics(settings)
        if path is None or not path.exists():
            return
        try:
            scrapes.give(path, settings.control.group)
        except OSError as error:
            raise HostError(f"cannot give {path} to the group: {error.strerror}") from error

    def clear_metrics(self, before: Settings, now: Settings | None) -> None:
        """Remove the socket of settings that hold no more; ``now``: those that do."""
        path = _place_of_metrics(before)
        if path is not None and (now is None or _place_of_metrics(now) != path):
            path.unlink(missing_ok=True)

    def _open_source(self, order: OpenWay) -> Files:
        wanted = [each for settings in self._settings() for each in settings.sources]
        files = {str(each.path): each.path for each in wanted if isinstance(each, CaptureFile)}
        if order.way is Way.UDP and UdpPort(order.port) in wanted:
            return [_bound(self._openers.udp, order)]
        if order.way is Way.TCP and TcpPort(order.port) in wanted:
            return [_bound(self._openers.tcp, order)]
        listens = any(each.policy.doors for each in self._books())
        listens = listens or any(isinstance(each, (Sniffer, KnockSniffer)) for each in wanted)
        if order.way is Way.PACKETS and listens:
            return [self._openers.packets(bool(order.family)).detach()]
        if order.way is Way.CAPTURE and order.path in files:
            return _if_there(self._openers.capture, files[order.path])
        if order.way is Way.GROUP and KnockGroup(order.port) in wanted:
            return [self._openers.group(order.port).detach()]
        if order.way in (Way.KERNEL_LOG, Way.KERNEL_PIPE):
            return self._open_log(order, [each for each in wanted if isinstance(each, KnockLog)])
        raise ForbiddenError(f"no {order.way} {order.path or order.port} is configured")

    def _open_log(self, order: OpenWay, logs: Sequence[KnockLog]) -> Files:
        pipe = order.way is Way.KERNEL_PIPE
        for each in logs:
            if str(each.path) == order.path and each.pipe is pipe:
                return _if_there(lambda path: self._openers.log(path, pipe), each.path)
        raise ForbiddenError(f"no {order.way} {order.path} is configured")

    def _door_log(self) -> Files:
        """What the kernel says of the doors that it follows."""
        firewall = (self._book.coming or self._book.now).settings.firewall
        if not firewall.doors:
            raise ForbiddenError("the kernel follows no doors")
        return [door_log.joined(group(firewall)).detach()]

    def _metrics(self) -> Files:
        settings = (self._book.coming or self._book.now).settings
        if settings.metrics is None:
            raise ForbiddenError("metrics are not served")
        return [scrapes.bound(settings.metrics, settings.control.group).detach()]

    def _filters(self) -> Iterator[CaptureFilter]:
        for settings in self._settings():
            for each in settings.sources:
                if isinstance(each, (Sniffer, CaptureFile)):
                    yield each.filter

    def _books(self) -> list[Rules]:
        """Those of now, and those that were read last."""
        return [each for each in (self._book.now, self._book.coming) if each is not None]

    def _settings(self) -> list[Settings]:
        return [each.settings for each in self._books()]


def _place_of_metrics(settings: Settings) -> Path | None:
    return settings.metrics.path if isinstance(settings.metrics, UnixSocket) else None


def _readable(path: Path) -> int:
    return os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)


def _if_there(opened: Callable[[Path], int], path: Path) -> Files:
    try:
        return [opened(path)]
    except FileNotFoundError:
        return []


def _bound(make: Callable[[int, int], socket.socket], order: OpenWay) -> int:
    family = socket.AF_INET6 if order.family == 6 else socket.AF_INET
    return make(family, order.port).detach()
