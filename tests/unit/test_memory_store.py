"""The stores that last as long as the process."""

from __future__ import annotations

import pytest

from tests.contract.journal import NOW, JournalContract, Reopen, grant
from tests.contract.replay import ReplayContract, firsts, key, run
from watchword.edges.replay.memory import MemoryJournal, MemoryReplayStore
from watchword.errors import HostError


class TestMemoryReplayStore(ReplayContract):
    @pytest.fixture
    def store(self) -> MemoryReplayStore:
        return MemoryReplayStore()

    def test_told_to_fail_it_claims_nothing_and_fails_once(self, store: MemoryReplayStore) -> None:
        store.fail_next_claim = True
        with pytest.raises(HostError):
            run(store.claim([key("a")]))
        assert run(firsts(store, [key("a")])) == [True]


class TestMemoryJournal(JournalContract):
    @pytest.fixture
    def journal(self) -> MemoryJournal:
        return MemoryJournal("one")

    @pytest.fixture
    def reopen(self, journal: MemoryJournal) -> Reopen:
        def again(boot_id: str) -> MemoryJournal:
            journal.boot_id = boot_id
            return journal

        return again

    def test_told_to_fail_it_notes_nothing_and_fails_once(self, journal: MemoryJournal) -> None:
        journal.fail_next = True
        with pytest.raises(HostError):
            run(journal.granted([grant()]))
        assert list(run(journal.unfinished(NOW))) == []
