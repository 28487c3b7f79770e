"""What remains when the daemon dies, or the disk, or the file: nothing open, nothing twice."""

from __future__ import annotations

import itertools
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.daemon import Server, stanza, until
from tests.sealing import sealed
from tests.system.sabotage import ENDS, POINTS
from watchword.edges.clock import SystemClock
from watchword.edges.replay.reading import read_grants
from watchword.lab.hosts import Host, Lab
from watchword.lab.sockets import connect, gets_through, listen, reaches, send_datagram
from watchword.lab.trio import Trio, trio

pytestmark = pytest.mark.system
SABOTAGE = str(Path(__file__).with_name("sabotage.py"))


@pytest.fixture(scope="module")
def scene() -> Iterator[Trio]:
    with Lab() as lab:
        yield trio(lab)


@pytest.fixture(autouse=True)
def service(scene: Trio) -> Iterator[socket.socket]:
    listener = listen(scene.server.host, scene.server.four, 22)
    yield listener
    listener.close()


class Doomed(Server):
    """A server that dies where it is told to."""

    def __init__(self, host: Host, folder: Path) -> None:
        super().__init__(host, folder)
        state = Path(self.settings["STATE_DIR"])
        state.mkdir(mode=0o700)  # all that the server may read while it runs
        self._point = state / "point"
        self.command = [sys.executable, SABOTAGE, str(self._point)]
        self.access = stanza(FW_ACCESS_TIMEOUT=str(STANZAS))
        self.is_to_die("nowhere")

    def is_to_die(self, point: str) -> None:
        self._point.write_text(point, "ascii")

    def dies(self) -> None:
        """Wait until it is dead; it will live when it is started again."""
        until(lambda: self.ended)
        assert self.process is not None
        assert self.process.returncode in (1, -signal.SIGKILL)  # the one part, or the other
        self.is_to_die("nowhere")


@pytest.fixture(scope="module")
def lasting(scene: Trio, tmp_path_factory: pytest.TempPathFactory) -> Doomed:
    """Its state goes through all the deaths."""
    return Doomed(scene.server.host, tmp_path_factory.mktemp("doomed"))


@pytest.fixture
def doomed(lasting: Doomed) -> Doomed:
    """Running, with nothing open and nothing said."""
    return lasting.on_new_page()


@pytest.fixture
def server(scene: Trio, lasting: Doomed, tmp_path: Path) -> Iterator[Server]:
    """Of one test alone, and not started yet."""
    if lasting.process is not None:
        lasting.stop()
    scene.server.host.run("nft", "flush", "ruleset")
    server = Server(scene.server.host, tmp_path)
    server.access = stanza(FW_ACCESS_TIMEOUT=str(STANZAS))
    yield server
    scene.server.host.end_processes()


def fresh(seconds: int = 0) -> bytes:
    return sealed("0.0.0.0,tcp/22", sent_at=int(time.time()), seconds=seconds)


def send(scene: Trio, payload: bytes) -> None:
    send_datagram(scene.caller.host, payload, scene.server.four, 62201)


STANZAS = 60
"""Seconds that a grant lasts of which the packet says nothing."""
BEFORE_THE_CLAIM = {"received", "before-claim"}


@pytest.mark.parametrize("point", POINTS)
def test_killed_at_any_point_it_opens_nothing_past_its_time_and_accepts_nothing_twice(
    scene: Trio, doomed: Doomed, point: str
) -> None:
    doomed.is_to_die(point)
    payload = fresh(seconds=3)
    send(scene, payload)
    doomed.dies()
    doomed.start()
    listed = "198.51.100.2" in doomed.program("--fw-list").stdout
    open_ = reaches(scene.caller.host, scene.server.four, 22, 10.0 if listed else 1.0)
    if listed and not open_:  # it may have ended meanwhile
        listed = "198.51.100.2" in doomed.program("--fw-list").stdout
    assert listed == open_
    send(scene, payload)
    [judged] = doomed.wait_for_judgements(1)
    if point in BEFORE_THE_CLAIM:
        assert judged["verdict"] == "granted"
        return
    assert judged["reason"] == "replayed"
    until(lambda: not reaches(scene.caller.host, scene.server.four, 22, 0.2), STANZAS / 2)


@pytest.mark.parametrize("point", ENDS)
def test_killed_when_a_grant_ends_it_is_over_all_the_same_and_its_end_is_in_the_journal(
    scene: Trio, doomed: Doomed, point: str
) -> None:
    doomed.is_to_die(point)
    send(scene, fresh(seconds=1))
    doomed.dies()
    assert doomed.judged[0]["verdict"] == "granted"
    assert not reaches(scene.caller.host, scene.server.four, 22, 0.2)
    doomed.start()
    assert not reaches(scene.caller.host, scene.server.four, 22, 0.2)
    assert "Restored" not in doomed.log
    state = Path(doomed.settings["STATE_DIR"])
    until(lambda: not read_grants(state, SystemClock().now()))


def test_what_was_opened_in_the_moment_before_the_crash_is_closed_and_told(
    scene: Trio, doomed: Doomed
) -> None:
    doomed.is_to_die("before-journal")
    send(scene, fresh())
    doomed.dies()
    assert scene.caller.four in doomed.ruleset()
    doomed.start()
    doomed.wait_for("Removed 1 openings that no journal knows")
    assert not reaches(scene.caller.host, scene.server.four, 22)


