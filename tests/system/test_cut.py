"""Live connections are ended with their grant, whichever firewall lets established ones go on.

The guard, which drops the packets of what it cuts by itself, has its tests elsewhere
(test_grants, test_nft_leads).
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from ipaddress import ip_address
from typing import Any

import pytest

from tests.system.firewall_kinds import clear, furnish, make
from tests.system.nat_scene import Door, Visit, Yard, leading, yard
from tests.system.nft_scene import add, asks, entered, eventually, nft, opening, remove
from tests.system.tables_scene import six
from watchword.edges.firewall.nft.arrivals import Arrivals, arrivals
from watchword.errors import HostError
from watchword.lab.hosts import Lab
from watchword.lab.sockets import connect, listen, open_socket
from watchword.model.openings import Feature, Hole, Lead
from watchword.model.services import Service
from watchword.ports import FirewallBackend

pytestmark = [pytest.mark.system, pytest.mark.peer("iptables", "ipset")]

CUTTING = "watchword.edges.firewall.cutting"
WEB, DNS = Service.parse("tcp/80"), Service.parse("udp/53")
KINDS = ("jump", "mark", "sets", "iptables-nft", "iptables-legacy", "ipset")


@pytest.fixture(scope="module")
def scene() -> Iterator[Yard]:
    with Lab() as lab:
        yield yard(lab)


@contextlib.contextmanager
def standing(scene: Yard, kind: str) -> Iterator[FirewallBackend]:
    """One in the gateway, prepared, behind an operator's rules that drop what nobody accepts."""
    host = scene.gateway.host
    with entered(host):
        furnish(host, kind)
        backend = make(kind)
        try:
            backend.prepare()
            yield backend
            backend.teardown()
            assert "watchword" not in nft("list", "ruleset")
        finally:
            backend.close()
            clear(host, kind)


@pytest.fixture(params=KINDS)
def backend(scene: Yard, request: pytest.FixtureRequest) -> Iterator[FirewallBackend]:
    with standing(scene, request.param) as backend:
        yield backend


def at_the_door(door: socket.socket, scene: Yard, target: str) -> Visit:
    port = door.getsockname()[1]
    far = connect(scene.caller.host, target, port, 30)
    assert far is not None, "no connection could be made"
    near, peer = door.accept()
    return Visit(near, far, ip_address(peer[0]))


def test_what_a_grant_let_in_ends_and_what_others_let_in_goes_on(
    scene: Yard, backend: FirewallBackend
) -> None:
    assert Feature.CUT in backend.probe()
    for target, who in (
        (scene.gateway.four, scene.caller.four),
        (scene.gateway.six, scene.caller.six),
    ):
        ssh, web = opening(who), opening(who, WEB)
        also = opening(who, WEB, to=target)
        backend.apply(add(ssh, web, also))
        doors = [listen(scene.gateway.host, target, port) for port in (22, 80)]
        first, second, other = (at_the_door(doors[n], scene, target) for n in (0, 0, 1))
        backend.apply(remove(ssh.tag, web.tag))
        assert first.goes_on()
        assert backend.cut([ssh.hole, web.hole]) == 2
        for visit in (first, second):
            with pytest.raises(ConnectionResetError):
                visit.far.recv(10)
            assert visit.is_cut()
        assert other.goes_on(), "another grant lets it in as well, to this address"
        backend.apply(remove(also.tag))
        assert backend.cut([also.hole, ssh.hole]) == 1
        assert other.is_cut()
        assert connect(scene.caller.host, target, 22, 0.15) is None
        ends: tuple[Visit | socket.socket, ...] = (first, second, other, *doors)
        for each in ends:
            each.close()
    assert backend.intact()


@pytest.mark.parametrize("backend", ["jump", "ipset"], indirect=True)
def test_a_datagram_service_forgets_who_was_cut_and_nobody_else(
    scene: Yard, backend: FirewallBackend
) -> None:
    caller, stranger, target = scene.caller, scene.stranger, scene.gateway.four
    backend.apply(add(gone := opening(caller.four, DNS), opening(stranger.four, DNS)))
    with open_socket(scene.gateway.host, target, socket.SOCK_DGRAM) as service:
        service.bind((target, 53))
        talks = [open_socket(each.host, target, socket.SOCK_DGRAM) for each in (caller, stranger)]
        for each in talks:
            each.connect((target, 53))
            each.send(b"question")
            service.settimeout(30)
            service.sendto(b"answer", service.recvfrom(10)[1])
        backend.apply(remove(gone.tag))
        assert backend.cut([gone.hole]) == 1
        assert not asks(caller, service, target)
        for number, each in enumerate(talks):
            each.send(str(number).encode())
            each.close()
        service.settimeout(30)
        assert service.recv(10) == b"1", "the one who was not cut"


