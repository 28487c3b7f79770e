"""Attachment guard before real packets: who gets in, who hears nothing."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.system.nft_scene import (
    DNS,
    SSH,
    Line,
    add,
    asks,
    entered,
    eventually,
    firewall,
    guarding,
    in_server,
    listen,
    nft,
    opening,
    reaches,
    remove,
    standard_scene,
)
from watchword.lab.hosts import Host, Lab
from watchword.lab.sockets import connect, inside
from watchword.lab.trio import Trio
from watchword.model.firewalls import FirewallSettings
from watchword.model.openings import ChangeSet
from watchword.model.services import Service

pytestmark = pytest.mark.system
FAMILIES = pytest.mark.parametrize("version", [4, 6])


@pytest.fixture(scope="module")
def network() -> Iterator[Trio]:
    with standard_scene() as network:
        yield network


@pytest.fixture
def scene(network: Trio) -> Iterator[Trio]:
    with in_server(network):
        yield network


def ends(scene: Trio, version: int) -> tuple[str, str]:
    """Addresses of server and caller."""
    if version == 4:
        return scene.server.four, scene.caller.four
    return scene.server.six, scene.caller.six


@FAMILIES
def test_only_who_was_let_in_hears_anything_and_only_as_long(scene: Trio, version: int) -> None:
    server, caller = ends(scene, version)
    with firewall(guarding()) as guard, listen("::" if version == 6 else "0.0.0.0") as listener:
        guard.prepare()
        assert not reaches(scene.caller, server)
        hole = opening(caller)
        guard.apply(add(hole))
        line = Line(listener, scene.caller.host, server)
        assert not reaches(scene.stranger, server)

        guard.apply(remove(hole.tag))
        assert not reaches(scene.caller, server)
        line.up()
        line.down()
        line.close()


@FAMILIES
def test_a_datagram_service_is_hidden_and_granted_alike(scene: Trio, version: int) -> None:
    server, caller = ends(scene, version)
    with firewall(guarding()) as guard:
        guard.prepare()
        service = socket.socket(
            socket.AF_INET if version == 4 else socket.AF_INET6, socket.SOCK_DGRAM
        )
        with service:
            service.bind((server, 53))
            assert not asks(scene.caller, service, server)
            guard.apply(add(opening(caller, DNS)))
            assert asks(scene.caller, service, server, seconds=30)
            assert not asks(scene.stranger, service, server)


@FAMILIES
def test_the_kernel_shuts_the_hole_and_the_connection_lives(scene: Trio, version: int) -> None:
    server, caller = ends(scene, version)
    with firewall(guarding()) as guard, listen("::" if version == 6 else "0.0.0.0") as listener:
        guard.prepare()
        guard.apply(add(opening(caller, seconds=1.5)))
        line = Line(listener, scene.caller.host, server)
        assert eventually(lambda: not guard.installed())
        assert not reaches(scene.caller, server)
        line.up()
        line.down()
        line.close()


def test_a_hole_ends_on_time_although_its_maker_was_killed(scene: Trio) -> None:
    make = (
        "import sys, time\n"
        "from tests.system.nft_scene import *\n"
        "with firewall(guarding()) as guard:\n"
        "    guard.prepare()\n"
        f"    guard.apply(add(opening('{scene.caller.four}', seconds=2.0)))\n"
        "    print('open', flush=True)\n"
        "    time.sleep(60)\n"
    )
    maker = subprocess.Popen([sys.executable, "-c", make], stdout=subprocess.PIPE)
    try:
        assert maker.stdout is not None
        assert maker.stdout.readline() == b"open\n"
    finally:
        os.kill(maker.pid, signal.SIGKILL)
        maker.wait()
        assert maker.stdout is not None
        maker.stdout.close()
    with listen("0.0.0.0"):
        assert reaches(scene.caller, scene.server.four, seconds=30.0)
        assert eventually(lambda: "ww:" not in nft("list", "set", "inet", "watchword", "open4"))
        assert not reaches(scene.caller, scene.server.four)


def test_an_opening_for_one_address_of_this_host_opens_no_other(scene: Trio) -> None:
    second = "203.0.113.2"
    subprocess.run(["ip", "addr", "add", f"{second}/24", "dev", "eth0"], check=True)
    with firewall(guarding()) as guard, listen("0.0.0.0"):
        guard.prepare()
        guard.apply(add(opening(scene.caller.four, to=second)))
        assert reaches(scene.caller, second, seconds=30.0)
        assert not reaches(scene.caller, scene.server.four)


def test_what_is_not_guarded_is_as_it_was(scene: Trio) -> None:
    with firewall(guarding()) as guard, listen("0.0.0.0", 8080):
        guard.prepare()
        assert reaches(scene.stranger, scene.server.four, 8080, seconds=30.0)
        with pytest.raises(ConnectionRefusedError):
            connect(scene.stranger.host, scene.server.four, 8081)
        for address in (scene.server.four, scene.server.six):
            scene.stranger.host.run("ping", "-c1", "-W30", address)


def test_this_host_reaches_its_own_services(scene: Trio) -> None:
    with firewall(guarding()) as guard, listen("0.0.0.0"):
        guard.prepare()
        for address in ("127.0.0.1", scene.server.four):
            with socket.create_connection((address, 22), timeout=30):
                pass


def test_transit_is_left_alone() -> None:
    with Lab() as lab:
        client, router, target = (lab.host(name) for name in ("client", "router", "target"))
        lab.link((client, "eth0", ["10.1.0.2/24"]), (router, "one", ["10.1.0.1/24"]))
        lab.link((target, "eth0", ["10.2.0.2/24"]), (router, "two", ["10.2.0.1/24"]))
        lab.route(client, "10.1.0.1")
        lab.route(target, "10.2.0.1")
        router.sysctl("net.ipv4.ip_forward", 1)
        with entered(target), listen("0.0.0.0"), entered(router), firewall(guarding()) as guard:
            guard.prepare()
            made = connect(client, "10.2.0.2", 22)
            assert made is not None
            made.close()
            assert connect(client, "10.1.0.1", 22, 0.4) is None


def test_a_neighbour_does_not_reach_a_hidden_service_by_broadcast_or_multicast() -> None:
    with Lab() as lab:
        near, server = lab.host("near"), lab.host("server")
        lab.link(
            (near, "eth0", ["10.1.0.2/24", "2001:db8::2/64"]),
            (server, "eth0", ["10.1.0.1/24", "2001:db8::1/64"]),
        )
        with entered(server), firewall(guarding()) as guard:
            near.run("ping", "-c1", "-W30", "2001:db8::1")
            heard = {}
            for guarded in (False, True):
                if guarded:
                    guard.prepare()
                heard[guarded] = [
                    hears(near, socket.AF_INET, ("10.1.0.255", 53), 0.4 if guarded else 30),
                    hears(near, socket.AF_INET6, ("ff02::1%eth0", 53), 0.4 if guarded else 30),
                ]
            assert heard == {False: [True, True], True: [False, False]}


def hears(
    near: Host, family: socket.AddressFamily, target: tuple[str, int], seconds: float
) -> bool:
    def shout() -> None:
        with socket.socket(family, socket.SOCK_DGRAM) as sender:
            sender.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
            sender.sendto(b"hello", socket.getaddrinfo(*target, family)[0][4])

    with socket.socket(family, socket.SOCK_DGRAM) as service:
        service.bind(("", 53))
        service.settimeout(seconds)
        inside(near, shout)
        try:
            return service.recv(100) == b"hello"
        except TimeoutError:
            return False


def test_a_syn_from_the_ports_of_a_remembered_connection_is_a_new_connection(scene: Trio) -> None:
    """Both ends died without a word on the wire, so that connection tracking calls it alive."""
    lost = (
        "add table inet lost\n"
        "add chain inet lost out { type filter hook output priority -400; policy accept; }\n"
        "add rule inet lost out tcp flags & (fin | rst) != 0 drop\n"
    )
    with firewall(guarding()) as guard, listen("0.0.0.0") as listener:
        guard.prepare()
        hole = opening(scene.caller.four)
        guard.apply(add(hole))
        line = Line(listener, scene.caller.host, scene.server.four)
        ports = line.far.getsockname()
        line.up()
        guard.apply(remove(hole.tag))
        nft(script=lost)
        with entered(scene.caller.host):
            nft(script=lost)
        line.close()

        def again(seconds: float = 0.4) -> bool:
            with socket.socket() as client:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                client.bind(ports)
                client.settimeout(seconds)
                return client.connect_ex((scene.server.four, 22)) == 0

        assert not inside(scene.caller.host, again)
        guard.apply(add(opening(scene.caller.four)))
        assert inside(scene.caller.host, lambda: again(30))


def test_everything_can_be_hidden_but_what_is_public(scene: Trio) -> None:
    settings = FirewallSettings(guard_all=True, public=(Service.parse("tcp/80"),))
    with (
        firewall(settings) as guard,
        listen("::", 22) as listener,
        listen("::", 80),
        listen("::", 9999),
    ):
        guard.prepare()
        for client, server in (
            (scene.stranger, scene.server.four),
            (scene.stranger, scene.server.six),
        ):
            assert reaches(client, server, 80, seconds=30.0)
            for port in (22, 9999, 4444):  # the last is closed, and says nothing either
                assert not reaches(client, server, port)
            ping = client.host.run("ping", "-c1", "-W1", server, check=False)
            assert ping.returncode == 1
        guard.apply(add(opening(scene.caller.six)))
        Line(listener, scene.caller.host, scene.server.six).close()
        assert not reaches(scene.caller, scene.server.six, 9999)


def test_with_everything_hidden_this_host_goes_out_as_before(scene: Trio) -> None:
    with (
        firewall(FirewallSettings(guard_all=True)) as guard,
        entered(scene.caller.host),
        listen("::", 80),
        entered(scene.server.host),
    ):
        guard.prepare()
        scene.server.host.run("ip", "-6", "neigh", "flush", "dev", "eth0")
        for address in (scene.caller.four, scene.caller.six):
            with socket.create_connection((address, 80), timeout=30):
                pass
            scene.server.host.run("ping", "-c1", "-W30", address)


def test_with_everything_hidden_neighbours_still_find_this_host(scene: Trio) -> None:
    with firewall(FirewallSettings(guard_all=True)) as guard, listen("::"):
        guard.prepare()
        guard.apply(add(opening(scene.caller.six)))
        scene.internet.run("ip", "-6", "neigh", "flush", "dev", "server")
        assert reaches(scene.caller, scene.server.six, seconds=30.0)


def test_a_hidden_port_is_dropped_by_others_if_they_say_so(scene: Trio) -> None:
    """Accept in our table means "goes on", no more."""
    nft(
        script="add table inet own\n"
        "add chain inet own input { type filter hook input priority 0; policy drop; }\n"
    )
    with firewall(guarding()) as guard, listen("0.0.0.0"):
        guard.prepare()
        guard.apply(add(opening(scene.caller.four)))
        assert not reaches(scene.caller, scene.server.four)


@pytest.mark.requirement("8.2")
@pytest.mark.requirement("4.39")
@pytest.mark.peer("nmap")
def test_a_scan_finds_a_hidden_port_filtered_and_for_the_caller_open(scene: Trio) -> None:
    with firewall(FirewallSettings(guard_all=True)) as guard, listen("0.0.0.0"):
        guard.prepare()
        guard.apply(add(opening(scene.caller.four)))
        seen = scene.stranger.host.run(
            "nmap", "-n", "-Pn", "-sT", "-p", "22,80,443", "--max-retries", "0",
            "--max-rtt-timeout", "300ms", scene.server.four,
        ).stdout  # fmt: skip
        assert seen.count("filtered") >= 3 or "3 filtered" in seen
        assert "open" not in seen
        assert "closed" not in seen
        found = scene.caller.host.run("nmap", "-n", "-Pn", "-sT", "-p", "22", scene.server.four)
        assert "22/tcp open" in found.stdout


@pytest.mark.requirement("8.2")
@pytest.mark.peer("nmap")
def test_a_scan_of_every_port_shows_nothing_but_filtered(scene: Trio) -> None:
    with firewall(FirewallSettings(guard_all=True)) as guard, listen("0.0.0.0"):
        guard.prepare()
        scan = scene.stranger.host.run(
            "nmap", "-n", "-Pn", "-sS", "-p-", "--max-retries", "0", "--min-rate", "20000",
            "--max-rtt-timeout", "100ms", scene.server.four, seconds=250,
        ).stdout  # fmt: skip
        assert "All 65535 scanned ports" in scan
        assert "65535 filtered tcp ports" in scan


def test_a_change_that_fails_leaves_everything_as_it_was(scene: Trio) -> None:
    with firewall(guarding(SSH)) as guard, listen("0.0.0.0"):
        guard.prepare()
        there = opening(scene.caller.four)
        guard.apply(add(there))
        assert reaches(scene.caller, scene.server.four, seconds=30.0)
        other = opening(scene.stranger.four)
        guard.apply(ChangeSet(add=(other,), remove=frozenset({there.tag})))
        assert guard.installed() == {other.tag}
        assert reaches(scene.stranger, scene.server.four, seconds=30.0)
        assert not reaches(scene.caller, scene.server.four)
