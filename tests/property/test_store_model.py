"""Whatever is claimed in whatever order, with restarts in between: first come, never again."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.contract.replay import digest, entry, key, run
from watchword.edges.replay.memory import MemoryReplayStore
from watchword.edges.replay.sqlite import SqliteStore
from watchword.model.requests import Claim, ReplayKey

Import: TypeAlias = tuple[str, ...]
"""Names of packets in a digest.cache."""

untils = st.none() | st.sampled_from([10.0, 20.0, 30.0])
crossed = st.builds(key, st.sampled_from("abcdef"), st.sampled_from("uvwxyz"), untils)
"""Digests that meet in every way: what no real packets do."""
spelled = st.builds(
    lambda text, spelling, until: key(text + spelling, text, until, sent_at=ord(text)),
    st.sampled_from("pqrs"),
    st.sampled_from("123"),
    untils,
)
"""As real ones are: each packet has one text, each text one stamp."""
keys = crossed | spelled
imports = st.lists(st.sampled_from(["a", "b", "c", "p1", "q2"]), min_size=1, max_size=3).map(tuple)
claims = st.lists(keys, max_size=6)
restart = st.just("restart")
forget = st.sampled_from([15.0, 25.0])
steps = st.lists(claims | imports | restart | forget, max_size=12)


def claimed(
    seen: list[ReplayKey], imported: set[str], forgotten: int, batch: Sequence[ReplayKey]
) -> list[Claim]:
    """The plain model: a list of keys, searched from the beginning."""
    answers: list[Claim] = []
    taken_over = set(map(digest, imported))
    for each in batch:
        known = each.packet in taken_over or any(
            each.packet == old.packet or each.plaintext == old.plaintext for old in seen
        )
        beyond = Claim.BEYOND_MEMORY if each.sent_at <= forgotten else Claim.FIRST
        answers.append(Claim.KNOWN if known else beyond)
        if answers[-1] is Claim.FIRST:
            seen.append(each)
    return answers


@settings(max_examples=60, deadline=None)
@given(steps)
def test_memory_disk_and_model_agree(steps: list[list[ReplayKey] | Import | str | float]) -> None:
    seen: list[ReplayKey] = []
    imported: set[str] = set()
    forgotten = -1
    memory = MemoryReplayStore()
    with tempfile.TemporaryDirectory() as folder:
        disk = SqliteStore.open(Path(folder), boot_id="one")
        for step in steps:
            if isinstance(step, list):
                expected = claimed(seen, imported, forgotten, step)
                assert list(run(memory.claim(step))) == expected
                assert list(run(disk.keys.claim(step))) == expected
            elif isinstance(step, tuple):
                new, text = len(set(step) - imported), "".join(map(entry, step))
                imported |= set(step)
                assert run(memory.import_digest_cache(text)) == (new, ())
                assert run(disk.keys.import_digest_cache(text)) == (new, ())
            elif isinstance(step, float):
                left = [each for each in seen if each.until is None or each.until >= step]
                gone = [each.sent_at for each in seen if each not in left]
                dropped, seen, forgotten = len(gone), left, max([forgotten, *gone])
                assert run(memory.forget(step)) == dropped
                assert run(disk.keys.forget(step)) == dropped
            else:
                run(disk.aclose())
                disk = SqliteStore.open(Path(folder), boot_id="one")
        assert run(memory.remembered()) == run(disk.keys.remembered())
        assert run(memory.remembered()) == len(seen) + len(imported)
        run(disk.aclose())
