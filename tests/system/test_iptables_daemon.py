"""fwknopd with the backend iptables: real packets, and whatever may happen to it."""

from __future__ import annotations

import os
import re
import signal
import sys
import time
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
from tests.vitals import command_line
from watchword.lab.hosts import Host, Lab
from watchword.lab.trio import Trio, trio

pytestmark = [pytest.mark.system, pytest.mark.peer("iptables")]

STRAY = (
    "-A FWKNOP_INPUT -s 192.0.2.99/32 -p tcp -m tcp --dport 22 "
    "-m comment --comment _exp_4102444800 -j ACCEPT"
)
STEPPING = str(Path(__file__).with_name("stepping.py"))
MODULE = b"watchword.edges.firewall.tables.warden_process"


@pytest.fixture(scope="module")
def scene() -> Iterator[Trio]:
    with Lab() as lab:
        yield trio(lab)


@pytest.fixture(scope="module", params=MAKES)
def exe(request: pytest.FixtureRequest, scene: Trio) -> Iterator[str]:
    host = scene.server.host
    close_doors(host, request.param)
    yield request.param
    open_doors(host, request.param)


def prepared(scene: Trio, exe: str, folder: Path) -> Server:
    return settled(Server(scene.server.host, folder), FIREWALL_EXE=f"/usr/sbin/{exe}")


def end(server: Server, exe: str) -> None:
    """Of the server, of who ends its grants, and of all but the operator's rules."""
    if server.process is not None:
        server.stop()
    for pid in processes(server.host, MODULE):
        os.kill(pid, signal.SIGTERM)
    until(lambda: not processes(server.host, MODULE))
    open_doors(server.host, exe)
    close_doors(server.host, exe)


