"""What fwknopd.conf says of firewalld, by fwknop's variables and by our own."""

from __future__ import annotations

import pytest

from tests.fwknopd_files import configure, fatal, remarks
from watchword.dialects.fwknop.explain_words import policy_in_words
from watchword.dialects.fwknop.voice import lines
from watchword.model.daemon_events import Attached
from watchword.model.firewalls import Attach, ChainUse, FirewalldSettings

BACKEND = "FIREWALL_BACKEND firewalld\n"


def test_rules_are_rich_in_every_active_zone_unless_the_file_says_otherwise() -> None:
    firewall = configure(BACKEND).settings.firewall
    assert firewall.firewalld == FirewalldSettings(direct=False, zones=(), priority=-6220)
    assert (firewall.attach, firewall.in_zones, firewall.in_iptables) == (Attach.JUMP, True, False)
    assert (firewall.exe, firewall.home, firewall.chains) == (
        "firewall-cmd", "zones of firewalld", (),
    )  # fmt: skip
    lines = f"{BACKEND}FIREWALLD_ZONES public, home ,public\nFIREWALLD_PRIORITY -100\n"
    firewall = configure(lines).settings.firewall
    assert firewall.firewalld == FirewalldSettings(zones=("public", "home"), priority=-100)
    exe = "FIREWALL_EXE /opt/bin/firewall-cmd"
    assert configure(exe).settings.firewall.exe == "/opt/bin/firewall-cmd"


@pytest.mark.requirement("2.18", partial=True)
def test_direct_rules_are_in_chains_of_iptables_as_the_variables_say() -> None:
    lines = (
        "FIREWALL_EXE /usr/bin/firewall-cmd\nFIREWALLD_RULES direct\nENABLE_FIREWD_OUTPUT Y\n"
        "FIREWD_INPUT_ACCESS ACCEPT, filter, INPUT, 3, MINE, 1\n"
    )
    firewall = configure(lines).settings.firewall
    assert (firewall.in_zones, firewall.in_iptables, firewall.exe) == (False, True, "iptables")
    assert firewall.input == ChainUse("INPUT", "MINE", "ACCEPT", "filter", 3)
    assert firewall.output is not None
    assert firewall.home == "MINE"
    assert remarks(lines) == []


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("FIREWALLD_RULES rihc", "did you mean rich?"),
        ("FIREWALLD_ZONES public,,home", "which are no names of zones"),
        ("FIREWALLD_ZONES pub lic", "which are no names of zones"),
        ("FIREWALLD_ZONES --reload", "which are no names of zones"),
        ("FIREWALLD_PRIORITY -1", "not in the range -32768 to -2"),
        ("FIREWALLD_PRIORITY -32769", "not in the range -32768 to -2"),
        ("FIREWALLD_PRIORITY first", "not in the range -32768 to -2"),
        ("FIREWALL_ATTACH guard", "FIREWALL_ATTACH guard is for nftables"),
        (
            "FIREWD_INPUT_ACCESS DROP, filter, INPUT, 1, FWKNOP_INPUT, 1",
            "FIREWD_INPUT_ACCESS has the target DROP, and rich rules do ACCEPT",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(line: str, told: str) -> None:
    [said] = fatal(BACKEND + line)
    assert told in said


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (
            f"{BACKEND}FIREWD_INPUT_ACCESS ACCEPT, filter, INPUT, 1, MINE, 1",
            "FIREWD_INPUT_ACCESS names chains, and rich rules are in zones",
        ),
        (
            f"{BACKEND}FIREWD_FORWARD_ACCESS ACCEPT, filter, FORWARD, 2, FWKNOP_FORWARD, 1",
            "FIREWD_FORWARD_ACCESS names chains",
        ),
        (f"{BACKEND}ENABLE_FIREWD_OUTPUT Y", "which keeps state: answers go out by that"),
        ("FIREWALLD_ZONES public", "it is for FIREWALL_BACKEND firewalld"),
        ("FIREWALLD_RULES direct", "it is for FIREWALL_BACKEND firewalld"),
    ],
)
def test_what_has_no_effect_is_remarked_on(lines: str, told: str) -> None:
    [said] = remarks(lines)
    assert told in said


def test_chains_as_they_are_by_default_are_not_worth_a_word() -> None:
    assert remarks(f"{BACKEND}FIREWD_INPUT_ACCESS ACCEPT, filter, INPUT, 1, FWKNOP_INPUT, 1") == []


@pytest.mark.parametrize(
    ("zones", "told"),
    [
        ("", "rich rules in every active zone, and the default one, of firewalld"),
        ("FIREWALLD_ZONES home, work", "rich rules in the zones home, work of firewalld"),
    ],
)
def test_the_policy_in_words_says_in_which_zones_grants_are(zones: str, told: str) -> None:
    found = configure(BACKEND + zones)
    words = list(policy_in_words(found.settings, found.policy))
    assert any(
        told in each and "what is closed without a grant is for the zone to say" in each
        for each in words
    )


def test_the_log_says_that_zones_hide_or_with_direct_rules_which_chains_there_are() -> None:
    rich = [text for _, text in lines(Attached("firewalld", "zones of firewalld", ()))]
    assert rich == [
        "Attached to the firewall (firewalld, zones of firewalld), what is hidden is up to them"
    ]
    jumps = (("INPUT", "FWKNOP_INPUT"),)
    direct = [text for _, text in lines(Attached("firewalld", "jump", (), jumps=jumps))]
    assert direct[:2] == [
        "Added jump rule from chain: INPUT to chain: FWKNOP_INPUT",
        "firewalld 'comment' match is available",
    ]
