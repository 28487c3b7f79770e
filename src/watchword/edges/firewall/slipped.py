"""Cuts off who got in while other hands had the firewall, where the operator's own rules hide.

In here: when lists are taken, and what becomes of those who are on none and were let in by nobody.
Not in here: the judgement (nft.hidden, nft.known), ending connections (cutting), hearing of other
hands (the backends), the guard, which does all of it by itself (nft.passes).

What the operator's rules hide, and from whom, only he can say (HIDDEN_SERVICES, HIDDEN_EXCEPT).
The first list, taken when this begins, has everybody who is connected then. From there on a
connection comes onto the list if an opening let it in, and not otherwise: nobody tells us when
the operator's rules are whole again.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from typing import Final, TypeAlias

from watchword.edges.firewall.barring import Bars
from watchword.edges.firewall.cutting import end
from watchword.edges.firewall.nft.arrivals import Arrivals, arrivals
from watchword.edges.firewall.nft.connections import Connection, Sockets
from watchword.edges.firewall.nft.conntrack import bound_for, conversing
from watchword.edges.firewall.nft.hidden import Hidden
from watchword.edges.firewall.nft.netlink import Netlink
from watchword.edges.firewall.nft.own_addresses import own_addresses
from watchword.errors import HostError
from watchword.model.daemon_events import SlippedIn
from watchword.model.firewalls import FirewallSettings
from watchword.model.openings import Hole
from watchword.model.services import Proto
from watchword.ports import Clock

_LIST_EVERY: Final = 10.0
"""Seconds between two lists, unless openings end by the thousand."""
Told: TypeAlias = Callable[[SlippedIn], None]


def tell_nobody(_: SlippedIn) -> None:
    """For who has no log."""


class Slipped:
    """Does nothing unless the settings name what is hidden. Methods raise HostError.

    Works on the network namespace of the calling thread.
    """

    def __init__(
        self,
        settings: FirewallSettings,
        bars: Bars | None,
        clock: Clock,
        told: Told = tell_nobody,
    ) -> None:
        """``bars``: for what only passes through; None: it does not come to that."""
        self.holes: Callable[[], Iterable[Hole]] = tuple
        """What is open as far as the backend knows, or over and not taken out yet."""
        self.watches = bool(settings.hidden)
        self._settings = settings
        self._bars = bars
        self._known = Hidden(settings)
        self._clock = clock
        self._told = told
        self._before: frozenset[Connection] = frozenset()
        """Those of the last list."""
        self._listed_at: float | None = None
        """When the last list was taken; None: there was none yet."""
        self._owed = False
        """Others have changed the firewall, and the judgement failed."""

    def stands(self, *, disturbed: bool) -> None:
        """What we made stands, for the first time or again: whoever is connected may stay then, or
        is judged if others had ``disturbed`` it.

        Grants that are still to be put back do not wait for what cannot be judged: ``tend`` will.
        """
        if not self.watches:
            return
        if self._listed_at is None:
            with _netlink() as netlink:
                _, asked = self._found(netlink)
            self._list(asked)
        elif disturbed:
            with contextlib.suppress(HostError):
                self.judge()

    def ended(self, holes: Iterable[Hole]) -> None:
        """Note openings that are over: who came in through them stays."""
        if self._listed_at is not None:
            self._known.ended(hole.door for hole in holes)
            if self._known.due:
                self._list_anew()

    def tend(self) -> None:
        """Do what is still to be done: a judgement, or a list if openings have ended since."""
        if self._listed_at is None:
            return
        if self._owed:
            self.judge()
        elif self._known.stale and self._clock.now().steady - self._listed_at >= _LIST_EVERY:
            self._list_anew()

    def judge(self) -> None:
        """Others have changed the firewall: end what nobody let in."""
        if self._listed_at is None:
            return
        self._owed = True
        with _netlink() as netlink:
            found, asked = self._found(netlink)
            mine, slipped = self._sorted(asked)
            self._list(mine)
            if slipped:
                end(netlink, slipped, found, self._bars)
        self._owed = False
        if slipped:
            came = sorted((each.service, str(each.remote)) for each in slipped)
            self._told(SlippedIn(tuple((who, service) for service, who in came)))

    def clear(self) -> None:
        """Take away what was put up against those who pass through."""
        if self.watches and self._bars is not None:
            self._bars.remove()

    def _found(self, netlink: Netlink) -> tuple[Arrivals, frozenset[Connection]]:
        """Who is connected, and which of them are in question."""
        hidden, behind = self._settings.hidden, self._settings.hidden_behind
        found, own = arrivals(netlink), own_addresses()
        datagrams = [each for each in hidden if each.proto is Proto.UDP]
        talks = frozenset(
            each
            for each in conversing(netlink, {(n, each) for n in (4, 6) for each in datagrams})
            if each.local in own and each not in found.led
        )
        through = bound_for(netlink, behind, hidden) if behind else frozenset()
        found = Arrivals(
            found.sockets._replace(connections=found.sockets.connections | talks),
            found.led,
            frozenset(each for each in through - found.led.keys() if each.local not in own),
        )
        return found, self._known.in_question(found, own)

    def _sorted(
        self, asked: frozenset[Connection]
    ) -> tuple[frozenset[Connection], frozenset[Connection]]:
        """Those that somebody let in, and those that slipped in."""
        holes = frozenset(hole.door for hole in self.holes())
        return self._known.judge(Sockets(asked, frozenset()), frozenset(), holes)

    def _list_anew(self) -> None:
        with _netlink() as netlink:
            _, asked = self._found(netlink)
        mine, _ = self._sorted(asked)
        self._list(mine)

    def _list(self, connections: frozenset[Connection]) -> None:
        """With those of the list before: the kernel's tables change while they are read, and may
        leave somebody out."""
        self._known.listed(connections | self._before)
        self._before = connections
        self._listed_at = self._clock.now().steady


@contextlib.contextmanager
def _netlink() -> Iterator[Netlink]:
    netlink = Netlink()
    try:
        yield netlink
    finally:
        netlink.close()
