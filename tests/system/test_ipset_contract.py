"""ipset, behind either make of iptables, keeps the contract of every firewall backend."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator

import pytest

from tests.contract.firewall import FirewallContract, World
from tests.system.nft_scene import CLOCK, entered
from watchword.edges.firewall.ipset.backend import IpsetFirewall
from watchword.edges.programs import SystemPrograms
from watchword.lab.hosts import Lab
from watchword.model.firewalls import ChainUse, FirewallSettings

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
