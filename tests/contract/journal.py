"""What every journal does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address
from typing import Protocol, TypeAlias

import pytest

from tests.contract.replay import run
from watchword.model.commands import Closing, Cycle
from watchword.model.moments import Moment
from watchword.model.openings import Ending, Grant, Lead, SourceNat
from watchword.model.outcomes import Action, Change
from watchword.model.services import Service
from watchword.ports import Journal

NOW = Moment(wall=1_700_000_000.0, steady=500.0)


class PrunableJournal(Journal, Protocol):
    async def prune(self, before: float) -> int: ...


Reopen: TypeAlias = Callable[[str], PrunableJournal]
"""Closes the journal and opens it again, in the boot of that name."""


def grant(name: str = "0123456789", *, seconds: float = 30.0) -> Grant:
    return Grant(
        id=name,
        stanza=3,
        user="alice müller",
        source=IPv4Address("192.0.2.7"),
        who=IPv6Address("2001:db8::7"),
        services=(Service.parse("tcp/22"), Service.parse("udp/53")),
        destination=IPv4Address("198.51.100.1"),
        began=NOW.wall,
        ends=NOW.wall + seconds,
        until=NOW.steady + seconds,
        key="0123456789ab+cdef01234567",
        lead=Lead(IPv6Address("fd00::5"), 22, source=SourceNat(IPv6Address("fd00::1"))),
    )


def names(found: Sequence[Grant]) -> list[str]:
    return [each.id for each in found]


class JournalContract:
    """Subclasses give fixtures ``journal``, empty, in boot "one", and ``reopen``."""

    def test_a_grant_is_unfinished_until_its_end_is_noted(self, journal: Journal) -> None:
        run(journal.granted([grant()]))
        assert run(journal.unfinished(NOW)) == [grant()]

    def test_every_part_of_a_grant_is_kept(self, journal: Journal, reopen: Reopen) -> None:
        plain = replace(
            grant("plain"), destination=None, user="", who=IPv4Address("192.0.2.1"), lead=None
        )
        leads = (
            Lead(None, 6543),
            Lead(IPv4Address("10.0.0.5"), 22),
            Lead(None, 0, everything=True, source=SourceNat()),
        )
        led = [replace(grant(f"led{n}"), lead=lead) for n, lead in enumerate(leads)]
        run(journal.granted([grant(), plain, *led]))
        assert list(run(reopen("one").unfinished(NOW))) == [grant(), plain, *led]

    def test_what_closes_a_grant_is_kept_with_it(self, journal: Journal, reopen: Reopen) -> None:
        closings = (Closing("close 'a b'", ("close", "a b"), 5.0), Closing("zu", ("/bin/zu", "ü")))
        closed = replace(grant("a"), cycle=Cycle(closings))
        by_itself = replace(grant("b"), cycle=Cycle())
        run(journal.granted([closed, by_itself, grant("c")]))
        journal = reopen("one")
        assert list(run(journal.unfinished(NOW))) == [closed, by_itself, grant("c")]
        run(journal.ended([("a", Ending.EXPIRED)], NOW.wall))
        run(journal.granted([grant("a")]))
        assert run(journal.unfinished(NOW))[-1] == grant("a")

    @pytest.mark.parametrize("ending", Ending)
    def test_an_ended_grant_is_finished(self, journal: Journal, ending: Ending) -> None:
        run(journal.granted([grant("a"), grant("b")]))
        run(journal.ended([("a", ending)], NOW.wall + 1))
        assert names(run(journal.unfinished(NOW))) == ["b"]

    def test_news_of_an_unknown_grant_changes_nothing(self, journal: Journal) -> None:
        run(journal.ended([("nobody", Ending.EXPIRED)], NOW.wall))
        assert list(run(journal.unfinished(NOW))) == []

    def test_a_grant_noted_twice_is_one_grant_as_noted_last(self, journal: Journal) -> None:
        run(journal.granted([grant(seconds=30)]))
        run(journal.granted([grant(seconds=60)]))
        assert run(journal.unfinished(NOW)) == [grant(seconds=60)]

    def test_a_name_may_come_again_after_its_grant_has_ended(self, journal: Journal) -> None:
        run(journal.granted([grant()]))
        run(journal.ended([(grant().id, Ending.EXPIRED)], NOW.wall))
        run(journal.granted([grant()]))
        assert names(run(journal.unfinished(NOW))) == [grant().id]

    def test_within_a_boot_the_end_stays_whatever_the_wall_clock_says(
        self, journal: Journal, reopen: Reopen
    ) -> None:
        run(journal.granted([grant()]))
        stepped = Moment(NOW.wall + 7200, NOW.steady + 1)
        [found] = run(reopen("one").unfinished(stepped))
        assert found.until == grant().until

    def test_after_a_boot_what_is_left_is_worked_out_from_the_wall_clock(
        self, journal: Journal, reopen: Reopen
    ) -> None:
        run(journal.granted([grant(seconds=30)]))
        [found] = run(reopen("two").unfinished(Moment(NOW.wall + 12, steady=5.0)))
        assert found.until == 5.0 + 18

    def test_after_a_boot_the_rest_is_never_longer_than_the_whole(
        self, journal: Journal, reopen: Reopen
    ) -> None:
        run(journal.granted([grant(seconds=30)]))
        [found] = run(reopen("two").unfinished(Moment(NOW.wall - 7200, steady=5.0)))
        assert found.until == 5.0 + 30

    def test_a_grant_that_ended_while_the_machine_was_off_lies_in_the_past(
        self, journal: Journal, reopen: Reopen
    ) -> None:
        run(journal.granted([grant(seconds=30)]))
        [found] = run(reopen("two").unfinished(Moment(NOW.wall + 31, steady=5.0)))
        assert found.until < 5.0

    def test_boots_without_a_name_are_taken_for_different_ones(
        self, journal: Journal, reopen: Reopen
    ) -> None:
        nameless = reopen("")
        run(nameless.granted([grant(seconds=30)]))
        [found] = run(nameless.unfinished(Moment(NOW.wall, steady=5.0)))
        assert found.until == 5.0 + 30

    def test_old_ends_are_pruned_and_nothing_else(self, journal: PrunableJournal) -> None:
        run(journal.granted([grant("old"), grant("edge"), grant("open")]))
        run(journal.ended([("old", Ending.EXPIRED)], 99.0))
        run(journal.ended([("edge", Ending.REVOKED)], 100.0))

        assert run(journal.prune(before=100.0)) == 1
        assert run(journal.prune(before=100.0)) == 0
        assert run(journal.prune(before=101.0)) == 1
        assert names(run(journal.unfinished(NOW))) == ["open"]

    def test_changes_are_pruned_with_old_ends(self, journal: PrunableJournal) -> None:
        for at in (99.0, 100.0):
            run(journal.changed(Change(Action.EXTEND, "0123456789", 1000, 77, at, "why not")))
        assert [run(journal.prune(before=each)) for each in (100.0, 100.0, 101.0)] == [1, 0, 1]

    def test_a_grant_that_is_noted_again_has_its_later_end(
        self, journal: Journal, reopen: Reopen
    ) -> None:
        run(journal.granted([grant(seconds=30)]))
        run(journal.granted([grant(seconds=90)]))
        assert run(reopen("one").unfinished(NOW)) == [grant(seconds=90)]

    def test_closing_twice_is_no_error(self, journal: Journal) -> None:
        run(journal.aclose())
        run(journal.aclose())
