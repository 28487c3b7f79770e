"""Where grants lead: what callers may ask for, and what they may not."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from tests.values import NOW, policy, request, terms
from watchword.edges.clock import FakeClock
from watchword.edges.firewall.memory import MemoryFirewall
from watchword.edges.replay.memory import MemoryJournal
from watchword.edges.report.lines import MemoryReporter
from watchword.errors import HostError
from watchword.grant.decide import authorise
from watchword.grant.ledger import Ledger
from watchword.grant.lifecycle import Turn
from watchword.grant.permits import Permit, Unresolved
from watchword.model.addresses import Address
from watchword.model.openings import ChangeSet, Feature, Grant, Hole, Lead, Opening, SourceNat
from watchword.model.outcomes import Refusal, Restored
from watchword.model.policy import NatTerms, Policy, Target
from watchword.model.requests import AccessWish, ForwardWish, Request
from watchword.model.services import Service
from watchword.service.daemon.enforcer import Enforcer

CALLER, CALLER6 = "198.51.100.2", "2001:db8:2::2"
INSIDE = ip_address("10.0.0.5")
LAN = Target(ip_network("10.0.0.0/24"))


def asking(
    outside: str = "tcp/8022",
    host: str = "10.0.0.5",
    port: int = 22,
    *,
    local: bool = False,
    who: str = CALLER,
) -> Request:
    services = tuple(Service.parse(each) for each in outside.split(","))
    wish = ForwardWish(services, host, port, local)
    return replace(request(allow=who), wish=wish)


def rules(nat: NatTerms | None = None, **more: Any) -> Policy:
    values: dict[str, Any] = {"nat": nat or NatTerms(targets=(LAN,)), "open_services": None}
    mine = terms(**{**values, **more})
    return policy(mine, forwarding=True, local_nat=True)


def verdict(rules: Policy, wanted: Request, *named: str) -> str:
    addresses = tuple(map(ip_address, named)) if named else None
    answer = authorise(rules, wanted, NOW, addresses)
    match answer:
        case Refusal():
            return answer.reason.word
        case Unresolved(_, host):
            return f"who is {host}?"
        case Permit():
            return str(answer.lead)
    return "a command"


@pytest.mark.requirement("9.6", partial=True)
def test_each_kind_of_leading_on_has_a_switch_of_its_own() -> None:
    everything = rules(NatTerms(targets=(LAN, Target(None))))
    forward, local = asking(), asking(local=True)
    assert verdict(everything, forward) == "10.0.0.5:22"
    assert verdict(everything, local) == "here:22"
    for off, refused, granted in (("forwarding", forward, local), ("local_nat", local, forward)):
        switch: dict[str, Any] = {off: False}
        fewer = replace(everything, **switch)
        assert verdict(fewer, refused) == "forwarding-not-enabled"
        assert verdict(fewer, granted) not in ("forwarding-not-enabled", "nat-target-not-allowed")
    neither = rules(NatTerms(enabled=False, targets=(LAN, Target(None))))
    assert verdict(neither, forward) == verdict(neither, local) == "forwarding-not-enabled"
    assert (
        verdict(neither, replace(request(), wish=AccessWish((Service.parse("tcp/1"),)))) == "None"
    )


@pytest.mark.parametrize(
    ("host", "port", "expected"),
    [
        ("10.0.0.5", 22, "10.0.0.5:22"),
        ("10.0.1.5", 22, "nat-target-not-allowed"),
        ("10.0.1.9", 443, "10.0.1.9:443"),
        ("10.0.1.9", 22, "nat-target-not-allowed"),
        ("127.0.0.1", 22, "nat-target-not-allowed"),
        ("0.0.0.0", 22, "nat-target-not-allowed"),
        ("224.0.0.1", 22, "nat-target-not-allowed"),
        ("198.51.100.9", 22, "nat-target-not-allowed"),
    ],
)
def test_whoever_has_a_key_reaches_no_other_host_than_the_stanza_names(
    host: str, port: int, expected: str
) -> None:
    named = Target(ip_network("10.0.1.9"), 443)
    assert verdict(rules(NatTerms(targets=(LAN, named))), asking(host=host, port=port)) == expected
    everywhere = NatTerms(targets=(Target(ip_network("0.0.0.0/0")),))
    if host.partition(".")[0] in ("127", "0", "224"):
        assert verdict(rules(everywhere), asking(host=host, port=port)) == expected
    assert verdict(rules(NatTerms()), asking(host=host, port=port)) == "nat-target-not-allowed"


def test_a_target_is_of_the_callers_ip_version() -> None:
    both = rules(NatTerms(targets=(LAN, Target(ip_network("fd00::/64")))))
    assert verdict(both, asking(host="fd00::5", who=CALLER6)) == "[fd00::5]:22"
    assert verdict(both, asking(host="fd00::5")) == "nat-target-not-allowed"
    assert verdict(both, asking(who=CALLER6)) == "nat-target-not-allowed"


def test_without_targets_another_port_leads_to_what_may_be_asked_for_directly() -> None:
    ghost = frozenset({Service.parse("tcp/110"), Service.parse("tcp/6543")})
    offered = rules(NatTerms(), open_services=ghost)
    assert verdict(offered, asking("tcp/110", "192.0.2.1", 6543, local=True)) == "here:6543"
    assert verdict(offered, asking("tcp/110", "192.0.2.1", 3306, local=True)) == (
        "nat-target-not-allowed"
    )
    closed = rules(NatTerms(), closed_services=frozenset({Service.parse("tcp/3306")}))
    assert verdict(closed, asking("tcp/110", "192.0.2.1", 3306, local=True)) == (
        "nat-target-not-allowed"
    )
    assert verdict(closed, asking("udp/110", "192.0.2.1", 3306, local=True)) == "here:3306"


def test_with_targets_another_port_leads_to_those() -> None:
    named = rules(NatTerms(targets=(Target(None, 6543),)), open_services=None)
    assert verdict(named, asking("tcp/110", "x", 6543, local=True)) == "here:6543"
    assert verdict(named, asking("tcp/110", "x", 22, local=True)) == "nat-target-not-allowed"


def test_the_port_outside_is_held_against_the_lists_of_ports() -> None:
    listed = rules(open_services=frozenset({Service.parse("tcp/8022")}))
    assert verdict(listed, asking("tcp/8022")) == "10.0.0.5:22"
    assert verdict(listed, asking("tcp/8023")) == "port-not-offered"
    barred = rules(closed_services=frozenset({Service.parse("tcp/8022")}))
    assert verdict(barred, asking("tcp/8022")) == "port-restricted"


def test_a_name_is_worth_what_its_addresses_are_worth() -> None:
    named = asking(host="db.example")
    assert verdict(rules(), named) == "who is db.example?"
    assert verdict(rules(), named, "10.0.0.9") == "10.0.0.9:22"
    assert verdict(rules(), named, "192.0.2.1", "fd00::1", "10.0.0.9") == "10.0.0.9:22"
    assert verdict(rules(), named, "192.0.2.1") == "nat-target-not-allowed"
    assert verdict(rules(), named, "127.0.0.1") == "nat-target-not-allowed"
    assert authorise(rules(), named, NOW, ()) == Refusal(
        reason := authorise(rules(), named, NOW, ()).reason,  # type: ignore[union-attr]
        (1,),
        "db.example",
    )
    assert reason.word == "nat-name-not-resolved"
    assert verdict(replace(rules(), nat_names=False), named) == "nat-names-not-enabled"


def test_nobody_is_asked_about_a_name_that_no_answer_could_make_allowed() -> None:
    named = asking(host="db.example", port=23)
    only_ssh = rules(NatTerms(targets=(Target(ip_network("10.0.0.0/24"), 22), Target(None))))
    assert verdict(only_ssh, named) == "nat-target-not-allowed"
    assert verdict(rules(NatTerms()), named) == "nat-target-not-allowed"
    too_old = replace(named, sent_at=0)
    assert verdict(rules(), too_old) == "too-old"
    barred = rules(closed_services=frozenset({Service.parse("tcp/8022")}))
    assert verdict(barred, named) == "port-restricted"


@pytest.mark.parametrize("local", [False, True])
def test_a_forced_lead_counts_whatever_was_asked_for(local: bool) -> None:
    forced = rules(NatTerms(forced=(Lead(INSIDE, 80),), sources=(SourceNat(),)))
    here = replace(request(), wish=AccessWish((Service.parse("tcp/80"), Service.parse("tcp/81"))))
    assert verdict(forced, here) == "10.0.0.5:80 as masquerade"
    assert verdict(forced, asking(host="10.0.0.99", local=local)) == "10.0.0.5:80 as masquerade"
    assert verdict(forced, asking(who=CALLER6)) == "nat-target-not-allowed"
    answer = authorise(forced, here, NOW)
    assert isinstance(answer, Permit)
    assert [str(each) for each in answer.services] == ["tcp/80"]


@pytest.mark.parametrize(
    ("who", "source", "expected"),
    [
        (CALLER, None, "10.0.0.5:22"),
        (CALLER, "10.0.0.1", "10.0.0.5:22 as 10.0.0.1"),
        (CALLER6, "10.0.0.1", "[fd00::5]:22 as masquerade"),
        (CALLER6, "fd00::1", "[fd00::5]:22 as fd00::1"),
    ],
)
def test_the_inside_sees_an_address_of_the_callers_ip_version(
    who: str, source: str | None, expected: str
) -> None:
    seen = () if source is None else (SourceNat(ip_address(source)),)
    both = (LAN, Target(ip_network("fd00::/64")))
    host = "10.0.0.5" if who == CALLER else "fd00::5"
    assert verdict(rules(NatTerms(targets=both, sources=seen)), asking(host=host, who=who)) == (
        expected
    )


def test_everything_is_one_hole_whatever_was_asked_for() -> None:
    everything = (Lead(None, 0, everything=True),)
    through = rules(NatTerms(forced=everything, sources=(SourceNat(),)))
    ledger = Ledger()
    for services in ("tcp/1", "udp/2,tcp/3"):
        answer = authorise(replace(through, destination_rule=True), request(services=services), NOW)
        assert isinstance(answer, Permit)
        ledger.admit(answer, NOW)
    [opening] = ledger.openings()
    lead = Lead(None, 0, everything=True, source=SourceNat())
    assert opening.hole == Hole(ip_address("198.51.100.2"), None, None, lead)


def permit(host: Address = INSIDE, outside: str = "tcp/8022", who: str = CALLER) -> Permit:
    answer = authorise(rules(), asking(outside, str(host), who=who), NOW)
    assert isinstance(answer, Permit)
    return answer


def test_a_port_leads_a_caller_to_one_place_at_a_time() -> None:
    ledger, other = Ledger(), ip_address("10.0.0.6")
    assert ledger.led_elsewhere(permit(), NOW) is None
    first = ledger.admit(permit(), NOW)
    assert ledger.led_elsewhere(permit(), NOW) is None, "the same place"
    found = ledger.led_elsewhere(permit(other), NOW)
    assert found is not None
    assert found.hole.lead == Lead(INSIDE, 22)
    assert ledger.led_elsewhere(permit(other, "tcp/8023"), NOW) is None
    assert ledger.led_elsewhere(permit(other, who="198.51.100.3"), NOW) is None
    second = ledger.admit(replace(permit(), request=replace(asking(), user="bob")), NOW)
    ledger.withdraw(first.id, Turn.REVOKED)
    assert ledger.led_elsewhere(permit(other), NOW) is not None, "bob still has it"
    ledger.withdraw(second.id, Turn.REVOKED)
    assert ledger.led_elsewhere(permit(other), NOW) is None


def test_grants_that_lead_to_different_places_are_different_grants() -> None:
    ledger = Ledger()
    grants = [
        ledger.admit(permit(), NOW),
        ledger.admit(permit(ip_address("10.0.0.6"), "tcp/8023"), NOW),
        ledger.admit(permit(outside="tcp/8023", who="198.51.100.3"), NOW),
    ]
    assert len({grant.id for grant in grants}) == len(ledger) == 3
    tags = {opening.tag for opening in ledger.openings()}
    assert len(tags) == 3
    again = ledger.admit(permit(), NOW)
    assert again.id == grants[0].id


async def _restarted(able: frozenset[Feature]) -> tuple[list[Grant], set[Lead | None], int]:
    """Grants after a restart, and after a change, to a firewall that can do so much."""
    clock, journal, reporter = FakeClock(*NOW), MemoryJournal("boot"), MemoryReporter()
    before = MemoryFirewall(clock)
    before.prepare()
    first = Enforcer(before, journal, reporter, clock)
    await first.grant([permit(), plain()])
    await first.written()
    after = MemoryFirewall(clock, features=able)
    second = Enforcer(after, journal, reporter, clock)
    await second.resume(flush=False)
    await second.written()
    kept = list(second.ledger.grants())
    changed = MemoryFirewall(clock, features=able)
    await first.replace_firewall(changed, elsewhere=True)
    return kept, {opening.hole.lead for opening in changed.openings}, len(first.ledger)


class Stuck(MemoryFirewall):
    """Something of the operator's hangs on what is to be removed."""

    def teardown(self) -> None:
        super().teardown()
        raise HostError("a set of that name is in use")


