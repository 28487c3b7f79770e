"""Makes a grant of a permit.

In here: what it is called, how long it lasts, and which permits come to the same grant.
Not in here: whether to grant (decide), the grants in force (ledger), which tickets (tickets).
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain, count
from typing import Final, TypeAlias

from watchword.grant.permits import Permit
from watchword.model.addresses import Address
from watchword.model.moments import Moment
from watchword.model.openings import Caller, Extent, Grant, Lead
from watchword.model.requests import Request
from watchword.model.services import Service

Sameness: TypeAlias = tuple[
    int, str, str, Address, Extent | None, tuple[Caller, ...],
    frozenset[Service], Address | None, Lead | None, int, bool,
]  # fmt: skip
"""What makes two grants one: stanza, key, user, callers, services, destination, lead, how many
connections, and whether answers are let out for it.

The key, because a reload may give a stanza's number to another one.
"""
SHORT: Final = 10
"""Digits of the digest of a request that its grant is called by."""
COUNTED_SECONDS: Final = 600_000
"""For so long connections are counted at the most: a week after its use a ticket of the kernel's
would be good again."""


def never(_: str) -> bool:
    """No name is taken."""
    return False


def name_of(request: Request, taken: Callable[[str], bool] = never) -> str:
    """What a grant is called that comes of a request; ``taken``: whether another one is.

    Short, for people. A caller can make packets that are called alike, and no grant may take
    the place of another, which would never end: the second has all of its digits.
    """
    digits = request.key.plaintext.hex()
    names = chain((digits[:SHORT], digits), (f"{digits}-{again}" for again in count(2)))
    return next(name for name in names if not taken(name))


def granted(
    permit: Permit,
    now: Moment,
    taken: Callable[[str], bool] = never,
    tickets: tuple[int, ...] = (),
) -> Grant:
    """The grant that a permit comes to, from now on; ``taken`` as for ``name_of``.

    ``tickets``: as many as the permit is good for, if it counts connections.
    """
    request = permit.request
    door = permit.door_seconds
    if permit.connections:  # what gives it more time later gives no more connections
        door = min(permit.seconds if door is None else door, COUNTED_SECONDS)
    return Grant(
        id=name_of(request, taken),
        stanza=request.stanza,
        user=request.user,
        source=request.packet.source,
        who=permit.who,
        services=permit.services,
        destination=permit.destination,
        began=now.wall,
        ends=now.wall + permit.seconds,
        until=round(now.steady + permit.seconds, 3),
        key=permit.key,
        lead=permit.lead,
        extent=permit.extent,
        also=permit.also,
        tickets=tickets,
        identity=permit.identity,
        lease=permit.sharing.lease,
        answers=permit.answers,
        door_until=None if door is None else round(now.steady + door, 3),
    )


def same_as(permit: Permit) -> Sameness:
    """That of the grant which it comes to, and of every one that it would renew."""
    asked = permit.request
    return _sameness(permit, asked.stanza, asked.user, permit.connections or 0)


def sameness(grant: Grant) -> Sameness:
    return _sameness(grant, grant.stanza, grant.user, len(grant.tickets))


def _sameness(got: Permit | Grant, stanza: int, user: str, connections: int) -> Sameness:
    caller, whom = (stanza, got.key, user), (got.who, got.extent, got.also)
    services = frozenset(got.services)
    return (*caller, *whom, services, got.destination, got.lead, connections, got.answers)
