"""Hits that are sniffed: what comes in by an interface, before any rule of the firewall.

In here: sockets, draining them, interfaces that come and go, this host's addresses.
Not in here: the packet's bytes (wire.hits), which ports are of interest (a filter is handed in).

Of TCP only what begins a connection counts: nobody says here which packets were kept out.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Final

from watchword.edges.capture.addresses import AddressNews, addresses
from watchword.edges.capture.knocks import NEAR, compiled, have_stamped, waited
from watchword.edges.capture.links import Links, names
from watchword.edges.capture.tap import Tap, deaf_socket
from watchword.edges.capture.wakings import Wakings
from watchword.errors import HostError
from watchword.model.daemon_events import HostTrouble, InterfaceChanged, InterfaceState
from watchword.model.filters import Filter
from watchword.model.hits import Hit
from watchword.model.settings import KnockSniffer
from watchword.ports import Clock, HitSource, Interest
from watchword.wire.hits import LONGEST, hit_of

BATCH: Final = 512
_OUTGOING: Final = 4
_LOST: Final = (InterfaceState.GONE, InterfaceState.DOWN)


class HitSniffer:
    """One or more interfaces, or all of them."""

    def __init__(
        self,
        wanted: KnockSniffer,
        clock: Clock,
        tell: Callable[[InterfaceChanged | HostTrouble], None],
        made: Callable[[bool], socket.socket] = deaf_socket,
    ) -> None:
        """Begin; interfaces that are not there are waited for. ``made`` as for a tap.

        Raises HostError: capturing is not allowed.
        """
        self.name = f"knocks/{','.join(wanted.interfaces) or 'any'}"
        self._clock = clock
        self._tell = tell
        self._stray = 0
        self._stale = False
        """Whether interfaces or addresses have changed."""
        self._wakings = Wakings()
        self._links = Links()
        self._news = AddressNews()
        self._taps: list[Tap] = []
        try:
            self._local = frozenset(addresses())
            for name in wanted.interfaces or ("",):
                self._taps.append(Tap(name, promiscuous=False, both_directions=False, made=made))
                have_stamped(self._taps[-1])
            self._follow()
        except HostError:
            self._close()
            raise

    def hear(self, wanted: Filter | None) -> None:
        """Let through what passes from now on; None: nothing is of interest. Raises HostError."""
        for tap in self._taps:
            tap.attach(compiled(wanted))

    def _follow(self) -> None:
        for tap in self._taps:
            before = tap.state
            if not tap.name or not tap.follow(self._links) or tap.state is None:
                continue
            if before is not None or tap.state is not InterfaceState.THERE:
                others = names() if tap.state is InterfaceState.GONE else []
                self._tell(InterfaceChanged(tap.name, tap.state, tuple(others)))

    @property
    def awaited(self) -> tuple[str, ...]:
        """Interfaces that no knock can come from now."""
        return tuple(f"interface {tap.name}" for tap in self._taps if tap.state in _LOST)

    async def batches(self) -> AsyncIterator[Sequence[tuple[float, Hit]]]:
        if self._wakings.closed:
            return
        for tap in self._taps:
            self._wakings.watch(tap.sock.fileno())
        for sock in (self._links.sock, self._news.sock):
            asyncio.get_running_loop().add_reader(sock, self._changed)
        try:
            while await self._wakings.come():
                if self._stale:
                    self._look_after_interfaces()
                for tap in self._taps:
                    if not self._wakings.closed and (batch := self._drain(tap)):
                        yield batch
                        self._wakings.stir()  # there may be more
                await asyncio.sleep(0)  # others have their turn
        finally:
            self._close()

    def _changed(self) -> None:
        self._stale = True
        self._links.hear()
        self._news.hear()
        self._wakings.stir()

    def _look_after_interfaces(self) -> None:
        self._stale = False
        self._follow()
        try:
            self._local = frozenset(addresses())
        except HostError as error:
            self._tell(HostTrouble("addresses of this host", str(error), error.hint))

    def _drain(self, tap: Tap) -> list[tuple[float, Hit]]:
        """What came, each with its time: that of a packet is asked for as knocks.py does."""
        found: list[tuple[float, Hit]] = []
        moment = self._clock.now()
        late, at = True, moment.steady
        for _ in range(BATCH):
            try:
                octets, (interface, _, way, _, _) = tap.sock.recvfrom(LONGEST)
            except BlockingIOError:
                break
            except OSError:
                continue  # the interface went down, which the news tell better
            if late:
                ago = waited(tap, moment)
                late, at = ago > NEAR, moment.steady - ago
            if way == _OUTGOING:
                continue
            hit = hit_of(octets, interface, beginnings=True)
            if hit is None or hit.destination not in self._local:
                self._stray += 1
            else:
                found.append((at, hit))
        return found

    def narrow(self, interest: Interest) -> None:
        """That is about packets with a payload."""

    def dropped(self) -> Mapping[str, int]:
        full = sum(tap.dropped for tap in self._taps)
        return {"no hits": self._stray, "kernel: no room for sniffed ones": full}

    async def aclose(self) -> None:
        self._close()
        await asyncio.sleep(0)

    def _close(self) -> None:
        self._wakings.close()
        for sock in (*(tap.sock for tap in self._taps), self._links.sock, self._news.sock):
            if sock.fileno() >= 0:
                with contextlib.suppress(RuntimeError):
                    asyncio.get_running_loop().remove_reader(sock)
                sock.close()


_: type[HitSource] = HitSniffer