def test_what_cannot_be_removed_of_the_old_firewall_is_told_and_the_new_one_goes_on() -> None:
    async def moved() -> tuple[list[Opening], bool, list[object]]:
        clock, reporter = FakeClock(*NOW), MemoryReporter()
        old, new = Stuck(clock), MemoryFirewall(clock)
        old.prepare()
        enforcer = Enforcer(old, MemoryJournal("boot"), reporter, clock)
        await enforcer.grant([plain()])
        await enforcer.replace_firewall(new, elsewhere=True)
        assert enforcer.firewall is new
        return list(new.openings), enforcer.in_doubt, list(reporter.events)

    open_, doubted, told = asyncio.run(moved())
    assert [each.hole.service for each in open_] == [Service.parse("tcp/22")]
    assert doubted, "and is looked at once more"
    assert any("in use" in str(each) for each in told)


class OfFourOnly(MemoryFirewall):
    """Where no set was named for IPv6, or the kernel has none."""

    def apply(self, change: ChangeSet) -> None:
        if any(each.hole.who.version == 6 for each in change.add):
            raise HostError("nothing here lets IPv6 in")
        super().apply(change)


def test_a_reload_to_a_firewall_without_ipv6_ends_grants_for_it_and_keeps_the_others() -> None:
    async def moved() -> tuple[set[int], set[int]]:
        clock = FakeClock(*NOW)
        old = MemoryFirewall(clock)
        new = OfFourOnly(clock, features=frozenset(Feature) - {Feature.IPV6})
        old.prepare()
        enforcer = Enforcer(old, MemoryJournal("boot"), MemoryReporter(), clock)
        six = authorise(rules(), request(allow=None, source="2001:db8::7"), NOW)
        assert isinstance(six, Permit)
        await enforcer.grant([plain(), six])
        await enforcer.replace_firewall(new, elsewhere=True)
        granted = {int(each.who.version) for each in enforcer.ledger.grants()}
        return granted, {int(each.hole.who.version) for each in new.openings}

    assert asyncio.run(moved()) == ({4}, {4})


