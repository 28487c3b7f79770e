"""Command cycles on a real machine: the tutorial's ipset recipe, and what becomes of closes."""

from __future__ import annotations

import contextlib
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon import PROGRAMS, Server, base64, stanza, until
from tests.sealing import sealed
from tests.values import KEY, MAC_KEY
from watchword.lab.hosts import Host, Lab
from watchword.lab.sockets import send_datagram
from watchword.lab.trio import Trio, trio
from watchword.model.crypto import Secret
from watchword.service.daemon import opener

pytestmark = [pytest.mark.system, pytest.mark.peer("fwknop", "ipset")]

OURS, THEIRS = str(PROGRAMS / "fwknop"), "fwknop"
CALLER = "198.51.100.2"
PREPARATION = (
    "ipset create fwknop_allow hash:ip,port timeout 30",
    "iptables -A INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT",
    "iptables -A INPUT -m set --match-set fwknop_allow src,dst -j ACCEPT",
    "iptables -A INPUT -j DROP",
)
"""As the tutorial has it, line by line."""
SNIFFS = "Starting fwknopd main event loop."
RECIPE = {
    "OPEN_PORTS": "",
    "CMD_CYCLE_OPEN": "ipset add fwknop_allow $SRC,$PROTO:$PORT timeout $CLIENT_TIMEOUT",
    "CMD_CYCLE_CLOSE": "NONE",
}


@pytest.fixture(scope="module")
def scene() -> Iterator[Trio]:
    with Lab() as lab:
        yield trio(lab)


@pytest.fixture
def prepared(scene: Trio) -> Iterator[Host]:
    """The server's host as the tutorial prepares it, and as before afterwards."""
    host = scene.server.host
    for line in PREPARATION:
        host.run(*line.split())
    yield host
    host.run("iptables", "-F", "INPUT")
    host.run("ipset", "destroy", "fwknop_allow")


@pytest.fixture
def server(scene: Trio, tmp_path: Path) -> Iterator[Server]:
    server = Server(scene.server.host, tmp_path)
    yield server
    if server.process is not None:
        server.stop()


def knock(scene: Trio, program: str, ports: str = "tcp/22", *options: str) -> None:
    scene.caller.host.run(
        program, "--no-rc-file", "--no-save-args", "-D", "203.0.113.1",
        "-A", ports, "-a", CALLER, "--use-hmac",
        "--key-base64-rijndael", base64(KEY), "--key-base64-hmac", base64(MAC_KEY), *options,
    )  # fmt: skip


def reaches(client: Host, port: int, seconds: float = 0.5) -> bool:
    """Whether a connection comes through within some time; what is dropped answers nothing."""
    asked = client.run(
        "python3", "-c",
        f"import socket; socket.create_connection(('203.0.113.1', {port}), {seconds})",
        check=False,
    )  # fmt: skip
    return asked.returncode == 0


def scan(client: Host) -> str:
    """How ssh on the server looks from there."""
    return client.run("nmap", "-Pn", "-n", "--max-retries", "1", "-p", "22", "203.0.113.1").stdout


@contextlib.contextmanager
def listening(host: Host, port: int) -> Iterator[None]:
    """Something that takes connections there."""
    process = host.start("python3", "-c", LISTENER, str(port))
    until(lambda: f":{port} " in host.run("ss", "-ltnH").stdout)
    try:
        yield
    finally:
        process.terminate()
        process.wait(30)


LISTENER = """
import socket, sys
with socket.create_server(("0.0.0.0", int(sys.argv[1]))) as server:
    while True:
        server.accept()
"""


def members(host: Host) -> list[str]:
    listed = host.run("ipset", "list", "fwknop_allow").stdout
    return listed.partition("Members:\n")[2].splitlines()


def original_with_recipe(scene: Trio, folder: Path) -> tuple[str, list[str]]:
    """What the packaged server says and does with the recipe: its log, and the set."""
    host = scene.server.host
    for name, text in (
        ("fwknopd.conf", f"PCAP_INTF eth0\nFWKNOP_RUN_DIR {folder}\n"),
        ("access.conf", stanza(**RECIPE)),
    ):
        (folder / name).touch(mode=0o600)
        (folder / name).write_text(text)
    log = folder / "log"
    with log.open("wb") as into:
        process = host.start(
            "/usr/sbin/fwknopd", "-f", "-c", str(folder / "fwknopd.conf"),
            "-a", str(folder / "access.conf"), stdout=into, stderr=into,
        )  # fmt: skip
    try:
        until(lambda: SNIFFS in log.read_text())
        knock(scene, THEIRS, "tcp/22", "-f", "120")
        until(lambda: members(host))
        return log.read_text(), members(host)
    finally:
        process.terminate()
        process.wait(30)
        host.run("ipset", "flush", "fwknop_allow")


