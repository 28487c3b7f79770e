"""Whatever is claimed in whatever order, with restarts in between: first come, never again."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.contract.replay import digest, key, run
from watchword.edges.replay.memory import MemoryReplayStore
from watchword.edges.replay.sqlite import SqliteStore
from watchword.model.requests import ReplayKey

Seen: TypeAlias = dict[bytes, ReplayKey]

imported = st.builds(lambda n: ReplayKey(digest(n), None, key(n).sighting), st.sampled_from("abc"))
keys = imported | st.builds(
    key,
    st.sampled_from("abcdef"),
    st.sampled_from("uvwxyz"),
    st.none() | st.sampled_from([10.0, 20.0, 30.0]),
)
claims = st.lists(keys, max_size=6)
restart = st.just("restart")
forget = st.sampled_from([15.0, 25.0])
steps = st.lists(claims | restart | forget, max_size=12)


def claimed(seen: list[ReplayKey], batch: Sequence[ReplayKey]) -> list[bool]:
    """The plain model: a list of keys, searched from the beginning."""
    answers = []
    for each in batch:
        known = any(
            each.packet == old.packet
            or (each.plaintext is not None and each.plaintext == old.plaintext)
            for old in seen
        )
        answers.append(not known)
        if not known:
            seen.append(each)
    return answers


@settings(max_examples=60, deadline=None)
@given(steps)
def test_memory_disk_and_model_agree(steps: list[list[ReplayKey] | str | float]) -> None:
    seen: list[ReplayKey] = []
    memory = MemoryReplayStore()
    with tempfile.TemporaryDirectory() as folder:
        disk = SqliteStore.open(Path(folder), boot_id="one")
        for step in steps:
            if isinstance(step, list):
                expected = claimed(seen, step)
                assert list(run(memory.claim(step))) == expected
                assert list(run(disk.keys.claim(step))) == expected
            elif isinstance(step, float):
                left = [each for each in seen if each.until is None or each.until >= step]
                dropped, seen = len(seen) - len(left), left
                assert run(memory.forget(step)) == dropped
                assert run(disk.keys.forget(step)) == dropped
            else:
                run(disk.aclose())
                disk = SqliteStore.open(Path(folder), boot_id="one")
        assert run(memory.remembered()) == run(disk.keys.remembered()) == len(seen)
        run(disk.aclose())
