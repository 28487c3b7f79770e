"""Who came to services that the operator's own rules hide, and whom somebody let in.

In here: which live connections are in question, and the judgement as far as it differs from
that for the guard (known). Not in here: reading connections (arrivals), ending them (slipped).
No I/O.

An operator's chain sees packets after others have translated them: a connection counts by how it
looks behind a translation as well.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import replace

from watchword.edges.firewall.nft.arrivals import Arrivals
from watchword.edges.firewall.nft.connections import Connection
from watchword.edges.firewall.nft.known import Known
from watchword.model.addresses import Address
from watchword.model.firewalls import FirewallSettings
from watchword.model.openings import Hole


class Hidden(Known):
    """Connections to what is hidden that came in by right."""

    def __init__(self, settings: FirewallSettings) -> None:
        super().__init__(replace(settings, guard_all=False, guarded=settings.hidden))
        self._excepted = settings.hidden_except
        self.behind: Mapping[Connection, Connection] = {}
        """Those that are led on, each with what it looks like behind."""

    def in_question(self, found: Arrivals, own: Container[Address]) -> frozenset[Connection]:
        """Those that somebody elsewhere made to what is hidden, and is no exception.

        ``own``: the addresses of this host. Where nobody listens, it was this host that began.
        """
        self.behind = found.led
        sockets = found.sockets
        here = {each for each in sockets.connections if each.service in sockets.listening}
        led = {each for each in found.led if each.local in own}
        return frozenset(
            each
            for each in self.guarded(here | led | found.transit)
            if each.remote not in own
            and not each.remote.is_loopback
            and not any(each.remote in network for network in self._excepted)
        )

    def guarded(self, connections: Iterable[Connection]) -> frozenset[Connection]:
        """Those to what is hidden, from outside or as it is behind."""
        return frozenset(
            each
            for each in connections
            if any(look.service in self._guarded for look in self._looks(each))
        )

    def _let_in(self, each: Connection, holes: Container[Hole]) -> bool:
        let_in = super()._let_in
        return any(let_in(look, holes) for look in self._looks(each))

    def _looks(self, each: Connection) -> tuple[Connection, ...]:
        behind = self.behind.get(each)
        return (each,) if behind is None else (each, behind)