def test_killed_in_the_middle_of_a_reload_it_comes_back_with_every_grant(
    scene: Trio, doomed: Doomed
) -> None:
    """The last that it has to die: it is at another port then."""
    doomed.is_to_die("reload")
    payload = fresh()
    send(scene, payload)
    doomed.wait_for_judgements(1)
    doomed.settings["UDPSERV_PORT"] = "4444"
    doomed.write()
    doomed.send(signal.SIGHUP)
    doomed.dies()
    doomed.start()
    doomed.wait_for("Restored 1 grants")
    assert gets_through(scene.caller.host, scene.server.four, 22)
    send_datagram(scene.caller.host, payload, scene.server.four, 4444)
    assert doomed.wait_for_judgements(1)[0]["reason"] == "replayed"


@contextmanager
def disk(folder: Path) -> Iterator[Path]:
    """A directory on a disk of two MiB of its own."""
    folder.mkdir(mode=0o700, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m,mode=700", "tmpfs", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


@pytest.fixture
def small_disk(server: Server) -> Iterator[Path]:
    """The state directory."""
    with disk(server.folder / "state") as folder:
        yield folder


def fill(path: Path) -> None:
    """Write until there is no room left, not even for a few bytes."""
    with path.open("wb", buffering=0) as file, suppress(OSError):
        while file.write(b"\0" * 4096) == 4096:
            pass


def test_with_a_full_disk_packets_are_refused_and_grants_that_are_open_still_end(
    scene: Trio, server: Server, small_disk: Path
) -> None:
    server.start()
    send(scene, fresh(seconds=2))
    server.wait_for_judgements(1)
    filler = small_disk / "filler"
    fill(filler)
    count = 1
    refused = server.judged[0]
    while refused["verdict"] == "granted" and count < 300:  # what the log has room for is durable
        send(scene, fresh(seconds=2))
        count += 1
        refused = server.wait_for_judgements(count)[-1]
    assert refused["verdict"] == "refused"
    assert refused["reason"] in ("replay-store-refused", "firewall-refused")
    server.wait_for("full")
    until(lambda: not reaches(scene.caller.host, scene.server.four, 22, 0.2))
    server.wait_for("Removed rule")
    filler.unlink()
    send(scene, fresh())
    assert server.wait_for_judgements(count + 1)[-1]["verdict"] == "granted"
    assert gets_through(scene.caller.host, scene.server.four, 22)


@pytest.mark.parametrize("name", ["state", "run"])
def test_on_a_full_disk_it_does_not_start_says_which_and_what_was_hidden_stays_hidden(
    scene: Trio, server: Server, name: str
) -> None:
    server.start()
    server.stop()
    with disk(server.folder / name) as folder:
        fill(folder / "filler")
        server.launch()
        until(lambda: server.ended)
        assert server.process is not None
        assert server.process.returncode == 1
        assert f"hint: check free space of {folder}" in server.log.replace("permissions and ", "")
        assert "Traceback" not in server.log
        assert not reaches(scene.caller.host, scene.server.four, 22, 0.2)
    server.start()


def spoil(path: Path) -> None:
    path.write_bytes(b"this was a database once" * 500)


def empty(path: Path) -> None:
    path.write_bytes(b"")


def somebody_elses(path: Path) -> None:
    path.unlink()
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE theirs (a)")
    path.chmod(0o600)


def test_a_damaged_or_foreign_memory_is_refused_at_start_and_never_replaced(
    scene: Trio, server: Server
) -> None:
    server.start()
    server.stop()
    [database] = (server.folder / "state").glob("*.sqlite3")
    for damage in (spoil, empty, somebody_elses):
        for beside in (server.folder / "state").glob("*.sqlite3-*"):
            beside.unlink()
        damage(database)
        content = database.read_bytes()
        server.launch()
        until(lambda: server.ended)
        assert server.process is not None
        assert server.process.returncode == 1
        assert str(database) in server.log
        assert "hint:" in server.log
        assert database.read_bytes() == content
        assert not reaches(scene.caller.host, scene.server.four, 22)


def test_starting_cuts_no_live_connection_and_a_new_one_is_hidden_at_once(
    scene: Trio, server: Server, service: socket.socket
) -> None:
    talks = []
    for _ in range(2):
        talk = connect(scene.caller.host, scene.server.four, 22, 30)
        assert talk is not None
        talks.append((talk, service.accept()[0]))
    server.start()
    server.wait_for("2 live connections go on")
    assert not reaches(scene.caller.host, scene.server.four, 22)
    for end in itertools.chain(*talks):
        end.settimeout(30)
    by_client, (theirs, ours) = talks
    for speaker, hearer in (by_client, (ours, theirs)):  # whoever speaks first
        for _ in range(3):
            speaker.sendall(b"still here")
            assert hearer.recv(100) == b"still here"
            hearer.sendall(b"so am I")
            assert speaker.recv(100) == b"so am I"


def test_a_connection_that_slipped_in_while_the_table_was_gone_is_cut(
    scene: Trio, server: Server, service: socket.socket
) -> None:
    server.start()
    send(scene, fresh())
    server.wait_for_judgements(1)
    mine = connect(scene.caller.host, scene.server.four, 22, 30)
    assert mine is not None
    owner, _ = service.accept()
    server.send(signal.SIGSTOP)
    scene.server.host.run("nft", "flush", "ruleset")
    slipped = connect(scene.stranger.host, scene.server.four, 22, 30)
    assert slipped is not None
    session, _ = service.accept()
    server.send(signal.SIGCONT)
    until(lambda: "hidden until granted" in server.ruleset())
    slipped.sendall(b"let me")
    session.settimeout(1)
    with pytest.raises(TimeoutError):
        session.recv(10)
    mine.sendall(b"mine")
    owner.settimeout(30)
    assert owner.recv(10) == b"mine"
