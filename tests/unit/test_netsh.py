"""The firewall of Windows is told what it is to be told, and keeps the contract of all backends."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.contract.firewall import FirewallContract, World, tags
from tests.firewall_emulators import Netsh, RefusedError
from tests.unit.dated_scene import world_of
from watchword.edges.firewall.dated.netsh import rule_of
from watchword.errors import HostError
from watchword.model.firewalls import FirewallSettings
from watchword.model.openings import ChangeSet

END = 1_700_000_060
SETTINGS = FirewallSettings(backend="netsh", exe="netsh")


def ready(path: Path) -> tuple[Netsh, World]:
    netsh = Netsh()
    world = world_of(SETTINGS, netsh, path, netsh.rules.clear)
    world.backend.prepare()
    netsh.transcript.clear()
    return netsh, world


class TestNetsh(FirewallContract):
    column = "netsh"
    seen_on = "emulator"

    @pytest.fixture
    def world(self, tmp_path: Path) -> World:
        netsh = Netsh()
        return world_of(SETTINGS, netsh, tmp_path, netsh.rules.clear)


@pytest.mark.requirement("4.32")
def test_a_grant_is_a_rule_whose_name_says_everything_and_goes_by_that_name(
    tmp_path: Path,
) -> None:
    netsh, world = ready(tmp_path)
    world.add(world.opening(), world.opening("2001:db8::7", "udp/53", to="2001:db8::1"))
    four, six = (
        f"name=watchword_192.0.2.7_tcp_22_any_exp_{END}",
        f"name=watchword_2001:db8::7_udp_53_2001:db8::1_exp_{END}",
    )
    assert netsh.told() == [
        f"netsh advfirewall firewall add rule {four} dir=in action=allow protocol=TCP "
        "localip=any localport=22 remoteip=192.0.2.7",
        f"netsh advfirewall firewall add rule {six} dir=in action=allow protocol=UDP "
        "localip=2001:db8::1 localport=53 remoteip=2001:db8::7",
    ]
    world.wait(60)
    assert netsh.told() == [
        f"netsh advfirewall firewall delete rule {four}",
        f"netsh advfirewall firewall delete rule {six}",
    ]
    assert netsh.rules == {}


def test_what_was_changed_is_changed_back_when_a_command_is_refused(tmp_path: Path) -> None:
    netsh, world = ready(tmp_path)
    old = world.opening()
    world.add(old)

    def refuse(command: str) -> None:
        if "delete rule name=watchword_192.0.2.7" in command:
            raise RefusedError("Für diesen Vorgang sind erhöhte Rechte erforderlich.")

    netsh.trouble = refuse
    with pytest.raises(HostError, match="Rechte"):
        world.backend.apply(ChangeSet(add=(world.opening("192.0.2.8"),), remove=tags(old)))
    assert world.backend.installed() == tags(old)
    assert world.backend.intact()


@pytest.mark.parametrize(
    "name",
    [
        "watchword_192.0.2.7_tcp_22_any",
        "watchword_1.2.3_tcp_22_any_exp_5",
        "watchword_192.0.2.7_tcp_0_any_exp_5",
        "watchword_192.0.2.7_tcp_22_1.2_exp_5",
        "Remotedesktop",
    ],
)
def test_a_rule_of_another_name_is_not_ours(name: str) -> None:
    assert rule_of("watchword_192.0.2.7_tcp_22_any_exp_5") is not None
    assert rule_of(name) is None
