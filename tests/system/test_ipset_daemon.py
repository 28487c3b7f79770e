"""fwknopd with the backend ipset, in front of real packets."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon import Server, until
from tests.system.tables_scene import (
    MAKES,
    at_once,
    close_doors,
    knock,
    listed,
    listening,
    open_doors,
    reaches,
    settled,
    six,
)
from watchword.lab.hosts import Host, Lab
from watchword.lab.trio import Trio, trio

pytestmark = [pytest.mark.system, pytest.mark.peer("ipset", "iptables")]


@pytest.fixture(scope="module")
def scene() -> Iterator[Trio]:
    with Lab() as lab:
        yield trio(lab)


@pytest.fixture(params=MAKES)
def exe(request: pytest.FixtureRequest, scene: Trio) -> Iterator[str]:
    host = scene.server.host
    close_doors(host, request.param)
    yield request.param
    open_doors(host, request.param)
    host.run("ipset", "destroy")


@pytest.fixture
def server(scene: Trio, exe: str, tmp_path: Path) -> Iterator[Server]:
    server = Server(scene.server.host, tmp_path)
    settled(server, FIREWALL_BACKEND="ipset", FIREWALL_EXE=f"/usr/sbin/{exe}")
    yield server
    if server.process is not None:
        server.stop()


def members(host: Host, name: str = "watchword4") -> list[str]:
    found = host.run("ipset", "list", name, check=False).stdout
    return [
        line.partition(" timeout ")[0] for line in found.partition("Members:\n")[2].splitlines()
    ]


@pytest.mark.requirement("1.8", "1.16", partial=True)
def test_who_is_granted_comes_in_and_a_killed_daemon_leaves_nothing_open(
    scene: Trio, server: Server, exe: str
) -> None:
    four, caller = scene.server.four, scene.caller
    server.start()
    with listening(scene.server.host, 22):
        assert not reaches(caller, four)
        knock(scene, caller.six)
        knock(scene, caller.four, "tcp/22", "-f", "3")
        server.wait_for_judgements(2)
        assert reaches(caller, four, seconds=30.0)
        assert f"Added access rule to FWKNOP_INPUT for {caller.four} -> 0.0.0.0/0" in server.log
        assert f"for {caller.six} -> ::/0" in server.log
        assert reaches(caller, scene.server.six, seconds=30.0)
        assert not reaches(scene.stranger, four)
        first = next(each for each in listed(scene.server.host, exe) if each[:9] == "-A INPUT ")
        assert first == "-A INPUT -j FWKNOP_INPUT"
        listing = server.program("--fw-list").stdout
        assert "Chain FWKNOP_INPUT (1 references)" in listing
        server.kill()
        until(lambda: members(scene.server.host) == [])
        assert not reaches(caller, four)
        assert reaches(caller, scene.server.six, seconds=30.0), "whose time is not over"


def test_a_restart_goes_on_with_what_is_open(scene: Trio, server: Server) -> None:
    server.start()
    knock(scene, scene.caller.four)
    server.wait_for_judgements(1)
    server.kill()
    server.start()
    server.wait_for("Restored 1 grants")
    assert members(scene.server.host) == [f"{scene.caller.four},tcp:22"]
    assert server.stop() == 0


def test_what_others_remove_is_put_back_and_that_is_said(
    scene: Trio, server: Server, exe: str
) -> None:
    host, mine = scene.server.host, f"{scene.caller.four},tcp:22"
    server.start()
    knock(scene, scene.caller.four)
    server.wait_for_judgements(1)
    before = listed(host, exe)
    removals = (
        lambda: at_once(host, exe, "-D INPUT -j FWKNOP_INPUT"),
        lambda: at_once(host, exe, "-F FWKNOP_INPUT"),
        lambda: at_once(
            host, exe, "-D INPUT -j FWKNOP_INPUT", "-F FWKNOP_INPUT", "-X FWKNOP_INPUT"
        ),
        lambda: host.run("ipset", "flush", "watchword4"),
        lambda: host.run("ipset", "del", "watchword4", mine),
    )
    for remove in removals:
        with server.puts_right(1):
            remove()
        assert (listed(host, exe), members(host)) == (before, [mine])


def test_a_policy_that_needs_what_sets_cannot_do_is_refused_at_start(
    scene: Trio, server: Server, exe: str
) -> None:
    server.settings["ENABLE_IPT_FORWARDING"] = "Y"
    server.access += "NAT_TARGETS 10.0.0.5:22\n"
    server.launch()
    until(lambda: server.ended)
    assert (
        "access.conf:1: stanza #1 needs what the firewall backend ipset does not do" in server.log
    )
    assert "another host (ENABLE_IPT_FORWARDING" in server.log
    assert not any("FWKNOP" in line for line in listed(scene.server.host, exe))


def test_the_end_takes_grants_along_only_where_that_is_asked_for(
    scene: Trio, server: Server, exe: str
) -> None:
    host = scene.server.host
    server.settings["FLUSH_IPT_AT_EXIT"] = "Y"
    server.start()
    knock(scene, scene.caller.four)
    server.wait_for_judgements(1)
    assert server.stop(signal.SIGTERM) == 0
    assert members(host) == []
    server.program("--fw-flush")
    assert not any("FWKNOP" in line for each in (exe, six(exe)) for line in listed(host, each))
    assert host.run("ipset", "list", "-n").stdout == ""
