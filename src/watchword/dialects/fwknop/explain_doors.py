"""Doors in words, for who wants to know what a configuration amounts to.

In here: what each door leads to, and how long it takes. Not in here: their sequences, which are
secrets; what is weak about them (dialects.knockd.weakness).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from watchword.model.doors import CloseServices, Door, OpenServices, RunCommands


def in_words(doors: Sequence[Door]) -> Iterator[str]:
    """A line for each."""
    for door in doors:
        yield f"door {door.name} ({door.place}): {_knocks(door)}, {leads_to(door)}"


def leads_to(door: Door) -> str:
    """``opens tcp/22 for 60 seconds``."""
    match door.action:
        case OpenServices(services, seconds):
            by = ", followed by the kernel" if door.kernel else ""
            return f"opens {', '.join(map(str, services))} for {seconds} seconds{by}"
        case CloseServices(services):
            return f"ends what doors opened of {', '.join(map(str, services))}"
        case RunCommands() as action:
            after = f", and another one {action.seconds} seconds later" if action.stops else ""
            return f"has a command run{after}"


def _knocks(door: Door) -> str:
    if door.rotation is not None:
        count = f"{door.rotation.knocks} knocks that change every {door.rotation.every} seconds"
    elif not door.sequence:
        return "no sequence is left"
    else:
        count = f"{len(door.sequence)} knocks"
    return f"{count}{', each sequence once' if door.one_time else ''}, within {door.seq_timeout} s"
