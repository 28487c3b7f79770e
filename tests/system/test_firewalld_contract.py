"""firewalld, on either of its back ends, keeps the contract of every firewall backend."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator

import pytest

from tests.contract.firewall import FirewallContract, World
from tests.system.firewalld_scene import Firewalld
from tests.system.nft_scene import CLOCK, entered
from watchword.edges.firewall.firewalld.backend import FirewalldFirewall
from watchword.edges.firewall.firewalld.bus import BusFirewalld
from watchword.edges.firewall.firewalld.kernel import KernelRules
from watchword.edges.firewall.firewalld.offers import offers
from watchword.edges.firewall.firewalld.talk import RefusedError
from watchword.edges.programs import SystemPrograms
from watchword.errors import HostError
from watchword.lab.hosts import Lab
from watchword.model.firewalls import FirewallSettings

RULE = (
    'rule priority="-6220" family="ipv4" source address="192.0.2.7" '
    'port port="22" protocol="tcp" accept'
)
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


ON_NFTABLES = pytest.mark.parametrize("firewalld", ["nftables"], indirect=True)


@ON_NFTABLES
def test_a_firewalld_that_hangs_is_waited_for_only_so_long_and_found_again(
    firewalld: Firewalld,
) -> None:
    impatient = BusFirewalld()
    with firewalld.known_to_us():
        assert impatient.zones() == {"public"}
        patience, impatient._seconds = impatient._seconds, 0.2
        firewalld.send(signal.SIGSTOP)
        try:
            with pytest.raises(HostError, match="does not answer"):
                impatient.zones()
        finally:
            firewalld.send(signal.SIGCONT)
        impatient._seconds = patience
        assert BusFirewalld().zones() == {"public"}
        with pytest.raises(RefusedError, match="INVALID_ZONE"):
            impatient.put("nowhere", RULE, 10)
        impatient.put("public", RULE, 10)
        impatient.put("public", RULE, 20)
        impatient.take("public", RULE)
        impatient.take("public", RULE)
        assert RULE not in impatient.rules("public")
        assert impatient.rules("nowhere") == ()
        assert [each.last for each in offers(impatient, "public")] == [62201, 546]
        impatient.close()


@ON_NFTABLES
def test_a_flush_that_firewalld_does_not_notice_is_noticed(firewalld: Firewalld) -> None:
    with firewalld.known_to_us(), entered(firewalld.host):
        backend = backend_of(BusFirewalld())
        backend.prepare()
        assert backend.intact()
        firewalld.host.run("nft", "flush", "ruleset")
        with pytest.raises(HostError, match="the kernel has none of its rules"):
            backend.intact()
        with pytest.raises(HostError, match="the kernel has none of its rules"):
            backend.prepare()
        with pytest.raises(RefusedError, match="COMMAND_FAILED"):
            firewalld.reload()  # which leaves everything shut
        firewalld.reload()
        backend.prepare()
        assert backend.intact()
        backend.close()


def backend_of(talk: BusFirewalld) -> FirewalldFirewall:
    settings = FirewallSettings(backend="firewalld")
    return FirewalldFirewall(settings, talk, KernelRules(SystemPrograms()), clock=CLOCK)


class TestFirewalld(FirewallContract):
    column = "firewalld"
    seen_on = "firewalld"
    many = 20  # each takes firewalld several milliseconds

    @pytest.fixture
    def world(self, firewalld: Firewalld) -> Iterator[World]:
        talk = BusFirewalld()

        def wipe() -> None:
            firewalld.reload()

        with firewalld.known_to_us(), entered(firewalld.host):
            backend = backend_of(talk)
            try:
                yield World(backend, CLOCK, time.sleep, wipe)
            finally:
                backend.teardown()
                backend.close()
