"""Who else comes from an address, and what follows from that (mode by mode, and in numbers)."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from ipaddress import ip_address
from types import FrameType
from typing import Any

import pytest

from tests.values import NOW, later, policy, request, terms
from watchword.edges.firewall.nft.tickets import LATE
from watchword.grant.crowd import (
    MOST_BOUND,
    MOST_NAMED,
    MOST_OWN,
    NOT_AGAIN,
    PAUSE,
    WINDOW,
    Crowd,
    Wait,
)
from watchword.grant.decide import authorise
from watchword.grant.ledger import Ledger
from watchword.grant.lifecycle import Turn
from watchword.grant.permits import Permit
from watchword.model.callers import Binding, CallerTerms
from watchword.model.moments import Moment
from watchword.model.openings import MOST_TICKETS, ON_TICKETS, Caller, Grant, Lease
from watchword.model.outcomes import Refusal
from watchword.model.reasons import Reason
from watchword.model.requests import CommandWish
from watchword.model.services import Service
from watchword.model.sharing import SharingTerms

OFFICE = "198.51.100.2"


class Town:
    """A ledger and its crowd, and people with keys of their own."""

    def __init__(self, **sharing: Any) -> None:
        self.ledger = Ledger()
        self.crowd = Crowd(self.ledger)
        self.sharing = SharingTerms(**sharing)

    def permit(self, who: str, now: Moment = NOW, **more: Any) -> Permit:
        stanza = terms(
            key_names=(more.pop("key", f"key of {who}"),),
            sharing=more.pop("sharing", self.sharing),
            users=more.pop("users", frozenset()),
        )
        asked = request(user=who, allow=more.pop("allow", OFFICE), sent_at=int(now.wall), **more)
        found = authorise(policy(stanza), asked, now)
        assert isinstance(found, Permit), found
        return found

    def asks(self, who: str, now: Moment = NOW, **more: Any) -> Grant | Refusal | Wait:
        permit = self.permit(who, now, **more)
        judged = self.crowd.judge(permit, now)
        if not isinstance(judged, Permit):
            return judged
        grant = self.ledger.admit(judged, now)
        self.crowd.admitted(judged, grant, now)
        self.crowd.seen(judged, now)
        return grant

    def decides(self, permit: Permit) -> None:
        """All that is asked of the crowd and the ledger for a packet."""
        judged = self.crowd.judge(permit, NOW)
        assert isinstance(judged, Permit), judged
        self.crowd.company(judged)
        grant = self.ledger.admit(judged, NOW)
        self.crowd.admitted(judged, grant, NOW)
        self.crowd.seen(judged, NOW)
        assert [self.ledger.behind(hole) for hole in grant.holes] == [grant] * len(grant.holes)

    def gets(self, who: str, now: Moment = NOW, **more: Any) -> Grant:
        found = self.asks(who, now, **more)
        assert isinstance(found, Grant), found
        return found

    def refused(self, who: str, now: Moment = NOW, **more: Any) -> tuple[Reason, str]:
        found = self.asks(who, now, **more)
        assert isinstance(found, Refusal), found
        return found.reason, found.detail


def instructions(work: Callable[[], object]) -> int:
    """How many the interpreter runs for it, without what it tidies up of others meanwhile."""
    done = 0

    def count(frame: FrameType, event: str, _: object) -> Any:
        nonlocal done
        frame.f_trace_opcodes = True
        done += event == "opcode"
        return count

    before = sys.gettrace()
    gc.disable()
    sys.settrace(count)
    try:
        work()
    finally:
        sys.settrace(before)
        gc.enable()
    return done


def test_a_held_address_is_nobody_elses_until_its_holders_grants_are_over() -> None:
    town = Town(lease=Lease.REFUSE)
    grant = town.gets("alice")
    reason, detail = town.refused("bob", later(10))
    assert reason is Reason.ADDRESS_HELD
    assert detail == f"bob: {OFFICE} is held by alice (grant {grant.id}) for another 20 s"
    town.ledger.expire(later(30))
    assert town.gets("bob", later(30)).user == "bob"


def test_another_name_with_the_same_key_is_the_same_holder() -> None:
    town = Town(lease=Lease.REFUSE)
    town.gets("alice")
    assert town.gets("not alice", key="key of alice")


EVERYTHING = SharingTerms(connections=2, lease=Lease.TELL, identities=9_999, grants=9_999)
"""Asks for everything there is to be known of others."""


@pytest.mark.parametrize("key", ["of each his own", "the same"])
@pytest.mark.parametrize("sharing", [SharingTerms(), EVERYTHING])
def test_what_a_packet_costs_does_not_grow_with_those_who_share_its_address(
    sharing: SharingTerms, key: str
) -> None:
    """In instructions of the interpreter, not in time."""
    costs = []
    for number in (10, 1000):
        town = Town(lease=Lease.TELL)
        for each in range(number):
            own = f"key {each}" if key == "of each his own" else key
            town.ledger.admit(town.permit(f"person {each}", key=own), NOW)
        permit = town.permit("one more", key=key, sharing=sharing)
        town.crowd.seen(permit, NOW)  # how many they are is told of once
        costs.append(instructions(partial(town.decides, permit)))
    assert costs[0] == costs[1]


def test_what_the_end_of_a_grant_costs_does_not_grow_with_those_that_end_with_it() -> None:
    """They came in one batch, and share their opening."""
    costs = []
    for number in (10, 1000):
        town = Town()
        for each in range(number):
            town.ledger.admit(town.permit(f"person {each}"), NOW)
        costs.append(instructions(partial(town.ledger.expire, later(30))) / number)
        assert len(town.ledger) == 0
    assert costs[1] < 1.1 * costs[0]


def test_where_names_are_checked_they_are_others() -> None:
    town = Town(lease=Lease.REFUSE)
    both = frozenset({"alice", "bob"})
    town.gets("alice", key="the same", users=both)
    assert town.refused("bob", key="the same", users=both)[0] is Reason.ADDRESS_HELD


def test_a_lease_binds_those_as_well_whose_stanzas_have_none() -> None:
    town = Town(lease=Lease.REFUSE)
    town.gets("alice")
    assert town.refused("bob", sharing=SharingTerms())[0] is Reason.ADDRESS_HELD


def test_who_wants_an_address_for_himself_does_not_get_it_while_others_are_in() -> None:
    town = Town(lease=Lease.REFUSE)
    town.gets("bob", sharing=SharingTerms())
    assert town.refused("alice")[0] is Reason.ADDRESS_HELD


@pytest.mark.parametrize("mine", list(Lease))
@pytest.mark.parametrize("his", list(Lease))
def test_of_two_leases_the_stricter_counts(mine: Lease, his: Lease) -> None:
    town = Town()
    town.gets("alice", sharing=SharingTerms(lease=his))
    found = town.asks("bob", sharing=SharingTerms(lease=mine))
    kinds = {Lease.TELL: Grant, Lease.QUEUE: Wait, Lease.REFUSE: Refusal}
    assert isinstance(found, kinds[max(mine, his, key=lambda each: each.strictness)])


def test_other_addresses_are_held_by_others() -> None:
    town = Town(lease=Lease.REFUSE)
    town.gets("alice")
    assert town.gets("bob", allow="198.51.100.3")


def test_nobody_keeps_an_address_for_ever() -> None:
    """His last grant ends with his time, and then he has to pause."""
    town = Town(lease=Lease.REFUSE, lease_seconds=100)
    now = NOW
    for _ in range(5):
        town.ledger.expire(now)
        last = town.gets("alice", now)
        now = later(20, now)
    assert last.until == NOW.steady + 100
    town.ledger.expire(now)
    reason, detail = town.refused("alice", now)
    assert reason is Reason.HELD_TOO_LONG
    assert detail == f"alice has held {OFFICE} for as long as he may, again in {PAUSE:.0f} s"
    assert town.gets("bob", now)
    town.ledger.expire(later(PAUSE, now))
    assert town.gets("alice", later(PAUSE, now)).until == NOW.steady + 100 + PAUSE + 30


def test_no_more_identities_share_an_address_than_the_stanza_says() -> None:
    town = Town(identities=2)
    town.gets("alice")
    town.gets("bob")
    assert town.refused("carol") == (
        Reason.TOO_MANY_IDENTITIES,
        f"carol: {OFFICE} is shared by 2 already",
    )
    assert town.gets("alice", services="tcp/80")
    assert town.gets("calls himself carol", key="key of bob")
    assert town.gets("carol", allow="198.51.100.3")


def test_no_more_grants_are_there_for_an_address_than_the_stanza_says() -> None:
    town = Town(grants=2)
    first = town.gets("alice")
    town.gets("alice", services="tcp/80")
    assert town.refused("alice", services="tcp/443") == (
        Reason.TOO_MANY_GRANTS,
        f"alice: there are 2 grants for {OFFICE}",
    )
    assert town.gets("alice", later(1)).id == first.id
    town.ledger.expire(later(31))
    assert town.gets("alice", later(31), services="tcp/443")


def test_a_flood_of_valid_packets_makes_no_more_grants_than_allowed() -> None:
    town = Town(secret_ports=(40000, 59999), grants=64)
    found = [town.asks("mallory") for _ in range(500)]
    assert len(town.ledger) == 48
    assert {each.reason for each in found if isinstance(each, Refusal)} == {Reason.TOO_MANY_GRANTS}
    no = f"mallory: there are 48 grants of his own for {OFFICE}"
    assert town.refused("mallory") == (Reason.TOO_MANY_GRANTS, no)
    for _ in range(16):
        town.gets("alice")
    no = f"alice: there are 64 grants for {OFFICE}"
    assert town.refused("alice") == (Reason.TOO_MANY_GRANTS, no)


def test_of_a_few_secret_ports_somebody_may_have_all() -> None:
    town = Town(secret_ports=(40000, 59999), grants=3)
    assert len({town.gets("alice").services for _ in range(3)}) == 3


def test_tickets_of_an_address_are_dealt_to_nobody_twice_and_end() -> None:
    town = Town(connections=16)
    dealt = [town.gets(f"person {number}").tickets for number in range(MOST_TICKETS // 16)]
    assert sorted(ticket for each in dealt for ticket in each) == list(range(1, MOST_TICKETS + 1))
    assert town.refused("one more") == (
        Reason.TOO_MANY_CONNECTIONS,
        f"one more: too many are outstanding for {OFFICE}",
    )
    assert town.gets("one more", services="tcp/80").tickets
    town.ledger.expire(later(30))
    assert town.gets("one more", later(30)).tickets


def test_a_counted_grant_needs_its_door_and_a_ticket_for_each_connection() -> None:
    grant = Town(connections=2).gets("alice", services="tcp/22,tcp/80")
    found = [(hole.service, hole.ticket) for hole in grant.holes]
    ssh, web = Service.parse("tcp/22"), Service.parse("tcp/80")
    assert found[:2] == [(ssh, ON_TICKETS), (web, ON_TICKETS)]
    assert [service for service, _ in found[2:]] == [ssh, web]
    assert all(tuple(hole.numbers) == grant.tickets == (1, 2) for hole in grant.holes[2:])


def test_who_knocks_again_has_his_tickets_again_and_more_time_gives_none() -> None:
    town = Town(connections=1)
    grant = town.gets("alice")
    town.ledger.settled()
    [ticket] = [hole for hole in grant.holes if hole.ticket > 0]
    again = town.gets("alice", NOW)
    assert again.id == grant.id
    assert [each.hole for each in town.ledger.change().add] == list(again.holes)
    town.ledger.settled()
    town.ledger.set_end(again, again.ends + 60, again.until + 60)
    assert not town.ledger.change()
    opening = town.ledger.opening(ticket)
    assert opening is not None
    assert opening.until == again.shuts


def test_a_short_door_ends_before_its_grant_and_opens_again_with_the_next_packet() -> None:
    town = Town(door_seconds=5)
    grant = town.gets("alice")
    assert (grant.shuts - NOW.steady, grant.until - NOW.steady) == (5, 30)
    again = town.gets("alice", later(20))
    assert (again.shuts - NOW.steady, again.until - NOW.steady) == (25, 50)


def test_a_time_beyond_the_stanzas_moves_neither_end() -> None:
    grant = Town(door_seconds=5).gets("mallory", seconds=100_000)
    assert (grant.shuts - NOW.steady, grant.until - NOW.steady) == (5, 300)


def test_a_secret_port_is_nobody_elses_for_a_while() -> None:
    town = Town(secret_ports=(40000, 59999))
    grant = town.gets("alice")
    port = str(grant.services[0])
    permit = town.permit("bob")
    asked = replace(permit, services=grant.services)
    assert isinstance(town.crowd.judge(asked, later(1)), Refusal)
    town.ledger.expire(later(31))
    over = later(30 + NOT_AGAIN - 1)
    refused = town.crowd.judge(asked, over)
    assert isinstance(refused, Refusal)
    assert (refused.reason, refused.detail) == (Reason.PORT_USED_LATELY, f"bob: {port}")
    assert isinstance(town.crowd.judge(asked, later(30 + NOT_AGAIN)), Permit)


def test_nobody_uses_up_the_secret_ports_of_an_address() -> None:
    town, now = Town(secret_ports=(40000, 40255), grants=64), NOW
    found: list[Any] = []
    for turn in range(20):  # ten each time, all of them over before the next
        now = later(31 * turn)
        town.ledger.expire(now)
        found += [town.asks("mallory", now) for _ in range(10)]
    refused = [each for each in found if isinstance(each, Refusal)]
    assert len({each.services for each in found if isinstance(each, Grant)}) == 64
    no = f"mallory: 64 ports of {OFFICE} were his lately"
    # A packet may stand for a port that was used lately, and is refused for that then.
    others = {each.detail for each in refused if each.reason is not Reason.PORT_USED_LATELY}
    assert others == {no}
    tries = [town.asks("alice", now) for _ in range(40)]
    assert sum(isinstance(each, Grant) for each in tries) > 10
    nobodys = later(31 * 20 + NOT_AGAIN + 31)
    assert isinstance(town.asks("mallory", nobodys), Grant)


def test_it_is_told_when_more_people_are_there_than_were_told_of() -> None:
    town = Town()
    told = []
    for who in ("alice", "bob", "alice", "carol"):
        permit = town.permit(who)
        town.ledger.admit(permit, NOW)
        people = town.crowd.seen(permit, NOW)
        told.append(sorted(people.names) if people else [])
    assert told == [[], ["alice", "bob"], [], ["alice", "bob", "carol"]]


def test_who_says_no_name_is_nobody_that_could_be_told_of() -> None:
    """A shared sequence of knocks is whoever's."""
    town = Town()
    for who in ("alice", ""):
        town.ledger.admit(town.permit(who), NOW)
        assert town.crowd.seen(town.permit(who), NOW) is None
    assert town.crowd.people(town.permit("").who, NOW).names == ("alice",)


