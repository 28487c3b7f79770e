"""What the server says of grants and of the firewall, but for the packets that they come from.

In here: what is hidden, ends of grants, what was put back, what people changed.
Not in here: a grant's beginning (voice_packets), commands (voice_commands), all
other events (voice).

Source: fwknopd server, sections 9 and 11; ours where fwknopd says nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TypeAlias, assert_never

from watchword.dialects.fwknop import voice_sharing, voice_start
from watchword.dialects.fwknop.voice_added import rules
from watchword.dialects.fwknop.voice_words import Line, Priority, listed
from watchword.model.daemon_events import Attached
from watchword.model.openings import Ending, Grant
from watchword.model.outcomes import (
    AddressShared,
    Changed,
    Disowned,
    GrantEnded,
    GrantStays,
    Restored,
)
from watchword.model.settings import LogChains

OfGrants: TypeAlias = (
    AddressShared | Attached | Changed | Disowned | GrantEnded | GrantStays | Restored
)


def lines(event: OfGrants, chains: LogChains, debug: bool) -> Iterator[Line]:
    match event:
        case GrantEnded():
            yield from _ended(event, chains, debug)
        case GrantStays():
            yield from _stays(event)
        case AddressShared():
            yield voice_sharing.shared(event)
        case Changed():
            yield from _changed(event)
        case Attached():
            yield from _attached(event)
        case Restored():
            yield Priority.INFO, f"Restored {event.grants} grants: {event.why}"
        case Disowned():
            yield (
                Priority.WARNING,
                f"Removed {event.openings} openings that no journal knows: they were made "
                "in the moment before a crash, or by other hands",
            )
        case _:
            assert_never(event)


def _changed(event: Changed) -> Iterator[Line]:
    change = event.change
    yield (
        Priority.INFO,
        f"User id {change.uid} (pid {change.pid}) asked: {change.action} "
        f"{change.target}: {change.result}",
    )


def _stays(event: GrantStays) -> Iterator[Line]:
    grant = event.grant
    yield (
        Priority.INFO,
        f"Rule {grant.id} for {grant.who} {listed(grant.services)} goes on while somebody is "
        f"connected through it, until {int(event.latest)} at the latest",
    )


def _ended(event: GrantEnded, chains: LogChains, debug: bool) -> Iterator[Line]:
    grant = event.grant
    if grant.cycle is not None:
        return  # what closes it has been told, and how that went
    match event.ending:
        case Ending.EXPIRED:
            yield from _removed(grant, chains)
        case Ending.REVOKED:
            yield from ((each, f"{text}, revoked") for each, text in _removed(grant, chains))
        case Ending.CLOSED:
            said = "closed by its owner"
            yield from ((each, f"{text}, {said}") for each, text in _removed(grant, chains))
        case Ending.RENEWED | Ending.FAILED | Ending.NOT_CLOSED:
            return  # ends of cycles only
        case _:
            assert_never(event.ending)
    if debug:
        yield Priority.DEBUG, f"Rule {grant.id} in {chains.input} has ended"


def _removed(grant: Grant, chains: LogChains) -> Iterator[Line]:
    """One line for each rule, numbered as in the original's listing of its chain."""
    until = f"with expire time of {int(grant.ends)}"
    counted: Counter[str] = Counter()
    for _ in grant.callers:
        for _, chain in rules(grant, chains):
            counted[chain] += 1
            yield Priority.INFO, f"Removed rule {counted[chain]} from {chain} {until}"


def _attached(event: Attached) -> Iterator[Line]:
    yield from voice_start.jumps(event)
    if event.everything:
        but = f" but {listed(event.public)}" if event.public else ""
        what = f"everything is hidden{but}"
    elif event.hidden:
        what = f"hidden until granted: {listed(event.hidden)}"
    elif event.backend == "firewalld" and not event.jumps:
        what = "what is hidden is up to them"
    elif event.way.startswith("jump"):
        what = "what is hidden is up to the chains that jump here"
    else:
        what = "what is hidden is up to your own rules"
    yield Priority.INFO, f"Attached to the firewall ({event.backend}, {event.way}), {what}"
    if event.adopted:
        yield Priority.INFO, f"{event.adopted} live connections go on."
