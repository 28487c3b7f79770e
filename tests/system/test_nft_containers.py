"""Ports that a host publishes for its containers are guarded like its own."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.system.nft_scene import (
    Line,
    add,
    entered,
    firewall,
    guarding,
    hang_up,
    nft,
    opening,
    remove,
)
from watchword.lab.hosts import Host, Lab
from watchword.lab.sockets import connect
from watchword.model.services import Service

pytestmark = pytest.mark.system
PUBLISHED = 8022

# What container engines do: destination NAT in, masquerading out.
PUBLISH = f"""
add table ip nat
add chain ip nat prerouting {{ type nat hook prerouting priority -100; policy accept; }}
add chain ip nat postrouting {{ type nat hook postrouting priority 100; policy accept; }}
add rule ip nat prerouting ip daddr 198.51.100.1 tcp dport {PUBLISHED} dnat to 172.17.0.2:22
add rule ip nat postrouting ip saddr 172.17.0.0/24 oifname "eth0" masquerade
"""


@dataclass(frozen=True, slots=True)
class Ship:
    client: Host
    host: Host
    container: Host


@pytest.fixture
def ship() -> Iterator[Ship]:
    with Lab() as lab:
        client, host, container = (lab.host(name) for name in ("client", "host", "box"))
        lab.link((client, "eth0", ["198.51.100.2/24"]), (host, "eth0", ["198.51.100.1/24"]))
        client.run("ip", "addr", "add", "198.51.100.3/24", "dev", "eth0")
        lab.link((container, "eth0", ["172.17.0.2/24"]), (host, "docker0", ["172.17.0.1/24"]))
        lab.route(container, "172.17.0.1")
        host.sysctl("net.ipv4.ip_forward", 1)
        with entered(host):
            nft(script=PUBLISH)
            yield Ship(client, host, container)


def in_container(ship: Ship) -> socket.socket:
    with entered(ship.container):
        listener = socket.create_server(("0.0.0.0", 22))
    listener.settimeout(30)
    return listener


class Published(Line):
    """A connection through the published port."""

    def __init__(self, listener: socket.socket, client: Host) -> None:
        made = connect(client, "198.51.100.1", PUBLISHED, 30)
        assert made is not None, "no connection could be made"
        self.near, _ = listener.accept()
        self.far = made
        for each in (self.near, self.far):
            each.settimeout(30)


def silent(ship: Ship) -> bool:
    made = connect(ship.client, "198.51.100.1", PUBLISHED, 0.4)
    if made is not None:
        hang_up(made)
    return made is None


SERVICE = Service.parse(f"tcp/{PUBLISHED}")


def test_a_published_port_is_hidden_granted_and_kept(ship: Ship) -> None:
    with firewall(guarding(SERVICE)) as guard, in_container(ship) as listener:
        before = Published(listener, ship.client)
        guard.prepare()
        assert silent(ship)
        for to in (None, "198.51.100.1"):  # the address before translation counts
            hole = opening("198.51.100.2", SERVICE, to=to)
            guard.apply(add(hole))
            line = Published(listener, ship.client)
            guard.apply(remove(hole.tag))
            assert silent(ship)
            line.up()
            line.down()
            line.close()
        wrong = opening("198.51.100.2", SERVICE, to="172.17.0.2")
        guard.apply(add(wrong))
        assert silent(ship)
        before.up()
        before.down()
        before.close()


def test_the_container_goes_out_as_before(ship: Ship) -> None:
    with firewall(guarding(SERVICE)) as guard:
        guard.prepare()
        with entered(ship.client):
            outside = socket.create_server(("0.0.0.0", 80))
        with outside:
            made = connect(ship.container, "198.51.100.2", 80)
            assert made is not None
            hang_up(made)


@pytest.mark.parametrize("first", ["container", "client"])
def test_who_slipped_in_to_a_container_is_cut_and_who_was_in_goes_on(
    ship: Ship, first: str
) -> None:
    with firewall(guarding(SERVICE)) as guard, in_container(ship) as listener:
        guard.prepare()
        hole = opening("198.51.100.2", SERVICE)
        guard.apply(add(hole))
        granted = Published(listener, ship.client)
        guard.apply(remove(hole.tag))
        guard.installed()

        nft("delete", "table", "inet", "watchword")
        slipped = Published(listener, ship.client)
        assert not guard.intact()
        guard.prepare()

        if first == "container":
            slipped.near.sendall(b"the server speaks")
        assert slipped.dead()
        granted.up()
        granted.down()
        granted.close()
        slipped.close()
