"""What processes that use one store, are killed, or are in the way do to each other."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, TypeAlias, cast

import pytest

from tests.contract.journal import NOW
from tests.contract.replay import firsts, key, run
from watchword.edges.replay import database
from watchword.edges.replay.reading import export_digest_cache, read_grants
from watchword.edges.replay.sqlite import SqliteStore
from watchword.errors import HostError

ROOT = Path(__file__).parents[2]
Process: TypeAlias = subprocess.Popen[str]
Start: TypeAlias = Callable[[str], Process]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts a claimer (store_claimer) on the test's directory."""
    started: list[Process] = []

    def start(act: str) -> Process:
        argv = [sys.executable, "-m", "tests.system.store_claimer", act, str(tmp_path)]
        pipe = subprocess.PIPE
        started.append(subprocess.Popen(argv, cwd=ROOT, stdin=pipe, stdout=pipe, text=True))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def out(process: Process) -> IO[str]:
    return cast(IO[str], process.stdout)


def go(process: Process) -> None:
    stdin = cast(IO[str], process.stdin)
    stdin.write("go\n")
    stdin.flush()


@pytest.mark.requirement("8.4")
def test_every_acknowledged_claim_is_remembered_after_kill_9(tmp_path: Path, start: Start) -> None:
    acknowledged: set[int] = set()
    for round_ in range(4):
        process = start("endlessly")
        batches = random.Random(round_).randrange(5, 60)
        lines = [out(process).readline() for _ in range(batches)]
        process.kill()
        lines += out(process).readlines()
        for first, last, fresh in (map(int, line.split()) for line in lines if line[-1:] == "\n"):
            assert fresh == last - first + 1, "a packet was fresh that had been acknowledged before"
            acknowledged.update(range(first, last + 1))

        store = SqliteStore.open(tmp_path, boot_id="one")
        known = run(store.keys.remembered())
        claims = run(firsts(store.keys, [key(str(n)) for n in acknowledged]))
        noted = {int(each.id) for each in run(store.journal.unfinished(NOW))}
        run(store.aclose())
        assert len(acknowledged) <= known
        assert claims == [False] * len(acknowledged)
        assert noted >= acknowledged


def test_two_processes_never_both_get_a_packet(tmp_path: Path, start: Start) -> None:
    processes = [start("once"), start("once")]
    for process in processes:
        assert out(process).readline() == "ready\n"
    for process in processes:
        go(process)
    fresh = [json.loads(out(process).readline()) for process in processes]
    assert sorted(fresh[0] + fresh[1]) == list(range(300))


def test_a_process_that_holds_the_lock_is_named_and_once_it_ends_claims_work(
    tmp_path: Path, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.2)
    store = SqliteStore.open(tmp_path, boot_id="one")
    holder = start("hold")
    assert out(holder).readline() == "ready\n"

    with pytest.raises(HostError, match=rf"locked by process {holder.pid} \(python") as caught:
        run(firsts(store.keys, [key("a")]))
    assert str(holder.pid) in caught.value.hint

    go(holder)
    holder.wait(60)
    assert run(firsts(store.keys, [key("a")])) == [True]
    run(store.aclose())


def test_a_short_lock_is_waited_for(
    tmp_path: Path, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "BUSY_SECONDS", 60.0)  # short is what this machine makes of it
    store = SqliteStore.open(tmp_path, boot_id="one")
    holder = start("hold")
    assert out(holder).readline() == "ready\n"
    go(holder)
    assert run(firsts(store.keys, [key("a")])) == [True]
    run(store.aclose())


def test_readers_see_a_store_that_is_being_written(tmp_path: Path, start: Start) -> None:
    process = start("endlessly")
    out(process).readline()
    for _ in range(10):
        last = int(out(process).readline().split()[1])
        assert len(read_grants(tmp_path, NOW)) > last
        assert len(list(export_digest_cache(tmp_path))) - 1 > last
    assert process.poll() is None