def told(log: str) -> list[str]:
    return [line for line in log.splitlines() if "stanza #1" in line and line[:1] != "{"]


@pytest.mark.peer("fwknopd")
@pytest.mark.requirement("1.8", "1.9", "1.12", "1.14", "1.16", "1.11", "1.13")
def test_the_tutorials_recipe_does_what_it_does_with_the_original(
    scene: Trio, prepared: Host, server: Server, tmp_path: Path
) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    original_log, original_members = original_with_recipe(scene, theirs)
    server.access = stanza(**RECIPE)
    server.settings |= {"ENABLE_UDP_SERVER": "N", "PCAP_INTF": "eth0"}
    server.launch()
    server.wait_for(SNIFFS)
    assert "Attached to the firewall" not in server.log
    assert "watchword" not in prepared.run("nft", "list", "tables").stdout
    scanned = scan(scene.caller.host)
    assert re.search(r"^22/tcp\s+filtered", scanned, re.MULTILINE)
    with listening(prepared, 22):
        assert not reaches(scene.caller.host, 22)
        knock(scene, THEIRS, "tcp/22", "-f", "120")
        [judged] = server.wait_for_judgements(1)
        assert (judged["verdict"], judged["seconds"], judged["by"]) == ("granted", 120, "commands")
        assert told(server.log) == told(original_log)
        [member] = members(prepared)
        assert member.partition(" timeout ")[0] == original_members[0].partition(" timeout ")[0]
        assert member.startswith(f"{CALLER},tcp:22 timeout ")
        left = int(member.rpartition(" ")[2])
        assert 1 <= left <= 120
        assert reaches(scene.caller.host, 22, seconds=30.0)
        assert not reaches(scene.stranger.host, 22)
    until(lambda: re.search(r"^22/tcp\s+closed", scan(scene.caller.host), re.MULTILINE))
    before = int(members(prepared)[0].rpartition(" ")[2])
    listed = server.program("--fw-list").stdout
    after = int(members(prepared)[0].rpartition(" ")[2])
    [row] = [line for line in listed.splitlines() if CALLER in line]
    assert "tcp/22" in row
    assert row.endswith("no close")
    rest = int(re.search(r"(\d+) s", row)[1])  # type: ignore[index]
    assert after - 1 <= rest <= before + 1
    assert until(lambda: int(members(prepared)[0].rpartition(" ")[2]) < left)


@pytest.mark.requirement("1.14")
def test_a_caller_who_names_no_time_gets_the_stanzas_and_never_all_of_it(
    scene: Trio, prepared: Host, server: Server
) -> None:
    """With the original such a member is permanent."""
    prepared.run("iptables", "-I", "INPUT", "1", "-p", "udp", "--dport", "62201", "-j", "ACCEPT")
    server.access = stanza(**RECIPE, FW_ACCESS_TIMEOUT="70")
    server.start()
    knock(scene, OURS, "tcp/22,udp/53")
    server.wait_for_judgements(1)
    found = sorted(members(prepared))
    assert [each.partition(" timeout ")[0] for each in found] == [
        f"{CALLER},tcp:22", f"{CALLER},udp:53",
    ]  # fmt: skip
    assert all(30 < int(each.rpartition(" ")[2]) <= 70 for each in found)


def script(folder: Path) -> tuple[str, Path]:
    """A program that notes what it was asked, and where."""
    journal, program = folder / "journal", folder / "note"
    program.write_text(f'#!/bin/sh\necho "$@" >> {journal}\n')
    program.chmod(0o755)
    journal.touch()
    return str(program), journal


def noted(journal: Path) -> list[str]:
    return journal.read_text().splitlines()


def cycle_with(program: str, **more: str) -> str:
    return stanza(
        OPEN_PORTS="",
        CMD_CYCLE_OPEN=f"{program} open $SRC $PROTO/$PORT",
        CMD_CYCLE_CLOSE=f"{program} close $SRC $PROTO/$PORT",
        **{"CMD_CYCLE_TIMER": "2", **more},
    )


OPENED = [f"open {CALLER} 6/22", f"open {CALLER} 17/53"]
CLOSED = [f"close {CALLER} 6/22", f"close {CALLER} 17/53"]


