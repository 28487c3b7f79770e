"""How fwknopd.conf chooses ipfw and its like, and what it tells them."""

from __future__ import annotations

import pytest

from tests.fwknopd_files import configure, fatal, remarks, stanza
from watchword.errors import OperatorError
from watchword.model.firewalls import Attach, FirewallSettings, IpfwSettings
from watchword.model.openings import Feature
from watchword.service.daemon.assembly import fitted, place_of, way_of

IPFW = "FIREWALL_BACKEND ipfw\n"
ABLE = frozenset({Feature.IPV4, Feature.IPV6, Feature.DESTINATION, Feature.SELF_EXPIRY})


def firewall(lines: str) -> FirewallSettings:
    return configure(lines).settings.firewall


@pytest.mark.parametrize(
    ("lines", "exe"),
    [
        ("FIREWALL_BACKEND ipfw", "/sbin/ipfw"),
        ("FIREWALL_EXE /sbin/ipfw", "/sbin/ipfw"),
        ("FIREWALL_BACKEND ipfw\nFIREWALL_EXE /opt/ipfw", "/opt/ipfw"),
        ("FIREWALL_BACKEND ipfw\nFIREWALL_EXE /usr/sbin/nft", "ipfw"),
        ("FIREWALL_TYPE ipfw;\nipfwCmd /sbin/ipfw;", "/sbin/ipfw"),
    ],
)
@pytest.mark.requirement("4.12", partial=True)
def test_ipfw_is_chosen_by_name_by_its_program_or_by_a_file_of_1_9(lines: str, exe: str) -> None:
    chosen = firewall(lines)
    assert (chosen.backend, chosen.exe, chosen.attach) == ("ipfw", exe, Attach.JUMP)
    assert way_of(chosen) == "set 1 of ipfw"


@pytest.mark.requirement("5.7")
def test_its_numbers_are_taken_by_the_names_of_2_6_and_of_1_9() -> None:
    assert firewall(IPFW).ipfw == IpfwSettings()
    assert firewall(
        f"{IPFW}IPFW_START_RULE_NUM 500\nIPFW_MAX_RULES 20\nIPFW_ACTIVE_SET_NUM 5\n"
        "IPFW_EXPIRE_SET_NUM 7\nIPFW_EXPIRE_PURGE_INTERVAL 45\nIPFW_ADD_CHECK_STATE Y"
    ).ipfw == IpfwSettings(500, 20, 5, 7, 45.0, check_state=True)
    old = "FIREWALL_TYPE ipfw;\nIPFW_RULE_NUM 1;\nIPFW_SET_NUM 1;\nIPFW_DYNAMIC_INTERVAL 60;"
    assert firewall(old).ipfw == IpfwSettings(1, 65535, 2, 1, 60.0, as_policy=True)
    assert firewall(old.replace("SET_NUM 1", "SET_NUM 9")).ipfw.active == 1


def test_nothing_of_what_it_is_told_is_called_without_effect() -> None:
    told = "FIREWALL_TYPE ipfw;\nIPFW_RULE_NUM 1;\nIPFW_SET_NUM 3;\nIPFW_DYNAMIC_INTERVAL 60;"
    assert not [each for each in remarks(told) if "effect" in each]
    assert not [each for each in remarks(f"{IPFW}IPFW_MAX_RULES 20") if "effect" in each]


def test_with_another_firewall_its_variables_are_said_to_have_no_effect() -> None:
    [said] = [each for each in remarks("IPFW_MAX_RULES 20") if "IPFW" in each]
    assert "IPFW_MAX_RULES has no effect in this version: it is for FIREWALL_BACKEND ipfw" in said
    assert any(
        "other variables choose" in each
        for each in remarks("FIREWALL_TYPE ipfw\nFIREWALL_BACKEND nftables")
    )


@pytest.mark.parametrize(
    "lines", ["IPFW_ACTIVE_SET_NUM 0", "IPFW_EXPIRE_SET_NUM 31", "IPFW_EXPIRE_SET_NUM 0"]
)
def test_a_set_that_cannot_be_its_own_alone_is_refused(lines: str) -> None:
    [said] = fatal(IPFW + lines)
    assert "which is no set that can be ours alone" in said
    assert not fatal(lines)