def test_who_was_not_heard_of_for_a_while_is_not_counted() -> None:
    town = Town()
    town.gets("alice")
    bob = town.gets("bob", later(WINDOW))
    town.ledger.expire(later(WINDOW + 1))
    assert town.crowd.people(bob.who, later(WINDOW + 1)) == (1, ("bob",))


def test_what_is_remembered_of_addresses_is_bounded() -> None:
    town = Town(lease=Lease.TELL, secret_ports=(40000, 59999))
    permit = town.permit("alice")
    grant = town.ledger.admit(permit, NOW)
    for number in range(6000):
        other = replace(permit, who=permit.who + number, identity=str(number % 70))
        other = replace(other, request=replace(other.request, user=f"user {number}"))
        for _ in range(2):
            town.crowd.seen(other, NOW)
            town.crowd.admitted(other, grant, NOW)
    assert len(town.crowd._addresses) <= 4096
    assert len(town.crowd._holds) <= 4096
    for number in range(100):
        name = replace(permit.request, user=f"user {number}")
        town.crowd.seen(replace(permit, request=name), NOW)
    assert town.crowd.people(permit.who, NOW).number <= 65


def test_of_a_crowd_all_are_counted_and_the_first_are_named() -> None:
    town = Town()
    for number in range(MOST_NAMED + 10):
        town.gets(f"user {number}")
    people = town.crowd.people(town.permit("alice").who, NOW)
    assert people.number == MOST_NAMED + 10
    assert people.names == tuple(f"user {number}" for number in range(MOST_NAMED))


