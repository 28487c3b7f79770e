"""Replay store and journal that last as long as the process (``--test``, tests).

Both can be told to fail once. Not in here: the ones that last (sqlite, journal).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from watchword.edges.replay import digest_cache
from watchword.edges.replay.recovered import recovered
from watchword.errors import Complaint, HostError
from watchword.model.moments import Moment
from watchword.model.openings import Ending, Grant
from watchword.model.outcomes import Change
from watchword.model.requests import Claim, ReplayKey, Sighting
from watchword.ports import Journal, ReplayStore


class MemoryReplayStore:
    """Remembers keys in dictionaries; can be told to fail the next claim."""

    def __init__(self) -> None:
        self.fail_next_claim = False
        self._by_packet: dict[bytes, ReplayKey] = {}
        self._by_plaintext: dict[bytes, ReplayKey] = {}
        self._imported: dict[bytes, Sighting] = {}
        self._forgotten = -1
        """The newest time stamp of all that was forgotten."""

    async def claim(self, keys: Sequence[ReplayKey]) -> Sequence[Claim]:
        if self.fail_next_claim:
            self.fail_next_claim = False
            raise HostError("memory replay store: told to fail")
        return [self._claim(key) for key in keys]

    async def first_sighting(self, key: ReplayKey) -> Sighting | None:
        known = self._known(key)
        return known.sighting if known else self._imported.get(key.packet)

    async def forget(self, before: float) -> int:
        keys = self._by_packet.values()
        old = [key for key in keys if key.until is not None and key.until < before]
        for key in old:
            self._forgotten = max(self._forgotten, key.sent_at)
            del self._by_packet[key.packet]
            del self._by_plaintext[key.plaintext]
        return len(old)

    async def remembered(self) -> int:
        """How many packets it knows."""
        return len(self._by_packet) + len(self._imported)

    async def import_digest_cache(
        self, text: str, file: str = "digest.cache"
    ) -> tuple[int, Sequence[Complaint]]:
        entries, complaints = digest_cache.read(text, file)
        before = len(self._imported)
        for packet, sighting in entries:
            self._imported.setdefault(packet, sighting)
        return len(self._imported) - before, complaints

    def export_digest_cache(self) -> Iterator[str]:
        claimed = {key.packet: key.sighting for key in self._by_packet.values()}
        return digest_cache.write((claimed | self._imported).items())

    async def aclose(self) -> None:
        pass

    def _known(self, key: ReplayKey) -> ReplayKey | None:
        return self._by_packet.get(key.packet) or self._by_plaintext.get(key.plaintext)

    def _claim(self, key: ReplayKey) -> Claim:
        if self._known(key) or key.packet in self._imported:
            return Claim.KNOWN
        if key.sent_at <= self._forgotten:
            return Claim.BEYOND_MEMORY
        self._by_packet[key.packet] = key
        self._by_plaintext[key.plaintext] = key
        return Claim.FIRST


@dataclass(slots=True)
class _Entry:
    grant: Grant
    boot_id: str


class MemoryJournal:
    """Keeps unfinished grants in a dictionary and ends in a list; can be told to fail once."""

    def __init__(self, boot_id: str = "") -> None:
        self.boot_id = boot_id
        self.fail_next = False
        self.history: list[tuple[Grant, Ending, float]] = []
        """Grant, why it ended, and when (Unix seconds), oldest first."""
        self.changes: list[Change] = []
        self._open: dict[str, _Entry] = {}

    async def granted(self, grants: Sequence[Grant]) -> None:
        self._may_fail()
        for grant in grants:
            self._open[grant.id] = _Entry(grant, self.boot_id)

    async def ended(self, endings: Sequence[tuple[str, Ending]], at: float) -> None:
        self._may_fail()
        for each, ending in endings:
            entry = self._open.pop(each, None)
            if entry:
                self.history.append((entry.grant, ending, at))

    async def changed(self, change: Change) -> None:
        self._may_fail()
        self.changes.append(change)

    async def unfinished(self, now: Moment) -> Sequence[Grant]:
        self._may_fail()
        return [
            recovered(entry.grant, entry.boot_id, self.boot_id, now)
            for entry in self._open.values()
        ]

    async def prune(self, before: float) -> int:
        """Drop ends and changes that lie before these Unix seconds; return how many."""
        self._may_fail()
        kept = [each for each in self.history if each[2] >= before]
        later = [each for each in self.changes if each.at >= before]
        dropped = len(self.history) - len(kept) + len(self.changes) - len(later)
        self.history, self.changes = kept, later
        return dropped

    async def aclose(self) -> None:
        pass

    def _may_fail(self) -> None:
        if self.fail_next:
            self.fail_next = False
            raise HostError("memory journal: told to fail")


_store: type[ReplayStore] = MemoryReplayStore
_journal: type[Journal] = MemoryJournal
