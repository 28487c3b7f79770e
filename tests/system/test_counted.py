"""Exactly so many connections: what people behind one address can do, the owner among them.

The backend alone, with no daemon: what is counted is counted by the kernel.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from typing import Any

import pytest

from tests.system.nft_scene import CLOCK, entered, eventually, firewall, guarding, listen, nft
from watchword.edges.firewall.nft.backend import NftFirewall
from watchword.edges.firewall.nft.netlink import Fault, Netlink
from watchword.lab.building import Building, building
from watchword.lab.hosts import Host, Lab, can_make_namespaces
from watchword.lab.sockets import connect, open_socket
from watchword.lab.sockets import listen as listen_at
from watchword.lab.trio import Station
from watchword.model.addresses import canonical
from watchword.model.firewalls import FirewallSettings
from watchword.model.openings import ON_TICKETS, ChangeSet, Hole, Lead, Opening, tickets
from watchword.model.services import Service

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(bool(can_make_namespaces()), reason=can_make_namespaces()),
]
_PORTS = range(2000, 2060)
_TCP_REPAIR, _TCP_FASTOPEN_CONNECT = 19, 30  # of linux/tcp.h
_MOMENT = 0.15  # seconds that are waited for what is not to come
_tickets = count(1)


@pytest.fixture(scope="module")
def yard() -> Iterator[tuple[Building, Host]]:
    """The building, and a host behind the server."""
    with Lab() as lab:
        scene = building(lab)
        scene.server.host.sysctl("net.ipv4.ip_forward", 1)
        scene.server.host.sysctl("net.ipv6.conf.all.forwarding", 1)
        inside = lab.host("inside")
        lab.link(
            (inside, "eth0", ("10.0.0.5/24", "fd00::5/64")),
            (scene.server.host, "eth1", ("10.0.0.1/24", "fd00::1/64")),
        )
        lab.route(inside, "10.0.0.1", "fd00::1")
        inside.run("ping", "-c1", "-W30", "-i0.2", "fd00::1")
        yield scene, inside


@pytest.fixture(scope="module")
def net(yard: tuple[Building, Host]) -> Building:
    return yard[0]


def backend_settings() -> FirewallSettings:
    hidden = [Service.parse(f"{proto}/{port}") for proto in ("tcp", "udp") for port in _PORTS]
    return guarding(*hidden, counts=True, leads=True)


@pytest.fixture(scope="module")
def backend(net: Building) -> Iterator[NftFirewall]:
    with entered(net.server.host), firewall(backend_settings()) as found:
        found.prepare()
        yield found


@dataclass
class Door:
    """A service of the server's, over one IP version, and what is granted for it."""

    net: Building
    backend: NftFirewall
    port: int
    server: str
    office: str

    @property
    def six(self) -> bool:
        return ":" in self.server

    def grant(
        self,
        number: int,
        proto: str = "tcp",
        *,
        seconds: float = 60.0,
        lead: Lead | None = None,
        to: str | None = None,
    ) -> tuple[Opening, ...]:
        """Open for so many connections from the office."""
        until = CLOCK.now().steady + seconds
        service = Service.parse(f"{proto}/{self.port}")
        door = Hole(canonical(self.office), service, None if to is None else canonical(to))
        first = next(_tickets) * 8 % 56 + 1
        holes = [
            door._replace(lead=lead, ticket=ON_TICKETS),
            door._replace(ticket=tickets(first, number)),
        ]
        openings = tuple(Opening(hole, until) for hole in holes)
        self.backend.apply(ChangeSet(add=openings))
        return openings

    def listen(self) -> socket.socket:
        return listen(self.server, self.port)

    def visit(self, who: Station, service: socket.socket, seconds: float = 30.0) -> Visit:
        """Somebody connects, as far as it comes about."""
        return Visit(connect(who.host, self.server, self.port, seconds), service, seconds)

    def beginning(self, who: Station, service: socket.socket) -> Visit:
        """Somebody connects who does not get as far as to the service."""
        return Visit(connect(who.host, self.server, self.port, 30), service, _MOMENT)

    def is_shut_for(self, who: Station, service: socket.socket) -> bool:
        return not self.visit(who, service, _MOMENT).came_in

    @contextlib.contextmanager
    def losing(self, who: Station, what: str, hook: str = "output") -> Iterator[None]:
        """Some of somebody's packets are lost, on his own host."""
        rules = (
            "add table inet lossy",
            f"add chain inet lossy some {{ type filter hook {hook} priority 0; }}",
            f"add rule inet lossy some tcp flags & {what} drop",
        )
        who.host.run("nft", "-f", "-", input="\n".join(rules) + "\n")
        try:
            yield
        finally:
            who.host.run("nft", "delete", "table", "inet", "lossy")


