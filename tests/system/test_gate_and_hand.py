"""The two processes of a server: what the gate may do, and what remains when either is killed."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import watchword
from tests.daemon import READY, Server, stanza, until
from tests.sealing import sealed
from tests.values import KEY, MAC_KEY
from watchword.lab.hosts import Lab
from watchword.lab.sockets import listen, reaches, send_datagram
from watchword.lab.trio import Trio, trio
from watchword.model.crypto import Credential, Secret

pytestmark = pytest.mark.system
WITHOUT_A_PAUSE = """import sys
from watchword.service.daemon import watchdog
watchdog.watchdog_options.patience = lambda values: watchdog.Patience(seconds=0)
sys.exit(watchdog.run(sys.argv[1:]))
"""
"""knopwatchd to which no life is too short; what it does then is for the unit tests."""
CYCLE_KEY, CYCLE_MAC = Secret(os.urandom(32)), Secret(os.urandom(64))


@pytest.fixture(scope="module")
def scene() -> Iterator[Trio]:
    with Lab() as lab:
        yield trio(lab)


@pytest.fixture
def server(scene: Trio, tmp_path: Path) -> Iterator[Server]:
    found = Server(scene.server.host, tmp_path)
    found.settings["GUARD_SERVICES"] = "tcp/22"
    cycle = stanza(
        CYCLE_KEY,
        CYCLE_MAC,
        OPEN_PORTS="tcp/2222",
        CMD_CYCLE_OPEN=f"/usr/bin/touch {tmp_path}/open-$SRC-$PORT-$TIMEOUT",
        CMD_CYCLE_CLOSE=f"/bin/rm {tmp_path}/open-$SRC-$PORT-$TIMEOUT",
        CMD_CYCLE_TIMER="2",
    )
    found.access = stanza(KEY, MAC_KEY, FW_ACCESS_TIMEOUT="4") + cycle
    yield found
    if found.process is not None:
        found.stop()


def knock(scene: Trio, text: str, key: Secret = KEY, mac_key: Secret = MAC_KEY) -> None:
    payload = sealed(text, sealed_with=Credential(key, mac_key=mac_key), sent_at=int(time.time()))
    send_datagram(scene.caller.host, payload, scene.server.four, 62201)


def status(pid: int) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text("ascii").splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def test_the_gate_has_no_rights_and_the_hand_reads_no_packets(scene: Trio, server: Server) -> None:
    server.start()
    hand, gate = server.pids
    knock(scene, "0.0.0.0,tcp/22")
    assert server.wait_for_judgements(1)[0]["verdict"] == "granted"
    for task in Path(f"/proc/{gate}/task").iterdir():  # each of its threads
        told = status(int(task.name))
        for each in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
            assert int(told[each], 16) == 0
        assert (told["NoNewPrivs"], told["Seccomp"]) == ("1", "2")
    assert int(status(hand)["CapEff"], 16) != 0

    def sockets(pid: int) -> set[str]:
        descriptors = Path(f"/proc/{pid}/fd").iterdir()
        names = {str(each.readlink()) for each in descriptors}
        lines = server.host.run("ss", "-Hlnue").stdout.splitlines()
        bound = {line.split("ino:")[1].split()[0] for line in lines if ":62201" in line}
        return {each for each in bound if f"socket:[{each}]" in names}

    assert len(sockets(gate)) == 2  # IPv4 and IPv6
    assert sockets(hand) == set()


def test_the_gate_judges_packets_though_it_cannot_read_where_its_modules_lie(
    scene: Trio, server: Server, tmp_path: Path
) -> None:
    """They lie in somebody's home, as of who makes a virtual environment there and uses sudo."""
    home = tmp_path / "home"
    shutil.copytree(Path(watchword.__file__).parent, home / "watchword")
    os.chown(home, 65534, 65534)
    home.chmod(0o700)
    server.command = ["env", f"PYTHONPATH={home}", sys.executable, "-m"]
    server.command.append("watchword.programs.fwknopd")
    server.start()
    knock(scene, "0.0.0.0,tcp/22")
    assert server.wait_for_judgements(1)[0]["verdict"] == "granted"
    knock(scene, "0.0.0.0,tcp/22", Secret(os.urandom(32)), MAC_KEY)
    assert server.wait_for_judgements(2)[1]["verdict"] == "refused"
    assert server.stop() == 0


