"""ipf is told what it is to be told, and keeps the contract of all backends."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from tests.contract.firewall import FirewallContract, World, tags
from tests.firewall_emulators import Ipf
from tests.unit.dated_scene import world_of
from watchword.edges.firewall.dated.backend import DatedFirewall
from watchword.edges.firewall.dated.heir import order, ordered
from watchword.edges.firewall.dated.ipf import rule_of
from watchword.edges.firewall.dated.tools import tool_for
from watchword.errors import HostError
from watchword.model.firewalls import FirewallSettings
from watchword.model.openings import ChangeSet

END = 1_700_000_060
SETTINGS = FirewallSettings(backend="ipf", exe="/sbin/ipf")
LISTED = (
    "pass in quick proto tcp from 192.0.2.7/32 to any port = 22 flags S/FSRPAU keep state "
    'group fwknop comment "_exp_5"'
)


def ready(path: Path, ipf: Ipf | None = None) -> tuple[Ipf, World]:
    ipf = ipf or Ipf()
    world = world_of(SETTINGS, ipf, path, lambda: None)
    world.backend.prepare()
    ipf.transcript.clear()
    return ipf, world


class TestIpf(FirewallContract):
    column = "ipf"
    seen_on = "emulator"
    many = 500

    @pytest.fixture
    def world(self, tmp_path: Path) -> World:
        ipf = Ipf()

        def wipe() -> None:
            ipf.rules = [each for each in ipf.rules if " comment " not in each]

        return world_of(SETTINGS, ipf, tmp_path, wipe)


def test_rules_are_put_into_the_group_and_removed_by_their_words(tmp_path: Path) -> None:
    ipf, world = ready(tmp_path)
    first, second = world.opening(), world.opening("2001:db8::7", "udp/53", to="2001:db8::1")
    world.add(first, second)
    four = (
        "pass in quick proto tcp from 192.0.2.7/32 to any port = 22 flags S keep state "
        f'group fwknop comment "_exp_{END}"'
    )
    six = (
        "pass in quick proto udp from 2001:db8::7/128 to 2001:db8::1/128 port = 53 keep state "
        f'group fwknop comment "_exp_{END}"'
    )
    assert ipf.told() == [f"ipf -f -\n{four}", f"ipf -6 -f -\n{six}"]
    world.remove(second.tag)
    assert ipf.told() == [f"ipf -6 -r -f -\n{six}"]
    world.wait(60)
    assert ipf.told() == [f"ipf -r -f -\n{four}"]


def test_on_a_host_that_lists_both_versions_at_once_no_rule_counts_twice(tmp_path: Path) -> None:
    ipf, world = ready(tmp_path, Ipf(told_versions=False))
    both = world.opening(), world.opening("2001:db8::7")
    world.add(*both)
    assert world.backend.installed() == tags(*both)
    assert world.backend.intact()
    assert len(tool_for(SETTINGS, ipf).shown(everything=False).splitlines()) == 2
    world.remove(*tags(*both))
    assert world.backend.installed() == frozenset()


def test_a_group_that_no_rule_asks_is_an_error_with_the_line_to_write(tmp_path: Path) -> None:
    ipf = Ipf("another")
    world = world_of(SETTINGS, ipf, tmp_path, lambda: None)
    for use in (world.backend.probe, world.backend.prepare):
        with pytest.raises(HostError, match="no rule of ipf asks the group fwknop") as e:
            use()
        assert "to any port = 22 head fwknop" in str(e.value.hint)
    assert ipf.told() == []


def test_a_group_that_is_asked_no_more_is_missed(tmp_path: Path) -> None:
    ipf, world = ready(tmp_path)
    assert world.backend.intact()
    ipf.rules = ["pass in all"]
    assert not world.backend.intact()


def test_rules_of_others_stay_where_they_are(tmp_path: Path) -> None:
    ipf, world = ready(tmp_path)
    theirs = [
        *ipf.rules,
        "block in quick from 203.0.113.9/32 to any group fwknop",
        LISTED.replace("fwknop", "theirs"),
    ]
    ipf.rules = list(theirs)
    there = world.opening()
    world.add(there)
    assert ipf.rules[: len(theirs)] == theirs
    assert world.backend.installed() == tags(there)
    assert world.backend.intact()
    world.backend.teardown()
    assert ipf.rules == theirs
    assert isinstance(world.backend, DatedFirewall)
    assert world.backend.withdraw() == 0
    assert ipf.rules == theirs


def test_what_went_in_before_one_rule_was_refused_is_taken_out_again(tmp_path: Path) -> None:
    """As where somebody adds the same while the file is read."""
    ipf, world = ready(tmp_path)
    old = world.opening("192.0.2.9")
    world.add(old)
    before = list(ipf.rules)
    taken = (
        "pass in quick proto tcp from 192.0.2.8/32 to any port = 22 flags S/FSRPAU keep state "
        f'group fwknop comment "_exp_{END}"'
    )

    def slip_in(command: str) -> None:
        if command.startswith("ipf -f"):
            ipf.rules.append(taken)
            ipf.trouble = lambda _: None

    ipf.trouble = slip_in
    with pytest.raises(HostError, match="File exists"):
        world.backend.apply(
            ChangeSet((world.opening(), world.opening("192.0.2.8")), remove=tags(old))
        )
    assert ipf.rules == before
    assert world.backend.installed() == tags(old)


def test_an_exit_status_is_not_believed(tmp_path: Path) -> None:
    ipf, world = ready(tmp_path)
    ipf.quiet = True
    with pytest.raises(HostError, match="did not do what it was told"):
        world.add(world.opening())
    assert world.backend.installed() == frozenset()
    ipf.quiet = False
    there = world.opening()
    world.add(there)
    ipf.quiet = True
    with pytest.raises(HostError, match="did not do what it was told"):
        world.remove(there.tag)
    assert world.backend.installed() == tags(there)


def test_ports_that_are_listed_by_name_are_understood(monkeypatch: pytest.MonkeyPatch) -> None:
    known = {("ssh", "tcp"): 22}
    monkeypatch.setattr(socket, "getservbyname", lambda name, proto: known[name, str(proto)])
    assert rule_of(LISTED.replace("= 22", "= ssh"), "fwknop") == rule_of(LISTED, "fwknop")


@pytest.mark.parametrize(
    "line",
    [
        LISTED.replace("proto tcp", "family inet proto tcp"),
        LISTED.replace("proto tcp", "inet proto 6"),
        LISTED.replace("/32", ""),
        LISTED.replace(' group fwknop comment "_exp_5"', ' comment "_exp_5" group fwknop'),
        LISTED + " # expires in 40 ticks",
    ],
)
def test_other_forms_of_the_same_rule_are_known(line: str) -> None:
    assert rule_of(line, "fwknop") == rule_of(LISTED, "fwknop") is not None


@pytest.mark.parametrize(
    "line",
    [
        LISTED.replace("_exp_5", "mine"),
        LISTED.replace("group fwknop", "group theirs"),
        LISTED.replace(" group fwknop", ""),
        LISTED.replace(' comment "_exp_5"', ""),
        LISTED.replace("group fwknop", "group fwknop group fwknop").replace(
            ' comment "_exp_5"', ""
        ),
        LISTED.replace("192.0.2.7/32", "192.0.2.0/24"),
        LISTED.replace("192.0.2.7/32", "any"),
        LISTED.replace("192.0.2.7/32", "pool/trusted"),
        LISTED.replace("to any", "to pool/here"),
        LISTED.replace("= 22", "= 0"),
        LISTED.replace("= 22", "= nosuchservice"),
        LISTED.replace("pass", "block"),
        LISTED.replace("in quick", "in quick on bge0"),
        LISTED + " head another",
        "",
    ],
)
def test_a_rule_that_is_no_grant_is_none(line: str) -> None:
    assert rule_of(line, "fwknop") is None


def test_whoever_ends_rules_after_us_knows_the_group(tmp_path: Path) -> None:
    named = FirewallSettings(backend="ipf", exe="/sbin/ipf", group="doors")
    told, _ = ordered(order(named, tmp_path))
    assert told.group == "doors"


def test_what_is_shown_are_our_rules_or_all(tmp_path: Path) -> None:
    ipf, world = ready(tmp_path)
    world.add(world.opening())
    tool = tool_for(SETTINGS, ipf)
    assert tool.shown(everything=False).startswith("pass in quick proto tcp from 192.0.2.7/32")
    assert "203.0.113.66" not in tool.shown(everything=False)
    assert "203.0.113.66" in tool.shown(everything=True)
