"""Knocks off the wire: packets to ports, whether anything listens there or not.

In here: the sockets, draining them, interfaces that go down, come back or are gone.
Not in here: the packet's bytes (wire.knocks), which packets are let through
(a filter is handed in), what they mean (recognise.doors).

Only the headers of a packet are copied, and only of what comes in. Packets have
the time at which they came, not that at which a busy machine gets round to them.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import socket
import struct
from collections.abc import AsyncIterator, Callable, Sequence
from operator import itemgetter
from typing import Final, NamedTuple

from watchword.edges.capture.filter_code import FilterCode
from watchword.edges.capture.links import Links
from watchword.edges.capture.tap import Tap, deaf_socket
from watchword.errors import HostError
from watchword.model.daemon_events import InterfaceState
from watchword.model.doors import Knock
from watchword.model.filters import Filter, ProtocolIs
from watchword.model.moments import Moment
from watchword.ports import Clock
from watchword.wire import bpf
from watchword.wire.bpf import Instruction, Label
from watchword.wire.knocks import SNAP, knock_in

BATCH: Final = 512
_IPV4, _IPV6 = 0x0800, 0x86DD
_STAMP: Final = struct.Struct("@ll")
_STAMP_OF_LAST: Final = 0x8907  # SIOCGSTAMPNS
_NO_STAMP: Final = bytes(_STAMP.size)
NEAR: Final = 0.02
_LONGEST: Final = 60.0
_EVERYTHING: Final = ProtocolIs(frozenset({4, 6}))


class InterfaceGoneError(HostError):
    """An interface that was listened on does not exist any more."""


class Heard(NamedTuple):
    """What one look at the sockets brought."""

    knocks: Sequence[tuple[float, Knock]]
    """With the times at which they came, steady seconds."""
    until: float
    """Whatever came before this time was heard."""


class KnockSource:
    """One or more interfaces, or all of them."""

    def __init__(
        self,
        interfaces: Sequence[str],
        wanted: Filter | None,
        clock: Clock,
        made: Callable[[bool], socket.socket] = deaf_socket,
    ) -> None:
        """Begin to capture what passes the filter; no interface: all of them.

        ``made``: the sockets, as ``deaf_socket`` makes them. Raises HostError: capturing is not
        allowed, or an interface is not there or not up.
        """
        self.stray = 0
        """Packets that were no knocks after all."""
        self.news: Callable[[], None] = lambda: None
        """Called when ``awaited`` has changed."""
        self._clock = clock
        self._buffer = bytearray(SNAP)
        self._ready = asyncio.Event()
        self._links = Links()
        self._taps: list[Tap] = []
        try:
            for name in interfaces or ("",):
                self._taps.append(Tap(name, promiscuous=False, both_directions=False, made=made))
                self._follow(self._taps[-1])
                have_stamped(self._taps[-1])
            self.narrow(wanted)
        except HostError:
            self.close()
            raise

    def _follow(self, tap: Tap) -> None:
        if not tap.name:
            return
        tap.follow(self._links)
        if tap.state in (InterfaceState.GONE, None):
            raise HostError(
                f"could not open {tap.name}: there is no such interface",
                hint="name another with -i, or with Interface in knockd.conf",
            )
        if tap.state is InterfaceState.DOWN:
            raise HostError(
                f"could not open {tap.name}: the interface is not up",
                hint=f"bring it up: ip link set {tap.name} up",
            )

    def narrow(self, wanted: Filter | None) -> None:
        """Let through what passes another filter from now on. None: nothing is of interest.

        One that is too long for the kernel is left out; what it would have kept
        away is looked at. Raises HostError.
        """
        program = compiled(wanted)
        for tap in self._taps:
            tap.attach(program)

    @property
    def awaited(self) -> tuple[str, ...]:
        """Interfaces that no knock can come from now."""
        return tuple(
            f"interface {tap.name}" for tap in self._taps if tap.state is InterfaceState.DOWN
        )

    def forget(self) -> None:
        """Drop what has come by now and was not looked at."""
        for tap in self._taps:
            tap.forget()

    def wake(self) -> None:
        """Have the sockets looked at now, even if nothing came."""
        self._ready.set()

    async def batches(self) -> AsyncIterator[Heard]:
        """What each look brought, nothing included. Raises InterfaceGoneError when one goes."""
        loop = asyncio.get_running_loop()
        ready, news = self._ready, asyncio.Event()

        def changed() -> None:
            news.set()
            ready.set()

        for tap in self._taps:
            loop.add_reader(tap.sock, ready.set)
        loop.add_reader(self._links.sock, changed)
        try:
            while True:
                await ready.wait()
                ready.clear()
                if news.is_set():
                    news.clear()
                    self._look_after_interfaces()
                yield self._look()
        finally:
            self.close()

    def _look(self) -> Heard:
        moment = self._clock.now()
        knocks: list[tuple[float, Knock]] = []
        until = min(self._drain(tap, moment, knocks) for tap in self._taps)
        if len(self._taps) > 1:
            knocks.sort(key=itemgetter(0))
        return Heard(knocks, until)

    def _look_after_interfaces(self) -> None:
        before = self.awaited
        self._links.hear()
        for tap in self._taps:
            if not tap.name:
                continue
            tap.follow(self._links)
            if tap.state is InterfaceState.GONE:
                raise InterfaceGoneError(
                    "pcap: The interface disappeared", hint=f"{tap.name} is listened on"
                )
        if self.awaited != before:
            self.news()

    def _drain(self, tap: Tap, moment: Moment, knocks: list[tuple[float, Knock]]) -> float:
        """Add what came; up to when all of it was heard.

        Asking for the time of a packet costs as much as the packet. It is asked
        of the first; if that has not waited, the others have not either.
        """
        buffer, at = self._buffer, moment.steady
        receive, add, late = tap.sock.recv_into, knocks.append, True
        for _ in range(BATCH):
            try:
                size = receive(buffer)
            except BlockingIOError:
                return moment.steady
            except OSError:
                continue  # the interface went down, which the news tell better
            if late:
                ago = waited(tap, moment)
                late, at = ago > NEAR, moment.steady - ago
            knock = knock_in(buffer, size)
            if knock is None:
                self.stray += 1
            else:
                add((at, knock))
        return at

    @property
    def dropped(self) -> int:
        """Packets that found no room in the kernel, since the start."""
        return sum(tap.dropped for tap in self._taps)

    def close(self) -> None:
        """Stop listening."""
        for sock in (*(tap.sock for tap in self._taps), self._links.sock):
            if sock.fileno() >= 0:
                with contextlib.suppress(RuntimeError):
                    asyncio.get_running_loop().remove_reader(sock)
                sock.close()


def have_stamped(tap: Tap) -> None:
    """Have the kernel note when packets come: by the first question, which it cannot answer."""
    with contextlib.suppress(OSError):
        fcntl.ioctl(tap.sock, _STAMP_OF_LAST, _NO_STAMP)


def waited(tap: Tap, moment: Moment) -> float:
    """How long the packet that was read last had been there, seconds."""
    try:
        stamp = fcntl.ioctl(tap.sock, _STAMP_OF_LAST, _NO_STAMP)
    except OSError:
        return 0.0
    seconds, nanoseconds = _STAMP.unpack(stamp)
    ago: float = moment.wall - seconds - nanoseconds / 1e9
    return min(max(ago, 0.0), _LONGEST)  # the wall clock may have been set meanwhile


def compiled(wanted: Filter | None) -> list[Instruction]:
    """The program that lets through what passes, if it is IP without a VLAN tag in front."""
    if wanted is None:
        return [(bpf.RETURN, 0, 0, 0)]
    try:
        return _program(wanted)
    except ValueError:
        return _program(_EVERYTHING)


def _program(wanted: Filter) -> list[Instruction]:
    code = FilterCode()
    bare, known, passed, dropped = Label(), Label(), Label(), Label()
    code.add(bpf.LD_W, bpf.TAGGED)
    code.jump(bpf.EQUAL, 0, bare, dropped)
    code.here(bare)
    code.add(bpf.LD_H, bpf.ETHERTYPE)
    code.any_of((_IPV4, _IPV6), known, dropped)
    code.here(known)
    code.find_headers(dropped)
    code.test(wanted, passed, dropped)
    code.here(passed)
    code.add(bpf.RETURN, SNAP)
    code.here(dropped)
    code.add(bpf.RETURN, 0)
    return code.program()
