"""Answers are let out for whom ENABLE_OUTPUT_ACCESS and ENABLE_IPT_OUTPUT say, and nobody else."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from ipaddress import ip_address
from typing import Any

import pytest

from tests.fwknopd_files import KEYS, configure
from tests.values import NOW, policy, request, terms
from watchword.dialects.fwknop.voice_added import rules
from watchword.edges.clock import FakeClock
from watchword.edges.firewall.memory import EVERYTHING, MemoryFirewall
from watchword.edges.firewall.tables.rules import lines
from watchword.edges.replay.memory import MemoryJournal
from watchword.edges.replay.particulars import with_particulars, written
from watchword.edges.report.lines import MemoryReporter
from watchword.errors import HostError, OperatorError
from watchword.grant.decide import authorise
from watchword.grant.ledger import Ledger
from watchword.grant.lifecycle import Turn
from watchword.grant.permits import Permit
from watchword.grant.warrants import against
from watchword.model.firewalls import ChainUse, FirewallSettings, JumpFrom
from watchword.model.openings import Extent, Feature, Grant, Hole, Lead, Opening
from watchword.model.orders import Wanted
from watchword.model.policy import NatTerms, Policy
from watchword.model.requests import ForwardWish
from watchword.model.services import Service
from watchword.model.settings import LogChains
from watchword.service.daemon.assembly import fitted
from watchword.service.daemon.enforcer import Enforcer

SSH, WEB = Service.parse("tcp/22"), Service.parse("tcp/80")
CALLER = ip_address("198.51.100.2")
NEW = f"SOURCE ANY\nREQUIRE_SOURCE_ADDRESS Y\nOPEN_PORTS tcp/22\n{KEYS}"
OLD = "SOURCE: ANY;\nOPEN_PORTS: tcp/22;\nKEY: a key of sixteen bytes;\nFW_ACCESS_TIMEOUT: 60;\n"
IPTABLES = "FIREWALL_BACKEND iptables\n"
EVERYBODY = "ENABLE_IPT_OUTPUT Y\n"
ON, OFF = "ENABLE_OUTPUT_ACCESS Y\n", "ENABLE_OUTPUT_ACCESS N\n"
CHAIN = ChainUse("OUTPUT", "FWKNOP_OUTPUT")


@pytest.mark.parametrize(
    ("config", "stanzas", "whose"),
    [
        ("", [NEW], "nobody"),
        ("", [NEW + ON], [True]),
        ("", [NEW + ON, NEW], [True, False]),
        ("", [OLD + "ENABLE_OUTPUT_ACCESS: Y;\n", OLD], [True, False]),
        ("", [OLD + "ENABLE_OUTPUT_ACCESS;\n", OLD + "ENABLE_OUTPUT_ACCESS: N;\n"], [True, False]),
        (EVERYBODY, [NEW, NEW + ON], "everybody"),
        (EVERYBODY, [NEW, NEW + OFF], [True, False]),
        (EVERYBODY, [NEW, OLD], [True, False]),
        (EVERYBODY, [OLD + "ENABLE_OUTPUT_ACCESS: Y;\n"], "everybody"),
        (EVERYBODY, [NEW, NEW + "CMD_CYCLE_OPEN /bin/true\nCMD_CYCLE_CLOSE NONE\n"], "everybody"),
    ],
)
@pytest.mark.parametrize("backend", ["iptables", "ipset", "nftables"])
def test_a_stanza_says_for_whom_and_else_the_servers_file_does(
    backend: str, config: str, stanzas: list[str], whose: str | list[bool]
) -> None:
    more = "NFT_OUTPUT_FROM inet filter output\n" if backend == "nftables" else ""
    if backend == "ipset":
        stanzas = [each for each in stanzas if "CMD_CYCLE" not in each]
    loaded = configure(f"FIREWALL_BACKEND {backend}\n{config}{more}", "".join(stanzas))
    firewall = loaded.settings.firewall
    asked = firewall.output_from if backend == "nftables" else firewall.output
    said = [each.answers for each in loaded.policy.stanzas]
    if isinstance(whose, str):
        assert not firewall.answers_apart
        assert bool(asked) is (whose == "everybody")
        assert not any(said)
    else:
        assert firewall.answers_apart
        assert asked == ((JumpFrom("inet", "filter", "output"),) if more else CHAIN)
        assert said == whose


def test_its_chain_is_the_one_that_fwknopd_conf_names() -> None:
    named = "IPT_OUTPUT_ACCESS RETURN, filter, OUTPUT, 3, MINE, 1\n"
    loaded = configure(IPTABLES + named, NEW + ON)
    assert loaded.settings.firewall.output == ChainUse("OUTPUT", "MINE", "RETURN", "filter", 3)
    assert loaded.settings.log.chains == LogChains(output="MINE", answers_apart=True)


def test_where_nftables_drops_no_answers_the_line_has_no_effect_and_it_is_said_where() -> None:
    loaded = configure("", NEW + ON)
    assert not loaded.settings.firewall.answers_apart
    [said] = [str(each) for each in loaded.complaints]
    assert said.startswith("access.conf:6: ENABLE_OUTPUT_ACCESS has no effect")
    assert "NFT_OUTPUT_FROM inet filter output" in said


def test_what_is_neither_yes_nor_no_is_said_and_is_no() -> None:
    loaded = configure(IPTABLES, NEW + "ENABLE_OUTPUT_ACCESS perhaps\n")
    assert not loaded.settings.firewall.answers_apart
    [said] = [str(each) for each in loaded.complaints]
    assert said.startswith("access.conf:6: ENABLE_OUTPUT_ACCESS is 'perhaps', neither Y nor N")


@pytest.mark.parametrize("backend", ["pf", "ipfw", "netsh", "firewalld"])
def test_a_firewall_that_cannot_be_told_is_refused_with_the_stanza(backend: str) -> None:
    def load(access: str) -> Policy:
        return configure(f"FIREWALL_BACKEND {backend}\n", NEW + access).policy

    able = EVERYTHING - {Feature.OUTPUT}
    assert fitted(load(""), backend, able)
    with pytest.raises(OperatorError, match="ENABLE_OUTPUT_ACCESS") as refused:
        fitted(load(ON), backend, able)
    [said] = refused.value.complaints
    assert str(said).startswith("access.conf:1: stanza #1 needs")
    assert fitted(load(ON), backend, EVERYTHING)


def grant(**more: Any) -> Grant:
    made = Grant("5e1f", 1, "alice", CALLER, CALLER, (SSH,), None, NOW.wall, NOW.wall + 30, 30.0)
    return replace(made, **more)


def ways(**more: Any) -> list[str]:
    made = grant(**more)
    return [f"{'out' if each.answers else 'in'} {each.service}" for each in made.wanted]


def test_a_grant_wants_a_way_out_for_each_way_in() -> None:
    assert ways() == ["in tcp/22"]
    assert ways(answers=True) == ["in tcp/22", "out tcp/22"]
    here, elsewhere = Lead(None, 6543), Lead(ip_address("10.0.0.5"), 22)
    assert ways(answers=True, lead=here) == ["in tcp/22", "out tcp/6543"]
    assert ways(answers=True, lead=elsewhere) == ["in tcp/22"]
    assert ways(answers=True, extent=Extent(port=40123)) == ["in tcp/22"]


def test_the_way_out_is_no_way_in() -> None:
    made = grant(answers=True)
    assert not any(each.answers for each in made.holes)
    assert len({Opening(each, 9.0).tag for each in made.wanted}) == 2


def test_the_journal_knows_of_it() -> None:
    made = grant(answers=True)
    assert with_particulars(replace(made, answers=False), written(made)) == made


def test_two_at_one_address_share_the_way_in_and_each_has_his_own_way_out() -> None:
    ledger = Ledger()
    two = policy(terms(1, answers=True), terms(2))
    permits = [authorise(two, request(stanza=number), NOW) for number in (1, 2)]
    assert all(isinstance(each, Permit) for each in permits)
    first, second = (ledger.admit(each, NOW) for each in permits if isinstance(each, Permit))
    assert (first.answers, second.answers) == (True, False)
    assert [each.hole.answers for each in ledger.change().add] == [False, True]
    ledger.settled()
    ledger.withdraw(first.id, Turn.REVOKED)
    assert [len(ledger.change().add), len(ledger.change().remove)] == [0, 1]


@pytest.mark.parametrize("able", [True, False])
def test_a_firewall_that_cannot_be_told_takes_over_the_grant_without_its_answers(
    able: bool,
) -> None:
    clock, journal = FakeClock(*NOW), MemoryJournal("boot")
    permit = authorise(policy(terms(answers=True)), request(), NOW)
    assert isinstance(permit, Permit)
    features = EVERYTHING if able else EVERYTHING - {Feature.OUTPUT}

    async def moved() -> tuple[list[Grant], list[bool]]:
        before = MemoryFirewall(clock)
        before.prepare()
        enforcer = Enforcer(before, journal, MemoryReporter(), clock)
        await enforcer.grant([permit])
        after = MemoryFirewall(clock, features=features)
        await enforcer.replace_firewall(after, elsewhere=True)
        return list(enforcer.ledger.grants()), [each.hole.answers for each in after.openings]

    [kept], out = asyncio.run(moved())
    assert kept.answers is able
    assert sorted(out) == ([False, True] if able else [False])


def test_who_had_no_answers_before_a_reload_gets_another_grant_with_them() -> None:
    ledger = Ledger()
    for answers in (False, True, True):
        permit = authorise(policy(terms(answers=answers)), request(), NOW)
        assert isinstance(permit, Permit)
        ledger.admit(permit, NOW)
    assert [each.answers for each in ledger.grants()] == [False, True]


def asked(hole: Hole) -> Wanted:
    return Wanted(Opening(hole, NOW.steady + 20.0), 1, CALLER)


OUT = Hole(CALLER, SSH, answers=True)
TO_WEB = NatTerms(forced=(Lead(None, 80),))


@pytest.mark.parametrize(
    ("more", "hole", "why"),
    [
        ({"answers": True}, OUT, ""),
        ({}, OUT, "lets no answers out"),
        ({"answers": True, "access": False}, OUT, "lets no answers out"),
        ({"answers": True}, OUT._replace(service=WEB), "does not offer tcp/80"),
        ({"answers": True}, OUT._replace(lead=Lead(None, 22)), "to a whole address"),
        ({"answers": True}, OUT._replace(extent=Extent(port=5)), "to a whole address"),
        ({"answers": True}, OUT._replace(ticket=1), "to a whole address"),
        ({"answers": True, "nat": TO_WEB}, OUT._replace(service=WEB), ""),
        ({"answers": True, "blocked": True}, OUT, "lets nobody in"),
    ],
)  # fmt: skip
def test_the_hand_lets_answers_out_for_whom_the_policy_says(
    more: dict[str, Any], hole: Hole, why: str
) -> None:
    said = against(policy(terms(open_services=frozenset({SSH}), **more)), asked(hole), NOW)
    assert (why in said) if why else said == ""


def test_the_hand_lets_out_what_a_service_answers_that_another_port_leads_to() -> None:
    offered = terms(open_services=frozenset({SSH, WEB}), answers=True)
    led = replace(policy(offered), local_nat=True)
    wish = ForwardWish((SSH,), "", 80, local=True)
    permit = authorise(led, replace(request(), wish=wish), NOW)
    assert isinstance(permit, Permit)
    made = Ledger().admit(permit, NOW)
    assert [each.service for each in made.wanted] == [SSH, WEB]
    assert [against(led, asked(each), NOW) for each in made.wanted] == ["", ""]


def test_for_doors_it_is_as_the_servers_file_says() -> None:
    door = "[options]\nInterface = eth0\n[ssh]\nsequence = 7000\nopen = tcp/22\n"
    for config, answers in ((EVERYBODY, True), ("", False)):
        access = NEW + (OFF if answers else ON)
        loaded = configure(f"{IPTABLES}{config}KNOCKD_CONF /doors\n", access, **{"/doors": door})
        assert loaded.settings.firewall.answers_apart
        assert loaded.policy.door_answers is answers


def test_the_rule_is_that_of_fwknopd_in_the_chain_for_answers_alone() -> None:
    settings = FirewallSettings(backend="iptables", output=CHAIN, answers_apart=True)
    [out] = lines(OUT, 99, settings)
    assert (out.chain, out.rule) == (
        "FWKNOP_OUTPUT",
        "-d 198.51.100.2/32 -p tcp -m tcp --sport 22 -m comment --comment _exp_99 -j ACCEPT",
    )
    [into] = lines(Hole(CALLER, SSH), 99, settings)
    assert into.chain == "FWKNOP_INPUT"
    together = replace(settings, answers_apart=False)
    assert lines(Hole(CALLER, SSH), 99, together) == (into, out)
    assert lines(OUT, 99, together) == ()
    with pytest.raises(HostError):
        lines(OUT, 99, FirewallSettings(backend="iptables"))


def test_the_log_names_the_chain_for_those_whose_answers_are_let_out() -> None:
    apart = LogChains(output="FWKNOP_OUTPUT", answers_apart=True)
    assert [kind for kind, _ in rules(grant(), apart)] == ["access"]
    assert [kind for kind, _ in rules(grant(answers=True), apart)] == ["access", "OUTPUT"]
    everybody = replace(apart, answers_apart=False)
    assert [kind for kind, _ in rules(grant(), everybody)] == ["access", "OUTPUT"]