@pytest.mark.requirement("1.10")
@pytest.mark.parametrize(
    ("switch", "opened", "closed"),
    [({}, OPENED, CLOSED), ({"CMD_CYCLE_PORTS": "FIRST"}, OPENED[:1], CLOSED[:1])],
)
def test_a_pair_of_commands_runs_for_every_port_on_the_grant_and_at_its_end(
    scene: Trio,
    server: Server,
    tmp_path: Path,
    switch: dict[str, str],
    opened: list[str],
    closed: list[str],
) -> None:
    program, journal = script(tmp_path)
    server.access = cycle_with(program, CMD_CYCLE_TIMER="1", **switch)
    server.start()
    knock(scene, THEIRS, "tcp/22,udp/53")
    server.wait_for_judgements(1)
    assert noted(journal) == opened
    server.wait_for("Timer expired, running CMD_CYCLE_CLOSE command", len(closed))
    until(lambda: len(noted(journal)) == len(opened) + len(closed))
    assert noted(journal) == opened + closed
    assert "no grants in force" in server.program("--fw-list").stdout


@pytest.mark.parametrize("how", [signal.SIGHUP, signal.SIGKILL])
def test_what_is_open_is_closed_at_its_time_whatever_happened_to_the_daemon(
    scene: Trio, server: Server, tmp_path: Path, how: signal.Signals
) -> None:
    """And the stanza that opened it is gone from the file by then."""
    program, journal = script(tmp_path)
    server.access = cycle_with(program, CMD_CYCLE_TIMER="5")  # it has to live as long to be killed
    server.start()
    knock(scene, OURS, "tcp/22,udp/53")
    server.wait_for_judgements(1)
    server.access = stanza()
    if how is signal.SIGHUP:
        server.write()
        server.send(how)
        server.wait_for("Re-starting fwknopd")
    else:
        server.stop(how)
        until(lambda: re.search(rf" 0 s +{CALLER} ", server.program("--fw-list").stdout))
        assert noted(journal) == OPENED
        server.start()
    until(lambda: len(noted(journal)) == 4)
    assert noted(journal) == OPENED + CLOSED
    server.stop()
    assert noted(journal) == OPENED + CLOSED


@pytest.mark.requirement("1.16", partial=True)
def test_what_is_open_is_listed_and_a_stop_or_a_start_after_a_crash_closes_it(
    scene: Trio, server: Server, tmp_path: Path
) -> None:
    program, journal = script(tmp_path)
    server.access = cycle_with(program, CMD_CYCLE_TIMER="300")
    server.start()
    knock(scene, OURS, "tcp/22,udp/53")
    server.wait_for_judgements(1)
    assert "opened by commands: 1, being opened: 0" in server.tool("status").stdout
    for crashed in (False, True):
        if crashed:
            server.stop(signal.SIGKILL)
        listed = server.program("--fw-list").stdout
        row = rf"(?:300|2\d\d) s +{CALLER} +tcp/22,udp/53 .* one closes it\n"
        assert re.search(row, listed), listed
    assert noted(journal) == OPENED
    server.start()
    assert noted(journal) == OPENED
    server.stop()
    assert noted(journal) == OPENED + CLOSED
    assert "no grants in force" in server.program("--fw-list").stdout


def test_a_flush_closes_what_a_daemon_that_was_killed_has_left_open_and_ends_its_grants(
    scene: Trio, server: Server, tmp_path: Path
) -> None:
    program, journal = script(tmp_path)
    other = Secret(b"the key of another stanza, 32 by")
    cycle = cycle_with(program, CMD_CYCLE_TIMER="300")
    server.access = cycle + stanza(other, OPEN_PORTS="tcp/99", FW_ACCESS_TIMEOUT="300")
    server.settings["GUARD_SERVICES"] = "tcp/99"
    server.start()
    knock(scene, OURS, "tcp/22")
    knock(scene, OURS, "tcp/99", "--key-base64-rijndael", base64(other))
    server.wait_for_judgements(2)
    server.stop(signal.SIGKILL)
    flushed = server.program("--fw-flush")
    assert flushed.returncode == 0, flushed.stderr
    assert "Ended before its time, running CMD_CYCLE_CLOSE command" in flushed.stderr
    assert noted(journal) == [OPENED[0], CLOSED[0]]
    assert "no grants in force" in server.program("--fw-list").stdout
    server.start()
    assert "Restored" not in server.log
    server.stop()
    assert noted(journal) == [OPENED[0], CLOSED[0]]


def test_a_kill_leaves_the_daemon_the_time_to_close(
    scene: Trio, server: Server, tmp_path: Path
) -> None:
    program, journal = script(tmp_path)
    slowly = tmp_path / "slowly"
    slowly.write_text(f"#!/bin/sh\nsleep 4.5\nexec {program} closed\n")
    slowly.chmod(0o755)
    server.access = stanza(
        OPEN_PORTS="", CMD_CYCLE_OPEN=f"{program} open", CMD_CYCLE_CLOSE=str(slowly),
        CMD_CYCLE_TIMER="300",
    )  # fmt: skip
    server.start()
    knock(scene, OURS, "tcp/22")
    server.wait_for_judgements(1)
    killed = server.program("-K")
    assert "via SIGTERM" in killed.stdout
    assert noted(journal) == ["open", "closed"]