def test_what_a_start_cannot_open_again_is_not_counted_among_what_it_has() -> None:
    async def begun() -> list[int]:
        clock, journal, reporter = FakeClock(*NOW), MemoryJournal("boot"), MemoryReporter()
        old = MemoryFirewall(clock)
        old.prepare()
        first = Enforcer(old, journal, MemoryReporter(), clock)
        six = authorise(rules(), request(allow=None, source="2001:db8::7"), NOW)
        assert isinstance(six, Permit)
        await first.grant([plain(), six])
        await first.written()
        new = OfFourOnly(clock, features=frozenset(Feature) - {Feature.IPV6})
        new.prepare()
        await Enforcer(new, journal, reporter, clock).resume(flush=False)
        return [each.grants for each in reporter.events if isinstance(each, Restored)]

    assert asyncio.run(begun()) == [1]


def plain() -> Permit:
    answer = authorise(rules(), request(), NOW)
    assert isinstance(answer, Permit)
    return answer


def test_what_leads_on_ends_when_the_firewall_is_set_up_to_lead_nobody_on() -> None:
    everything = MemoryFirewall(FakeClock(*NOW)).probe()
    kept, open_, count = asyncio.run(_restarted(everything))
    assert (len(kept), count) == (2, 2)
    assert open_ == {None, Lead(INSIDE, 22)}
    kept, open_, count = asyncio.run(_restarted(everything - {Feature.FORWARD}))
    assert [each.lead for each in kept] == [None]
    assert (open_, count) == ({None}, 1)


