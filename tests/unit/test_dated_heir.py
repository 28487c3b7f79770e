"""Who ends rules of firewalls that end none: the server, and after its death its heir."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import ipfw_emulator
from tests.ipfw_emulator import Ipfw, RefusedError
from tests.unit.dated_scene import StillHeir, world_of
from watchword.edges.clock import FakeClock, SystemClock
from watchword.edges.firewall.dated.backend import DatedFirewall
from watchword.edges.firewall.dated.heir import HeirProcess, SharedHeir, order, ordered
from watchword.edges.firewall.dated.lock import Lock
from watchword.edges.firewall.dated.sweeper import AGAIN, GRACE, Sweeper
from watchword.edges.firewall.dated.tools import tool_for
from watchword.edges.programs import SystemPrograms
from watchword.model.firewalls import FirewallSettings, IpfwSettings
from watchword.model.openings import ChangeSet

SETTINGS = FirewallSettings(backend="ipfw", exe="ipfw")
PATIENCE = 60.0  # seconds; not a claim, for a machine that is busy

DAEMON = """
import os, sys, signal
from pathlib import Path
from ipaddress import ip_address
from watchword.edges.clock import SystemClock
from watchword.edges.firewall.dated.backend import DatedFirewall
from watchword.edges.programs import SystemPrograms
from watchword.model.openings import ChangeSet, Hole, Opening
from watchword.model.services import Service
from watchword.model.firewalls import FirewallSettings
exe, lock, seconds = sys.argv[1], Path(sys.argv[2]), float(sys.argv[3])
clock = SystemClock()
backend = DatedFirewall(
    FirewallSettings(backend="ipfw", exe=exe), lock, programs=SystemPrograms(), clock=clock
)
backend.prepare()
opening = Opening(Hole(ip_address("192.0.2.7"), Service.parse("tcp/22")),
                  clock.now().steady + seconds)
