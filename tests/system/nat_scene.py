"""The scene of the tests that lead connections on: a gateway with hosts behind it.

The gateway is the server of the standard scene; behind it are two hosts on a link of their own.
Its own rules let nothing through that nobody spoke of, as those of a router should.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass

from tests.system.nft_scene import CLOCK, entered, nft
from watchword.lab.hosts import Host, Lab
from watchword.lab.sockets import connect, listen
from watchword.lab.trio import Station, Trio, trio
from watchword.model.addresses import Address, canonical
from watchword.model.openings import Hole, Lead, Opening
from watchword.model.services import Service

GATE4, GATE6 = "10.0.0.1", "fd00::1"
ROUTER = """
add table inet router
add chain inet router forward { type filter hook forward priority 0; policy drop; }
add rule inet router forward ct state established,related accept
add rule inet router forward iifname "eth1" accept
"""
"""What an operator has who lets nobody in but answers."""


@dataclass(frozen=True, slots=True)
class Yard:
    """A gateway, who is outside, and who is behind it."""

    outside: Trio
    inside: Station
    neighbour: Station

    @property
    def gateway(self) -> Station:
        return self.outside.server

    @property
    def caller(self) -> Station:
        return self.outside.caller

    @property
    def stranger(self) -> Station:
        return self.outside.stranger


def yard(lab: Lab) -> Yard:
    """Behind the gateway 10.0.0.1: inside 10.0.0.5 and neighbour 10.0.0.6, IPv6 alike."""
    outside = trio(lab)
    gateway = outside.server.host
    gateway.sysctl("net.ipv4.ip_forward", 1)
    gateway.sysctl("net.ipv6.conf.all.forwarding", 1)
    gateway.run("ip", "link", "add", "eth1", "type", "bridge")
    for address in (f"{GATE4}/24", f"{GATE6}/64"):
        gateway.run("ip", "addr", "add", address, "dev", "eth1")
    gateway.run("ip", "link", "set", "eth1", "up")
    stations = []
    for name, four, six in (
        ("inside", "10.0.0.5", "fd00::5"),
        ("neighbour", "10.0.0.6", "fd00::6"),
    ):
        host = lab.host(name)
        lab.link((host, "eth0", (f"{four}/24", f"{six}/64")), (gateway, f"to-{name}", ()))
        gateway.run("ip", "link", "set", f"to-{name}", "master", "eth1")
        lab.route(host, GATE4, GATE6)
        stations.append(Station(host, four, six))
    outside.internet.run("ip", "route", "add", "10.0.0.0/24", "via", outside.server.four)
    outside.internet.run("ip", "route", "add", "fd00::/64", "via", outside.server.six)
    for client in (outside.caller, outside.stranger):  # IPv6 takes a second to find its way
        client.host.run("ping", "-c1", "-W30", "-i0.2", outside.server.six)
    for station in stations:
        station.host.run("ping", "-c1", "-W30", "-i0.2", GATE6)
    return Yard(outside, stations[0], stations[1])


@contextlib.contextmanager
def at_the_gateway(scene: Yard, rules: str = ROUTER) -> Iterator[Yard]:
    """The test is in the gateway, which has these rules; what it did to them is undone."""
    with entered(scene.gateway.host):
        try:
            nft(script=rules)
            yield scene
        finally:
            nft("flush", "ruleset")


def leading(
    who: str,
    service: str | None,
    lead: Lead,
    *,
    seconds: float = 60.0,
    to: str | None = None,
) -> Opening:
    what = None if service is None else Service.parse(service)
    destination = None if to is None else canonical(to)
    return Opening(Hole(canonical(who), what, destination, lead), CLOCK.now().steady + seconds)


class Door:
    """A service that says who it is to whoever comes in, and remembers how each looked."""

    def __init__(self, host: Host, address: str, port: int) -> None:
        self._socket = listen(host, address, port)
        self._socket.settimeout(30)

    def enter(self, client: Station, address: str, port: int) -> Visit:
        """Call an address, and be let in here. AssertionError if not."""
        visit = self._called(client, address, port, 30.0)
        assert visit is not None, f"{client.host.name} does not get in by {address} port {port}"
        return visit

    def lets_in(self, client: Station, address: str, port: int) -> bool:
        """Whether whoever calls an address is let in here, within a moment."""
        visit = self._called(client, address, port, 0.15)
        if visit is not None:
            visit.close()
        return visit is not None

    def _called(self, client: Station, address: str, port: int, seconds: float) -> Visit | None:
        self._forget_others()
        try:
            made = connect(client.host, address, port, seconds)
        except ConnectionRefusedError:
            return None
        if made is None:
            return None
        self._socket.settimeout(seconds)
        try:
            near, peer = self._socket.accept()
        except TimeoutError:  # somebody else answered
            made.close()
            return None
        return Visit(near, made, canonical(peer[0]))

    def _forget_others(self) -> None:
        """Whoever came in while another door was meant."""
        self._socket.settimeout(0)
        with contextlib.suppress(BlockingIOError):
            while True:
                self._socket.accept()[0].close()

    def close(self) -> None:
        self._socket.close()


class Visit:
    """A connection through whatever is in between, both ends in hand."""

    def __init__(self, near: socket.socket, far: socket.socket, seen_as: Address) -> None:
        self.near, self.far, self.seen_as = near, far, seen_as
        for each in (near, far):
            each.settimeout(30)

    def goes_on(self) -> bool:
        """Whether a word from the caller arrives, and the answer to it."""
        return self._exchanges(30.0)

    def is_cut(self) -> bool:
        """Whether nothing arrives any more."""
        return not self._exchanges(0.2)

    def _exchanges(self, seconds: float) -> bool:
        for each in (self.near, self.far):
            each.settimeout(seconds)
        try:
            self.far.sendall(b"word")
            if self.near.recv(10) != b"word":
                return False
            self.near.sendall(b"answer")
            return self.far.recv(10) == b"answer"
        except OSError:
            return False

    def close(self) -> None:
        self.near.close()
        self.far.close()

    def __enter__(self) -> Visit:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@contextlib.contextmanager
def speaking(host: Host, port: int, word: bytes, *, telling: bool = False) -> Iterator[None]:
    """A service, on both families, that says a word to whoever comes, and then repeats him.

    ``telling``: also, as whom it sees him.
    """
    door = listen(host, "::", port)

    def serve() -> None:
        with contextlib.suppress(OSError):  # the socket is closed in the end
            while True:
                visitor, _ = door.accept()
                threading.Thread(target=converse, args=(visitor,), daemon=True).start()

    def converse(visitor: socket.socket) -> None:
        with visitor, contextlib.suppress(OSError):
            visitor.settimeout(30)
            seen_as = canonical(visitor.getpeername()[0])
            visitor.sendall(word + (f" to {seen_as}".encode() if telling else b""))
            while heard := visitor.recv(4096):
                visitor.sendall(heard)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield
    finally:
        door.shutdown(socket.SHUT_RDWR)
        door.close()
        thread.join(30)


def said_by(client: Station, address: str, port: int, seconds: float) -> bytes | None:
    """The word that whoever answers at an address says; None: nobody does, within that time."""
    made = connect(client.host, address, port, seconds)
    if made is None:
        return None
    with made:
        made.settimeout(30)
        return made.recv(100)
