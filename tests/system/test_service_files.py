"""The files for service managers: verified by their tools, and tried with the real daemon."""

from __future__ import annotations

import configparser
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon import PROGRAMS, Server, until
from tests.sealing import sealed
from tests.within_reach import within_reach
from watchword.lab.hosts import Lab
from watchword.lab.sockets import family_of, inside, send_datagram
from watchword.lab.trio import Trio, trio

pytestmark = pytest.mark.system
PACKAGING = Path(__file__).parents[2] / "packaging"
UNIT = PACKAGING / "systemd" / "fwknopd.service"


@pytest.fixture(scope="module")
def scene() -> Iterator[Trio]:
    with Lab() as lab:
        yield trio(lab)


@pytest.fixture
def server(scene: Trio, tmp_path: Path) -> Iterator[Server]:
    running = Server(scene.server.host, tmp_path)
    yield running
    running.host.end_processes()
    running.program("--fw-flush")


@pytest.mark.requirement("1.15", partial=True)
@pytest.mark.parametrize("drop_in", ["", "commands.conf", "own-user.conf"])
def test_systemd_finds_nothing_wrong_with_the_unit(tmp_path: Path, drop_in: str) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("needs systemd-analyze")
    text = UNIT.read_text("utf-8").replace("ExecStart=", f"ExecStart={PROGRAMS}/")
    after = "ExecStopPost=-fwknopd --fw-withdraw"  # where nobody lives to end rules of iptables
    assert after in text
    text = text.replace("ExecStopPost=-", f"ExecStopPost=-{PROGRAMS}/")
    (tmp_path / UNIT.name).write_text(text, "utf-8")
    if drop_in:
        folder = tmp_path / f"{UNIT.name}.d"
        folder.mkdir()
        shutil.copy(PACKAGING / "systemd" / drop_in, folder)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(tmp_path / UNIT.name)],
        capture_output=True,
        text=True,
        check=False,
        timeout=250,
    )
    said = [line for line in done.stderr.splitlines() if UNIT.name in line]
    assert (done.returncode, said) == (0, [])


@pytest.mark.parametrize("name", ["fwknopd.service", "knockd.service"])
def test_systemd_never_gives_up_starting_it_again(name: str) -> None:
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read_string((PACKAGING / "systemd" / name).read_text("utf-8"))
    assert unit["Unit"]["StartLimitIntervalSec"] == "0"
    assert unit["Service"]["Restart"] == "on-failure"


