"""Who else comes from an address, and what follows from that for who asks now.

In here: leases, how many may share an address, ports that were somebody's a moment ago, and the
evidence of how many people there are.
Not in here: the stanza's other rules (decide), grants and openings (ledger), the waiting of who
has to wait (service.daemon.lobby).

Somebody is known by his key, and by his user name where the stanza lists names: what a caller
merely calls himself must give him no second turn. The people who are told of are counted by what
they call themselves. No clock: methods are told the time. Everything is bounded.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from itertools import chain, islice
from math import inf
from typing import Final, NamedTuple

from watchword.grant.ledger import Ledger
from watchword.grant.neighbours import SHOWN, Trait
from watchword.grant.permits import Permit
from watchword.grant.used_ports import UsedPorts
from watchword.model.addresses import Address
from watchword.model.moments import Moment
from watchword.model.openings import MOST_TICKETS, Grant, Lease
from watchword.model.outcomes import Refusal
from watchword.model.reasons import Reason

WINDOW: Final = 600.0
"""Seconds for which a packet is evidence that its sender is at an address."""
PAUSE: Final = 60.0
"""Seconds that have to pass until somebody may hold an address again that he held too long."""
NOT_AGAIN: Final = 600.0
"""Seconds after the end of a grant in which its secret port is nobody else's."""
OWN_PORTS: Final = 4
"""A part of the secret ports: so many may have been somebody's lately at an address."""
MOST_BOUND: Final = 64
"""Grants for ports of one address that somebody may have at once."""
MOST_OWN: Final = MOST_TICKETS - 16
"""Tickets for one service that somebody may have at one address: the rest is for others."""
MOST_NAMED: Final = 20
"""People of an address that are told of by name: there can be as many as there are grants."""
_ADDRESSES: Final = 4096
_PEOPLE: Final = 64  # remembered of one address
_HOLDERS: Final = 4096
_STRICTEST_FIRST: Final = sorted(Lease, key=lambda each: each.strictness, reverse=True)


class People(NamedTuple):
    """Who is at an address."""

    number: int
    names: tuple[str, ...]
    """What they call themselves, each once; the first ``MOST_NAMED`` of them."""


class Wait(NamedTuple):
    """Not yet: an address is held."""

    holder: Grant


@dataclass(slots=True)
class _Address:
    people: OrderedDict[str, float] = field(default_factory=OrderedDict)
    """When each was last heard of, steady seconds; the last one last."""
    told: int = 1
    """How many were told of last."""


@dataclass(slots=True)
class _Hold:
    since: float
    until: float


