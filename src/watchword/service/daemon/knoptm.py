"""knoptm: in fwknop 1.9 the daemon that removed rules whose time was over.

In here: what is open and until when, by the running fwknopd's word; and with none running, the
end of what is overdue.
Not in here: that end itself (overdue), ends while fwknopd runs (keeper, cycles).

It prints, and ends: no second daemon keeps time. Exit status: 0 nothing is overdue any more, 1
something is, or it cannot be found out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from watchword.dialects.fwknop.companion_options import CompanionOptions
from watchword.dialects.fwknop.server_options import ServerOptions
from watchword.edges.clock import SystemClock
from watchword.model.settings import Settings
from watchword.service.daemon import companions, listing, overdue, process
from watchword.service.daemon.logbook import Logbook
from watchword.service.daemon.own_configuration import settings as own_settings

PROGRAM: Final = "knoptm"


def run(argv: Sequence[str], *, own_process: bool = False) -> int:
    """Do what the command line says; return the exit status."""
    return companions.run(PROGRAM, argv, _look, own_process=own_process)


def _look(_: CompanionOptions, files: ServerOptions) -> int:
    settings = own_settings(files)  # also while the files are broken
    pid = process.holder(settings.pid_file)
    return _of_running(settings, pid) if pid is not None else _without(settings)


def _of_running(settings: Settings, pid: int) -> int:
    rows = listing.rows(settings)
    late = [each for each in rows if each["remaining"] <= 0 and each["by"] == "firewall"]
    times = sorted(each["remaining"] for each in rows)
    next_end = f", the next one ends in {times[0]:.0f} s" if times else ""
    print(f"fwknopd is running (pid={pid}) and ends grants itself.")
    print(f"{len(rows)} grants are in force{next_end}; {len(late)} are overdue.")
    return 1 if late else 0


def _without(settings: Settings) -> int:
    clock = SystemClock()
    book = Logbook(settings.log, foreground=True, syslog=False)
    ended = asyncio.run(overdue.end_overdue(settings, book, clock))
    print("No running fwknopd detected.")
    print(overdue.in_words(ended, clock.now()))
    return 1 if ended.failed else 0
