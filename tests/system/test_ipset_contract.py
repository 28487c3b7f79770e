"""ipset, behind either make of iptables, keeps the contract of every firewall backend."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from ipaddress import ip_address

import pytest

from tests.contract.firewall import FirewallContract, World, tags
from tests.system.nft_scene import CLOCK, entered
from watchword.edges.firewall.ipset.backend import IpsetFirewall
from watchword.edges.programs import SystemPrograms
from watchword.lab.hosts import Lab
from watchword.model.firewalls import ChainUse, FirewallSettings
from watchword.model.openings import ChangeSet, Hole, Opening
from watchword.model.services import Service

pytestmark = pytest.mark.system


def world_of(exe: str, *, apart: bool = False) -> Iterator[World]:
    answers = ChainUse("OUTPUT", "FWKNOP_OUTPUT")
    settings = FirewallSettings(exe=exe, output=answers, answers_apart=apart)

    def wipe() -> None:
        six = exe.replace("iptables", "ip6tables")
        for each in (f"{exe} -F", f"{exe} -X", f"{six} -F", f"{six} -X"):
            subprocess.run(each.split(), check=True)
        subprocess.run(["ipset", "flush"], check=True)

    with Lab() as lab, entered(lab.host("alone")):
        backend = IpsetFirewall(settings, programs=SystemPrograms(), clock=CLOCK)
        try:
            yield World(backend, CLOCK, time.sleep, wipe, grain=1.0, answers_apart=apart)
        finally:
            backend.close()


class TestBehindTheShim(FirewallContract):
    column = "ipset"

    @pytest.fixture
    def world(self) -> Iterator[World]:
        yield from world_of("iptables-nft")


class TestBehindTheOldTables(FirewallContract):
    column = "ipset"

    @pytest.fixture
    def world(self) -> Iterator[World]:
        yield from world_of("iptables-legacy", apart=True)


def test_a_later_run_tells_openings_for_answers_from_those_that_let_in() -> None:
    answers = ChainUse("OUTPUT", "FWKNOP_OUTPUT")
    settings = FirewallSettings(exe="iptables-nft", output=answers, answers_apart=True)
    with Lab() as lab, entered(lab.host("alone")):
        first, later = (
            IpsetFirewall(settings, programs=SystemPrograms(), clock=CLOCK) for _ in range(2)
        )
        hole = Hole(ip_address("192.0.2.7"), Service.parse("tcp/22"))
        both = [
            Opening(each, CLOCK.now().steady + 60) for each in (hole, hole._replace(answers=True))
        ]
        first.prepare()
        first.apply(ChangeSet(add=tuple(both)))
        first.close()
        later.prepare()
        assert later.installed() == tags(*both)
        later.apply(ChangeSet(remove=frozenset({both[0].tag})))
        assert later.installed() == {both[1].tag}
        assert later.intact()
        later.close()