class Visit:
    """A connection, seen from both ends."""

    def __init__(
        self, far: socket.socket | None, service: socket.socket, seconds: float = _MOMENT
    ) -> None:
        self.near: socket.socket | None = None
        self.far = far
        if far is not None:
            self.look(service, seconds)

    def look(self, service: socket.socket, seconds: float = 30.0) -> bool:
        """Whether the service has it by then."""
        service.settimeout(seconds)
        with contextlib.suppress(TimeoutError):
            self.near, _ = service.accept()
        return self.came_in

    @property
    def came_in(self) -> bool:
        return self.near is not None

    def talks(self) -> bool:
        assert self.near is not None
        assert self.far is not None
        self.far.sendall(b"word")
        self.near.settimeout(30)
        return self.near.recv(10) == b"word"


_ports = iter(_PORTS)


@pytest.fixture(params=[4, 6], ids=["IPv4", "IPv6"])
def door(net: Building, backend: NftFirewall, request: pytest.FixtureRequest) -> Door:
    server, office = net.server, net.office
    if request.param == 4:
        return Door(net, backend, next(_ports), server.four, office.four)
    return Door(net, backend, next(_ports), server.six, office.six)


@pytest.mark.requirement("2.23", partial=True)
@pytest.mark.parametrize("number", [1, 2, 5])
def test_as_many_connections_come_in_as_were_granted_and_go_on_when_no_more_do(
    door: Door, number: int
) -> None:
    with door.listen() as service:
        openings = door.grant(number)
        made = [door.visit(door.net.alice, service) for _ in range(number)]
        assert all(each.came_in for each in made)
        for who in door.net.people:
            assert door.is_shut_for(who, service)
        assert all(each.talks() for each in made)
        assert not door.backend.unused([each.hole for each in openings])
        door.backend.apply(ChangeSet(remove=frozenset(each.tag for each in openings)))
        assert all(each.talks() for each in made)


