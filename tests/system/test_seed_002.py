"""The session of the knockd tutorial (seed 002), as docs/knocking.md has it, on the real kernel."""

from __future__ import annotations

import re
import shlex
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.daemon import PROGRAMS, until
from tests.knockd_scene import CALLER, HERE, Street, street
from watchword.lab.sockets import listen

pytestmark = [pytest.mark.system, pytest.mark.peer("nmap", "iptables")]

ROOT = Path(__file__).parents[2]
DOCUMENT = (ROOT / "docs" / "knocking.md").read_text("utf-8")
SCRIPT = ROOT / "packaging" / "sysv" / "knockd"
UNIT = ROOT / "packaging" / "systemd" / "knockd.service"
BLOCKS = re.findall(r"```(?:sh|ini)?\n(.*?)```", DOCUMENT, re.DOTALL)
RULES, _, CONF, DEFAULTS, KNOCK, LOG = BLOCKS[:6]
MANAGED = next(block for block in BLOCKS if "open        = tcp/10001" in block)
PORT = 10001


@pytest.fixture(scope="module")
def place() -> Iterator[Street]:
    with street() as found, closing(listen(found.inside, HERE, PORT)):
        yield found


class Service:
    """knockd, started and stopped by the script for SysV init."""

    def __init__(self, place: Street, folder: Path, heard: socket.socket) -> None:
        self.place = place
        self.folder = folder
        self.heard = heard
        self.lines: list[str] = []

    def write(self, conf: str, defaults: str) -> None:
        text = conf.replace(
            "[options]\n",
            f"[options]\n\tStateDir = {self.folder}/state\n\tRunDir = {self.folder}/run\n",
            1,
        )
        path = self.folder / "knockd.conf"
        path.touch(mode=0o600)
        path.write_text(text, "utf-8")
        options = defaults.replace('eth0"', f'eth0 -c {path}"')
        (self.folder / "default").write_text(options, "utf-8")

    def __call__(self, command: str) -> subprocess.CompletedProcess[str]:
        """``service knockd COMMAND``, with a system's log of our own."""
        setting = (
            f"KNOCKD={PROGRAMS}/knockd KNOCKD_DEFAULTS={self.folder}/default "
            f"KNOCKD_PIDFILE={self.folder}/pid"
        )
        log = f"mount -t tmpfs none /dev && cp -a {self.folder}/null /dev/null"
        return self.place.inside.run(
            "unshare", "-m", "sh", "-c",
            f"{log} && ln -s {self.folder}/log /dev/log && {setting} sh {SCRIPT} {command}",
            check=False,
        )  # fmt: skip

    def hear(self, count: int) -> list[str]:
        """So many lines more, without what the system's log puts in front."""
        told = [self.heard.recv(4000).decode("utf-8") for _ in range(count)]
        assert all(re.match(r"<29>.{15} knockd: ", line) for line in told)
        return [line[len("<29>Jan  7 19:41:06 knockd: ") :] for line in told]


