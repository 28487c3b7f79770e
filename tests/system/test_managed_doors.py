"""Doors that open services in the firewall, on the real kernel: who gets in, and until when."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.daemon import PROGRAMS, until
from tests.knockd_scene import CALLER, CALLER_6, HERE, HERE_6, Knockd, Street, fresh, street
from watchword.lab.sockets import connect, gets_through, listen, reaches

pytestmark = pytest.mark.system

PORT = 10001


def door(seconds: int = 60, *, name: str = "ssh", port: int = PORT) -> str:
    return (
        f"[{name}]\nsequence = 7000,9000,8000\ntcpflags = syn\n"
        f"open = tcp/{port}\ncmd_timeout = {seconds}\n"
    )


@pytest.fixture(scope="module")
def place() -> Iterator[Street]:
    with street() as found, ExitStack() as listeners:
        found.outside.run("ip", "addr", "add", "10.77.0.12/24", "dev", "eth0")
        for address in (HERE, HERE_6):
            listeners.enter_context(listen(found.inside, address, PORT))
        yield found


@pytest.fixture
def knockd(place: Street, tmp_path: Path) -> Iterator[Knockd]:
    found = Knockd(place, fresh(tmp_path))
    yield found
    if found.process is not None:
        found.stop(signal.SIGKILL)
    place.inside.run("nft", "flush", "ruleset")


@pytest.mark.parametrize(("caller", "here"), [(CALLER, HERE), (CALLER_6, HERE_6)], ids=["4", "6"])
def test_a_door_lets_its_caller_in_and_nobody_else(
    place: Street, knockd: Knockd, caller: str, here: str
) -> None:
    knockd.start(door())
    knockd.wait_for(f"guard inet watchword_knockd: tcp/{PORT} hidden until a door opens")
    assert not reaches(place.outside, here, PORT)
    place.knock(7000, 9000, 8000, source="10.77.0.12")
    place.knock(7000, 9000, 8000, source=caller, to=here)
    knockd.wait_for(f"{caller}: ssh: opened tcp/{PORT} for 60 seconds")
    assert gets_through(place.outside, here, PORT)
    other = HERE_6 if here == HERE else HERE
    assert not reaches(place.outside, other, PORT)


@pytest.mark.requirement("3.20", partial=True)
def test_the_kernel_shuts_the_door_if_knockd_is_dead(place: Street, knockd: Knockd) -> None:
    knockd.start(door(3))
    place.knock(7000, 9000, 8000)
    knockd.wait_for("opened")
    live = connect(place.outside, HERE, PORT)
    assert live is not None
    knockd.stop(signal.SIGKILL)
    until(lambda: not reaches(place.outside, HERE, PORT))
    live.sendall(b"still here")
    live.close()


def test_a_restart_keeps_who_is_in(place: Street, knockd: Knockd) -> None:
    knockd.start(door())
    place.knock(7000, 9000, 8000)
    knockd.wait_for("opened")
    assert knockd.stop() == 15
    assert gets_through(place.outside, HERE, PORT)
    knockd.start(door())
    knockd.wait_for("1 grants go on")
    assert gets_through(place.outside, HERE, PORT)


def test_a_second_knock_prolongs_and_the_end_is_told(place: Street, knockd: Knockd) -> None:
    knockd.start(door(3))
    place.knock(7000, 9000, 8000)
    knockd.wait_for("opened")
    place.knock(7000, 9000, 8000)
    knockd.wait_for("opened", 2)
    knockd.wait_for(f"{CALLER}: ssh: closed tcp/{PORT} (expired)")
    assert knockd.log.count("closed") == 1
    assert not reaches(place.outside, HERE, PORT)


def test_a_reload_hides_what_the_new_doors_open_and_nothing_else(
    place: Street, knockd: Knockd
) -> None:
    knockd.start(door(port=10002))
    assert gets_through(place.outside, HERE, PORT)
    knockd.write(door())
    knockd.send(signal.SIGHUP)
    knockd.wait_for("re-opening log file")
    assert not reaches(place.outside, HERE, PORT)
    knockd.write("[d]\nsequence = 7000\n")
    knockd.send(signal.SIGHUP)
    knockd.wait_for("re-opening log file", 2)
    assert gets_through(place.outside, HERE, PORT)


def test_everything_can_be_taken_out_of_the_firewall(place: Street, knockd: Knockd) -> None:
    knockd.start(door())
    status, lines = knockd.tried("--flush", "-c", str(knockd.conf))
    assert status == 1
    assert any("already running" in line for line in lines)
    assert knockd.stop() == 15
    assert not reaches(place.outside, HERE, PORT)
    assert knockd.tried("--flush", "-c", str(knockd.conf))[0] == 0
    assert gets_through(place.outside, HERE, PORT)


def test_a_second_daemon_on_the_same_state_is_refused(place: Street, knockd: Knockd) -> None:
    knockd.start(door())
    status, lines = knockd.tried("-i", "eth0", "-c", str(knockd.conf))
    assert status == 1
    assert any("already running" in line for line in lines)


def test_a_firewall_that_refuses_is_told_and_nothing_is_reported_open(
    place: Street, knockd: Knockd
) -> None:
    doors = "JumpFrom = inet nosuch input\n"
    knockd.write(door(), options=doors)
    status, lines = knockd.tried("-i", "eth0", "-c", str(knockd.conf))
    assert status == 1
    assert any("nosuch" in line for line in lines)


@pytest.mark.requirement("3.14")
def test_who_is_in_is_listed_by_door_and_can_be_shut_out(place: Street, knockd: Knockd) -> None:
    commands = (
        "[byhand]\nsequence = 6000\ncommand = /bin/true\ncmd_timeout = 600\n"
        f"stop_command = touch {knockd.folder}/stopped\n"
    )
    knockd.start(door() + commands)
    place.knock(7000, 9000, 8000)
    place.knock(6000, source="10.77.0.12")
    knockd.wait_for("opened")
    knockd.wait_for("running command")
    socket = str(knockd.folder / "run" / "control.sock")

    def tool(*words: str) -> str:
        program = str(PROGRAMS / "watchword")
        return place.inside.run(program, *words, "--socket", socket, check=False).stdout

    told = json.loads(tool("grants", "--json"))["grants"]
    assert {(each["user"], each["who"], each["by"]) for each in told} == {
        ("ssh", CALLER, "firewall"), ("byhand", "10.77.0.12", "commands"),
    }  # fmt: skip
    assert all(each["in_force"] for each in told)
    assert not (knockd.folder / "stopped").exists()
    tool("revoke", "--all")
    until((knockd.folder / "stopped").exists)
    assert not reaches(place.outside, HERE, PORT)
    assert json.loads(tool("grants", "--json"))["total"] == 0


@pytest.mark.peer("iptables")
def test_doors_open_in_iptables_too(place: Street, knockd: Knockd) -> None:
    place.inside.run("iptables", "-A", "INPUT", "-p", "tcp", "--dport", str(PORT), "-j", "DROP")
    knockd.start(door(3), options="FirewallBackend = iptables\n")
    assert not reaches(place.outside, HERE, PORT)
    place.knock(7000, 9000, 8000)
    knockd.wait_for("opened")
    assert gets_through(place.outside, HERE, PORT)
    knockd.wait_for("closed")
    assert not reaches(place.outside, HERE, PORT)
    assert knockd.stop() == 15
    assert knockd.tried("--flush", "-c", str(knockd.conf))[0] == 0
    assert "KNOCKD_INPUT" not in place.inside.run("iptables", "-S").stdout