def test_the_tag_of_an_opening_says_where_it_leads() -> None:
    ways = [
        None,
        Lead(None, 22),
        Lead(INSIDE, 22),
        Lead(INSIDE, 23),
        Lead(INSIDE, 22, source=SourceNat()),
        Lead(INSIDE, 22, source=SourceNat(ip_address("10.0.0.1"))),
        Lead(INSIDE, 0, everything=True),
    ]
    ssh = Service.parse("tcp/22")
    holes = [Hole(ip_address(CALLER), ssh, None, lead) for lead in ways]
    assert len({Opening(hole, 5.0).tag for hole in holes}) == len(ways)
    assert {hole.door for hole in holes} == {Hole(ip_address(CALLER), ssh)}


def test_a_stanza_says_what_it_needs_of_the_firewall() -> None:
    def needed(nat: NatTerms, **more: Any) -> set[Feature]:
        mine = rules(nat, **more)
        return set(mine.features(mine.stanzas[0]))

    here, there = Feature.LOCAL_NAT, Feature.FORWARD
    assert needed(NatTerms()) == needed(NatTerms(sources=(SourceNat(),))) == {here}
    assert needed(NatTerms(targets=(LAN,))) == {here, there}
    inside = NatTerms(targets=(LAN,), sources=(SourceNat(),))
    assert needed(inside) == {here, there, Feature.SOURCE_NAT}
    assert needed(NatTerms(enabled=False)) == set()
    assert needed(NatTerms(), access=False) == set()
    assert needed(NatTerms(forced=(Lead(INSIDE, 80),))) == {there}
    through = Lead(None, 0, everything=True)
    seen = (SourceNat(),)
    whole = {Feature.FORWARD_ALL, Feature.SOURCE_NAT}
    assert needed(NatTerms(forced=(through,), sources=seen)) == whole
    assert needed(NatTerms(through=True, sources=seen)) == whole


def test_who_may_have_everything_has_it_when_he_asks_to_be_led_on() -> None:
    through = rules(NatTerms(through=True))
    assert verdict(through, asking(host="10.9.9.9")) == "everything through here"
    assert verdict(through, request()) == "None"
    assert verdict(through, asking(who=CALLER6)) == "everything through here"


def test_a_grant_that_leads_somewhere_needs_one_hole() -> None:
    ledger = Ledger()
    grant = ledger.admit(permit(outside="tcp/8022,tcp/9"), NOW)
    assert isinstance(grant, Grant)
    assert grant.holes == (
        Hole(ip_address(CALLER), Service.parse("tcp/8022"), None, Lead(INSIDE, 22)),
    )
