"""Grants become openings, and openings end."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address

from tests.values import NOW, later, policy, request, terms
from watchword.grant.decide import authorise
from watchword.grant.ledger import Ledger
from watchword.grant.lifecycle import State, Turn
from watchword.grant.permits import Permit
from watchword.model.openings import Grant, Hole
from watchword.model.services import Service

ALICE = "198.51.100.2"
SSH = Hole(ip_address(ALICE), Service.parse("tcp/22"))


def permit(
    seconds: int = 30, services: str = "tcp/22", who: str = ALICE, user: str = "alice"
) -> Permit:
    wanted = request(services=services, allow=who, seconds=seconds, user=user)
    answer = authorise(policy(terms()), wanted, NOW)
    assert isinstance(answer, Permit)
    return answer


def admitted(ledger: Ledger, **more: object) -> Grant:
    return ledger.admit(permit(**more), NOW)  # type: ignore[arg-type]


def ends(ledger: Ledger) -> dict[Hole, float]:
    return {opening.hole: opening.until - NOW.steady for opening in ledger.openings()}


def test_each_service_of_a_grant_is_an_opening() -> None:
    ledger = Ledger()
    admitted(ledger, services="tcp/22,udp/53,tcp/22")
    assert {str(hole.service): end for hole, end in ends(ledger).items()} == {
        "tcp/22": 30,
        "udp/53": 30,
    }


def test_two_grants_for_one_hole_share_an_opening_that_lasts_to_the_later_end() -> None:
    for first, second in ((30, 90), (90, 30), (60, 60)):
        ledger = Ledger()
        admitted(ledger, seconds=first)
        admitted(ledger, seconds=second, user="bob")
        assert ends(ledger) == {SSH: max(first, second)}
        assert len(ledger) == 2


def test_who_has_the_same_already_keeps_one_grant_to_the_later_end() -> None:
    for first, second in ((30, 90), (90, 30), (60, 60)):
        ledger = Ledger()
        before = admitted(ledger, seconds=first, services="tcp/22,udp/53")
        ledger.settled()
        after = admitted(ledger, seconds=second, services="udp/53,tcp/22")
        assert [after] == list(ledger.grants())
        assert (after.id, after.began, after.services) == (before.id, before.began, before.services)
        assert after.until == NOW.steady + max(first, second)
        assert set(ends(ledger).values()) == {max(first, second)}
        assert bool(ledger.change()) is (second > first)
        assert ledger.expire(later(max(first, second) - 0.001)) == []
        assert ledger.expire(later(max(first, second))) == [after]
        assert len(ledger) == 0


def test_other_services_users_and_callers_are_other_grants() -> None:
    ledger = Ledger()
    for more in ({}, {"services": "tcp/23"}, {"user": "bob"}, {"who": "198.51.100.3"}):
        admitted(ledger, **more)
    assert len(ledger) == 4


def test_what_ended_is_not_renewed_but_granted_anew() -> None:
    ledger = Ledger()
    admitted(ledger, seconds=30)
    ledger.expire(later(30))
    assert ledger.standing(permit()) is None
    assert ledger.admit(permit(seconds=30), later(31)).began == later(31).wall


def test_an_end_can_be_moved_both_ways_and_the_openings_go_with_it() -> None:
    ledger = Ledger()
    grant = admitted(ledger, seconds=30)
    later_end = ledger.set_end(grant, grant.ends + 60, grant.until + 60)
    assert ends(ledger) == {SSH: 90}
    assert ledger.expire(later(30)) == []
    back = ledger.set_end(later_end, grant.ends, grant.until)
    assert (back, ends(ledger)) == (grant, {SSH: 30})
    assert ledger.expire(later(30)) == [grant]
    assert ledger.expire(later(90)) == []


def test_an_earlier_end_leaves_an_opening_to_who_shares_it() -> None:
    ledger = Ledger()
    grant = admitted(ledger, seconds=90)
    admitted(ledger, seconds=60, user="bob")
    ledger.set_end(grant, NOW.wall + 10, NOW.steady + 10)
    assert ends(ledger) == {SSH: 60}


def test_taking_the_longer_grant_back_leaves_the_shorter() -> None:
    ledger = Ledger()
    admitted(ledger, seconds=30)
    long = admitted(ledger, seconds=90, user="bob")
    ledger.withdraw(long.id, Turn.REVOKED)
    assert ends(ledger) == {SSH: 30}


def test_the_firewall_is_told_only_what_changed() -> None:
    ledger = Ledger()
    admitted(ledger)
    first = ledger.change()
    ledger.settled()
    assert [opening.hole for opening in first.add] == [SSH]
    assert not ledger.change()

    admitted(ledger, who="2001:db8::7")
    second = ledger.change()
    assert [str(opening.hole.who) for opening in second.add] == ["2001:db8::7"]
    assert not second.remove


def test_a_longer_grant_replaces_the_opening_in_one_step() -> None:
    ledger = Ledger()
    admitted(ledger, seconds=30)
    [short] = ledger.openings()
    ledger.settled()
    admitted(ledger, seconds=90)
    change = ledger.change()
    assert change.remove == {short.tag}
    assert [opening.until for opening in change.add] == [NOW.steady + 90]


def test_a_shorter_grant_beside_a_longer_one_changes_nothing() -> None:
    ledger = Ledger()
    admitted(ledger, seconds=90)
    ledger.settled()
    admitted(ledger, seconds=30)
    assert not ledger.change()


def test_a_grant_ends_at_its_second_and_not_before() -> None:
    ledger = Ledger()
    grant = admitted(ledger, seconds=30)
    assert ledger.next_deadline() == NOW.steady + 30
    assert ledger.expire(later(29.999)) == []
    assert ledger.expire(later(30)) == [grant]
    assert list(ledger.openings()) == []
    assert ledger.next_deadline() is None


def test_grants_end_in_the_order_of_their_ends() -> None:
    ledger = Ledger()
    by_seconds = {
        seconds: admitted(ledger, seconds=seconds, user=f"{seconds}") for seconds in (90, 30, 60)
    }
    assert ledger.expire(later(100)) == [by_seconds[30], by_seconds[60], by_seconds[90]]


def test_grants_that_end_together_end_in_the_order_in_which_they_began() -> None:
    ledger = Ledger()
    begun = [admitted(ledger, seconds=5, who=f"192.0.2.{last}").id for last in range(1, 21)]
    assert [grant.id for grant in ledger.expire(later(10))] == begun


def test_a_step_of_the_wall_clock_neither_ends_nor_prolongs_a_grant() -> None:
    ledger = Ledger()
    admitted(ledger, seconds=30)
    assert ledger.expire(NOW._replace(wall=NOW.wall + 3600)) == []
    assert len(ledger.expire(NOW._replace(wall=NOW.wall - 3600, steady=NOW.steady + 30))) == 1


def test_a_grant_is_open_only_once_the_firewall_has_it() -> None:
    ledger = Ledger()
    grant = admitted(ledger)
    assert ledger.state(grant.id) is State.WANTED
    ledger.settled()
    assert ledger.state(grant.id) is State.OPEN
    ledger.expire(later(30))
    assert ledger.state(grant.id) is State.GONE


def test_a_grant_that_failed_leaves_no_trace() -> None:
    ledger = Ledger()
    grant = admitted(ledger)
    ledger.withdraw(grant.id, Turn.FAILED)
    assert not ledger.change()
    assert len(ledger) == 0


def test_after_reading_back_only_the_difference_is_changed() -> None:
    ledger = Ledger()
    admitted(ledger)
    admitted(ledger, who="2001:db8::7")
    four, six = sorted(ledger.openings(), key=lambda each: each.hole.who.version)
    change = ledger.full_change(frozenset({four.tag, "f" * 16}))  # type: ignore[arg-type]
    assert change.add == (six,)
    assert change.remove == {"f" * 16}


def alike(number: int, services: str) -> Permit:
    """A permit for a packet that was made so that its digest begins as others do."""
    key = replace(request().key, plaintext=b"alike" + bytes([number]) * 27)
    answer = authorise(policy(terms()), request(services=services, seconds=30, key=key), NOW)
    assert isinstance(answer, Permit)
    return answer


def test_a_grant_that_would_be_called_as_another_one_gets_a_longer_name_and_both_end() -> None:
    ledger = Ledger()
    first = ledger.admit(alike(1, "tcp/22"), NOW)
    second = ledger.admit(alike(2, "tcp/23"), NOW)
    assert second.id.startswith(first.id)
    assert list(ledger.grants()) == [first, second]
    assert ledger.expire(later(30)) == [first, second]
    assert not ends(ledger)


def test_a_name_that_somebody_else_has_in_the_journal_is_taken() -> None:
    ledger = Ledger()
    ledger.taken_elsewhere = {b"alike".hex()}.__contains__
    assert len(ledger.admit(alike(1, "tcp/22"), NOW).id) == 64


def test_a_reload_that_gives_a_stanzas_number_to_another_key_makes_no_two_grants_one() -> None:
    ledger = Ledger()
    before = ledger.admit(replace(permit(), key="0123456789ab"), NOW)
    after = ledger.admit(replace(permit(seconds=90), key="ba9876543210"), NOW)
    assert list(ledger.grants()) == [before, after]
    assert ledger.expire(later(30)) == [before]
    assert ends(ledger) == {SSH: 90}


def test_a_grant_that_is_renewed_all_the_time_takes_no_more_room_for_it() -> None:
    ledger = Ledger()
    other = admitted(ledger, user="bob", seconds=40)
    for second in range(5000):
        grant = ledger.admit(permit(), later(second))
        ledger.settled()
    assert len(ledger._ends) < 2000
    assert ledger.expire(later(5028)) == [other]
    assert ledger.expire(later(5029)) == [grant]
    assert ledger.next_deadline() is None