def test_a_first_number_that_ipfw_cannot_have_is_refused() -> None:
    [said] = fatal(f"{IPFW}IPFW_START_RULE_NUM 65535")
    assert "the last rule that ipfw can have" in said


def test_it_hides_nothing_and_says_what_is_not_its_affair() -> None:
    assert any("your own rules hide" in each for each in fatal(f"{IPFW}FIREWALL_ATTACH guard"))
    [said] = [each for each in remarks(f"{IPFW}ENABLE_IPT_OUTPUT Y") if "OUTPUT" in each]
    assert "keeps state" in said


def test_a_stanza_that_leads_callers_on_is_refused_with_it() -> None:
    asking = stanza("ENABLE_NAT Y\nFORCE_NAT 10.0.0.5 22\n")
    configured = configure(f"{IPFW}ENABLE_IPT_FORWARDING Y", asking)
    with pytest.raises(OperatorError, match="the firewall backend ipfw does not do here"):
        fitted(configured.policy, "ipfw", ABLE)


def test_another_set_is_another_place() -> None:
    here, there = firewall(IPFW), firewall(f"{IPFW}IPFW_ACTIVE_SET_NUM 3")
    assert place_of(here) == place_of(firewall(IPFW))
    assert place_of(here) != place_of(there)


@pytest.mark.parametrize(
    ("lines", "backend", "exe"),
    [
        ("FIREWALL_BACKEND pf", "pf", "/sbin/pfctl"),
        ("FIREWALL_EXE /usr/sbin/pfctl", "pf", "/usr/sbin/pfctl"),
        ("FIREWALL_BACKEND ipf", "ipf", "/sbin/ipf"),
        ("FIREWALL_EXE /usr/local/sbin/ipf", "ipf", "/usr/local/sbin/ipf"),
        ("FIREWALL_BACKEND netsh", "netsh", r"C:\Windows\System32\netsh.exe"),
        (r"FIREWALL_EXE D:\Windows\netsh.exe", "netsh", r"D:\Windows\netsh.exe"),
    ],
)
def test_pf_ipf_and_the_firewall_of_windows_are_chosen_likewise(
    lines: str, backend: str, exe: str
) -> None:
    chosen = firewall(lines)
    assert (chosen.backend, chosen.exe, chosen.attach) == (backend, exe, Attach.JUMP)
    assert chosen.in_dated_rules


def test_the_anchor_of_pf_has_the_name_that_it_is_given_if_it_can_be_one() -> None:
    named = firewall("FIREWALL_BACKEND pf\nPF_ANCHOR_NAME spa/doors")
    assert (named.anchor, way_of(named)) == ("spa/doors", "the anchor spa/doors")
    assert place_of(named) != place_of(firewall("FIREWALL_BACKEND pf"))
    for wrong in ("x" * 64, "/x", "a//b", "a b"):
        [said] = fatal(f"FIREWALL_BACKEND pf\nPF_ANCHOR_NAME {wrong}")
        assert "cannot be the name of an anchor" in said


def test_the_interval_of_pf_is_said_to_change_nothing() -> None:
    [said] = remarks("FIREWALL_BACKEND pf\nPF_EXPIRE_INTERVAL 60")
    assert "PF_EXPIRE_INTERVAL has no effect" in said


def test_the_group_of_ipf_has_the_name_that_it_is_given_if_it_can_be_one() -> None:
    named = firewall("FIREWALL_BACKEND ipf\nIPF_GROUP_NAME spa-doors")
    assert (named.group, way_of(named)) == ("spa-doors", "the group spa-doors of ipf")
    assert place_of(named) != place_of(firewall("FIREWALL_BACKEND ipf"))
    for wrong in ("x" * 16, "-x", "a/b", "a b", 'a"'):
        [said] = fatal(f"FIREWALL_BACKEND ipf\nIPF_GROUP_NAME {wrong}")
        assert "cannot be the name of a group" in said