backend.apply(ChangeSet(add=(opening,)))
print(backend._heir.pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def exe(tmp_path: Path) -> Path:
    """An ipfw that keeps its rules in a file, as a program."""
    path = tmp_path / "ipfw"
    words = [sys.executable, ipfw_emulator.__file__, str(tmp_path / "rules.json")]
    path.write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n', "utf-8")
    path.chmod(0o700)
    return path


def listed(exe: Path) -> list[str]:
    done = subprocess.run([exe, "set", "1", "list"], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def put_in(ipfw: Ipfw, ends: int) -> None:
    """A rule of somebody else's making."""
    words = "ipfw add 10000 set 1 pass 6 from 192.0.2.7 to me dst-port 22 // _exp_{}"
    ipfw.run(words.format(ends).split())


def gone(pid: int) -> bool:
    """Whether a process has ended; it is nobody's child here, so nobody waits for it."""
    try:
        return Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def until_gone(pid: int) -> None:
    limit = time.monotonic() + PATIENCE
    while not gone(pid):
        assert time.monotonic() < limit, "it still runs"
        time.sleep(0.05)


@pytest.fixture
def orphan(exe: Path, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[int]:
    """The heir of a server that opened something and was killed in the next moment."""
    done = subprocess.run(
        [sys.executable, "-c", DAEMON, str(exe), str(tmp_path / "lock"), str(request.param)],
        capture_output=True, text=True, check=False, timeout=PATIENCE,
    )  # fmt: skip
    assert done.returncode == -9, done.stderr
    pid = int(done.stdout)
    yield pid
    if not gone(pid):
        os.kill(pid, 9)


@pytest.mark.parametrize("orphan", [4], indirect=True)
def test_after_kill_9_of_the_server_its_heir_ends_the_grant_and_then_itself(
    orphan: int, exe: Path
) -> None:
    until_gone(orphan)
    assert listed(exe) == []


@pytest.mark.parametrize("orphan", [3600], indirect=True)
def test_an_heir_that_is_told_to_end_takes_out_first_what_is_open(orphan: int, exe: Path) -> None:
    assert len(listed(exe)) == 1
    os.kill(orphan, 15)
    until_gone(orphan)
    assert listed(exe) == []


def test_an_heir_that_dies_is_missed_and_another_one_started(exe: Path, tmp_path: Path) -> None:
    settings = FirewallSettings(backend="ipfw", exe=str(exe))
    pids: list[int] = []

    def heir(*words: object) -> HeirProcess:
        made = HeirProcess(*words)  # type: ignore[arg-type]  # what the backend gives it
        pids.append(made.pid)
        return made

    backend = DatedFirewall(
        settings, tmp_path / "lock", programs=SystemPrograms(), clock=SystemClock(), heir=heir
    )
    backend.prepare()
    assert backend.intact()
    os.kill(pids[0], 9)
    until_gone(pids[0])
    assert not backend.intact()
    backend.prepare()
    assert backend.intact()
    backend.close()
    until_gone(pids[1])


def test_a_reload_keeps_the_heir_and_another_set_has_another(exe: Path, tmp_path: Path) -> None:
    here = FirewallSettings(backend="ipfw", exe=str(exe))
    there = FirewallSettings(backend="ipfw", exe=str(exe), ipfw=IpfwSettings(active=5))
    first = SharedHeir(here, tmp_path / "lock")
    first.close()
    again, other = SharedHeir(here, tmp_path / "lock"), SharedHeir(there, tmp_path / "lock")
    try:
        assert again.alive
        assert again.pid == first.pid != other.pid
        os.kill(first.pid, 9)
        until_gone(first.pid)
        assert not again.alive
        again = SharedHeir(here, tmp_path / "lock")
        assert again.alive
        assert again.pid != first.pid
    finally:
        for each in (again, other):
            os.kill(each.pid, 9)


def test_while_the_server_lives_its_heir_leaves_it_time_to_end_rules_itself(
    tmp_path: Path,
) -> None:
    ipfw, clock = Ipfw(), FakeClock()
    heir = Sweeper(tool_for(SETTINGS, ipfw), Lock(tmp_path / "lock"), clock)
    assert heir.turn() is None
    put_in(ipfw, int(clock.wall) + 10)
    assert heir.turn() == 10 + GRACE
    clock.advance(10)
    assert heir.turn() == GRACE
    assert ipfw.bodies(1)
    clock.advance(GRACE)
    assert heir.turn() is None
    assert ipfw.bodies(1) == []


def test_a_clock_that_is_set_back_gives_nobody_more_time(tmp_path: Path) -> None:
    ipfw = Ipfw()
    world = world_of(SETTINGS, ipfw, tmp_path, lambda: None)
    world.backend.prepare()
    world.add(world.opening(seconds=60))
    world.wait(0)
    assert isinstance(world.clock, FakeClock)
    world.clock.step_wall(-3600)
    world.wait(60)
    assert ipfw.bodies(1) == []


def test_what_could_not_be_taken_out_is_tried_again_soon(tmp_path: Path) -> None:
    ipfw, clock = Ipfw(), FakeClock()
    heir = Sweeper(tool_for(SETTINGS, ipfw), Lock(tmp_path / "lock"), clock, alone=True)
    put_in(ipfw, 5)

    def refuse(command: str) -> None:
        if "move" in command:
            raise RefusedError("Resource temporarily unavailable")

    ipfw.trouble = refuse
    assert heir.turn() == AGAIN
    assert not heir.end_everything()
    ipfw.trouble = lambda _: None
    assert heir.turn() is None
    assert ipfw.bodies(1) == []


def test_the_heir_is_told_to_look_when_something_was_opened(tmp_path: Path) -> None:
    heirs: list[StillHeir] = []

    def heir(settings: FirewallSettings, lock: Path) -> StillHeir:
        heirs.append(StillHeir(settings, lock))
        return heirs[-1]

    ipfw = Ipfw()
    backend = DatedFirewall(
        SETTINGS, tmp_path / "lock", programs=ipfw, clock=FakeClock(), heir=heir
    )
    world = world_of(SETTINGS, ipfw, tmp_path, lambda: None)
    backend.prepare()
    backend.apply(ChangeSet(add=(world.opening(),)))
    assert [each.looks for each in heirs] == [1]


def test_what_the_heir_is_told_says_which_firewall_it_is_for(tmp_path: Path) -> None:
    settings = FirewallSettings(
        backend="ipfw", exe="/sbin/ipfw", ipfw=IpfwSettings(active=5, expire=7, purge=60)
    )
    assert ordered(order(settings, tmp_path / "lock")) == (settings, tmp_path / "lock")
