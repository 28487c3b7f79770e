"""Packets that pass an interface, whoever they are addressed to; no port is open for it.

In here: reading what the kernel's filter lets through, interfaces that come
and go.
Not in here: the socket (tap), filters (filter_code, sieve_code), frames (wire).

One packet is one payload, as for every passive listener: a fragment or a
packet that was cut is none, and of TCP each segment counts for itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence

from watchword.edges.capture.links import Links, names
from watchword.edges.capture.requests import Requests, in_words
from watchword.edges.capture.sieve_code import compile_filter
from watchword.edges.capture.tap import Tap, deaf_socket
from watchword.errors import HostError
from watchword.model.daemon_events import InterfaceChanged, InterfaceState
from watchword.model.filters import Filter
from watchword.model.packets import Packet
from watchword.model.reasons import Reason
from watchword.model.settings import Sniffer
from watchword.ports import Interest, PacketSource
from watchword.wire.bpf import Program
from watchword.wire.frames import packet_above

BATCH = 512  # packets of one wake-up, as for UDP
_OUTGOING = 4
_LOOPBACK = 772
_LOST = (InterfaceState.GONE, InterfaceState.DOWN)


class SniffSource:
    """One or more interfaces, or all of them."""

    def __init__(
        self,
        wanted: Sniffer,
        tests: Filter | Program | None,
        requests: Requests | None = None,
        tell: Callable[[InterfaceChanged], None] = lambda change: None,
        made: Callable[[bool], socket.socket] = deaf_socket,
    ) -> None:
        """Begin to capture what passes the tests; interfaces that are not there are waited for.

        ``tell`` is called when one comes, goes or is renamed; ``made`` as for a tap. Raises
        HostError: capturing is not allowed, the filter is too long, or an
        interface is not there and the settings say that this is the end.
        """
        self.name = f"sniff/{','.join(wanted.interfaces) or 'any'}"
        self.flaws: Counter[Reason] = Counter()
        """How many packets were dropped on their bytes alone, by reason."""
        self._wanted = wanted
        self._filter = tests
        self._requests = requests or Requests()
        self._tell = tell
        self._empty = 0
        self._closed = asyncio.Event()
        self._links = Links()
        self._taps: list[Tap] = []
        try:
            for name in wanted.interfaces or ("",):
                tap = Tap(
                    name,
                    promiscuous=wanted.promiscuous,
                    both_directions=wanted.both_directions,
                    made=made,
                )
                self._taps.append(tap)
            self._attach(None)
            self._follow()
        except HostError:
            self._close()
            raise

    def _attach(self, interest: Interest | None) -> None:
        try:
            program = compile_filter(self._filter, interest, longest=self._wanted.longest)
        except ValueError as error:
            raise HostError(str(error), hint="write a shorter one") from None
        for tap in self._taps:
            tap.attach(program)

    def _follow(self) -> None:
        """Look at every interface that has a name."""
        for tap in self._taps:
            before = tap.state
            if not tap.name or not tap.follow(self._links) or tap.state is None:
                continue
            if before is None and tap.state is InterfaceState.THERE:
                continue  # as it should be
            if tap.state in _LOST and self._wanted.ends_with_interface:
                raise HostError(
                    f"the interface {tap.name} is {tap.state.value}",
                    hint="without EXIT_AT_INTF_DOWN Y it would be waited for",
                )
            others = names() if tap.state is InterfaceState.GONE else []
            self._tell(InterfaceChanged(tap.name, tap.state, tuple(others)))

    @property
    def families(self) -> tuple[int, ...]:
        """Packets of both are seen, whatever addresses this host has."""
        return (4, 6)

    @property
    def awaited(self) -> tuple[str, ...]:
        """Interfaces that no packet can come from now."""
        return tuple(f"interface {tap.name}" for tap in self._taps if tap.state in _LOST)

    async def batches(self) -> AsyncIterator[Sequence[Packet]]:
        loop = asyncio.get_running_loop()
        ready, news = asyncio.Event(), asyncio.Event()

        def changed() -> None:
            news.set()
            ready.set()

        for tap in self._taps:
            loop.add_reader(tap.sock, ready.set)
        if self._wanted.interfaces:
            loop.add_reader(self._links.sock, changed)
        closing = loop.create_task(self._closed.wait())
        closing.add_done_callback(lambda _: ready.set())
        try:
            while not self._closed.is_set():
                await ready.wait()
                ready.clear()
                if news.is_set() and not self._closed.is_set():
                    news.clear()
                    self._links.hear()
                    self._follow()
                for tap in self._taps:
                    if tap.sock.fileno() >= 0 and (batch := self._drain(tap)):
                        yield batch
        finally:
            closing.cancel()
            self._close()

    def _drain(self, tap: Tap) -> list[Packet]:
        batch: list[Packet] = []
        receive, longest = tap.sock.recvfrom, self._wanted.longest
        for _ in range(BATCH):
            try:
                octets, (interface, ethertype, way, hardware, _) = receive(longest)
            except BlockingIOError:
                break
            except OSError:
                continue  # the interface went down, which the news tell better
            if way == _OUTGOING and (hardware == _LOOPBACK or not self._wanted.both_directions):
                continue
            packet = packet_above(ethertype, octets, interface)
            if packet is None:
                self._empty += 1
                continue
            sound = self._requests.sift(packet, self.flaws)
            if sound is not None:
                batch.append(sound)
        return batch

    def narrow(self, interest: Interest) -> None:
        self._attach(interest)

    def dropped(self) -> Mapping[str, int]:
        full = sum(tap.dropped for tap in self._taps)
        return {
            **in_words(self.flaws),
            "no whole packet": self._empty,
            "kernel: no room for sniffed ones": full,
        }

    async def aclose(self) -> None:
        self._closed.set()
        await asyncio.sleep(0)
        self._close()

    def _close(self) -> None:
        for sock in (*(tap.sock for tap in self._taps), self._links.sock):
            if sock.fileno() >= 0:
                with contextlib.suppress(RuntimeError):
                    asyncio.get_running_loop().remove_reader(sock)
                sock.close()


_: type[PacketSource] = SniffSource
