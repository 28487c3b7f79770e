"""Installing the guard cuts no live connection, and lets in no new one."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.nft_scene import (
    Line,
    add,
    entered,
    eventually,
    firewall,
    guarding,
    hang_up,
    in_server,
    listen,
    nft,
    opening,
    reaches,
    standard_scene,
)
from watchword.lab.sockets import inside
from watchword.lab.trio import Trio
from watchword.model.firewalls import FirewallSettings
from watchword.model.services import Service

pytestmark = pytest.mark.system
FAMILIES = pytest.mark.parametrize("version", [4, 6])
FIRST = pytest.mark.parametrize("first", ["the server", "the client"])
WORLDS = pytest.mark.parametrize("loose", [1, 0])
TRACKED = (
    "add table inet own\n"
    "add chain inet own input { type filter hook input priority 10; policy accept; }\n"
    "add rule inet own input ct state invalid counter\n"
)


@pytest.fixture(scope="module")
def network() -> Iterator[Trio]:
    with standard_scene() as network:
        yield network


@pytest.fixture
def scene(network: Trio) -> Iterator[Trio]:
    with in_server(network):
        yield network
        network.server.host.sysctl("net.netfilter.nf_conntrack_tcp_loose", 1)


def idle_line(scene: Trio, listener: socket.socket, version: int) -> Line:
    """A connection made while nothing watches connections, and silent since."""
    assert "ct" not in nft("list", "ruleset")
    server = scene.server.four if version == 4 else scene.server.six
    return Line(listener, scene.caller.host, server)


def speak(line: Line, first: str) -> None:
    for each in (line.down, line.up) if first == "the server" else (line.up, line.down):
        each()


@FAMILIES
@FIRST
@WORLDS
def test_an_idle_session_goes_on_whoever_speaks_first(
    scene: Trio, version: int, first: str, loose: int
) -> None:
    scene.server.host.sysctl("net.netfilter.nf_conntrack_tcp_loose", loose)
    with firewall(guarding()) as guard, listen("::") as listener:
        line = idle_line(scene, listener, version)
        assert guard.prepare() == 1
        speak(line, first)
        speak(line, first)
        server = scene.server.four if version == 4 else scene.server.six
        assert not reaches(scene.caller, server)
        speak(line, first)
        line.close()


def test_without_adoption_such_a_session_would_be_cut(scene: Trio) -> None:
    with firewall(guarding()) as guard, listen("::") as listener:
        line = idle_line(scene, listener, 4)
        guard.prepare()
        nft("flush", "set", "inet", "watchword", "adopted4")
        assert line.dead()
        line.close()


def test_the_number_of_sessions_taken_over_is_told_once(scene: Trio) -> None:
    with firewall(guarding()) as guard, listen("::") as listener, listen("::", 8080) as other:
        lines = [idle_line(scene, listener, version) for version in (4, 6, 4)]
        lines.append(Line(other, scene.caller.host, scene.server.four))  # not guarded
        local = socket.create_connection(("127.0.0.1", 22))
        assert guard.prepare() == 3
        assert guard.prepare() == 0
        guard.teardown()
        local.close()
        for line in lines:
            line.close()


def test_nobody_gets_in_from_the_ports_of_a_session_taken_over(scene: Trio) -> None:
    with firewall(guarding()) as guard, listen("::") as listener:
        line = idle_line(scene, listener, 4)
        ports = line.far.getsockname()
        guard.prepare()
        hang_up(line.far)  # the server hears of it
        assert eventually(lambda: was_reset(line.near))
        line.near.close()

        def again() -> bool:
            with socket.socket() as client:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                client.bind(ports)
                client.settimeout(0.4)
                return client.connect_ex((scene.server.four, 22)) == 0

        assert not inside(scene.caller.host, again)


def was_reset(end: socket.socket) -> bool:
    try:
        end.recv(1)
    except ConnectionResetError:
        return True
    return False


def test_what_is_over_is_taken_out_and_what_lives_stays(scene: Trio) -> None:
    with firewall(guarding()) as guard, listen("::") as listener:
        over, alive = (idle_line(scene, listener, 4) for _ in range(2))
        assert guard.prepare() == 2
        over.close()

        def one_left() -> bool:
            guard.prune()
            return nft("list", "set", "inet", "watchword", "adopted4").count(" . tcp") == 1

        assert eventually(one_left)
        guard.prepare()
        alive.up()
        alive.down()
        alive.close()


def test_sessions_taken_over_outlast_the_process_and_a_change_of_settings(scene: Trio) -> None:
    scene.server.host.sysctl("net.netfilter.nf_conntrack_tcp_loose", 0)
    with listen("::") as listener, listen("::", 23) as other:
        first = idle_line(scene, listener, 4)
        second = Line(other, scene.caller.host, scene.server.four)
        with firewall(guarding()) as guard:
            assert guard.prepare() == 1
        more = guarding(Service.parse("tcp/22"), Service.parse("tcp/23"))
        with firewall(more) as guard:
            assert guard.prepare() == 1, "only what was not guarded before"
            guard.prepare()
            for line in (first, second):
                line.up()
                line.down()
                line.close()
            assert not reaches(scene.caller, scene.server.four, 23)


def test_a_connected_datagram_socket_goes_on(scene: Trio) -> None:
    with (
        firewall(guarding()) as guard,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as near,
        inside(scene.caller.host, lambda: socket.socket(type=socket.SOCK_DGRAM)) as far,
    ):
        near.bind((scene.server.four, 53))
        far.bind((scene.caller.four, 5353))
        near.connect((scene.caller.four, 5353))
        far.connect((scene.server.four, 53))
        assert guard.prepare() == 1
        near.settimeout(30)
        far.send(b"still there")
        assert near.recv(100) == b"still there"


def test_with_everything_hidden_sessions_that_this_host_began_go_on_too(scene: Trio) -> None:
    scene.server.host.sysctl("net.netfilter.nf_conntrack_tcp_loose", 0)
    with entered(scene.caller.host):
        remote = listen("::", 2222)
    with remote, firewall(FirewallSettings(guard_all=True)) as guard:
        outgoing = socket.create_connection((scene.caller.four, 2222))
        incoming, _ = remote.accept()
        assert guard.prepare() == 1
        incoming.sendall(b"hello")
        outgoing.settimeout(30)
        assert outgoing.recv(10) == b"hello"
        hang_up(outgoing)
        hang_up(incoming)


def test_sessions_that_are_tracked_already_go_on(scene: Trio) -> None:
    nft(script=TRACKED)
    with firewall(guarding()) as guard, listen("::") as listener:
        line = Line(listener, scene.caller.host, scene.server.four)
        guard.prepare()
        line.up()
        line.down()
        line.close()


def test_preparing_again_opens_no_window_and_cuts_nothing(scene: Trio) -> None:
    with firewall(guarding()) as guard, listen("::") as listener:
        guard.prepare()
        guard.apply(add(opening(scene.caller.four)))
        line = Line(listener, scene.caller.host, scene.server.four)
        before = nft("-a", "list", "chain", "inet", "watchword", "guard")
        guard.prepare()
        assert nft("-a", "list", "chain", "inet", "watchword", "guard") == before
        line.up()
        line.down()
        assert reaches(scene.caller, scene.server.four, seconds=30.0)
        line.close()


def test_the_socket_tables_are_those_of_the_namespace(scene: Trio) -> None:
    table = Path("/proc/thread-self/net/tcp").read_text("ascii")
    with listen(scene.server.four, 2299):
        assert len(Path("/proc/thread-self/net/tcp").read_text("ascii")) > len(table)
