"""The hand gives what the policy can give to somebody, and decides as the gate does."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address, ip_network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.values import NOW, policy, request, terms
from watchword.grant.approvals import Approvals
from watchword.grant.cycles import Values
from watchword.grant.decide import authorise
from watchword.grant.ledger import Ledger
from watchword.grant.permits import Permit
from watchword.grant.warrants import LATE, STAY, against, against_command
from watchword.model.callers import CallerTerms
from watchword.model.commands import CycleTerms
from watchword.model.openings import Extent, Hole, Lead, Opening, SourceNat, tickets
from watchword.model.orders import Wanted
from watchword.model.policy import NatTerms, Policy, Target
from watchword.model.requests import AccessWish, ForwardWish
from watchword.model.services import Proto, Service
from watchword.model.sharing import SharingTerms
from watchword.model.templates import Template

SSH, WEB = Service(Proto.TCP, 22), Service(Proto.TCP, 80)
CALLER = ip_address("198.51.100.2")
INSIDE = ip_address("10.0.0.5")


DIRECT = Hole(CALLER, SSH)


def wanted(hole: Hole = DIRECT, seconds: float = 30.0, *, stanza: int = 1) -> Wanted:
    return Wanted(Opening(hole, NOW.steady + seconds), stanza, CALLER)


def only(**more: Any) -> Policy:
    return policy(terms(open_services=frozenset({SSH}), max_seconds=60, **more))


def test_the_last_second_that_is_allowed_is_allowed() -> None:
    assert against(only(), wanted(seconds=60), NOW) == ""
    assert "more than the 60" in against(only(), wanted(seconds=61), NOW)
    assert against(only(keep_seconds=600), wanted(seconds=60 + STAY), NOW) == ""
    assert "more than the 60" in against(only(keep_seconds=600), wanted(seconds=80), NOW)


@pytest.mark.parametrize(
    ("stanza", "hole", "why"),
    [
        (only(), Hole(CALLER, WEB), "does not offer tcp/80"),
        (only(closed_services=frozenset({SSH})), Hole(CALLER, SSH), "does not offer"),
        (only(access=False), Hole(CALLER, SSH), "does not offer"),
        (only(blocked=True), Hole(CALLER, SSH), "lets nobody in any more"),
        (only(expires=NOW.wall), Hole(CALLER, SSH), "lets nobody in any more"),
        (only(sources=(ip_network("192.0.2.0/24"),)), Hole(CALLER, SSH), "takes no packet"),
        (only(), Hole(ip_address("224.0.0.1"), SSH), "is not one host"),
        (only(), Hole(ip_address("255.255.255.255"), SSH), "is not one host"),
        (only(), Hole(ip_address("::"), SSH), "is not one host"),
        (replace(only(), families=(6,)), Hole(CALLER, SSH), "no chain passes IPv4"),
        (
            replace(only(), blacklist=(ip_network("198.51.100.0/28"),)),
            Hole(CALLER, SSH),
            "blacklisted",
        ),
        (replace(only(), destination_rule=True), Hole(CALLER, SSH), "not limited to one"),
        (
            replace(only(), destination_rule=True),
            Hole(CALLER, SSH, ip_address("2001:db8::1")),
            "not limited to one",
        ),
        (only(), Hole(CALLER, SSH, None, Lead(INSIDE, 22)), "leads nobody to 10.0.0.5:22"),
        (
            only(nat=NatTerms(forced=(Lead(INSIDE, 22),))),
            Hole(CALLER, SSH),
            "leads elsewhere",
        ),
    ],
)
def test_what_no_request_could_be_given_is_not_opened(stanza: Policy, hole: Hole, why: str) -> None:
    assert why in against(stanza, wanted(hole), NOW)


NAMED = CallerTerms(only=(ip_network("10.0.0.0/8"),), prefixes=((4, 24),))
STRANGER = ip_address("203.0.113.66")


@pytest.mark.parametrize(
    ("hole", "opens"),
    [
        (Hole(CALLER, SSH), True),  # where the packet came from
        (Hole(ip_address("10.1.2.3"), SSH), True),
        (Hole(STRANGER, SSH), False),
        (Hole(ip_address("198.51.100.0"), SSH, extent=Extent(bits=24)), True),
        (Hole(ip_address("10.1.2.0"), SSH, extent=Extent(bits=24)), True),
        (Hole(ip_address("203.0.113.0"), SSH, extent=Extent(bits=24)), False),
    ],
)
def test_whom_no_packet_may_name_is_not_let_in(hole: Hole, opens: bool) -> None:
    found = only(callers=NAMED)
    said = against(found, wanted(hole), NOW)
    assert (said == "") is opens
    assert opens or "lets nobody name 203.0.113." in said
    believing = replace(found, proxies=(ip_network("198.51.100.0/24"),))
    assert against(believing, wanted(hole), NOW) == ""  # a proxy says for whom it asks


def test_a_command_opens_for_nobody_whom_no_packet_may_name() -> None:
    found = only(cycle=CycleTerms(Template((), ()), None), callers=NAMED)
    ours = by_command(NOW.wall + 30)
    assert against_command(found, 1, ours, NOW) == ""
    said = against_command(found, 1, replace(ours, who=STRANGER), NOW)
    assert said == "its stanza lets nobody name 203.0.113.66"


def test_no_more_tickets_than_the_stanza_gives_come_in_one_opening() -> None:
    found = only(sharing=SharingTerms(connections=3))
    assert against(found, wanted(Hole(CALLER, SSH, ticket=tickets(5, 3))), NOW) == ""
    said = against(found, wanted(Hole(CALLER, SSH, ticket=tickets(5, 4))), NOW)
    assert said == "4 connections are more than the 3 of its stanza"


OURS, OTHER = ip_address("192.0.2.7"), ip_address("192.0.2.8")


def test_the_one_destination_is_one_that_the_stanza_takes_packets_for() -> None:
    found = replace(only(destinations=(ip_network("192.0.2.7/32"),)), destination_rule=True)
    assert against(found, wanted(Hole(CALLER, SSH, OURS)), NOW) == ""
    said = against(found, wanted(Hole(CALLER, SSH, OTHER)), NOW)
    assert said == "its stanza takes no packet for 192.0.2.8"


def by_command(ends: float, destination: Any = OURS) -> Values:
    return Values(CALLER, CALLER, destination, SSH, int(ends), 30)


def test_a_command_is_told_an_end_that_a_packet_of_now_can_have() -> None:
    runs = CycleTerms(Template((), ()), None)
    found, now = only(cycle=runs, destinations=(ip_network("192.0.2.7/32"),)), int(NOW.wall)
    aged = found.max_age or 0
    for ends in (now + 30, now + 30 + aged, now + 30 - aged, now + 30 - aged - LATE):
        assert against_command(found, 1, by_command(ends), NOW) == ""
    for ends in (now + 32 + aged, now + 29 - aged - LATE, 0, 1 << 40):
        assert "no packet of now" in against_command(found, 1, by_command(ends), NOW)
    said = against_command(found, 1, by_command(now + 30, OTHER), NOW)
    assert said == "its stanza takes no packet for 192.0.2.8"
    ageless = replace(found, max_age=None)
    assert against_command(ageless, 1, by_command(30), NOW) == ""
    for ends in (29, 1 << 40):
        assert "no packet of now" in against_command(ageless, 1, by_command(ends), NOW)


def test_a_target_that_the_stanza_names_is_led_to_and_its_neighbour_is_not() -> None:
    targets = (Target(ip_network("10.0.0.4/31"), 22),)
    found = replace(only(nat=NatTerms(targets=targets)), forwarding=True)
    assert against(found, wanted(Hole(CALLER, SSH, None, Lead(INSIDE, 22))), NOW) == ""
    for lead in (Lead(INSIDE, 23), Lead(ip_address("10.0.0.6"), 22), Lead(None, 22)):
        assert "leads nobody" in against(found, wanted(Hole(CALLER, SSH, None, lead)), NOW)


WISHES = st.builds(
    AccessWish, st.lists(st.sampled_from([SSH, WEB]), min_size=1, max_size=2).map(tuple)
) | st.builds(
    ForwardWish,
    st.just((SSH,)),
    st.sampled_from(["10.0.0.5", "10.9.9.9", ""]),
    st.sampled_from([22, 80]),
    st.booleans(),
)
NATS = st.builds(
    NatTerms,
    enabled=st.booleans(),
    targets=st.sampled_from(
        [(), (Target(ip_network("10.0.0.0/24")),), (Target(None, 22), Target(None, 80))]
    ),
    forced=st.sampled_from(
        [(), (), (), (Lead(INSIDE, 22),), (Lead(None, 2222),), (Lead(None, 0, everything=True),)]
    ),
    through=st.booleans(),
    sources=st.sampled_from([(), (SourceNat(),), (SourceNat(INSIDE),)]),
)


@given(
    wish=WISHES,
    nat=NATS,
    seconds=st.integers(0, 500),
    listed=st.sampled_from([None, frozenset({SSH}), frozenset({SSH, WEB})]),
    limited=st.booleans(),
    forwarding=st.booleans(),
    local=st.booleans(),
)
def test_whatever_the_gate_decides_to_open_the_hand_opens(
    wish: AccessWish | ForwardWish,
    nat: NatTerms,
    seconds: int,
    listed: frozenset[Service] | None,
    limited: bool,
    forwarding: bool,
    local: bool,
) -> None:
    found = replace(
        policy(terms(open_services=listed, nat=nat, max_seconds=300)),
        destination_rule=limited,
        forwarding=forwarding,
        local_nat=local,
    )
    asked = replace(request(), wish=wish, seconds=seconds)
    answer = authorise(found, asked, NOW)
    if not isinstance(answer, Permit):
        return
    ledger = Ledger()
    ledger.admit(answer, NOW)
    for opening in ledger.change().add:
        grant = ledger.behind(opening.hole)
        assert grant is not None
        assert against(found, Wanted(opening, grant.stanza, grant.source), NOW) == ""


def test_what_was_approved_may_be_put_back_until_its_end_and_not_once_it_was_taken_out() -> None:
    approvals = Approvals()
    opening = Opening(Hole(CALLER, SSH), NOW.steady + 30)
    assert not approvals.covers(opening)
    approvals.note([opening], (), NOW.steady)
    assert approvals.covers(opening)
    assert approvals.covers(Opening(opening.hole, NOW.steady + 10))
    assert not approvals.covers(Opening(opening.hole, NOW.steady + 31))
    longer = Opening(opening.hole, NOW.steady + 60)
    approvals.note([longer], [opening.tag], NOW.steady)
    assert approvals.covers(longer)
    approvals.note((), [longer.tag], NOW.steady)
    assert not approvals.covers(opening)


def test_approvals_that_are_over_take_no_room() -> None:
    approvals = Approvals()
    for number in range(5_000):
        hole = Hole(ip_address(number + 1), SSH)
        approvals.note([Opening(hole, number + 1.0)], (), float(number))
    assert len(approvals) < 2_100
