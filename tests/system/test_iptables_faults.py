"""What can go wrong around iptables and ipset, and what is open then."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.daemon import Server, until
from tests.system.nft_scene import CLOCK, add, entered, opening
from tests.system.tables_scene import (
    MAKES,
    close_doors,
    knock,
    listed,
    listening,
    open_doors,
    reaches,
    settled,
)
from tests.system.test_iptables_daemon import MODULE, STRAY, grants, processes, warden
from watchword.edges.firewall.ipset import messages
from watchword.edges.firewall.ipset.backend import IpsetFirewall
from watchword.edges.firewall.tables.backend import TablesFirewall
from watchword.edges.firewall.tables.standing import StandingRestore
from watchword.edges.programs import CLEAN_ENVIRONMENT, SystemPrograms
from watchword.errors import HostError
from watchword.lab.hosts import Host, Lab
from watchword.lab.trio import Trio, trio
from watchword.model.firewalls import ChainUse, FirewallSettings
from watchword.model.openings import ChangeSet

pytestmark = [pytest.mark.system, pytest.mark.peer("iptables", "ipset")]

NFT, LEGACY = MAKES


@pytest.fixture(scope="module")
def scene() -> Iterator[Trio]:
    with Lab() as lab:
        yield trio(lab)


@pytest.fixture
def alone() -> Iterator[Host]:
    """A host of its own, and the test in it."""
    with Lab() as lab:
        host = lab.host("alone")
        with entered(host):
            yield host


def test_whoever_holds_the_lock_is_waited_for(alone: Host, tmp_path: Path) -> None:
    alone.run(LEGACY, "-N", "OURS")
    lock = tmp_path / "lock"
    restore = StandingRestore(
        [f"{LEGACY}-restore", "--noflush", "-w", "60"],
        {**CLEAN_ENVIRONMENT, "XTABLES_LOCKFILE": str(lock)},
    )
    restore.carry_out("*filter\n-A OURS -j RETURN\nCOMMIT\n")
    done = threading.Event()

    def hand_over() -> None:
        restore.carry_out("*filter\n-A OURS -j DROP\nCOMMIT\n")
        done.set()

    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        waiting = threading.Thread(target=hand_over)
        waiting.start()
        assert not done.wait(0.3), "went ahead without the lock"
        assert "-A OURS -j DROP" not in listed(alone, LEGACY)
    assert done.wait(60)
    waiting.join()
    restore.close()
    assert "-A OURS -j DROP" in listed(alone, LEGACY)


@pytest.mark.parametrize("exe", MAKES)
def test_when_one_family_refuses_nothing_is_there_in_the_other(alone: Host, exe: str) -> None:
    firewall = TablesFirewall(
        FirewallSettings(backend="iptables", exe=exe), programs=SystemPrograms(), clock=CLOCK
    )
    firewall.prepare()
    firewall.apply(add(opening("192.0.2.1")))
    before = listed(alone, exe)
    for line in ("-F INPUT", "-F FWKNOP_INPUT", "-X FWKNOP_INPUT"):
        alone.run(exe.replace("iptables", "ip6tables"), *line.split())
    with pytest.raises(HostError):
        firewall.apply(add(opening("192.0.2.2"), opening("2001:db8::2")))
    assert listed(alone, exe) == before
    firewall.prepare()
    firewall.apply(add(opening("192.0.2.2"), opening("2001:db8::2")))
    assert len(firewall.installed()) == 3
    firewall.teardown()
    firewall.close()


@pytest.mark.parametrize("victim", ["warden", "iptables"])
def test_a_kill_in_the_middle_of_a_change_leaves_all_of_it_or_nothing(
    alone: Host, victim: str
) -> None:
    """Killed a little later each time, from the first moment of the change to after its end."""
    settings = FirewallSettings(backend="iptables", exe=NFT)
    firewall = TablesFirewall(settings, programs=SystemPrograms(), clock=CLOCK)
    firewall.prepare()
    one = opening("192.0.2.1", seconds=600)
    firewall.apply(add(one))
    many = [opening(f"10.{n >> 8}.{n & 255}.1", seconds=600) for n in range(500)]
    word = MODULE if victim == "warden" else f"{NFT}-restore".encode()
    for delay in (0.0, 0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.07, 0.085, 0.1):
        pids = processes(alone, word)
        killer = threading.Timer(delay, kill, pids)
        killer.start()
        with contextlib.suppress(HostError):
            firewall.apply(add(*many))
        killer.join()
        until(lambda pids=pids: not set(pids) & set(processes(alone, word)))  # type: ignore[misc]
        assert sum("_exp_" in each for each in listed(alone, NFT)) in (1, 501)
        firewall.prepare()
        firewall.apply(ChangeSet(remove=firewall.recognise([one, *many]) - {one.tag}))
        assert firewall.installed() == {one.tag}
        assert firewall.intact()
    firewall.teardown()
    firewall.close()


def kill(*pids: int) -> None:
    for pid in pids:
        os.kill(pid, signal.SIGKILL)


def test_a_set_that_is_full_takes_nothing_of_a_change(
    alone: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(messages, "MOST", 4)
    firewall = IpsetFirewall(
        FirewallSettings(backend="ipset"), programs=SystemPrograms(), clock=CLOCK
    )
    firewall.prepare()
    one = opening("192.0.2.1")
    firewall.apply(add(one))
    many = [opening(f"192.0.2.{n}") for n in range(2, 200)]
    longer = opening("192.0.2.1", seconds=90)
    with pytest.raises(HostError, match="the set is full"):
        firewall.apply(ChangeSet(add=(*many, longer), remove=frozenset({one.tag})))
    assert firewall.installed() == {one.tag}
    firewall.teardown()
    firewall.close()


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"exe": "/nowhere/iptables"}, "cannot be started"),
        ({"input": ChainUse("NOWHERE", "OURS")}, "there is no chain NOWHERE"),
    ],
)
@pytest.mark.parametrize("backend", [TablesFirewall, IpsetFirewall])
def test_what_is_missing_is_told_with_a_remedy_before_anything_is_changed(
    alone: Host,
    backend: type[TablesFirewall | IpsetFirewall],
    settings: dict[str, Any],
    told: str,
) -> None:
    asked = FirewallSettings(backend=backend.name, **settings)
    before = listed(alone, "iptables")
    with pytest.raises(HostError, match=told) as refused:
        backend(asked, programs=SystemPrograms(), clock=CLOCK).probe()
    assert refused.value.hint
    assert listed(alone, "iptables") == before


def test_a_set_of_somebody_elses_is_left_alone(alone: Host) -> None:
    alone.run("ipset", "create", "watchword4", "hash:net")
    firewall = IpsetFirewall(
        FirewallSettings(backend="ipset"), programs=SystemPrograms(), clock=CLOCK
    )
    for attempt in (firewall.probe, firewall.prepare):
        with pytest.raises(HostError, match="a set watchword4 that is not ours") as refused:
            attempt()
        assert "IPSET_NAME" in refused.value.hint
    firewall.teardown()
    firewall.close()
    assert alone.run("ipset", "list", "-n").stdout.split() == ["watchword4"]


def dropped(host: Host, exe: str) -> str:
    """Packets that no rule for what comes in has accepted."""
    return host.run(exe, "-nvxL", "INPUT").stdout.splitlines()[0]


@pytest.mark.parametrize("exe", MAKES)
def test_while_thousands_end_at_once_nobody_who_stays_is_kept_out(scene: Trio, exe: str) -> None:
    """No SYN is dropped by the chain that they all go through."""
    host, caller = scene.server.host, scene.caller
    close_doors(host, exe)
    with entered(host), listening(host, 22):
        firewall = TablesFirewall(
            FirewallSettings(backend="iptables", exe=exe), programs=SystemPrograms(), clock=CLOCK
        )
        firewall.prepare()
        firewall.apply(add(opening(caller.four, seconds=600)))
        for seconds in (4.0, 15.0, 60.0):  # as long as it takes on a busy machine to put them in
            ending = [opening(f"10.{n >> 8}.{n & 255}.1", seconds=seconds) for n in range(3000)]
            firewall.apply(add(*ending))
            if len(firewall.installed()) == 3001 and CLOCK.now().steady < ending[0].until - 0.1:
                break
            until(lambda: len(firewall.installed()) == 1)
        before, tries = dropped(host, exe), 0
        while CLOCK.now().steady < ending[0].until + 0.5:
            assert reaches(caller, scene.server.four, seconds=30.0)
            tries += 1
            time.sleep(0.01)  # so that the listener keeps up
        assert tries > 0
        until(lambda: len(firewall.installed()) == 1)
        assert dropped(host, exe) == before
        firewall.teardown()
        firewall.close()
    open_doors(host, exe)


def test_after_a_reboot_saved_rules_are_what_the_journal_knows(scene: Trio, tmp_path: Path) -> None:
    """The host after it is another namespace, which has what iptables-save wrote before."""
    before, after = scene.server.host, scene.stranger.host
    close_doors(before, NFT)
    server = settled(Server(before, tmp_path), FIREWALL_BACKEND="iptables").start()
    knock(scene, scene.caller.four, "tcp/22", "-f", "1")
    knock(scene, scene.caller.four, "tcp/80")
    server.wait_for_judgements(2)
    before.run(NFT, *STRAY.split())
    saved = before.run(f"{NFT}-save").stdout
    time_is_up = time.monotonic() + 1.2
    server.kill()
    os.kill(warden(before), signal.SIGKILL)
    open_doors(before, NFT)
    after.run(f"{NFT}-restore", input=saved)
    until(lambda: time.monotonic() > time_is_up)
    server = settled(Server(after, tmp_path), FIREWALL_BACKEND="iptables").start()
    server.wait_for("Restored 1 grants")
    [line] = grants(after, NFT)
    assert f"-s {scene.caller.four}/32 -p tcp -m tcp --dport 80 " in line
    assert server.stop() == 0
    os.kill(warden(after), signal.SIGTERM)
    until(lambda: grants(after, NFT) == [])
    open_doors(after, NFT)