BOTH = CallerTerms(Binding.OFFERED, more=1)
ELSEWHERE = "192.0.2.9"


def named(town: Town, who: str, words: str, now: Moment = NOW) -> Permit:
    """What somebody may have who names more than one address, or a port."""
    stanza = terms(key_names=(f"key of {who}",), sharing=town.sharing, callers=BOTH)
    asked = request(user=who, allow=ELSEWHERE, sent_at=int(now.wall))
    asked = replace(asked, wish=CommandWish(f"admit tcp/22 {words}"))
    found = authorise(policy(stanza), asked, now)
    assert isinstance(found, Permit), found
    return found


def test_an_address_that_is_named_second_is_held_by_whom_it_was_held() -> None:
    town = Town(lease=Lease.REFUSE)
    town.gets("alice")
    judged = town.crowd.judge(named(town, "bob", f"also {OFFICE}"), NOW)
    assert isinstance(judged, Refusal)
    assert judged.reason is Reason.ADDRESS_HELD
    assert judged.detail.startswith(f"bob: {OFFICE} is held by alice")


def test_an_address_that_is_named_second_has_no_more_people_than_it_may() -> None:
    town = Town(identities=1)
    town.gets("alice")
    judged = town.crowd.judge(named(town, "bob", f"also {OFFICE}"), NOW)
    assert isinstance(judged, Refusal)
    assert judged.detail == f"bob: {OFFICE} is shared by 1 already"


