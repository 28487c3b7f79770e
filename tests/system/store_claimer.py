"""A process of its own that uses a store, for tests of what processes do to each other.

Usage: python -m tests.system.store_claimer ACT DIRECTORY. What it has to say
is printed, a line at a time.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import sys
from collections import Counter
from pathlib import Path

from tests.contract.journal import grant
from tests.contract.replay import firsts, key
from watchword.edges.replay import database
from watchword.edges.replay.location import NAME
from watchword.edges.replay.sqlite import SqliteStore
from watchword.errors import HostError


def say(*words: object) -> None:
    print(*words, flush=True)


async def endlessly(folder: Path) -> None:
    """Claim and note grants until killed; say first, last and fresh of each batch, once done."""
    store = SqliteStore.open(folder, boot_id="one")
    start = await store.keys.remembered()
    while True:
        size = 1 + start % 7
        numbers = range(start, start + size)
        fresh = await firsts(store.keys, [key(str(n)) for n in numbers])
        await store.journal.granted([grant(str(n)) for n in numbers])
        say(numbers[0], numbers[-1], sum(fresh))
        start += size


async def aloud(folder: Path) -> None:
    """Claim 30 batches, with the journal in between; say so after each claim."""
    store = SqliteStore.open(folder, boot_id="one")
    for number in range(30):
        await firsts(store.keys, [key(f"{number} {n}") for n in range(1 + number % 7)])
        say("claimed", number)
        await store.journal.granted([grant(str(number))])
        await store.keys.forget(before=0.0)
    await store.aclose()


async def once(folder: Path) -> None:
    """Claim the packets 0 to 299 one by one; say which were fresh."""
    store = SqliteStore.open(folder, boot_id="one")
    say("ready")
    sys.stdin.readline()
    fresh = [n for n in range(300) if (await firsts(store.keys, [key(str(n))]))[0]]
    await store.aclose()
    say(json.dumps(fresh))


async def hold(folder: Path) -> None:
    """Keep the database locked until told to stop."""
    other = sqlite3.connect(folder / NAME, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    say("ready")
    sys.stdin.readline()
    other.execute("ROLLBACK")
    other.close()


async def fill(folder: Path) -> None:
    """Claim until the disk is full, make room, go on, restart; say what was answered."""
    state = folder / "state"
    store = SqliteStore.open(state, boot_id="one")
    (folder / "ballast").write_bytes(bytes(1 << 20))
    answered: Counter[int] = Counter()
    refusals = []

    async def claim(start: int) -> bool:
        try:
            fresh = await firsts(store.keys, [key(str(n)) for n in range(start, start + 50)])
        except HostError as error:
            refusals.append(str(error))
            return False
        answered.update(n for n, yes in enumerate(fresh, start) if yes)
        return True

    start = 0
    while await claim(start) and start < 50_000:
        start += 50
    again_without_room = await claim(start)
    (folder / "ballast").unlink()
    again_with_room = await claim(start)
    await claim(start + 50)
    await store.aclose()

    store = SqliteStore.open(state, boot_id="one")
    known = [n for n in answered if not (await firsts(store.keys, [key(str(n))]))[0]]
    await store.aclose()
    facts = {
        "refusals": refusals,
        "again_without_room": again_without_room,
        "again_with_room": again_with_room,
        "fresh": len(answered),
        "claimed": start + 100,
        "fresh_twice": [n for n, times in answered.items() if times > 1],
        "forgotten": len(answered) - len(known),
    }
    say(json.dumps(facts))


async def refused(folder: Path) -> None:
    """Try to open a store; say what the machine said."""
    for state in (folder / "state", folder / "new"):
        try:
            SqliteStore.open(state, boot_id="one")
        except HostError as error:
            say(f"{error} | {error.hint}")


async def leave(folder: Path) -> None:
    """Make a store with something in it."""
    store = SqliteStore.open(folder / "state", boot_id="one")
    await firsts(store.keys, [key("a")])
    await store.aclose()


ACTS = {act.__name__: act for act in (endlessly, aloud, once, hold, fill, refused, leave)}

if __name__ == "__main__":
    setattr(database, "BUSY_SECONDS", 60.0)  # noqa: B010 - others may be held up
    asyncio.run(ACTS[sys.argv[1]](Path(sys.argv[2])))
