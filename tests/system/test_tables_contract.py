"""iptables and ip6tables, of either make, keep the contract of every firewall backend."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator

import pytest

from tests.contract.firewall import FirewallContract, World
from tests.system.nft_scene import CLOCK, entered
from tests.system.tables_scene import six
from watchword.edges.firewall.tables.backend import TablesFirewall
from watchword.edges.programs import SystemPrograms
from watchword.lab.hosts import Lab
from watchword.model.firewalls import ChainUse, FirewallSettings

pytestmark = [pytest.mark.system, pytest.mark.peer("iptables")]


def world_of(exe: str, **more: object) -> Iterator[World]:
    settings = FirewallSettings(exe=exe, backend="iptables", **more)  # type: ignore[arg-type]

    def wipe() -> None:
        for each in (exe, six(exe)):
            for what in ("-F", "-X"):
                subprocess.run([each, what], check=True)

    with Lab() as lab, entered(lab.host("alone")):
        backend = TablesFirewall(settings, programs=SystemPrograms(), clock=CLOCK)
        try:
            apart = settings.answers_apart
            yield World(backend, CLOCK, time.sleep, wipe, answers_apart=apart)
        finally:
            ward = backend._ward
            backend.teardown()
            backend.close()
            if ward is not None:  # nothing is left to end, so nobody waits for it
                assert ward._process.wait(60) == 0


class TestShim(FirewallContract):
    """With a chain for answers to some."""

    column = "iptables"

    @pytest.fixture
    def world(self) -> Iterator[World]:
        answers = ChainUse("OUTPUT", "FWKNOP_OUTPUT")
        yield from world_of(
            "iptables-nft", leads=True, seen_as=True, output=answers, answers_apart=True
        )


class TestOldTables(FirewallContract):
    """With a chain for answers to everybody, and newest rules first."""

    column = "iptables"

    @pytest.fixture
    def world(self) -> Iterator[World]:
        answers = ChainUse("OUTPUT", "FWKNOP_OUTPUT")
        yield from world_of("iptables-legacy", output=answers, prepend=True)