def test_nobody_keeps_an_address_for_ever_by_naming_another_one_before_it() -> None:
    town = Town(lease=Lease.REFUSE, lease_seconds=60)
    for seconds in (0, 30):
        now = later(seconds)
        permit = town.crowd.judge(named(town, "alice", f"also {OFFICE}", now), now)
        assert isinstance(permit, Permit)
        grant = town.ledger.admit(permit, now)
        town.crowd.admitted(permit, grant, now)
    assert town.refused("alice", later(60))[0] is Reason.HELD_TOO_LONG


def test_a_flood_of_ports_to_be_bound_to_makes_a_bounded_number_of_grants() -> None:
    town, made = Town(), []
    for port in range(1, MOST_BOUND + 10):
        judged = town.crowd.judge(named(town, "mallory", f"port {port}"), NOW)
        made.append(judged)
        if isinstance(judged, Permit):
            town.ledger.admit(judged, NOW)
    assert sum(isinstance(each, Permit) for each in made) == MOST_BOUND == len(town.ledger)
    assert isinstance(made[-1], Refusal)
    assert made[-1].reason is Reason.TOO_MANY_GRANTS
    assert made[-1].detail.startswith("mallory: there are 64 grants of his own")
    assert isinstance(town.crowd.judge(named(town, "bob", "port 1"), NOW), Permit)
    again = town.crowd.judge(named(town, "mallory", "port 1"), NOW)
    assert isinstance(again, Permit), "what he has already he may renew"


