"""What the hand owes, for all who close: itself, and what is run while no daemon runs.

In here: where that is kept, out of reach of what reads packets; which closing commands are run.
Not in here: the file (edges.debts), paying while a daemon runs (service.apart.owing).

What reads packets writes the journal of grants, with the commands that close them. Somebody who
took it over could write other commands there: while the hand keeps its own, only these are run.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Collection, Iterator
from functools import partial
from pathlib import Path

from watchword.edges.clock import boot_id
from watchword.edges.debts import NAME, Debts, Owed, folder_beside
from watchword.edges.replay.location import prepare_folder
from watchword.edges.replay.reading import read_grants
from watchword.errors import HostError, OperatorError
from watchword.model.commands import Closing
from watchword.model.settings import Settings
from watchword.ports import Clock, Completed, ProgramRunner
from watchword.service.daemon import assembly
from watchword.service.daemon.hand import close


def taken_up(settings: Settings, clock: Clock, written: Collection[Path]) -> Debts | None:
    """What is owed. Where nobody kept that before, the journal is believed, this once.

    ``written``: folders that the gate may write. None: in a dry run nothing is kept.
    Raises HostError: it cannot be read. Raises OperatorError: the gate could write it.
    """
    if settings.dry_run:
        return None
    folder, now = folder_beside(settings.state_dir), clock.now()
    if any(folder.resolve().is_relative_to(each.resolve()) for each in written):
        raise OperatorError(
            f"{folder} lies where what reads packets may write: in the folder of DIGEST_FILE",
            hint="name a DIGEST_FILE in a folder of its own",
        )
    prepare_folder(folder)

    def first() -> Iterator[Owed]:
        for grant in read_grants(settings.state_dir, now):
            for closing in grant.cycle.closings if grant.cycle else ():
                yield closing, grant.until, max(0.0, grant.until - now.steady)

    return Debts(folder / NAME, boot_id(), now, first)


def forget(settings: Settings) -> None:
    """One process will serve, and go by the journal: so will the next hand, once.

    Raises HostError: another daemon uses the state directory, or the file stays.
    """
    path = folder_beside(settings.state_dir) / NAME
    if settings.dry_run or not os.path.lexists(path):
        return
    lock = assembly.keep_to_ourselves(settings)
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise HostError(f"cannot remove {path}: {error.strerror}", hint="remove it") from error
    finally:
        if lock is not None:
            lock.close()


def closing(
    settings: Settings, programs: ProgramRunner, clock: Clock
) -> Callable[[Closing], Completed]:
    """What runs closing commands while no daemon does: where a hand keeps some, only those.

    From several threads, one command at a time; it raises HostError: that is not owed, or what is
    owed cannot be read.
    """
    path = folder_beside(settings.state_dir) / NAME
    if not os.path.lexists(path):
        return partial(close, programs)
    one_at_a_time = threading.Lock()

    def run(wanted: Closing) -> Completed:
        with one_at_a_time, contextlib.closing(Debts(path, boot_id(), clock.now())) as debts:
            debt = debts.of(wanted.argv)
            if debt is None:
                raise HostError(
                    f"nothing has to be closed by {wanted.argv[0]}: {path} has no such opening",
                    hint="look what is open; see docs/privilege.md",
                )
            done = close(programs, debt.closing)
            if not done.status:
                debts.pay(debt)
            return done

    return run