class Crowd:
    """What is remembered of addresses beside the grants in force."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._addresses: OrderedDict[Address, _Address] = OrderedDict()
        self._ports = UsedPorts()
        """Secret ports that are not to be had again yet."""
        self._holds: OrderedDict[tuple[Address, str], _Hold] = OrderedDict()

    def judge(self, permit: Permit, now: Moment) -> Permit | Refusal | Wait:
        """What remains of a permit, going by who else is there; nothing is changed by that.

        A permit may come back shorter than it was.
        """
        standing = self._ledger.standing(permit)
        no = self._too_many(permit, standing) or self._no_port(permit, standing, now)
        if no is not None:
            return no
        other = self._in_the_way(permit)
        if other is not None:
            holder, lease = other
            if lease is Lease.QUEUE:
                return Wait(holder)
            if lease is Lease.REFUSE:
                return _no(permit, Reason.ADDRESS_HELD, _held(permit, holder, now))
        return self._leased(permit, now)

    def lease_ends(self, grant: Grant, seconds: int) -> float:
        """Steady seconds beyond which a grant may not be prolonged that holds its address for so
        long at the most."""
        holds = (self._holds.get((each.who, grant.identity)) for each in grant.callers)
        since = [hold.since for hold in holds if hold is not None]
        began = grant.until - (grant.ends - grant.began)  # all that is known after a restart
        return min(since, default=began) + seconds

    def company(self, permit: Permit) -> Grant | None:
        """Whose grant it is beside which this one is to be told of; None: nobody's."""
        found = self._in_the_way(permit)
        return found[0] if found is not None and found[1] is Lease.TELL else None

    def admitted(self, permit: Permit, grant: Grant, now: Moment) -> None:
        """Remember what a grant has taken."""
        if permit.sharing.lease is not None:
            self._hold(permit, grant, now)
        if permit.sharing.secret_ports is not None:
            for service in permit.services:
                until = grant.until + NOT_AGAIN
                self._ports.note(permit.who, service, permit.identity, until)

    def seen(self, permit: Permit, now: Moment) -> People | None:
        """Note that somebody is at an address; who is there, if they are more than were told of."""
        address = self._addresses.setdefault(permit.who, _Address())
        self._addresses.move_to_end(permit.who)
        if len(self._addresses) > _ADDRESSES:
            self._addresses.popitem(last=False)
        if name := _name(permit):  # a shared sequence of knocks has none
            address.people[name] = now.steady
            address.people.move_to_end(name)
        if len(address.people) > _PEOPLE:
            address.people.popitem(last=False)
        people = self.people(permit.who, now)
        more = people.number > address.told
        address.told = max(1, people.number)
        return people if more else None

    def people(self, who: Address, now: Moment) -> People:
        """Those who call themselves otherwise than others there, whatever keys they have.

        Of whom nothing was heard for a while, and who has no grant, is not among them.
        """
        users = self._ledger.at(who).users
        others = [each for each in self._recent(who, now) if each not in users]
        names = tuple(islice(chain(users, others), MOST_NAMED))
        return People(len(users) + len(others), names)

    def _recent(self, who: Address, now: Moment) -> Collection[str]:
        """Who was heard of a while ago at the most. Forgets the others."""
        address = self._addresses.get(who)
        if address is None:
            return ()
        for name in [each for each, at in address.people.items() if now.steady - at > WINDOW]:
            del address.people[name]
        return address.people

    def _too_many(self, permit: Permit, standing: Grant | None) -> Refusal | None:
        if standing is not None:
            return None
        for who in _addresses(permit):
            if (no := self._too_many_at(who, permit)) is not None:
                return no
        if self._ledger.lacks_tickets(permit) or self._hoards(permit):
            said = f"{_name(permit)}: too many are outstanding for {permit.who}"
            return _no(permit, Reason.TOO_MANY_CONNECTIONS, said)
        return None

    def _hoards(self, permit: Permit) -> bool:
        """Whether somebody would have so many tickets that others could not come in."""
        if not permit.connections:
            return False
        services = frozenset(permit.services)
        for who in _addresses(permit):
            names = self._ledger.at(who).own(Trait.COUNTED, permit.identity)
            own = self._ledger.named(names)
            held = (len(each.tickets) for each in own if services.intersection(each.services))
            if sum(held) + permit.connections > MOST_OWN:
                return True
        return False

    def _too_many_at(self, who: Address, permit: Permit) -> Refusal | None:
        sharing, bound = permit.sharing, permit.extent is not None and permit.extent.port
        if sharing.identities is None and sharing.grants is None and not bound:
            return None
        there = self._ledger.at(who)
        others = there.others(permit.identity)
        if sharing.identities is not None and others >= sharing.identities:
            said = f"{_name(permit)}: {who} is shared by {others} already"
            return _no(permit, Reason.TOO_MANY_IDENTITIES, said)
        if sharing.grants is not None and there.number >= sharing.grants:
            said = f"{_name(permit)}: there are {there.number} grants for {who}"
            return _no(permit, Reason.TOO_MANY_GRANTS, said)
        own = len(there.own(Trait.PART, permit.identity))
        if bound and own >= MOST_BOUND:
            said = f"{_name(permit)}: there are {own} grants of his own for ports of {who}"
            return _no(permit, Reason.TOO_MANY_GRANTS, said)
        own = len(there.own(Trait.ANY, permit.identity))
        if sharing.secret_ports is not None and own >= _own_share(sharing.grants):
            said = f"{_name(permit)}: there are {own} grants of his own for {who}"
            return _no(permit, Reason.TOO_MANY_GRANTS, said)
        return None

    def _no_port(self, permit: Permit, standing: Grant | None, now: Moment) -> Refusal | None:
        ports = permit.sharing.secret_ports
        if ports is None or standing is not None:
            return None
        for service in permit.services:
            if self._ports.is_used(permit.who, service, now.steady):
                return _no(permit, Reason.PORT_USED_LATELY, f"{_name(permit)}: {service}")
        own = self._ports.own(permit.who, permit.identity, now.steady)
        if own >= (ports[1] - ports[0] + 1) // OWN_PORTS:
            said = f"{_name(permit)}: {own} ports of {permit.who} were his lately"
            return _no(permit, Reason.TOO_MANY_GRANTS, said)
        return None

    def _in_the_way(self, permit: Permit) -> tuple[Grant, Lease] | None:
        """Whose grant matters, and what follows: the strictest that he or the permit says."""
        there = [self._ledger.at(who) for who in _addresses(permit)]
        for lease in _STRICTEST_FIRST:
            trait = Trait.ANY if lease is permit.sharing.lease else lease
            for each in there:
                if (name := each.another(trait, permit.identity)) is not None:
                    return next(self._ledger.named((name,))), lease
        return None

    def _leased(self, permit: Permit, now: Moment) -> Permit | Refusal:
        """For as long as it may yet be had, of each address."""
        if permit.sharing.lease is None:
            return permit
        seconds = permit.seconds
        for who in _addresses(permit):
            hold = self._holds.get((who, permit.identity))
            anew = hold is None or now.steady >= hold.until + PAUSE
            since = now.steady if hold is None or anew else hold.since
            most = since + permit.sharing.lease_seconds - now.steady
            if hold is not None and most < 1:
                again = max(1, round(hold.until + PAUSE - now.steady))
                said = f"{_name(permit)} has held {who} for as long as he may, again in {again} s"
                return _no(permit, Reason.HELD_TOO_LONG, said)
            seconds = min(seconds, int(most))
        return replace(permit, seconds=seconds)

    def _hold(self, permit: Permit, grant: Grant, now: Moment) -> None:
        for who in _addresses(permit):
            at = who, permit.identity
            hold = self._holds.get(at)
            if hold is None or now.steady >= hold.until + PAUSE:
                hold = self._holds[at] = _Hold(now.steady, grant.until)
            hold.until = max(hold.until, grant.until)
            self._holds.move_to_end(at)
        while len(self._holds) > _HOLDERS:
            self._holds.popitem(last=False)


def _own_share(most: int | None) -> float:
    """So many of the grants for an address may somebody have, where each packet is one of its own:
    a quarter is for others."""
    return inf if most is None else most - most // 4


def _addresses(permit: Permit) -> Iterator[Address]:
    """All that it is for, each once: whoever names several is held to what each of them allows."""
    yield from dict.fromkeys(caller.who for caller in permit.callers)


def _no(permit: Permit, reason: Reason, detail: str) -> Refusal:
    return Refusal(reason, (permit.request.stanza,), detail)


def _name(permit: Permit) -> str:
    return permit.request.user[:SHOWN]


def _held(permit: Permit, holder: Grant, now: Moment) -> str:
    left = max(1, round(holder.until - now.steady))
    held = {caller.who for caller in holder.callers}
    where = next((each for each in _addresses(permit) if each in held), permit.who)
    return (
        f"{_name(permit)}: {where} is held by {holder.user[:SHOWN]} "
        f"(grant {holder.id}) for another {left} s"
    )
