"""Takes everything of knockd's out of the firewall, for who wants it gone.

In here: the firewall and the journal, in step. Not in here: the running daemon, which
must not be there.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

from watchword.edges.clock import SystemClock, boot_id
from watchword.edges.replay.sqlite import SqliteStore
from watchword.model.knocking import KnockSettings
from watchword.model.openings import Ending
from watchword.model.settings import Settings
from watchword.service.daemon.assembly import firewall_for
from watchword.service.daemon.process import PidFile
from watchword.service.knock.openings import LOCK


def flush(settings: KnockSettings) -> None:
    """End every grant, and hide nothing any more. Stop commands that wait are kept.

    Raises HostError: the daemon runs, or the firewall refuses.
    """
    folder = Path(settings.state_dir)
    lock = PidFile(folder / LOCK, "end it first", program="knockd") if folder.exists() else None
    clock = SystemClock()
    firewall_for(Settings(firewall=replace(settings.firewall, needed=True)), clock).teardown()
    if lock is not None:
        asyncio.run(_end_grants(folder, clock))
        lock.close()


async def _end_grants(folder: Path, clock: SystemClock) -> None:
    store = await asyncio.to_thread(SqliteStore.open, folder, boot_id=boot_id())
    try:
        grants = await store.journal.unfinished(clock.now())
        over = [(each.id, Ending.REVOKED) for each in grants if each.cycle is None]
        await store.journal.ended(over, clock.now().wall)
    finally:
        await store.aclose()
