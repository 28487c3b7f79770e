"""What the hand opens, as the gate sees it: ports, interfaces, logs, files.

In here: the orders for it, and what is made of the open files that come back.
Not in here: opening them (ways), what is done with them (edges.capture, service.daemon.sources).

What is to be opened the hand has read itself: an order says which of it.
"""

from __future__ import annotations

import errno
import os
import socket
import stat
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

from watchword.edges.capture.openers import Openers
from watchword.errors import OperatorError
from watchword.model.firewalls import FirewallSettings
from watchword.model.orders import Compile, OpenWay, Way
from watchword.model.settings import MetricsPlace, Settings
from watchword.service.apart.line import Line
from watchword.service.daemon.assembly import DIGEST_CACHE_LIMIT
from watchword.wire.bpf import Program

_LOG_PAUSE: Final = 1.0  # seconds between two tries to reach a log that is not there


class FarWays:
    """Methods raise what opening it raises in the hand."""

    def __init__(self, line: Line) -> None:
        self._line = line

    def openers(self) -> Openers:
        """Of what packets come by."""
        return Openers(
            udp=partial(self._bound, Way.UDP),
            tcp=partial(self._bound, Way.TCP),
            packets=lambda every: self._socket(OpenWay(Way.PACKETS, int(every))),
            capture=lambda path: self._opened(OpenWay(Way.CAPTURE, path=str(path))),
            compiled=self._compiled,
            log=self._kernel_log,
            group=lambda number: self._socket(OpenWay(Way.GROUP, port=number)),
            queues=False,
        )

    def metrics(self, _place: MetricsPlace, _group: int | None) -> socket.socket:
        """At which they are asked for."""
        return self._socket(OpenWay(Way.METRICS))

    def door_log(self, _firewall: FirewallSettings) -> socket.socket:
        """What the kernel says of the doors that it follows."""
        heard = self._socket(OpenWay(Way.DOORS))
        heard.setblocking(False)
        return heard

    def digests(self, settings: Settings) -> str | None:
        """The text of ``digest.cache``; None: there is none.

        Raises OperatorError: no file of that kind, or too long.
        """
        _, found = self._line.ask_for_files(OpenWay(Way.DIGESTS))
        if not found:
            return None
        if not stat.S_ISREG(os.fstat(found[0]).st_mode):
            os.close(found[0])
            raise OperatorError(
                f"{settings.digest_file} is not a regular file",
                hint="name the digest.cache of fwknopd in DIGEST_FILE, or remove the line",
            )
        with os.fdopen(found[0], "rb") as file:
            octets = file.read(DIGEST_CACHE_LIMIT + 1)
        if len(octets) > DIGEST_CACHE_LIMIT:
            raise OperatorError(
                f"{settings.digest_file} is larger than {DIGEST_CACHE_LIMIT} bytes",
                hint="export what is needed of it by fwknopd itself",
            )
        return octets.decode("utf-8", "surrogateescape")

    def _opened(self, order: OpenWay) -> int:
        _, found = self._line.ask_for_files(order)
        if not found:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        return found[0]

    def _socket(self, order: OpenWay) -> socket.socket:
        return socket.socket(fileno=self._opened(order))

    def _bound(self, way: Way, family: int, port: int) -> socket.socket:
        return self._socket(OpenWay(way, 6 if family == socket.AF_INET6 else 4, port))

    def _compiled(self, text: str, _: str) -> Program:
        program: Program = self._line.ask(Compile(text))
        return program

    def _kernel_log(self, path: Path, pipe: bool) -> int:
        way = Way.KERNEL_PIPE if pipe else Way.KERNEL_LOG
        return self._opened(OpenWay(way, path=str(path)))


def far_log(line: Line) -> Callable[[str], socket.socket]:
    """What connects to the system's log. While that is away it is not asked for all the time."""
    failed = -_LOG_PAUSE

    def connect(_: str) -> socket.socket:
        nonlocal failed
        if time.monotonic() - failed < _LOG_PAUSE:
            raise OSError(errno.EAGAIN, "the log was not there a moment ago")
        try:
            _, [descriptor] = line.ask_for_files(OpenWay(Way.LOG))
        except OSError:
            failed = time.monotonic()
            raise
        return socket.socket(fileno=descriptor)

    return connect