@pytest.mark.parametrize("kind", ["jump", "iptables-nft"])
def test_what_was_led_on_ends_behind_this_host_and_at_another_port_of_it(
    scene: Yard, kind: str
) -> None:
    gateway, inside = scene.gateway, scene.inside
    with standing(scene, kind) as backend:
        if kind != "jump":
            for exe in (kind, six(kind)):
                answers = f"{exe} -A FORWARD -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT"
                gateway.host.run(*answers.split())
                gateway.host.run(*f"{exe} -A FORWARD -i eth1 -j ACCEPT".split())
                gateway.host.run(exe, "-P", "FORWARD", "DROP")
        there, here = Door(inside.host, "::", 22), Door(gateway.host, "::", 6543)
        for who, outside, host in (
            (scene.caller.four, gateway.four, inside.four),
            (scene.caller.six, gateway.six, inside.six),
        ):
            led = leading(who, "tcp/8022", Lead(ip_address(host), 22))
            ghost = leading(who, "tcp/110", Lead(None, 6543))
            kept = leading(who, "tcp/8023", Lead(ip_address(host), 22))
            backend.apply(add(led, ghost, kept))
            visits = [
                there.enter(scene.caller, outside, 8022),
                here.enter(scene.caller, outside, 110),
                there.enter(scene.caller, outside, 8023),
            ]
            backend.apply(remove(led.tag, ghost.tag))
            assert all(each.goes_on() for each in visits)
            assert backend.cut([led.hole, ghost.hole]) == 2
            with pytest.raises(ConnectionResetError):
                visits[1].far.recv(10)
            visits[0].near.sendall(b"what the service says makes nothing established again")
            visits[0].far.settimeout(0.2)
            with pytest.raises(TimeoutError):
                visits[0].far.recv(10)
            assert all(each.is_cut() for each in visits[:2])
            assert visits[2].goes_on()
            assert not there.lets_in(scene.caller, outside, 8022)
            backend.apply(remove(kept.tag))
            for each in visits:
                each.close()
            _is_let_through_and_cut(scene, backend, there, who, host)
        there.close()
        here.close()
        if kind != "jump":
            for exe in (kind, six(kind)):
                gateway.host.run(exe, "-P", "FORWARD", "ACCEPT")


def _is_let_through_and_cut(
    scene: Yard, backend: FirewallBackend, there: Door, who: str, host: str
) -> None:
    through = leading(who, None, Lead(None, 0, everything=True))
    backend.apply(add(through))
    gone, kept = (there.enter(scene.caller, host, 22) for _ in range(2))
    kept.close()
    backend.apply(remove(through.tag))
    assert gone.goes_on()
    assert backend.cut([through.hole]) >= 1
    gone.near.sendall(b"what the host behind says begins nothing anew")
    gone.far.settimeout(0.2)
    with pytest.raises(TimeoutError):
        gone.far.recv(10)
    assert gone.is_cut()
    backend.apply(add(through))
    with there.enter(scene.caller, host, 22) as visit:
        assert visit.goes_on(), "another connection of his is another one"
    backend.apply(remove(through.tag))
    gone.close()


def test_a_kernel_that_ends_no_sockets_is_told_with_a_remedy_and_the_feature_is_missing(
    scene: Yard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"{CUTTING}.can_destroy", lambda diag: False)
    with standing(scene, "mark") as backend:
        assert Feature.CUT not in backend.probe()
        holes: list[list[Hole]] = [[], [opening(scene.caller.four).hole]]
        for each in holes:
            with pytest.raises(HostError, match="ends no connections") as refused:
                backend.cut(each)
            assert "FIREWALL_ATTACH guard" in refused.value.hint


def test_a_connection_that_ended_by_itself_meanwhile_is_no_error(
    scene: Yard, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, who = scene.gateway.four, scene.caller.four
    with standing(scene, "mark") as backend:
        backend.apply(add(ssh := opening(who)))
        door = listen(scene.gateway.host, target, 22)
        visit = at_the_door(door, scene, target)
        backend.apply(remove(ssh.tag))

        def slowly(*given: Any) -> Arrivals:
            found = arrivals(*given)
            visit.far.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            visit.close()
            assert eventually(lambda: not arrivals(*given).here)
            return found

        monkeypatch.setattr(f"{CUTTING}.arrivals", slowly)
        assert backend.cut([ssh.hole]) == 1
        door.close()
