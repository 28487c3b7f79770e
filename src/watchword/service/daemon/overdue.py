"""Ends what is past its time while no daemon is there to do it.

In here: what the firewall still has and should not, and commands that have yet to close something.
Not in here: ends while the daemon runs (keeper, cycles), grants that are not over: the next start
of the daemon takes them up, and nobody else may.
"""

from __future__ import annotations

from watchword.model.moments import Moment
from watchword.model.openings import ChangeSet, Ending, Grant
from watchword.model.settings import Settings
from watchword.ports import Clock, Reporter
from watchword.record import record
from watchword.service.daemon import assembly, listing, owed
from watchword.service.daemon.closer import Closer
from watchword.service.daemon.hand import command_programs


@record
class Ended:
    """What was done, and what is left."""

    removed: int
    """Openings that were in the firewall."""
    closed: int
    """Grants for whose end commands were run."""
    failed: int
    """Of those, how many are not closed."""
    live: tuple[Grant, ...]
    """Grants that are not over, the first to end first."""


async def end_overdue(settings: Settings, reporter: Reporter, clock: Clock) -> Ended:
    """Take from the firewall what no live grant needs, and run the closing commands that are due.

    Raises HostError: a daemon runs, or the memory or the firewall cannot be used.
    """
    lock = assembly.keep_to_ourselves(settings)
    try:
        memory, _ = await assembly.open_memory(settings)
        try:
            return await _end(settings, memory, reporter, clock)
        finally:
            await memory.aclose()
    finally:
        if lock is not None:
            lock.close()


async def _end(
    settings: Settings, memory: assembly.Memory, reporter: Reporter, clock: Clock
) -> Ended:
    now = clock.now()
    grants = await memory.journal.unfinished(now)
    live = sorted((each for each in grants if each.until > now.steady), key=lambda each: each.until)
    removed = _shut(settings, live, clock)
    over = [each for each in grants if each.until <= now.steady]
    plain = [(each.id, Ending.EXPIRED) for each in over if each.cycle is None]
    await memory.journal.ended(plain, now.wall)
    by_command = [each for each in over if each.cycle is not None]
    await _close(settings, by_command, memory, reporter, clock)
    left = {each.id for each in await memory.journal.unfinished(clock.now())}
    failed = sum(each.id in left for each in by_command)
    return Ended(removed, len(by_command), failed, tuple(live))


def _shut(settings: Settings, live: list[Grant], clock: Clock) -> int:
    """Remove what is installed and no live grant needs."""
    firewall = assembly.firewall_for(settings, clock)
    needed = {each.tag for each in listing.openings(live)}
    over = firewall.installed() - needed
    if over:
        firewall.apply(ChangeSet(remove=over))
    return len(over)


async def _close(
    settings: Settings,
    grants: list[Grant],
    memory: assembly.Memory,
    reporter: Reporter,
    clock: Clock,
) -> None:
    programs = command_programs()
    run = owed.closing(settings, programs, clock)
    closer = Closer(memory.journal, run, reporter, clock, pauses=())
    for grant in sorted(grants, key=lambda each: each.until):
        closer.close(grant, Ending.EXPIRED)
    await closer.closed()
    programs.end()


def in_words(ended: Ended, now: Moment) -> str:
    """What a person reads of it, a line each."""
    lines = [
        f"{ended.removed} openings were overdue and are shut, "
        f"{ended.closed - ended.failed} were closed by their commands."
    ]
    if ended.failed:
        lines.append(f"{ended.failed} could not be closed by their commands; the log says why.")
    if ended.live:
        wait = ended.live[0].until - now.steady
        lines.append(f"{len(ended.live)} grants are in force, the next one ends in {wait:.0f} s.")
    return "\n".join(lines)
