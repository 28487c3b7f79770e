"""Memories of many packets, as each server keeps them.

In here: a database through our own store, a digest.cache in fwknopd's format,
each written once in a run and copied from then on.
Not in here: when they are needed (rows.replay).
"""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path

from watchword.edges.clock import boot_id
from watchword.edges.replay.sqlite import SqliteStore
from watchword.model.requests import ReplayKey, Sighting

_TRANSACTION = 50_000  # keys; large ones are quickest
_DAY = 86_400


def write_database(folder: Path, number: int) -> None:
    """Put a database that remembers so many packets into the state directory below ``folder``."""
    _copied(
        folder.parent / f"remembered-{number}",
        folder / "state",
        lambda where: asyncio.run(_claim(where, number)),
    )


async def _claim(where: Path, number: int) -> None:
    now = time.time()
    store = SqliteStore.open(where, boot_id=boot_id())
    sighting = Sighting(17, "192.0.2.1", 40_000, "203.0.113.1", 62_201, now)
    for start in range(0, number, _TRANSACTION):
        size = min(_TRANSACTION, number - start)
        digests = sorted(os.urandom(32) for _ in range(size))
        sent_at = int(now) - (number - start) // 10_000  # as if they had come in a flood
        keys = [ReplayKey(each, os.urandom(32), sighting, now + _DAY, sent_at) for each in digests]
        await store.keys.claim(keys)
    await store.aclose()


def write_digest_cache(folder: Path, number: int) -> None:
    """Put a digest.cache with so many lines into the run directory below ``folder``."""
    _copied(
        folder.parent / f"digests-{number}",
        folder / "run",
        lambda where: _write_lines(where / "digest.cache", number),
    )


def _write_lines(path: Path, number: int) -> None:
    now = int(time.time())
    path.touch(mode=0o600)
    with path.open("w", encoding="ascii") as file:
        file.write("# <digest> <proto> <src_ip> <src_port> <dst_ip> <dst_port> <time>\n")
        for _ in range(number):
            digest = b64encode(os.urandom(32))[:43].decode("ascii")
            file.write(f"{digest} 17 192.0.2.1 40000 0.0.0.0 62201 {now}\n")


def _copied(kept: Path, wanted: Path, write: Callable[[Path], None]) -> None:
    if not kept.exists():
        kept.mkdir(mode=0o700, parents=True)
        write(kept)
    shutil.copytree(kept, wanted, dirs_exist_ok=True)
