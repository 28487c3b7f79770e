"""Which connections may go on when the guard had gone for a moment.

In here: the memory of who was connected while the guard stood, and the
judgement. Not in here: reading connections (connections, conntrack), letting
them through or cutting them (passes). No I/O.

While the guard stands, whoever is connected to a guarded service came in by
right. So the whole list is taken down now and then, and between two lists only
openings that ended are noted: a connection belongs if it was on the last list,
or if an opening lets it in, or one did since that list. Nothing has to be
looked up when an opening ends.
"""

from __future__ import annotations

from collections.abc import Container, Iterable

from watchword.edges.firewall.nft.connections import Connection, Sockets
from watchword.model.firewalls import FirewallSettings
from watchword.model.openings import Hole

MOST_ENDED = 4096
"""Ended openings noted before a new list has to be taken."""


class Known:
    """Connections that came in by right."""

    def __init__(self, settings: FirewallSettings) -> None:
        self._everything = settings.guard_all
        self._guarded = frozenset(settings.guarded)
        self._public = frozenset(settings.public)
        self._prefixes = frozenset(settings.prefixes) | frozenset(settings.firsts)
        self._listed: frozenset[Connection] = frozenset()
        self._ended: set[Hole] = set()

    @property
    def due(self) -> bool:
        """Whether a new list has to be taken before more openings end."""
        return len(self._ended) >= MOST_ENDED

    @property
    def stale(self) -> bool:
        """Whether a new list would let something be forgotten."""
        return bool(self._ended)

    def guarded(self, connections: Iterable[Connection]) -> frozenset[Connection]:
        """Those whose packets the guard would drop if they were new."""
        if self._everything:
            return frozenset(each for each in connections if each.service not in self._public)
        return frozenset(each for each in connections if each.service in self._guarded)

    def ended(self, holes: Iterable[Hole]) -> None:
        """Note openings that are over; whoever came in through them stays."""
        self._ended.update(holes)

    def listed(self, connections: Iterable[Connection]) -> None:
        """Take down all connections of a moment at which the guard stood."""
        self._listed = self.guarded(connections)
        self._ended.clear()

    def judge(
        self, sockets: Sockets, redirected: frozenset[Connection], holes: Container[Hole]
    ) -> tuple[frozenset[Connection], frozenset[Connection]]:
        """Sort live connections into those that may go on and those that slipped in.

        Args:
            sockets: Connections that end at this host.
            redirected: Connections that are led elsewhere.
            holes: Openings that are in force, or were until a moment ago.

        With everything guarded, connections that this host began are among
        them: where nobody listens, nobody came in.
        """
        mine = set()
        live = self.guarded(sockets.connections | redirected)
        for each in live:
            began_here = (
                self._everything
                and each not in redirected
                and each.service not in sockets.listening
            )
            if began_here or each in self._listed or self._let_in(each, holes):
                mine.add(each)
        return frozenset(mine), live - mine

    def _let_in(self, each: Connection, holes: Container[Hole]) -> bool:
        return any(way in holes or way in self._ended for way in each.ways(self._prefixes))
