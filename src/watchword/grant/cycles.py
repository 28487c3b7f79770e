"""Works out the commands of a cycle: what opens, what closes, with the caller's values in place.

In here: the values of a request and their one spelling; one run for each service.
Not in here: whether to (decide), when (service.daemon.cycles), running (service.daemon.hand).

What a caller can bring in is an address, a port, a protocol or a number, and
each is written here in its one canonical form: no letter of it can mean
anything to a program or a shell. Source: fwknopd server, 10.2. Differences:
every service has a run of its own; the time is never 0.
"""

from __future__ import annotations

from watchword.grant.commands import SHELL
from watchword.grant.permits import Permit
from watchword.model.addresses import Address
from watchword.model.commands import Closing, CycleTerms
from watchword.model.services import Service
from watchword.model.templates import Blank, Filling, Template
from watchword.record import record


@record
class Values:
    """What a run is for."""

    who: Address
    """Whom to let in."""
    source: Address
    """Where the packet came from."""
    destination: Address | None
    """Where it was sent to; None: not known."""
    service: Service
    ends: int
    """Unix seconds."""
    seconds: int
    grant: str = ""
    """What the grant is called; no command is told."""


@record
class Run:
    """One command of the operator's, spelled out."""

    text: str
    """As it is told in the log."""
    argv: tuple[str, ...]


def served(terms: CycleTerms, services: tuple[Service, ...]) -> tuple[Service, ...]:
    """The services that are opened: with one run for a command that names one, only that one."""
    named = terms.opening.names(Blank.PORT, Blank.PROTO_NUMBER, Blank.PROTO_NAME)
    return services[:1] if terms.first_only and named else services


def values(permit: Permit) -> tuple[Values, ...]:
    """One for each run, in the packet's order."""
    request, cycle = permit.request, permit.cycle
    first_only = cycle is not None and cycle.first_only
    return tuple(
        Values(
            who=permit.who,
            source=request.packet.source,
            destination=request.packet.destination,
            service=service,
            ends=request.sent_at + permit.seconds,
            seconds=permit.seconds,
        )
        for service in (permit.services[:1] if first_only else permit.services)
    )


def opening(terms: CycleTerms, found: Values) -> Run:
    """The command that opens."""
    return _run(terms, terms.opening, found)


def closing(terms: CycleTerms, found: Values) -> Closing | None:
    """The command that closes; None: there is none."""
    if terms.closing is None:
        return None
    run = _run(terms, terms.closing, found)
    return Closing(run.text, run.argv, terms.seconds)


def _run(terms: CycleTerms, template: Template, found: Values) -> Run:
    filling = _filling(found)
    text = template.told(filling)
    return Run(text, (*SHELL, text) if terms.shell else template.argv(filling))


def _filling(found: Values) -> Filling:
    unknown = "0.0.0.0" if found.who.version == 4 else "::"  # noqa: S104 - nothing is bound
    return {
        Blank.WHO: str(found.who),
        Blank.SOURCE: str(found.source),
        Blank.DESTINATION: str(found.destination or unknown),
        Blank.PORT: str(found.service.port),
        Blank.PROTO_NUMBER: str(found.service.proto.number),
        Blank.PROTO_NAME: str(found.service.proto),
        Blank.ENDS: str(found.ends),
        Blank.SECONDS: str(found.seconds),
    }