@pytest.mark.parametrize("victim", ["gate", "hand"])
def test_when_one_of_the_two_is_killed_the_other_ends_too(server: Server, victim: str) -> None:
    server.start()
    hand, gate = server.pids
    os.kill(gate if victim == "gate" else hand, signal.SIGKILL)
    until(lambda: not Path(f"/proc/{gate}").exists() and server.ended)
    assert server.process is not None
    if victim == "gate":
        assert server.process.returncode == 1
        assert "gate: it was ended by SIGKILL" in server.log
    assert "hidden until granted" in server.ruleset()


def pair(pid_file: Path) -> tuple[int, int]:
    """The hand, by its PID file, and the gate."""
    hand = int(pid_file.read_text("ascii"))
    children = Path(f"/proc/{hand}/task/{hand}/children").read_text("ascii").split()
    return hand, int(children[0])


def test_whatever_is_killed_whenever_what_is_open_ends_on_time_and_no_close_is_lost(
    scene: Trio, server: Server
) -> None:
    """Seven moments each after two knocks, the gate and the hand in turn, under knopwatchd."""
    server.command = [sys.executable, "-c", WITHOUT_A_PAUSE]
    server.start()
    pid_file = server.folder / "run" / "fwknopd.pid"
    listener = listen(scene.server.host, scene.server.four, 22)
    hand, gate = pair(pid_file)
    for moment in range(14):
        starts = sum(server.log.count(each) for each in READY[:1])
        knock(scene, "0.0.0.0,tcp/22")
        knock(scene, "0.0.0.0,tcp/2222", CYCLE_KEY, CYCLE_MAC)
        time.sleep(moment // 2 * 0.022)
        os.kill((gate, hand)[moment % 2], signal.SIGKILL)
        server.wait_for(READY[0], starts + 1)
        hand, gate = pair(pid_file)
    knock(scene, "0.0.0.0,tcp/22")
    knock(scene, "0.0.0.0,tcp/2222", CYCLE_KEY, CYCLE_MAC)

    def granted() -> set[int]:
        return {each["stanza"] for each in server.judged if each["verdict"] == "granted"}

    until(lambda: granted() == {1, 2})
    until(lambda: not reaches(scene.caller.host, scene.server.four, 22, 0.2))
    until(lambda: not list(server.folder.glob("open-*")))
    until(lambda: "198.51.100.2" not in server.ruleset())
    assert "Traceback" not in server.log
    listener.close()
    assert server.stop() == 0


KNOPWATCHD = [sys.executable, "-m", "watchword.programs.knopwatchd"]


def test_when_knopwatchd_is_killed_fwknopd_goes_on_and_the_next_one_looks_after_it(
    scene: Trio, server: Server
) -> None:
    server.command = KNOPWATCHD
    server.start()
    pid_file = server.folder / "run" / "fwknopd.pid"
    first = int(pid_file.read_text("ascii"))
    assert server.stop(signal.SIGKILL) == -signal.SIGKILL
    knock(scene, "0.0.0.0,tcp/22")
    until(lambda: "198.51.100.2" in server.ruleset())
    server.launch()
    server.wait_for(f"fwknopd runs already (PID {first}), and is looked after")
    os.kill(first, signal.SIGKILL)
    server.wait_for(READY[0])
    assert int(pid_file.read_text("ascii")) != first
    server.stop(signal.SIGKILL)
    server.launch()
    server.wait_for("fwknopd runs already")
    assert server.program("-K").returncode == 0
    until(lambda: server.ended)
    assert server.process is not None
    assert server.process.returncode == 0, "what was ended on purpose is not started again"


def test_in_the_background_it_starts_itself_again_when_its_gate_is_killed(
    scene: Trio, server: Server
) -> None:
    server.write()
    assert server.program().returncode == 0
    try:
        pid_file = server.folder / "run" / "fwknopd.pid"
        hand = int(pid_file.read_text("ascii"))
        knock(scene, "0.0.0.0,tcp/2222", CYCLE_KEY, CYCLE_MAC)
        until(lambda: list(server.folder.glob("open-*")))
        time.sleep(1.1)  # who dies sooner stays dead
        children = Path(f"/proc/{hand}/task/{hand}/children").read_text("ascii").split()
        os.kill(int(children[0]), signal.SIGKILL)
        until(lambda: f"pid={hand}" not in (said := server.program("-S").stdout) and "pid=" in said)
        until(lambda: not list(server.folder.glob("open-*")))
        knock(scene, "198.51.100.77,tcp/22")
        until(lambda: "198.51.100.77" in server.ruleset())
    finally:
        assert server.program("-K").returncode == 0