def test_who_asks_again_after_somebody_was_faster_waits_for_no_transaction_that_fails(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    with door.listen() as service:
        openings = door.grant(1)
        assert door.visit(door.net.bob, service).came_in
        faults: list[Any] = []

        def transact(netlink: Netlink, requests: Sequence[Any]) -> list[Fault]:
            faults.append(Netlink.transact(netlink, requests))
            return list(faults[-1])

        monkeypatch.setattr(
            door.backend._netlink, "transact", partial(transact, door.backend._netlink)
        )
        door.backend.apply(ChangeSet(add=openings))
        assert faults == [[]]
        assert door.visit(door.net.alice, service).came_in
        assert door.is_shut_for(door.net.bob, service)


@pytest.mark.parametrize("door", [4], indirect=True)
def test_what_was_not_used_is_known(door: Door) -> None:
    with door.listen() as service:
        openings = door.grant(2)
        assert door.visit(door.net.alice, service).came_in
        assert sum(door.backend.unused([each.hole for each in openings]).values()) == 1
        assert {each.tag for each in openings} <= door.backend.installed()


@pytest.mark.parametrize("door", [4], indirect=True)
def test_a_lost_answer_to_a_syn_costs_nothing(door: Door) -> None:
    lost = "(syn | ack) == (syn | ack) limit rate 1/hour burst 1 packets"
    with door.listen() as service, door.losing(door.net.alice, lost, "input"):
        door.grant(1)
        assert door.visit(door.net.alice, service).came_in
        assert door.is_shut_for(door.net.bob, service)


@pytest.mark.parametrize("door", [4], indirect=True)
def test_a_lost_acknowledgement_costs_nothing(door: Door) -> None:
    lost = "(syn | ack | psh) == ack limit rate 1/hour burst 1 packets"
    with door.listen() as service:
        door.grant(1)
        with door.losing(door.net.alice, lost):
            visit = door.beginning(door.net.alice, service)
            assert visit.far is not None
            visit.far.sendall(b"hello")
            assert visit.came_in or visit.look(service)
        assert door.is_shut_for(door.net.bob, service)


@pytest.mark.parametrize("door", [4], indirect=True)
def test_a_service_that_was_down_for_a_moment_costs_nothing(door: Door) -> None:
    door.grant(1)
    with pytest.raises(ConnectionRefusedError):
        connect(door.net.alice.host, door.server, door.port, 30)
    with door.listen() as service:
        assert door.visit(door.net.alice, service).came_in
        assert door.is_shut_for(door.net.bob, service)


def test_a_neighbour_who_begins_and_does_not_go_on_keeps_nobody_out_and_comes_too_late(
    door: Door,
) -> None:
    with door.listen() as service:
        door.grant(1)
        with door.losing(door.net.mallory, "(syn | ack) == ack"):
            begun = [door.beginning(door.net.mallory, service) for _ in range(5)]
            assert not any(each.came_in for each in begun)
            assert door.visit(door.net.alice, service).came_in
        for each in begun:
            assert each.far is not None
            each.far.sendall(b"let me in")
        assert not Visit(begun[0].far, service).came_in


def test_what_a_syn_brings_along_reaches_nobody(door: Door, net: Building) -> None:
    """TCP Fast Open: a service hears what came with a SYN before there is a connection."""
    for who in (net.server, net.mallory, net.alice):
        who.host.sysctl("net.ipv4.tcp_fastopen", 3)
    family = socket.AF_INET6 if door.six else socket.AF_INET
    with socket.socket(family) as service:
        service.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        service.bind((door.server, door.port))
        service.setsockopt(socket.IPPROTO_TCP, socket.TCP_FASTOPEN, 16)
        service.listen(16)
        service.settimeout(30)

        def says(who: Station, octets: bytes) -> socket.socket:
            made = open_socket(who.host, door.server, socket.SOCK_STREAM)
            made.settimeout(30)
            made.setsockopt(socket.IPPROTO_TCP, _TCP_FASTOPEN_CONNECT, 1)
            made.connect((door.server, door.port))
            made.send(octets)
            return made

        def heard() -> bytes:
            with service.accept()[0] as far:
                far.settimeout(30)
                return far.recv(100)

        door.grant(2)
        for who in (net.mallory, net.alice):  # who get their cookies from it
            with says(who, b"hello"):
                assert heard() == b"hello"
        door.grant(1)
        service.settimeout(_MOMENT)
        with (
            door.losing(net.mallory, "ack == ack"),
            says(net.mallory, b"and nobody counts me"),
            pytest.raises(TimeoutError),
        ):
            heard()
        service.settimeout(30)
        with says(net.alice, b"by the second try"):
            assert heard() == b"by the second try"


@pytest.mark.parametrize("door", [4], indirect=True)
def test_of_many_who_begin_at_once_no_more_come_in_than_were_granted(door: Door) -> None:
    with door.listen() as service:
        door.grant(2)
        with door.losing(door.net.mallory, "(syn | ack) == ack"):
            begun = [door.beginning(door.net.mallory, service) for _ in range(8)]
        together = threading.Barrier(len(begun))

        def go_on(far: socket.socket) -> None:
            together.wait()
            far.sendall(b"now")

        going = [threading.Thread(target=go_on, args=(each.far,)) for each in begun]
        for each in going:
            each.start()
        for each in going:
            each.join()
        came = [Visit(begun[0].far, service, each).came_in for each in (30, 30, _MOMENT, _MOMENT)]
        assert came == [True, True, False, False]


@pytest.mark.parametrize("door", [4], indirect=True)
def test_who_began_before_the_end_may_go_on_a_moment_after_it(door: Door) -> None:
    with door.listen() as service:
        with door.losing(door.net.alice, "(syn | ack) == ack"):
            openings = door.grant(1, seconds=1.0)
            visit = door.beginning(door.net.alice, service)
            assert eventually(lambda: not door.backend.unused([each.hole for each in openings]))
        assert door.is_shut_for(door.net.bob, service)
        assert visit.far is not None
        visit.far.sendall(b"hello")
        assert visit.look(service)


@pytest.mark.parametrize("where", ["here", "inside"])
def test_who_is_led_on_is_counted_at_the_door_he_came_by(
    yard: tuple[Building, Host], door: Door, where: str
) -> None:
    address = ("fd00::5" if door.six else "10.0.0.5") if where == "inside" else door.server
    lead = Lead(canonical(address) if where == "inside" else None, 3000)
    host = yard[1] if where == "inside" else door.net.server.host
    with listen_at(host, address, 3000) as service:
        openings = door.grant(2, lead=lead)
        made = [door.visit(door.net.alice, service) for _ in range(2)]
        assert all(each.came_in for each in made)
        assert door.is_shut_for(door.net.bob, service)
        assert all(each.talks() for each in made)
        assert {each.tag for each in openings} <= door.backend.installed()


def test_only_the_granted_address_of_this_host_counts(door: Door) -> None:
    with door.listen() as service:
        door.grant(1, to=door.server)
        assert door.visit(door.net.alice, service).came_in
        assert door.is_shut_for(door.net.alice, service)


def test_a_datagram_takes_a_ticket_and_its_caller_goes_on_from_the_same_port(door: Door) -> None:
    with open_socket(door.net.server.host, door.server, socket.SOCK_DGRAM) as service:
        service.bind((door.server, door.port))
        door.grant(1, "udp")
        with _caller(door, door.net.alice) as alice, _caller(door, door.net.bob) as bob:
            for word in (b"once", b"again before an answer"):
                alice.send(word)
                heard, sender = _heard(service)
                assert heard == word
            service.sendto(b"answer", sender)
            assert alice.recv(100) == b"answer"
            alice.send(b"and after it")
            assert _heard(service)[0] == b"and after it"
            bob.send(b"me too")
            with pytest.raises(TimeoutError):
                _heard(service, _MOMENT)


@contextlib.contextmanager
def _caller(door: Door, who: Station) -> Iterator[socket.socket]:
    with open_socket(who.host, door.server, socket.SOCK_DGRAM) as found:
        found.settimeout(30)
        found.connect((door.server, door.port))
        yield found


def _heard(service: socket.socket, seconds: float = 30.0) -> tuple[bytes, Any]:
    service.settimeout(seconds)
    return service.recvfrom(100)


def test_only_a_syn_begins(door: Door) -> None:
    """Connection tracking takes up what looks like the middle of a connection; that is no way in.

    The counter of what is hidden counts the stray packet, and its answer, a reset, never comes.
    """
    openings = door.grant(1)
    before = _hidden()
    with open_socket(door.net.mallory.host, door.server, socket.SOCK_STREAM) as stray:
        stray.setsockopt(socket.IPPROTO_TCP, _TCP_REPAIR, 1)
        stray.bind(("", 0))
        stray.connect((door.server, door.port))  # says nothing: it is established from the start
        stray.setsockopt(socket.IPPROTO_TCP, _TCP_REPAIR, 0)  # the window's probe goes out
        stray.settimeout(_MOMENT)
        stray.sendall(b"as if we had met")
        assert eventually(lambda: _hidden() > before)
    assert sum(door.backend.unused([each.hole for each in openings]).values()) == 1


def _hidden() -> int:
    """Packets that the guard has dropped so far."""
    last = nft("list", "chain", "inet", "watchword", "guard").split("counter packets ")[-1]
    return int(last.split()[0])


def test_no_more_connections_at_once_than_allowed_from_one_address_and_as_many_from_another(
    net: Building, backend: NftFirewall
) -> None:
    """Whatever service they are for; one that ends makes room for another."""
    backend.teardown()
    try:
        with firewall(replace(backend_settings(), at_once=2)) as limited:
            limited.prepare()
            _shares(net, limited, next(_ports), next(_ports))
            limited.teardown()
    finally:
        backend.prepare()


def _shares(net: Building, backend: NftFirewall, *ports: int) -> None:
    server = net.server.four
    with listen(server, ports[0]) as one, listen(server, ports[1]) as another:
        services = {ports[0]: one, ports[1]: another}
        for address in (net.office.four, net.elsewhere.four):
            until = CLOCK.now().steady + 60
            holes = [Hole(canonical(address), Service.parse(f"tcp/{port}")) for port in ports]
            backend.apply(ChangeSet(add=tuple(Opening(hole, until) for hole in holes)))

        def visit(who: Station, port: int, seconds: float = 30.0) -> Visit:
            return Visit(connect(who.host, server, port, seconds), services[port], seconds)

        first, second = visit(net.alice, ports[0]), visit(net.bob, ports[1])
        assert first.came_in
        assert second.came_in
        for who in net.people:
            assert not visit(who, ports[0], _MOMENT).came_in
        assert visit(net.elsewhere, ports[0]).came_in
        assert first.talks()
        assert second.far is not None
        assert second.near is not None
        second.far.close()
        second.near.close()
        assert eventually(lambda: visit(net.mallory, ports[1], 1).came_in)
