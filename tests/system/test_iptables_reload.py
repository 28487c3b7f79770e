"""A reload moves live grants from one firewall to another, and takes the old one away."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon import Server, until
from tests.system.tables_scene import (
    MAKES,
    close_doors,
    knock,
    listed,
    listening,
    open_doors,
    reaches,
    settled,
)
from tests.system.test_iptables_daemon import MODULE, grants, processes
from watchword.lab.hosts import Lab
from watchword.lab.trio import Trio, trio

pytestmark = [pytest.mark.system, pytest.mark.peer("iptables", "ipset")]

NFT = MAKES[0]


@pytest.fixture
def scene() -> Iterator[Trio]:
    with Lab() as lab:
        yield trio(lab)


def test_grants_move_along_from_iptables_to_ipset_and_back(scene: Trio, tmp_path: Path) -> None:
    host, caller, four = scene.server.host, scene.caller, scene.server.four
    close_doors(host, NFT)
    server = settled(Server(host, tmp_path), FIREWALL_BACKEND="iptables").start()
    knock(scene, caller.four)
    server.wait_for_judgements(1)
    with listening(host, 22):
        for turn, backend in enumerate(("ipset", "iptables", "ipset"), start=1):
            assert reaches(caller, four, seconds=30.0)
            server.settings["FIREWALL_BACKEND"] = backend
            server.write()
            server.send(signal.SIGHUP)
            server.wait_for("Re-starting fwknopd", turn)
            rules = listed(host, NFT)
            assert "-A INPUT -j FWKNOP_INPUT" in rules
            assert (len(grants(host, NFT)) == 1) == (backend == "iptables")
            sets = host.run("ipset", "list", "-n").stdout.split()
            assert (sets == []) == (backend == "iptables")
        assert reaches(caller, four, seconds=30.0)
        assert not reaches(scene.stranger, four)
    until(lambda: not processes(host, MODULE))  # whoever has nothing left to end goes
    server.settings["FLUSH_IPT_AT_EXIT"] = "Y"
    server.write()
    server.send(signal.SIGHUP)
    server.wait_for("Re-starting fwknopd", 4)
    assert server.stop() == 0
    until(lambda: not any("FWKNOP" in each for each in listed(host, NFT)))
    open_doors(host, NFT)
