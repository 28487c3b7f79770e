"""What the doctor makes of a host whose grants are in iptables."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.fwknopd_files import STANZA, configure
from watchword.edges.firewall.ruleset import Chain, Rule
from watchword.edges.firewall.tables.listing import parse
from watchword.edges.firewall.tables.seen import read
from watchword.model.firewalls import ChainUse
from watchword.model.services import Service
from watchword.service.doctor import firewall_diagnosis
from watchword.service.doctor.findings import Finding, Severity

CONFIGURATION = configure("FIREWALL_BACKEND iptables", STANZA)
FIREWALL, POLICY = CONFIGURATION.settings.firewall, CONFIGURATION.policy
SSH = frozenset({Service.parse("tcp/22")})


def chains(rules: str, policy: str = "DROP", family: str = "ip") -> list[Chain]:
    text = f":INPUT {policy} [0:0]\n:FWKNOP_INPUT - [0:0]\n:ufw-before-input - [0:0]\n"
    lines = "".join(f"-A {each.strip()}\n" for each in rules.split(";") if each.strip())
    return list(read(family, "filter", parse(text + lines)))


def faults(found: Iterator[Finding]) -> list[str]:
    return [each.sentence for each in found if each.severity is Severity.FAULT]


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("-p tcp -m tcp --dport 22 -j ACCEPT", Rule("accept", SSH, conditional=False)),
        ("-s 10.0.0.0/8 -p tcp -m tcp --dport 22 -j DROP", Rule("drop", None, conditional=True)),
        ("-j DROP", Rule("drop", None, conditional=False)),
        ("-j FWKNOP_INPUT", Rule("jump", None, conditional=False, target="FWKNOP_INPUT")),
        ("-i lo -j ACCEPT", Rule("accept", None, conditional=True)),
        ("-m limit --limit 3/min -j LOG", Rule("", None, conditional=True)),
        (
            "-p tcp -m tcp --dport 22 -j DNAT --to-destination 10.0.0.5:22",
            Rule("", SSH, conditional=False, translates=True),
        ),
        ("-p tcp -m tcp --dport 22:30 -j ACCEPT", Rule("accept", None, conditional=True)),
    ],
)
def test_rules_are_understood_as_far_as_ports_and_verdicts_go(text: str, rule: Rule) -> None:
    found = {each.name: each for each in chains(f"INPUT {text}")}
    assert found["INPUT"].rules == (rule,)
    assert (found["INPUT"].hook, found["INPUT"].policy) == ("input", "drop")
    assert (found["FWKNOP_INPUT"].hook, found["FWKNOP_INPUT"].policy) == ("", "")


def test_of_a_sound_host_nothing_is_wrong() -> None:
    there = chains("INPUT -j FWKNOP_INPUT; INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT")
    there += chains("INPUT -j FWKNOP_INPUT", family="ip6")
    assert faults(firewall_diagnosis.attachment(FIREWALL, there, None)) == []
    assert faults(firewall_diagnosis.rules(FIREWALL, POLICY, there)) == []


@pytest.mark.requirement("3.3", partial=True)
@pytest.mark.parametrize(("way", "also"), [("iptables", False), ("nftables", True)])
def test_ufw_is_warned_of_while_it_is_switched_on(way: str, also: bool) -> None:
    firewall = configure(f"FIREWALL_BACKEND {way}", STANZA).settings.firewall
    called = "INPUT -j FWKNOP_INPUT; INPUT -j ufw-before-input"
    there = chains(f"{called}; ufw-before-input -i lo -j ACCEPT")
    found = list(firewall_diagnosis.rules(firewall, POLICY, there))
    [told] = [each for each in found if "ufw is active" in each.sentence]
    assert told.severity is Severity.WARNING
    assert "ufw allow 62201/udp" in told.remedy
    assert ("ufw allow 22/tcp" in told.remedy) is also
    off = chains(called)
    assert not any("ufw" in each.sentence for each in
                   firewall_diagnosis.rules(firewall, POLICY, off))  # fmt: skip


def test_a_call_that_is_missing_in_one_family_is_named() -> None:
    there = chains("INPUT -j FWKNOP_INPUT") + chains("", family="ip6")
    [told] = faults(firewall_diagnosis.attachment(FIREWALL, there, None))
    assert told.startswith("the jump from ip6 filter INPUT is not in the kernel")
    other = replace(FIREWALL, input=ChainUse("INPUT", "MINE"))
    assert faults(firewall_diagnosis.attachment(other, chains("INPUT -j FWKNOP_INPUT"), None))


@pytest.mark.parametrize(
    ("rules", "policy", "told"),
    [
        ("INPUT -j FWKNOP_INPUT", "ACCEPT", "drops nothing at its end"),
        (
            "INPUT -p tcp -m tcp --dport 22 -j ACCEPT; INPUT -j FWKNOP_INPUT",
            "DROP",
            "accepts tcp/22 from everybody before it calls us",
        ),
        ("INPUT -j DROP; INPUT -j FWKNOP_INPUT", "DROP", "drops everything before it calls us"),
    ],
)
def test_rules_that_are_in_the_way_are_told(rules: str, policy: str, told: str) -> None:
    [found] = faults(firewall_diagnosis.rules(FIREWALL, POLICY, chains(rules, policy)))
    assert told in found


def test_a_last_rule_that_drops_is_as_good_as_a_policy() -> None:
    there = chains("INPUT -j FWKNOP_INPUT; INPUT -j REJECT --reject-with icmp-port-unreachable")
    accepting = [replace(each, policy="accept") for each in there]
    assert faults(firewall_diagnosis.rules(FIREWALL, POLICY, accepting)) == []
