"""Knocks off the wire: packets to ports, whether anything listens there or not.

In here: the sockets, draining them, interfaces that go down, come back or are gone.
Not in here: the packet's bytes (wire.knocks), which packets are let through
(a filter is handed in), what they mean (recognise.doors).

Only the headers of a packet are copied, and only of what comes in.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Final

from watchword.edges.capture.filter_code import FilterCode
from watchword.edges.capture.links import Links
from watchword.edges.capture.tap import Tap
from watchword.errors import HostError
from watchword.model.doors import Knock
from watchword.model.filters import Filter, ProtocolIs
from watchword.model.outcomes import InterfaceState
from watchword.wire import bpf
from watchword.wire.bpf import Instruction, Label
from watchword.wire.knocks import SNAP, knock_in

BATCH: Final = 512
_TAGGED: Final = 0xFFFFF000 + 48
"""Where the kernel answers whether the link layer had a VLAN tag, instead of a word."""
_IPV4, _IPV6 = 0x0800, 0x86DD
_EVERYTHING: Final = ProtocolIs(frozenset({4, 6}))


class InterfaceGoneError(HostError):
    """An interface that was listened on does not exist any more."""


class KnockSource:
    """One or more interfaces, or all of them."""

    def __init__(self, interfaces: Sequence[str], wanted: Filter | None) -> None:
        """Begin to capture what passes the filter; no interface: all of them.

        Raises HostError: capturing is not allowed, or an interface is not there
        or not up.
        """
        self.stray = 0
        """Packets that were no knocks after all."""
        self._buffer = bytearray(SNAP)
        self._links = Links()
        self._taps: list[Tap] = []
        try:
            for name in interfaces or ("",):
                self._taps.append(Tap(name, promiscuous=False, both_directions=False))
                self._follow(self._taps[-1])
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

    async def batches(self) -> AsyncIterator[Sequence[Knock]]:
        """What each wake-up drained. Raises InterfaceGoneError when an interface goes."""
        loop = asyncio.get_running_loop()
        ready, news = asyncio.Event(), asyncio.Event()

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
                for tap in self._taps:
                    if batch := self._drain(tap):
                        yield batch
        finally:
            self.close()

    def _look_after_interfaces(self) -> None:
        self._links.hear()
        for tap in self._taps:
            if not tap.name:
                continue
            tap.follow(self._links)
            if tap.state is InterfaceState.GONE:
                raise InterfaceGoneError(
                    "pcap: The interface disappeared", hint=f"{tap.name} is listened on"
                )

    def _drain(self, tap: Tap) -> list[Knock]:
        batch: list[Knock] = []
        buffer = self._buffer
        receive, add = tap.sock.recv_into, batch.append
        for _ in range(BATCH):
            try:
                size = receive(buffer)
            except BlockingIOError:
                break
            except OSError:
                continue  # the interface went down, which the news tell better
            knock = knock_in(buffer, size)
            if knock is None:
                self.stray += 1
            else:
                add(knock)
        return batch

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
    code.add(bpf.LD_W, _TAGGED)
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
