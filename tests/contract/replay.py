"""What every replay store does."""

from __future__ import annotations

import asyncio
import hashlib
from base64 import b64encode
from collections.abc import Coroutine, Sequence
from typing import Any, Protocol, TypeVar

import pytest

from watchword.errors import Complaint
from watchword.model.requests import Claim, ReplayKey, Sighting
from watchword.ports import ReplayStore

Answer = TypeVar("Answer")
DIGEST = "mlxDu5Re9bHOgqpi85fIsqyLxG9C4UMi/dc+SSS0o1g"
LINE = f"{DIGEST} 17 10.77.0.2 46930 10.77.0.1 62201 1795250997"
HEADER = "# <digest> <proto> <src_ip> <src_port> <dst_ip> <dst_port> <time>\n"


def run(scenario: Coroutine[Any, Any, Answer]) -> Answer:
    return asyncio.run(scenario)


def digest(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()


def key(
    packet: str,
    plaintext: str | None = None,
    until: float | None = None,
    port: int = 40000,
    sent_at: int = 1_700_000_000,
) -> ReplayKey:
    """A key for a packet called ``packet`` that decrypts to ``plaintext`` (by default its own)."""
    sighting = Sighting(17, "192.0.2.7", port, "198.51.100.1", 62201, 1_700_000_000.25)
    return ReplayKey(
        digest(packet), digest(f"text {plaintext or packet}"), sighting, until, sent_at
    )


def entry(name: str) -> str:
    """The line of a digest.cache for the packet of that name."""
    text = b64encode(digest(name)).decode().rstrip("=")
    return f"{text} 17 10.77.0.2 46930 10.77.0.1 62201 1795250997\n"


async def firsts(store: ReplayStore, keys: Sequence[ReplayKey]) -> list[bool]:
    """Which of the keys are claimed for the first time."""
    return [each is Claim.FIRST for each in await store.claim(keys)]


class ImportingStore(ReplayStore, Protocol):
    """A store that also takes over what fwknopd remembered."""

    async def import_digest_cache(
        self, text: str, file: str = ...
    ) -> tuple[int, Sequence[Complaint]]: ...

    async def remembered(self) -> int: ...


class ReplayContract:
    """Subclasses give a fixture ``store``, empty."""

    @pytest.mark.requirement("8.4")
    def test_a_key_is_fresh_once(self, store: ReplayStore) -> None:
        assert run(firsts(store, [key("a")])) == [True]
        assert run(firsts(store, [key("a")])) == [False]
        assert run(firsts(store, [key("a")])) == [False]

    def test_each_key_of_a_batch_has_its_answer_in_order(self, store: ReplayStore) -> None:
        run(firsts(store, [key("b"), key("d")]))
        batch = [key(name) for name in "abcde"]
        assert run(firsts(store, batch)) == [True, False, True, False, True]

    def test_a_key_that_comes_twice_in_a_batch_is_fresh_the_first_time(
        self, store: ReplayStore
    ) -> None:
        assert run(firsts(store, [key("a"), key("b"), key("a"), key("a")])) == [
            True, True, False, False,
        ]  # fmt: skip

    def test_another_spelling_of_the_same_text_is_not_fresh(self, store: ReplayStore) -> None:
        assert run(firsts(store, [key("a", "text")])) == [True]
        assert run(firsts(store, [key("A", "text")])) == [False]

    def test_two_spellings_in_one_batch_are_fresh_once(self, store: ReplayStore) -> None:
        assert run(firsts(store, [key("a", "text"), key("A", "text")])) == [True, False]

    def test_the_same_packet_is_not_fresh_whatever_it_decrypts_to(self, store: ReplayStore) -> None:
        assert run(firsts(store, [key("a", "one"), key("a", "two")])) == [True, False]

    def test_an_answer_is_of_its_own_key_where_digests_cross(self, store: ReplayStore) -> None:
        run(firsts(store, [key("x", "old")]))
        crossed = [key("p", "old"), key("p", "new"), key("q", "new")]
        assert run(firsts(store, crossed)) == [False, True, False]

    @pytest.mark.parametrize("seconds", [-3600, -1, 0, 1, 3600])
    def test_a_key_is_known_among_packets_of_other_seconds(
        self, store: ReplayStore, seconds: int
    ) -> None:
        here = 1_700_000_000
        early, late = key("early", sent_at=here), key("late", sent_at=here + seconds)
        assert run(firsts(store, [early, late])) == [True, True]
        assert run(firsts(store, [late, early, key("new", sent_at=here + seconds)])) == [
            False, False, True,
        ]  # fmt: skip

    @pytest.mark.parametrize("sent_at", [0, 1, 999_999_999_999])
    def test_whatever_stamp_a_packet_bears_it_is_fresh_once(
        self, store: ReplayStore, sent_at: int
    ) -> None:
        assert run(firsts(store, [key("a", sent_at=sent_at)] * 2)) == [True, False]
        assert run(store.first_sighting(key("a", sent_at=sent_at))) == key("a").sighting

    @pytest.mark.parametrize("size", [1, 2, 3, 63, 64, 255, 256, 257, 511, 513, 1024, 1500])
    def test_every_third_key_of_a_batch_of_any_size_is_known(
        self, store: ReplayStore, size: int
    ) -> None:
        run(firsts(store, [key(str(n)) for n in range(0, size, 3)]))
        answers = run(firsts(store, [key(str(n)) for n in range(size)]))
        assert answers == [bool(n % 3) for n in range(size)]

    def test_a_key_that_comes_again_late_in_a_long_batch_is_not_fresh(
        self, store: ReplayStore
    ) -> None:
        names = [str(n) for n in range(600)]
        answers = run(firsts(store, [key(name) for name in [*names, *reversed(names)]]))
        assert answers == [True] * 600 + [False] * 600

    def test_nothing_to_claim_is_nothing_claimed(self, store: ReplayStore) -> None:
        assert list(run(firsts(store, []))) == []

    @pytest.mark.requirement("8.4")
    def test_the_first_sighting_is_told_not_a_later_one(self, store: ReplayStore) -> None:
        run(firsts(store, [key("a", "text", port=1111)]))
        run(firsts(store, [key("a", "text", port=2222)]))

        expected = Sighting(17, "192.0.2.7", 1111, "198.51.100.1", 62201, 1_700_000_000.25)
        assert run(store.first_sighting(key("a", "text"))) == expected
        assert run(store.first_sighting(key("A", "text"))) == expected

    def test_a_packet_that_never_came_has_no_first_sighting(self, store: ReplayStore) -> None:
        run(firsts(store, [key("a")]))
        assert run(store.first_sighting(key("b"))) is None

    def test_what_has_aged_off_is_forgotten_and_nothing_else(self, store: ReplayStore) -> None:
        keys = [key("old", until=99.0), key("edge", until=100.0), key("ever")]
        run(firsts(store, keys))

        assert run(store.forget(before=100.0)) == 1
        known = [run(store.first_sighting(each)) is not None for each in keys]
        assert known == [False, True, True]

    @pytest.mark.requirement("8.4")
    def test_what_was_forgotten_never_counts_again(self, store: ReplayStore) -> None:
        run(store.claim([key("a", "text", until=1.0)]))
        assert run(store.forget(before=2.0)) == 1
        for _ in range(2):
            assert run(store.claim([key("a", "text"), key("A", "text")])) == [
                Claim.BEYOND_MEMORY, Claim.BEYOND_MEMORY,
            ]  # fmt: skip
        assert run(store.first_sighting(key("a", "text"))) is None

    def test_only_what_is_newer_than_all_that_was_forgotten_is_fresh(
        self, store: ReplayStore
    ) -> None:
        run(store.claim([key("b", until=1.0, sent_at=200), key("a", until=1.5, sent_at=100)]))
        assert run(store.forget(before=2.0)) == 2
        asked = [key(str(at), sent_at=at) for at in (99, 150, 200, 201, 300)]
        assert run(store.claim(asked)) == [Claim.BEYOND_MEMORY] * 3 + [Claim.FIRST] * 2

    def test_a_later_forgetting_of_older_packets_lets_none_of_the_newer_ones_in(
        self, store: ReplayStore
    ) -> None:
        run(store.claim([key("new", until=1.0, sent_at=200), key("old", until=3.0, sent_at=100)]))
        for before in (2.0, 4.0, 6.0):
            run(store.forget(before))
        assert run(store.claim([key("new", sent_at=200)])) == [Claim.BEYOND_MEMORY]

    def test_what_is_still_remembered_is_known_however_old_it_is(
        self, store: ImportingStore
    ) -> None:
        run(store.claim([key("kept", sent_at=100), key("gone", until=1.0, sent_at=200)]))
        run(store.import_digest_cache(entry("imported")))
        run(store.forget(before=2.0))
        asked = [key("kept", sent_at=100), key("imported", sent_at=50), key("new", sent_at=201)]
        assert run(store.claim(asked)) == [Claim.KNOWN, Claim.KNOWN, Claim.FIRST]

    def test_forgetting_is_complete_however_much_there_is(self, store: ReplayStore) -> None:
        run(firsts(store, [key(str(n), until=float(n)) for n in range(2500)]))
        assert run(store.forget(before=2400.0)) == 2400
        assert run(store.forget(before=2400.0)) == 0

    def test_closing_twice_is_no_error(self, store: ReplayStore) -> None:
        run(store.aclose())
        run(store.aclose())

    @pytest.mark.requirement("4.26")
    def test_what_fwknopd_remembered_is_not_fresh(self, store: ImportingStore) -> None:
        assert run(store.import_digest_cache(HEADER + LINE + "\n")) == (1, ())
        imported = ReplayKey(
            bytes.fromhex("9a5c43bb945ef5b1ce82aa62f397c8b2ac8bc46f42e14322fdd73e4924b4a358"),
            digest("never known to fwknopd"),
            Sighting(17, "192.0.2.9", 1, "", 2, 0.0),
        )

        assert run(firsts(store, [imported])) == [False]
        expected = Sighting(17, "10.77.0.2", 46930, "10.77.0.1", 62201, 1795250997.0)
        assert run(store.first_sighting(imported)) == expected

    def test_what_is_imported_while_running_is_not_fresh_from_then_on(
        self, store: ImportingStore
    ) -> None:
        names = [str(n) for n in range(600)]
        assert run(firsts(store, [key(name) for name in names[:2]])) == [True, True]
        run(store.import_digest_cache("".join(map(entry, names[1::2]))))

        answers = run(firsts(store, [key(name) for name in names]))
        assert answers == [False, False] + [True, False] * 299
        assert not any(run(firsts(store, [key(name) for name in names])))

    def test_a_claimed_packet_that_is_imported_too_keeps_its_first_sighting(
        self, store: ImportingStore
    ) -> None:
        run(firsts(store, [key("a", until=1.0)]))
        assert run(store.import_digest_cache(entry("a"))) == (1, ())
        assert run(store.first_sighting(key("a"))) == key("a").sighting

        assert run(store.forget(before=2.0)) == 1
        assert run(firsts(store, [key("a"), key("a", "another text")])) == [False, False]

    def test_importing_again_adds_nothing(self, store: ImportingStore) -> None:
        run(store.import_digest_cache(HEADER + LINE + "\n"))
        assert run(store.import_digest_cache(HEADER + LINE + "\n")) == (0, ())
        assert run(store.remembered()) == 1

    def test_an_import_does_not_forget_in_favour_of_the_file(self, store: ImportingStore) -> None:
        run(store.import_digest_cache(LINE))
        assert run(store.forget(before=1e12)) == 0

    @pytest.mark.parametrize("bad", ["garbage", LINE[:60], LINE.replace(" 17 ", " x ")])
    def test_a_bad_line_is_complained_about_and_the_others_are_kept(
        self, store: ImportingStore, bad: str
    ) -> None:
        imported, complaints = run(store.import_digest_cache(f"{HEADER}{bad}\r\n{LINE}\r\n", "f"))
        assert imported == 1
        assert [complaint.message for complaint in complaints] == [
            "*Skipping invalid digest file entry in f at line 2."
        ]
        assert not complaints[0].fatal