def test_what_waits_for_its_turn_when_its_key_is_blocked_is_never_run(
    scene: Trio, server: Server, tmp_path: Path
) -> None:
    program, journal = script(tmp_path)
    go, slowly = tmp_path / "go", tmp_path / "slowly"
    slowly.write_text(
        f"#!/bin/sh\n{program} open $1\nn=0\n"
        f"while [ ! -e {go} ] && [ $n -lt 2000 ]; do sleep 0.05; n=$((n+1)); done\n"
    )
    slowly.chmod(0o755)
    server.access = stanza(
        OPEN_PORTS="", CMD_CYCLE_OPEN=f"{slowly} $PORT", CMD_CYCLE_CLOSE=f"{program} close $PORT",
        CMD_CYCLE_TIMER="300",
    )  # fmt: skip
    server.start()
    for port in range(1, opener.AT_ONCE + 2):
        asked = sealed(f"{CALLER},tcp/{port}", sent_at=int(time.time()))
        send_datagram(scene.caller.host, asked, "203.0.113.1", 62201)
    until(lambda: len(noted(journal)) == opener.AT_ONCE)
    until(lambda: f"being opened: {opener.AT_ONCE + 1}" in server.tool("status").stdout)
    assert server.tool("block", "1").returncode == 0
    go.touch()
    judged = server.wait_for_judgements(opener.AT_ONCE + 1)
    assert sorted(each.get("reason", "granted") for each in judged) == (
        ["granted"] * opener.AT_ONCE + ["key-blocked"]
    )
    until(lambda: len(noted(journal)) == 2 * opener.AT_ONCE)  # the block ends what was opened
    assert f"open {opener.AT_ONCE + 1}" not in noted(journal)


def test_a_command_that_hangs_holds_up_nobody(scene: Trio, server: Server, tmp_path: Path) -> None:
    program, journal = script(tmp_path)
    hangs = stanza(
        OPEN_PORTS="tcp/99",
        CMD_CYCLE_OPEN="sleep 600",
        CMD_CYCLE_CLOSE="sleep 600",
        CMD_CYCLE_TIMER="1",
    )
    server.access = hangs + cycle_with(program)
    server.settings["CMD_EXEC_TIMEOUT"] = "3"
    server.start()
    knock(scene, OURS, "tcp/99")
    server.wait_for("Running CMD_CYCLE_OPEN command: sleep 600")
    knock(scene, OURS, "tcp/22", "-f", "1")
    found = server.wait_for_judgements(2)
    [first, second] = sorted(found, key=lambda each: str(each["verdict"]))
    assert (first["verdict"], first["stanza"]) == ("granted", 2)
    assert (second["verdict"], second["reason"]) == ("refused", "open-command-failed")
    until(lambda: len(noted(journal)) == 2)
    server.wait_for("CMD_CYCLE_CLOSE command failed")


@pytest.mark.requirement("7.2")
def test_external_commands_of_1_9_open_and_close_and_are_ended_by_their_alarm(
    scene: Trio, server: Server
) -> None:
    """The example of the release notes; and one that sleeps, for all stanzas that have none."""
    host = scene.server.host
    rule = "-s $SRC -p $PROTO --dport $PORT -j ACCEPT"
    lines = {
        "EXTERNAL_CMD_OPEN:": f"iptables -A INPUT {rule};",
        "EXTERNAL_CMD_CLOSE:": f"iptables -D INPUT {rule};",
        "FW_ACCESS_TIMEOUT": "4;",
    }
    server.access = stanza(**lines) + stanza(OPEN_PORTS="tcp/99")
    server.settings |= {
        "ENABLE_EXTERNAL_CMDS": "Y",
        "EXTERNAL_CMD_OPEN": "sleep 600",
        "EXTERNAL_CMD_CLOSE": "true",
        "EXTERNAL_CMD_ALARM": "3",
    }
    server.start()
    knock(scene, THEIRS, "tcp/22")
    [opened] = server.wait_for_judgements(1)
    assert (opened["verdict"], opened["stanza"]) == ("granted", 1)
    assert f"-A INPUT -s {CALLER}/32 -p tcp -m tcp --dport 22 -j ACCEPT" in iptables(host)
    knock(scene, THEIRS, "tcp/99")
    [_, ended] = server.wait_for_judgements(2)
    until(lambda: CALLER not in iptables(host))
    assert (ended["verdict"], ended["stanza"]) == ("refused", 2)
    assert "longer than 3 s" in str(ended["detail"])


def iptables(host: Host) -> str:
    return host.run("iptables", "-S", "INPUT").stdout
