"""Which connections may yet prove that they are those of a packet that opened something.

In here: what each such packet is good for - one connection, until its grant ends - and the answer
to who asks.
Not in here: the message (wire.proof), who asks (service.front), the socket that it is asked at
(control).

It is kept in memory alone: after a restart a caller knocks again, as he does when a packet is lost.
"""

from __future__ import annotations

import heapq
from collections import OrderedDict
from collections.abc import Callable, Mapping
from ipaddress import ip_network
from typing import Final

from watchword.errors import OperatorError
from watchword.grant.ledger import Ledger
from watchword.model.addresses import Address, canonical
from watchword.model.openings import Caller, Grant
from watchword.model.outcomes import Event, Judged
from watchword.model.policy import Policy
from watchword.model.services import Service
from watchword.ports import Clock
from watchword.record import record
from watchword.service.daemon.control import Question
from watchword.wire.proof import Proof

EACH: Final = 16  # packets of one grant that are good for a connection; the oldest gives way
MOST: Final = 65_536  # of all together


@record
class _Pledge:
    proof: Proof
    grant: str
    until: float
    """Steady seconds."""


@record
class _Said:
    """What a connection has said, where it comes from, and where to."""

    name: bytes
    mac: bytes
    source: Address
    port: int
    service: Service


class Proofs:
    """What packets are good for."""

    def __init__(self, ledger: Ledger, policy: Callable[[], Policy], clock: Clock) -> None:
        self._ledger = ledger
        self._policy = policy
        self._clock = clock
        self._pledges: OrderedDict[bytes, _Pledge] = OrderedDict()
        self._of_grant: dict[str, list[bytes]] = {}
        self._ends: list[tuple[float, bytes]] = []

    def hear(self, event: Event) -> None:
        """Note a packet that got something, where its stanza wants connections to prove it."""
        if not isinstance(event, Judged) or event.grant is None or event.request is None:
            return
        try:
            terms = self._policy().terms(event.request.stanza)
        except IndexError:  # a reload took the stanza away in this moment
            return
        if not terms.proves or terms.mac_key is None:
            return
        self._tidy(self._clock.now().steady)
        proof = Proof(terms.mac_key, event.request.key.plaintext)
        self._pledges[proof.name] = _Pledge(proof, event.grant.id, event.grant.until)
        heapq.heappush(self._ends, (event.grant.until, proof.name))
        names = self._of_grant.setdefault(event.grant.id, [])
        names.append(proof.name)
        if len(names) > EACH:
            self._drop(names[0])
        if len(self._pledges) > MOST:
            self._drop(next(iter(self._pledges)))

    async def prove(self, question: Question) -> dict[str, object]:
        """Which connections may go on, and whose they are. What they said is used up by that.

        Raises OperatorError: the question is none.
        """
        try:
            said = [_said(each) for each in question.fields["connections"]]
        except (KeyError, TypeError, ValueError):
            raise OperatorError("no question about a proof", hint="see watchword front") from None
        return {"proofs": [self._told(each) for each in said]}

    def _told(self, said: _Said) -> dict[str, object]:
        grant = self._proved(said)
        if grant is None:
            return {"proved": False}
        pledge = self._drop(said.name)
        answer = "" if pledge is None else pledge.proof.answer.hex()
        return {
            "proved": True, "answer": answer, "user": grant.user, "grant": grant.id,
            "whose": grant.identity,
        }  # fmt: skip

    def _proved(self, said: _Said) -> Grant | None:
        """The grant of which that is a connection; None: of none, or what was said is wrong."""
        pledge = self._pledges.get(said.name)
        if pledge is None or not pledge.proof.fits(said.mac):
            return None
        grant = self._ledger.grant(pledge.grant)
        if grant is None or self._clock.now().steady >= pledge.until:
            return None
        called = any(_is(caller, said.source, said.port) for caller in grant.callers)
        return grant if called and _leads_there(grant, said.service) else None

    def _drop(self, name: bytes) -> _Pledge | None:
        pledge = self._pledges.pop(name, None)
        if pledge is not None:
            names = self._of_grant[pledge.grant]
            names.remove(name)
            if not names:
                del self._of_grant[pledge.grant]
        return pledge

    def _tidy(self, now: float) -> None:
        while self._ends and self._ends[0][0] <= now:
            self._drop(heapq.heappop(self._ends)[1])

    def __len__(self) -> int:
        return len(self._pledges)


def _said(fields: Mapping[str, object]) -> _Said:
    """Raises KeyError, TypeError, ValueError: it is not that."""
    name, mac = bytes.fromhex(str(fields["name"])), bytes.fromhex(str(fields["mac"]))
    source, port = canonical(str(fields["from"])), int(str(fields["port"]))
    return _Said(name, mac, source, port, Service.parse(str(fields["service"])))


def _is(caller: Caller, source: Address, port: int) -> bool:
    who, extent = caller
    if extent is None:
        return source == who
    if extent.port:
        return (source, port) == (who, extent.port)
    return source.version == who.version and source in ip_network((who, extent.bits))


def _leads_there(grant: Grant, service: Service) -> bool:
    """Whether it opens a port, or leads from one to another of this host."""
    if grant.lead is None:
        return service in grant.services
    here = grant.lead.host is None and not grant.lead.everything
    return here and (grant.services[0].proto, grant.lead.port) == (service.proto, service.port)