@pytest.fixture(scope="module")
def lasting(scene: Trio, exe: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = prepared(scene, exe, tmp_path_factory.mktemp("lasting"))
    yield server
    end(server, exe)


@pytest.fixture
def running(lasting: Server) -> Server:
    """One for several tests, with no grants and nothing said."""
    return lasting.on_new_page()


@pytest.fixture
def server(scene: Trio, exe: str, lasting: Server, tmp_path: Path) -> Iterator[Server]:
    """One of a test alone, and not started yet."""
    end(lasting, exe)
    server = prepared(scene, exe, tmp_path)
    yield server
    end(server, exe)


def processes(host: Host, word: bytes) -> list[int]:
    """Processes of a host with this word in their command lines."""
    pids = host.run("ip", "netns", "pids", host.namespace).stdout.split()
    return [int(pid) for pid in pids if word in command_line(pid).split(b"\0")]


def warden(host: Host) -> int:
    [pid] = until(lambda: processes(host, MODULE))
    return int(pid)


def grants(host: Host, exe: str) -> list[str]:
    """Rules of grants, both families, without their ends."""
    return [
        re.sub("_exp_[0-9]+", "_exp_", line)
        for each in (exe, six(exe))
        for line in listed(host, each)
        if "_exp_" in line
    ]


def test_a_dead_warden_is_replaced_and_what_it_had_to_end_ends(
    scene: Trio, running: Server, exe: str
) -> None:
    host = scene.server.host
    knock(scene, scene.caller.four, "tcp/22", "-f", "2")
    knock(scene, scene.caller.six)
    running.wait_for_judgements(2)
    first = warden(host)
    for each in (exe, six(exe)):  # what stands ready for it, too
        for pid in processes(host, f"/usr/sbin/{each}-restore".encode()):
            os.kill(pid, signal.SIGKILL)
    os.kill(first, signal.SIGKILL)
    until(lambda: processes(host, MODULE) not in ([], [first]))
    until(lambda: re.search("Restored [12] grants", running.log))
    until(lambda: len(grants(host, exe)) == 1)
    running.wait_for("Removed rule")
    knock(scene, scene.caller.four)
    assert running.wait_for_judgements(3)[2]["verdict"] == "granted"


@pytest.mark.requirement("4.24", partial=True)
def test_what_others_do_to_our_chains_is_put_right_and_said(
    scene: Trio, running: Server, exe: str
) -> None:
    host = scene.server.host
    knock(scene, scene.caller.four)
    running.wait_for_judgements(1)
    own = "-A FWKNOP_INPUT -s 192.0.2.50/32 -m comment --comment _exp_soon -j ACCEPT"
    host.run(exe, *own.split())
    dump = host.run(f"{exe}-save", "-t", "filter").stdout
    before = sorted(listed(host, exe))
    double = next(line for line in before if "_exp_1" in line)
    doings = (
        ["-D INPUT -j FWKNOP_INPUT"],
        [double.replace("-A", "-D", 1)],
        [STRAY],
        [double],
        ["-F INPUT", "-F FWKNOP_INPUT", "-X FWKNOP_INPUT"],
    )
    for count, lines in enumerate(doings, start=1):
        with running.puts_right(1):
            at_once(host, exe, *lines)
        if count < len(doings):
            assert sorted(listed(host, exe)) == before
    assert len(grants(host, exe)) == 1
    host.run(f"{exe}-restore", input=dump)
    until(lambda: sorted(listed(host, exe)) == before)
    soon = int(time.time()) + 1
    theirs = f"-A FWKNOP_INPUT -s 192.0.2.60/32 -m limit -m comment --comment _exp_{soon} -j LOG"
    host.run(exe, *theirs.split())
    until(lambda: sorted(listed(host, exe)) == before)


def test_a_second_server_in_the_same_chain_is_refused(
    scene: Trio, running: Server, tmp_path: Path
) -> None:
    knock(scene, scene.caller.four)
    running.wait_for_judgements(1)
    folder = tmp_path / "second"
    folder.mkdir()
    second = Server(scene.server.host, folder)
    second.settings |= {**running.settings, "UDPSERV_PORT": "4000",
        "STATE_DIR": str(folder / "state"), "FWKNOP_RUN_DIR": str(folder / "run")}  # fmt: skip
    second.launch()
    until(lambda: second.ended)
    told = f"another fwknopd (pid {running.pid}) keeps its grants in the chain FWKNOP_INPUT"
    assert told in second.log
    assert "Removed" not in running.log


@pytest.mark.requirement("2.2", partial=True)
def test_a_dead_server_leaves_nothing_open_past_its_time(
    scene: Trio, server: Server, exe: str
) -> None:
    host, caller = scene.server.host, scene.caller
    server.start()
    with listening(host, 22):
        told = server.tool("doctor", "--server").stdout
        assert "our part of the firewall is in the kernel" in told
        assert "no rule of others is in the way of grants" in told
        knock(scene, caller.six)
        knock(scene, caller.four, "tcp/22", "-f", "3")
        server.wait_for_judgements(2)
        assert reaches(caller, scene.server.four, seconds=30.0)
        assert reaches(caller, scene.server.six, seconds=30.0)
        assert not reaches(scene.stranger, scene.server.four)
        server.kill()
        assert grants(host, exe)
        until(lambda: len(grants(host, exe)) == 1)
        assert not reaches(caller, scene.server.four)
        assert reaches(caller, scene.server.six, seconds=30.0), "whose time is not over"
        os.kill(warden(host), signal.SIGTERM)
        until(lambda: not grants(host, exe))
        until(lambda: not processes(host, MODULE))
        assert not reaches(caller, scene.server.six), "who ends grants does not go before them"


def test_what_both_leave_behind_is_put_right_by_the_next_start(
    scene: Trio, server: Server, exe: str
) -> None:
    host = scene.server.host
    server.start()
    knock(scene, scene.caller.four)
    server.wait_for_judgements(1)
    server.kill()
    os.kill(warden(host), signal.SIGKILL)
    host.run(exe, *STRAY.split())
    [row] = [each for each in server.program("--fw-list").stdout.splitlines() if "tcp/22" in each]
    assert "not in the firewall" not in row
    server.start()
    server.wait_for("Restored 1 grants")
    assert grants(host, exe) == [
        f"-A FWKNOP_INPUT -s {scene.caller.four}/32 -p tcp -m tcp --dport 22 "
        "-m comment --comment _exp_ -j ACCEPT"
    ]
    assert "Removed 1 openings that no journal knows" in server.log
    server.kill()
    os.kill(warden(host), signal.SIGKILL)
    assert server.program("--fw-withdraw").stdout == "Took 1 rules of grants out of iptables.\n"
    assert grants(host, exe) == []
    server.start()
    server.wait_for("Restored 1 grants")
    assert len(grants(host, exe)) == 1


def test_a_clock_set_back_while_nobody_lived_to_end_a_grant_prolongs_it_by_nothing(
    scene: Trio, server: Server, exe: str, tmp_path: Path
) -> None:
    """Its rule says when it ends by a clock that is an hour off since."""
    host, state = scene.server.host, tmp_path / "state"
    state.mkdir(mode=0o700)  # all that the server may read while it runs
    clock = state / "clock"
    clock.write_text("0", "ascii")
    server.command = [sys.executable, STEPPING, str(clock)]
    server.start()
    began = time.monotonic()
    knock(scene, scene.caller.four, "tcp/22", "-f", "4")
    server.wait_for_judgements(1)
    server.kill()
    os.kill(warden(host), signal.SIGKILL)
    clock.write_text("-3600", "ascii")
    server.start()
    until(lambda: not grants(host, exe))
    assert time.monotonic() - began >= 3.9, "and shortens it by nothing"
    server.wait_for("Removed rule")


@pytest.mark.requirement("4.23")
@pytest.mark.parametrize("exe", MAKES[:1], indirect=True)
def test_with_vvvv_each_program_and_the_list_of_rules_is_told_and_not_with_less(
    server: Server, exe: str
) -> None:
    server.start("-vvvv")
    assert f"RES=0, CMD_BUF: /usr/sbin/{exe}-save -t filter 2>&1\n" in server.log
    assert "RULES LIST: " in server.log
    assert "-A FWKNOP_INPUT" in server.log or ":FWKNOP_INPUT" in server.log
    server.stop()
    server.start("-vvv")
    assert "CMD_BUF" not in server.log


FAKE = """\
#!/bin/sh
case $0 in *-restore)
    test ! -e {folder}/hang || {{ echo $$ >> {folder}/hung-{real}; exec sleep 60; }}
esac
exec /usr/sbin/{real} "$@"
"""


@pytest.mark.requirement("7.5")
@pytest.mark.requirement("7.6", partial=True)
@pytest.mark.parametrize("exe", MAKES[:1], indirect=True)
def test_an_iptables_that_hangs_is_killed_after_its_alarm_and_nothing_is_granted(
    scene: Trio, exe: str, tmp_path: Path
) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    for each in (exe, six(exe)):
        for suffix in ("", "-save", "-restore"):
            fake = tools / f"{each}{suffix}"
            fake.write_text(FAKE.format(folder=tmp_path, real=f"{each}{suffix}"))
            fake.chmod(0o755)
    alarm = {"IPT_CMD_ALARM": "2", "IPT_EXEC_STYLE": "popen"}
    server = settled(Server(scene.server.host, tmp_path), FIREWALL_EXE=str(tools / exe), **alarm)
    server.start()
    try:
        _hangs(scene, server, exe, tmp_path)
    finally:
        server.stop()


def _hangs(scene: Trio, server: Server, exe: str, tmp_path: Path) -> None:
    host = scene.server.host
    (tmp_path / "hang").touch()
    for pid in processes(host, b"--verbose"):  # those that stand ready already
        os.kill(pid, signal.SIGKILL)
    until(lambda: not processes(host, b"--verbose"))
    knock(scene, scene.caller.four)
    [refused] = server.wait_for_judgements(1)
    assert (refused["verdict"], refused["reason"]) == ("refused", "firewall-refused")
    first, *_ = (tmp_path / f"hung-{exe}-restore").read_text().split()
    until(lambda: not Path(f"/proc/{first}").exists())
    assert grants(host, exe) == []
    (tmp_path / "hang").unlink()
    knock(scene, scene.caller.four)
    assert server.wait_for_judgements(2)[1]["verdict"] == "granted"
    assert len(grants(host, exe)) == 1