class Manager:
    """Where a service says how it is, as systemd hears it."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "notify"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(self.path))
        self._socket.settimeout(60)

    def manage(self, server: Server, **more: str) -> None:
        given = {"NOTIFY_SOCKET": str(self.path), **more}
        words = [f"{name}={value}" for name, value in given.items()]
        server.command = ["env", *words, *server.command]

    def hear(self) -> str:
        return self._socket.recv(4096).decode()

    def heard_nothing(self) -> bool:
        self._socket.setblocking(False)
        try:
            return not self.hear()
        except BlockingIOError:
            return True

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    there = Manager(tmp_path)
    yield there
    there.close()


def test_it_is_ready_once_packets_are_looked_at_and_the_guard_stands(
    server: Server, manager: Manager
) -> None:
    manager.manage(server)
    server.launch()
    assert manager.hear().startswith("READY=1\n")
    assert "hidden until granted" in server.ruleset()
    assert "Kicking off UDP server" in server.log
    assert server.stop() == 0


def test_it_is_never_ready_without_them(scene: Trio, server: Server, manager: Manager) -> None:
    manager.manage(server)
    server.settings["NFT_JUMP_FROM"] = "inet nobodys chain"
    server.settings["FIREWALL_ATTACH"] = "jump"
    server.launch()
    until(lambda: server.ended)
    assert server.process is not None
    assert server.process.returncode == 1
    assert manager.heard_nothing()


LOOKED_AT = "STATUS=Packets are looked at"


@pytest.mark.parametrize("apart", ["Y", "N"])
def test_an_interface_that_is_still_to_come_holds_up_no_boot_and_the_status_says_so(
    server: Server, manager: Manager, apart: str
) -> None:
    ip = server.host.run
    manager.manage(server)
    del server.settings["ENABLE_UDP_SERVER"]
    server.settings |= {"PCAP_INTF": "later0", "PRIVILEGE_SEPARATION": apart}
    waits = "STATUS=Waits for interface later0: no packets from there yet"
    server.launch()
    assert manager.hear() == f"READY=1\n{waits}"
    ip("ip", "link", "add", "later0", "type", "veth", "peer", "name", "far0")
    ip("ip", "link", "set", "later0", "up")
    assert manager.hear() == LOOKED_AT
    ip("ip", "link", "set", "later0", "down")
    assert manager.hear() == waits
    ip("ip", "link", "set", "later0", "up")
    assert manager.hear() == LOOKED_AT
    ip("ip", "link", "delete", "later0")
    assert manager.hear() == waits
    server.settings |= {"PCAP_INTF": "lo"}
    server.write()
    server.send(signal.SIGHUP)
    assert manager.hear() == LOOKED_AT
    assert server.stop() == 0


def test_a_capture_file_that_is_still_to_come_is_told_likewise(
    server: Server, manager: Manager, tmp_path: Path
) -> None:
    manager.manage(server)
    file = tmp_path / "capture"
    del server.settings["ENABLE_UDP_SERVER"]
    server.settings["PCAP_FILE"] = str(file)
    server.launch()
    status = f"STATUS=Waits for file {file}: no packets from there yet"
    assert manager.hear() == f"READY=1\n{status}"
    file.touch()
    assert manager.hear() == LOOKED_AT
    assert server.stop() == 0


@pytest.mark.parametrize(
    ("kind", "apart", "address"),
    [("udp", "Y", "127.0.0.1"), ("udp", "N", "::1"), ("tcp", "Y", "127.0.0.1")],
)
def test_a_port_that_somebody_has_is_a_failed_start(
    server: Server, manager: Manager, kind: str, apart: str, address: str
) -> None:
    manager.manage(server)
    server.settings |= {"PACKET_SOURCES": kind, "PRIVILEGE_SEPARATION": apart}
    number = socket.SOCK_DGRAM if kind == "udp" else socket.SOCK_STREAM
    with inside(server.host, lambda: socket.socket(family_of(address), number)) as taken:
        taken.bind((address, 62201))
        if kind == "tcp":
            taken.listen()
        server.launch()
        until(lambda: server.ended)
    assert server.process is not None
    assert server.process.returncode == 1
    assert "62201" in server.log
    assert manager.heard_nothing()


def test_the_watchdog_hears_of_it_while_its_loop_turns_and_no_longer(
    server: Server, manager: Manager
) -> None:
    manager.manage(server, WATCHDOG_USEC="300000")
    server.launch()
    assert manager.hear().startswith("READY=1\n")
    for _ in range(3):
        assert manager.hear() == "WATCHDOG=1"
    server.send(signal.SIGSTOP)
    until(manager.heard_nothing)
    server.send(signal.SIGCONT)
    assert server.stop() == 0


def test_somebody_elses_watchdog_is_none_of_its_business(server: Server, manager: Manager) -> None:
    manager.manage(server, WATCHDOG_USEC="1000", WATCHDOG_PID="1")
    server.launch()
    assert manager.hear().startswith("READY=1\n")
    payload = sealed("198.51.100.2,tcp/22", sent_at=int(time.time()))
    send_datagram(server.host, payload, "127.0.0.1", 62201)
    server.wait_for_judgements(1)
    assert manager.heard_nothing()


def test_the_units_privileges_are_enough(scene: Trio, server: Server) -> None:
    [line] = [each for each in UNIT.read_text("utf-8").splitlines() if "BoundingSet=" in each]
    allowed = [each.removeprefix("CAP_").lower() for each in line.partition("=")[2].split()]
    bounds = ",".join(["-all", *(f"+{each}" for each in allowed)])
    server.command = [
        "setpriv", "--bounding-set", bounds, "--inh-caps", "-all", "--no-new-privs",
        *server.command,
    ]  # fmt: skip
    server.settings |= {"PACKET_SOURCES": "udp,sniff", "PCAP_INTF": "any"}
    server.settings["CONTROL_GROUP"] = "nogroup"
    server.start()
    payload = sealed("198.51.100.2,tcp/22", sent_at=int(time.time()))
    send_datagram(scene.caller.host, payload, scene.server.four, 62201)
    assert server.wait_for_judgements(1)[0]["verdict"] == "granted"
    assert server.tool("status").returncode == 0
    assert server.stop() == 0
    assert "error" not in server.log.lower()


def test_it_runs_as_a_user_of_its_own_with_the_rights_of_the_drop_in(
    scene: Trio,
) -> None:
    unit = (PACKAGING / "systemd" / "own-user.conf").read_text("utf-8")
    [line] = [each for each in unit.splitlines() if each.startswith("AmbientCapabilities=")]
    rights = ",".join(f"+{each.removeprefix('CAP_').lower()}" for each in line[20:].split())
    with tempfile.TemporaryDirectory() as place:
        server = Server(scene.server.host, Path(place))
        server.command = [
            *within_reach(), "setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups",
            "--inh-caps", rights, "--ambient-caps", rights,
            "--bounding-set", f"-all,{rights}", "--no-new-privs", *server.command,
        ]  # fmt: skip
        server.write()
        for name in ("run", "state", "state.hand"):
            (server.folder / name).mkdir(mode=0o700)
            os.chown(server.folder / name, 65534, 65534)
        for name in ("fwknopd.conf", "access.conf"):  # root's, and for its group to read
            os.chown(server.folder / name, 0, 65534)
            (server.folder / name).chmod(0o640)
        server.folder.chmod(0o755)
        server.launch()
        server.wait_for("Kicking off UDP server")
        payload = sealed("198.51.100.2,tcp/22", sent_at=int(time.time()))
        send_datagram(scene.caller.host, payload, scene.server.four, 62201)
        assert server.wait_for_judgements(1)[0]["verdict"] == "granted"
        [gate] = children(server.pid)
        status = Path(f"/proc/{gate}/status").read_text("ascii")
        assert re.search(r"^Uid:\t65534\t65534\t65534\t65534$", status, re.MULTILINE)
        assert set(re.findall(r"^Cap\w+:\t(\w+)$", status, re.MULTILINE)) == {"0" * 16}
        server.send(signal.SIGHUP)
        server.wait_for("Re-starting fwknopd")
        assert server.stop() == 0
        assert "Traceback" not in server.log
        server.host.end_processes()


def children(pid: int) -> list[int]:
    return [
        int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()
    ]


class Script:
    """A start script, run where the server is."""

    def __init__(self, server: Server, script: str, **environment: str) -> None:
        self._server = server
        self._script = script
        self._environment = [f"{name}={value}" for name, value in environment.items()]

    def __call__(self, action: str) -> subprocess.CompletedProcess[str]:
        words = ["env", *self._environment, "sh", "-c", self._script, "fwknopd", action]
        return self._server.host.run(*words, check=False)


@pytest.mark.requirement("1.15", "4.38")
def test_the_sysv_script_starts_reloads_and_stops_with_the_usual_statuses(server: Server) -> None:
    server.write()
    defaults = server.folder / "default"
    args = " ".join(server.files)
    defaults.write_text(f'DAEMON={PROGRAMS}/fwknopd\nDAEMON_ARGS="{args}"\n')
    source = f". {PACKAGING}/sysv/fwknopd"
    script = Script(server, source, FWKNOPD_DEFAULTS=str(defaults))
    assert script("status").returncode == 3
    assert script("reload").returncode == 7
    assert script("stop").returncode == 0
    try:
        assert script("start").returncode == 0
        told = script("status")
        assert (told.returncode, told.stdout[:28]) == (0, "Detected fwknopd is running ")
        assert script("start").returncode == 0
        assert script("force-reload").returncode == 0
        assert script("status").stdout == told.stdout  # no second one, no other one
        assert script("restart").returncode == 0
        again = script("status").stdout
        assert again != told.stdout
        (server.folder / "access.conf").write_text("SOURCE nowhere\n")
        assert script("restart").returncode != 0
        assert script("status").stdout == again  # a mistake ends nothing
    finally:
        server.write()
        assert script("stop").returncode == 0
    assert script("status").returncode == 3
    assert script("dance").returncode == 2


def test_the_openrc_script_starts_reloads_and_stops(server: Server) -> None:
    """Its functions, with openrc's two words of progress in place of openrc."""
    server.write()
    source = (
        f'ebegin() {{ echo "$1"; }}; eend() {{ return "$1"; }}; . {PACKAGING}/openrc/fwknopd; "$1"'
    )
    given = {"fwknopd_command": f"{PROGRAMS}/fwknopd", "fwknopd_args": " ".join(server.files)}
    script = Script(server, source, **given)
    assert script("status").returncode == 3
    try:
        assert script("start").returncode == 0
        pid = script("status").stdout
        assert script("reload").returncode == 0
        assert script("status").stdout == pid
    finally:
        assert script("stop").returncode == 0
    assert script("status").returncode == 3


@pytest.mark.parametrize("name", ["sysv/fwknopd", "openrc/fwknopd"])
def test_scripts_are_for_any_shell(name: str) -> None:
    path = PACKAGING / name
    assert os.access(path, os.X_OK)
    subprocess.run(["dash", "-n", str(path)], check=True)