def test_tickets_in_a_row_are_one_opening_and_others_as_few_as_can_be() -> None:
    town = Town(connections=3)
    grants = [town.gets(f"person {number}") for number in range(MOST_TICKETS // 3)]
    assert all(len(each.holes) == 2 for each in grants)
    odd = replace(grants[0], tickets=(9, 3, 4, 64))
    assert [tuple(each.numbers) for each in odd.holes[1:]] == [(3, 4), (9,), (64,)]


def test_nobody_keeps_others_out_by_names_without_end_that_take_every_ticket() -> None:
    town = Town(connections=16)
    found = [town.asks(f"mallory {number}", key="key of mallory") for number in range(10)]
    assert sum(len(each.tickets) for each in found if isinstance(each, Grant)) == MOST_OWN
    assert found[-1] == Refusal(
        Reason.TOO_MANY_CONNECTIONS, (1,), f"mallory 9: too many are outstanding for {OFFICE}"
    )
    assert town.gets("mallory 0", key="key of mallory").user == "mallory 0"  # it is his already
    assert len(town.gets("alice").tickets) == 16


def test_tickets_are_nobody_elses_at_any_address_of_a_grant() -> None:
    town = Town(connections=1)
    mobile = ip_address("192.0.2.77")
    whole = replace(town.permit("alice"), also=(Caller(mobile),))
    first = town.ledger.admit(whole, NOW)
    town.ledger._tickets._last = 0  # as after so many others
    assert town.gets("bob", allow=str(mobile)).tickets != first.tickets
    town.ledger._tickets._last = 1  # bob's is the next
    both = town.ledger.admit(replace(town.permit("dora"), also=(Caller(mobile),)), NOW)
    assert both.tickets == (3,)
    town.ledger.withdraw(first.id, Turn.REVOKED)
    town.ledger._tickets._last = 0
    assert town.gets("carol", allow=str(mobile)).tickets == first.tickets


def test_a_counted_grant_lets_nobody_new_in_when_a_used_ticket_would_be_good_again() -> None:
    week, two = 7 * 86400, 14 * 86400
    for door_seconds in (None, two):
        town = Town(connections=1, door_seconds=door_seconds)
        grant = town.ledger.admit(replace(town.permit("alice"), seconds=two), NOW)
        assert grant.until == NOW.steady + two
        assert grant.shuts + LATE < NOW.steady + week
    anybody = Town().ledger.admit(replace(Town().permit("alice"), seconds=two), NOW)
    assert anybody.shuts == anybody.until
