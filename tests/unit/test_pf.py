"""pf is told what it is to be told, and keeps the contract of all backends."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from tests.contract.firewall import FirewallContract, World, tags
from tests.firewall_emulators import Pf, RefusedError
from tests.unit.dated_scene import world_of
from watchword.edges.firewall.dated.pf import rule_of
from watchword.errors import HostError
from watchword.model.firewalls import FirewallSettings
from watchword.model.openings import ChangeSet

END = 1_700_000_060
LISTED = "pass in quick inet proto tcp from {} to any port = 22 flags S/SA keep state label {}"


def ready(path: Path) -> tuple[Pf, World]:
    pf = Pf()
    settings = FirewallSettings(backend="pf", exe="/sbin/pfctl")
    world = world_of(settings, pf, path, lambda: None)
    world.backend.prepare()
    pf.transcript.clear()
    return pf, world


class TestPf(FirewallContract):
    column = "pf"
    seen_on = "emulator"

    @pytest.fixture
    def world(self, tmp_path: Path) -> World:
        pf = Pf()
        settings = FirewallSettings(backend="pf", exe="/sbin/pfctl")

        def wipe() -> None:
            pf.rules = []

        return world_of(settings, pf, tmp_path, wipe)


@pytest.mark.requirement("7.20", partial=True)
def test_an_anchor_is_loaded_anew_with_what_stays_and_flushed_when_nothing_does(
    tmp_path: Path,
) -> None:
    pf, world = ready(tmp_path)
    first, second = world.opening(), world.opening("2001:db8::7", "udp/53", to="2001:db8::1")
    world.add(first)
    world.add(second)
    assert pf.told() == [
        "pfctl -a fwknop -f -\n"
        f"pass in quick proto 6 from 192.0.2.7 to any port 22 keep state label _exp_{END}",
        "pfctl -a fwknop -f -\n"
        + LISTED.format("192.0.2.7", f'"_exp_{END}"')
        + "\npass in quick proto 17 from 2001:db8::7 to 2001:db8::1 port 53 keep state "
        f"label _exp_{END}",
    ]
    world.remove(first.tag)
    assert pf.told() == [
        "pfctl -a fwknop -f -\npass in quick inet6 proto udp from 2001:db8::7 to 2001:db8::1 "
        f'port = 53 keep state label "_exp_{END}"'
    ]
    world.wait(60)
    assert pf.told() == ["pfctl -a fwknop -F all"]


def test_more_rules_than_four_kilobytes_are_listed_and_kept(tmp_path: Path) -> None:
    pf, world = ready(tmp_path)
    many = [world.opening(f"198.51.100.{last}") for last in range(200)]
    for each in many[:3]:
        world.add(each)
    world.add(*many[3:])
    assert len(pf.rules) == 200
    assert world.backend.installed() == tags(*many)


def test_an_anchor_that_no_policy_asks_is_an_error_with_the_line_to_write(tmp_path: Path) -> None:
    pf = Pf("another")
    world = world_of(FirewallSettings(backend="pf", exe="pfctl"), pf, tmp_path, lambda: None)
    for use in (world.backend.probe, world.backend.prepare):
        with pytest.raises(HostError, match="the fwknop anchor is not active") as e:
            use()
        assert 'write anchor "fwknop" into pf.conf' in str(e.value.hint)
    assert pf.told() == []


def test_an_anchor_that_goes_is_missed(tmp_path: Path) -> None:
    pf, world = ready(tmp_path)
    assert world.backend.intact()
    pf.anchors.clear()
    assert not world.backend.intact()


def test_rules_of_others_in_the_anchor_stay_where_they_are(tmp_path: Path) -> None:
    pf, world = ready(tmp_path)
    pf.rules = ["block drop in quick from 203.0.113.66 to any"]
    there = world.opening()
    world.add(there)
    assert pf.rules[0] == "block drop in quick from 203.0.113.66 to any"
    world.remove(there.tag)
    assert pf.rules == ["block drop in quick from 203.0.113.66 to any"]
    assert world.backend.intact()
    world.add(there)
    world.backend.teardown()
    assert pf.rules == ["block drop in quick from 203.0.113.66 to any"]


def test_at_the_end_the_anchor_is_flushed(tmp_path: Path) -> None:
    pf, world = ready(tmp_path)
    world.add(world.opening())
    pf.told()
    world.backend.teardown()
    assert pf.told() == ["pfctl -a fwknop -F all"]


def test_a_rule_set_that_is_refused_changes_nothing(tmp_path: Path) -> None:
    pf, world = ready(tmp_path)
    old = world.opening()
    world.add(old)

    def refuse(command: str) -> None:
        if " -f " in command:
            raise RefusedError("pfctl: DIOCADDRULE: Operation not supported by device")

    pf.trouble = refuse
    with pytest.raises(HostError, match="DIOCADDRULE"):
        world.backend.apply(ChangeSet(add=(world.opening("192.0.2.8"),), remove=tags(old)))
    assert world.backend.installed() == tags(old)
    assert world.backend.intact()


def test_ports_that_are_listed_by_name_are_understood(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = {("ssh", "tcp"): 22}
    monkeypatch.setattr(socket, "getservbyname", lambda name, proto: known[name, str(proto)])
    pf = Pf(names=True)
    world = world_of(FirewallSettings(backend="pf", exe="pfctl"), pf, tmp_path, lambda: None)
    world.backend.prepare()
    there = world.opening()
    world.add(there)
    assert "port = ssh" in pf.rules[0]
    assert world.backend.intact()
    assert world.backend.installed() == tags(there)


@pytest.mark.parametrize(
    "line",
    [
        LISTED.format("192.0.2.7", '"mine"'),
        LISTED.format("<allowed>", '"_exp_5"'),
        LISTED.format("192.0.2.7", '"_exp_5"').replace("to any", "to <here>"),
        LISTED.format("192.0.2.7", '"_exp_5"').replace("= 22", "= 0"),
        LISTED.format("192.0.2.7", '"_exp_5"').replace("= 22", "= nosuchservice"),
        LISTED.format("192.0.2.7", '"_exp_5"').replace("pass", "block"),
        "",
    ],
)
def test_a_rule_that_is_no_grant_is_none(line: str) -> None:
    assert rule_of(LISTED.format("192.0.2.7", '"_exp_5"')) is not None
    assert rule_of(line) is None