@pytest.fixture
def service(place: Street, tmp_path: Path) -> Iterator[Service]:
    subprocess.run(["mknod", "-m", "666", str(tmp_path / "null"), "c", "1", "3"], check=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(str(tmp_path / "log"))
        heard.settimeout(60)
        found = Service(place, tmp_path, heard)
        yield found
        found("stop")
    for table in ("inet watchword_knockd", "ip filter"):
        place.inside.run("nft", "delete", "table", *table.split(), check=False)


def state(place: Street) -> str:
    """What nmap says of the port."""
    answer = place.outside.run("nmap", "-n", "-Pn", "-p", str(PORT), "-oG", "-", HERE)
    found = re.search(rf"{PORT}/([a-z|]+)/tcp", answer.stdout)
    assert found is not None, answer.stdout
    return found[1]


def knock(place: Street, *ports: int) -> None:
    place.outside.run(str(PROGRAMS / "knock"), HERE, *map(str, ports))


@pytest.mark.requirement("3.1", "3.5", "3.6", "3.7", "3.14", "3.19", "3.23", "3.25", "3.26", "3.27")
def test_the_session_of_the_document(place: Street, service: Service) -> None:
    place.inside.run("sh", "-ec", RULES)
    assert state(place) == "filtered"
    for turn in ("-I", "-D"):  # without an answer, it looks the same
        place.inside.run("iptables", turn, "INPUT", "-p", "tcp", "--dport", "10001", "-j", "DROP")
        assert state(place) == "filtered"
    service.write(CONF, DEFAULTS)
    assert service("start").returncode == 0
    assert service.hear(1) == ["starting up, listening on eth0"]
    assert service("status").returncode == 0

    assert KNOCK == "knock server 11003 11002 11001\n"
    knock(place, 11003, 11002, 11001)
    assert "\n".join(service.hear(5)) == LOG.strip().replace("192.0.2.7", CALLER)
    until(lambda: state(place) == "open")

    knock(place, 11001, 11002, 11003)
    told = service.hear(5)
    assert told[3] == f"{CALLER}: closeSSH: OPEN SESAME"
    until(lambda: state(place) == "filtered")

    assert service("stop").returncode == 0
    assert service.hear(1) == ["shutting down"]
    assert service("status").returncode == 3


@pytest.mark.requirement("3.1", "3.14", "3.23")
@pytest.mark.requirement("3.4", partial=True)
def test_the_same_without_commands(place: Street, service: Service) -> None:
    assert state(place) == "open"
    service.write(f"[options]\n\tUseSyslog\n{MANAGED}", DEFAULTS)
    assert service("start").returncode == 0
    service.hear(2)
    assert state(place) == "filtered"
    knock(place, 11003, 11001, 11002)
    told = service.hear(5)
    assert told[-1] == f"{CALLER}: ssh: opened tcp/10001 for 30 seconds"
    assert state(place) == "open"
    place.inside.run("sh", "-ec", "iptables-save | iptables-restore; nft flush ruleset")
    assert service.hear(1) == ["1 grants go on: other hands had changed the firewall"]
    assert state(place) == "open"
    knock(place, 11002, 11003, 11001)
    told = service.hear(5)
    assert told[-1] == f"{CALLER}: ssh: closed tcp/10001 (revoked)"
    assert state(place) == "filtered"


@pytest.mark.requirement("3.7", "3.8", partial=True)
def test_a_start_that_is_switched_off_fails_and_says_where(service: Service) -> None:
    service.write(CONF, DEFAULTS.replace("START_KNOCKD=1", "START_KNOCKD=0"))
    done = service("start")
    assert done.returncode == 6
    assert f"START_KNOCKD is 0 in {service.folder}/default" in done.stderr
    assert service("status").returncode == 3


def unit(name: str) -> str:
    """A setting of the unit for systemd."""
    [value] = re.findall(rf"^{name}=(.*)$", UNIT.read_text("utf-8"), re.MULTILINE)
    return str(value)


@pytest.mark.requirement("3.7", "3.8", partial=True)
@pytest.mark.parametrize(("start", "status"), [("0", 6), ("1", 0), (None, 0)])
def test_the_unit_refuses_a_start_that_is_switched_off(start: str | None, status: int) -> None:
    line = unit("ExecStart").replace("$$", "$").replace("exec ", f"exec {PROGRAMS}/")
    setting = {"KNOCKD_OPTS": "-V"} | ({} if start is None else {"START_KNOCKD": start})
    done = subprocess.run(
        shlex.split(line), env=setting, capture_output=True, text=True, check=False
    )
    assert done.returncode == status
    if status:
        assert "START_KNOCKD is 0 in /etc/default/knockd" in done.stderr


@pytest.mark.requirement("3.8", partial=True)
def test_the_unit_is_active_once_knocks_are_heard_and_not_before(
    place: Street, tmp_path: Path
) -> None:
    assert unit("Type") == "notify"
    assert unit("ExecStart").endswith("exec knockd $$KNOCKD_OPTS'")
    conf = tmp_path / "knockd.conf"
    conf.write_text("[d]\nsequence = 7000\n", "utf-8")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(60)
        notify = f"NOTIFY_SOCKET={tmp_path}/notify"
        words = (str(PROGRAMS / "knockd"), "-v", "-i", "eth0", "-c", str(conf))
        with (tmp_path / "said").open("wb") as said:
            started = place.inside.start("env", notify, *words, stdout=said)
        assert manager.recv(1000).startswith(b"READY=1")
        knock(place, 7000)
        until(lambda: "OPEN SESAME" in (tmp_path / "said").read_text("utf-8"))
        started.terminate()
        assert started.wait(60) == 15
    assert "15" in unit("SuccessExitStatus").split()


def test_systemd_finds_nothing_wrong_with_the_unit(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("needs systemd-analyze")
    text = UNIT.read_text("utf-8").replace("exec knockd", f"exec {PROGRAMS}/knockd")
    (tmp_path / UNIT.name).write_text(text, "utf-8")
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(tmp_path / UNIT.name)],
        capture_output=True, text=True, check=False, timeout=250,
    )  # fmt: skip
    said = [line for line in done.stderr.splitlines() if UNIT.name in line]
    assert (done.returncode, said) == (0, [])


def test_a_restart_with_a_mistake_in_the_file_leaves_the_old_one_running(
    place: Street, service: Service
) -> None:
    service.write(CONF, DEFAULTS)
    assert service("start").returncode == 0
    pid = (service.folder / "pid").read_text("ascii")
    service.write(CONF.replace("11003", "0", 1), DEFAULTS)
    assert service("restart").returncode != 0
    assert (service.folder / "pid").read_text("ascii") == pid
    assert service("status").returncode == 0
