"""What is left of a daemon that runs no more: its commands' closes, and grants without an end.

In here: closing and ending these, for ``fwknopd --fw-flush``.
Not in here: our part of the firewall (its backend), what a running daemon closes (cycles).

A daemon that is stopped closes everything itself. One that was killed left that
to the next start; if there is to be none, this is the time.
"""

from __future__ import annotations

from watchword.edges.clock import SystemClock, boot_id
from watchword.edges.replay.location import NAME
from watchword.edges.replay.sqlite import SqliteStore
from watchword.model.openings import Ending
from watchword.model.settings import Settings
from watchword.ports import Clock, Journal, Reporter
from watchword.service.daemon import assembly, owed
from watchword.service.daemon.closer import Closer
from watchword.service.daemon.cycles import Cycles
from watchword.service.daemon.figures import Figures
from watchword.service.daemon.hand import command_programs


async def end_everything(settings: Settings, reporter: Reporter) -> int:
    """Run what closes, and note the end of every grant; how many could not be closed.

    Our part of the firewall is gone by then. Raises HostError: a daemon runs on
    that state directory, or the journal cannot be read.
    """
    if settings.dry_run or not (settings.state_dir / NAME).exists():
        return 0
    lock = assembly.keep_to_ourselves(settings)
    stored = SqliteStore.open(settings.state_dir, boot_id=boot_id())
    try:
        return await _end(settings, stored.journal, reporter, SystemClock())
    finally:
        await stored.aclose()
        if lock is not None:
            lock.close()


async def _end(settings: Settings, journal: Journal, reporter: Reporter, clock: Clock) -> int:
    programs = command_programs()
    closer = Closer(journal, owed.closing(settings, programs, clock), reporter, clock, pauses=())
    cycles = Cycles(journal, closer, reporter, clock, Figures(clock.now().wall))
    now = clock.now()
    shut = [each.id for each in await journal.unfinished(now) if each.cycle is None]
    await journal.ended([(name, Ending.REVOKED) for name in shut], now.wall)
    await cycles.resume(flush=True)
    await closer.closed()
    return len(cycles.unclosed)
