"""firewalld, on either of its back ends, keeps the contract of every firewall backend."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.contract.firewall import FirewallContract, World
from tests.system.firewalld_scene import Firewalld
from tests.system.nft_scene import CLOCK, entered
from watchword.edges.firewall.firewalld.backend import FirewalldFirewall
from watchword.edges.firewall.firewalld.bus import BusFirewalld
from watchword.edges.firewall.firewalld.kernel import KernelRules
from watchword.edges.programs import SystemPrograms
from watchword.lab.hosts import Lab
from watchword.model.firewalls import FirewallSettings

pytestmark = [pytest.mark.system, pytest.mark.peer("firewalld")]


@pytest.fixture(scope="module", params=["nftables", "iptables"])
def firewalld(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Firewalld]:
    with Lab() as lab:
        host = lab.host("alone")
        for family in ("net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding"):
            host.sysctl(family, 1)
        daemon = Firewalld(host, tmp_path_factory.mktemp("firewalld"), request.param)
        daemon.start()
        yield daemon


class TestFirewalld(FirewallContract):
    column = "firewalld"
    seen_on = "firewalld"
    many = 40  # each takes firewalld several milliseconds

    @pytest.fixture
    def world(self, firewalld: Firewalld) -> Iterator[World]:
        talk = BusFirewalld()

        def wipe() -> None:
            firewalld.command("--reload")

        with firewalld.known_to_us(), entered(firewalld.host):
            backend = FirewalldFirewall(
                FirewallSettings(backend="firewalld"),
                talk,
                KernelRules(SystemPrograms()),
                clock=CLOCK,
            )
            try:
                yield World(backend, CLOCK, time.sleep, wipe)
            finally:
                backend.teardown()
                backend.close()
