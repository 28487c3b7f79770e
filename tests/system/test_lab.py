"""The lab itself: hosts that reach each other, and nothing left behind."""

from __future__ import annotations

import socket
import subprocess

import pytest

from watchword.lab.building import building
from watchword.lab.hosts import Lab, can_make_namespaces
from watchword.lab.sockets import listen, open_socket
from watchword.lab.trio import Station, trio

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(bool(can_make_namespaces()), reason=can_make_namespaces()),
]


def test_caller_and_stranger_reach_the_server_over_both_families() -> None:
    with Lab() as lab:
        scene = trio(lab)
        for client in (scene.caller, scene.stranger):
            for address in (scene.server.four, scene.server.six):
                client.host.run("ping", "-c1", "-W30", address)


def test_nothing_is_left_when_the_lab_closes() -> None:
    with Lab() as lab:
        host = lab.host("alone")
        sleeper = host.start("sleep", "60")
        assert host.namespace in subprocess.check_output(["ip", "netns", "list"], text=True)
    assert host.namespace not in subprocess.check_output(["ip", "netns", "list"], text=True)
    assert sleeper.returncode is not None


def test_people_of_a_building_come_from_one_address_over_both_families() -> None:
    with Lab() as lab:
        scene = building(lab)
        for address, office in (
            (scene.server.four, scene.office.four),
            (scene.server.six, scene.office.six),
        ):
            with listen(scene.server.host, address, 22) as service:
                for port, person in enumerate(scene.people, start=40_000):
                    assert _seen_as(person, port, address, service) == (office, port)
                scene.rewrite_ports(True)
                seen_as, port = _seen_as(scene.alice, 41_000, address, service)
                assert seen_as == office
                assert port != 41_000
                scene.rewrite_ports(False)
                seen_as, _ = _seen_as(scene.elsewhere, 42_000, address, service)
                assert seen_as in (scene.elsewhere.four, scene.elsewhere.six)


def _seen_as(who: Station, port: int, address: str, service: socket.socket) -> tuple[str, int]:
    """The address and port that a service sees of who calls it from a port."""
    with open_socket(who.host, address, socket.SOCK_STREAM) as caller:
        caller.settimeout(30)
        caller.bind(("", port))
        caller.connect((address, 22))
        service.settimeout(30)
        near, peer = service.accept()
        near.close()
    return peer[0], peer[1]
