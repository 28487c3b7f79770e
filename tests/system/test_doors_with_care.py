"""Strict doors, moving sequences and sheets on the real kernel; what forged knocks can do."""

from __future__ import annotations

import re
import signal
import time
from base64 import b64encode
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.daemon import PROGRAMS, Server, until
from tests.knockd_scene import CALLER, HERE, OURS, PACKAGED, Knockd, Street, fresh, street
from tests.sealing import sealed
from watchword.lab.sockets import send_datagram
from watchword.model.crypto import Secret
from watchword.model.services import Service
from watchword.wire import rotating

pytestmark = pytest.mark.system

KEY = b"a secret of this test and of no other"
SECRET = b64encode(KEY).decode("ascii")
MOVING = f"[moving]\nsecret = {SECRET}\ntcpflags = syn\n"
PLAIN = "[open]\nsequence = 7000,8000,9000\ntcpflags = syn\n"


@pytest.fixture(scope="module")
def place() -> Iterator[Street]:
    with street() as found:
        yield found


@pytest.fixture
def knockd(place: Street, tmp_path: Path) -> Iterator[Knockd]:
    found = Knockd(place, fresh(tmp_path))
    yield found
    if found.process is not None:
        found.stop(signal.SIGKILL)


@pytest.mark.peer("nmap")
def test_a_scan_opens_a_plain_door_and_no_strict_one(place: Street, knockd: Knockd) -> None:
    strict = PLAIN.replace("[open]", "[shut]") + "strict = yes\n"
    knockd.start(f"{PLAIN}{strict}[last]\nsequence = 9999\n")
    place.outside.run(
        "nmap", "-n", "-Pn", "-sS", "-r", "--max-retries", "0", "-p", "6990-9010", HERE
    )
    knockd.wait_for("open: OPEN SESAME")
    place.knock(9999)
    assert "shut: Stage 1" in knockd.wait_for("last: OPEN SESAME")
    assert "shut: OPEN SESAME" not in knockd.log
    place.knock(7000, 8000, 9000)
    knockd.wait_for("shut: OPEN SESAME")


@pytest.mark.peer("nmap", "knockd")
def test_scans_open_what_they_open_for_the_original_too(place: Street, tmp_path: Path) -> None:
    """Rows 71, 72 and 74: a door in the order of the scan, in others, and one too slow for it."""
    doors = {
        "open": "7000,8000,9000", "down": "9000,8000,7000", "mixed": "8000,9000,7000",
        "brief": "7000,8000\nseq_timeout = 2",
    }  # fmt: skip
    daemons = {
        (name, program): Knockd(place, tmp_path / f"{name}{number}", program)
        for name in doors
        for number, program in enumerate((OURS, PACKAGED))
    }
    try:
        for (name, _), each in daemons.items():
            each.start(f"[{name}]\nsequence = {doors[name]}\n[last]\nsequence = 9999\n")
        for rate in ("20000", "300"):
            place.outside.run(
                "nmap", "-n", "-Pn", "-sS", "-r", "--max-retries", "0", "-p", "6995-8005,9000",
                "--min-rate", rate, "--max-rate", rate, HERE,
            )  # fmt: skip
        place.knock(9999, source="10.77.0.99")
        told = {
            key: _of_door(key[0], each.wait_for("last: OPEN SESAME"))
            for key, each in daemons.items()
        }
    finally:
        for each in daemons.values():
            if each.process is not None:
                each.stop(signal.SIGKILL)
    for name in doors:
        assert told[name, OURS] == told[name, PACKAGED]
    assert told["open", OURS].count("OPEN SESAME") == 2
    assert "OPEN SESAME" not in told["down", OURS]
    assert told["mixed", OURS][:2] == ["Stage 1", "Stage 2"], "the second scan makes it whole"
    assert told["brief", OURS].count("OPEN SESAME") == 1
    assert "sequence timeout (stage 1)" in told["brief", OURS]


def _of_door(name: str, log: str) -> list[str]:
    """What was told of a door; ours tells of the last timeout even if nobody comes any more."""
    found = re.findall(rf"^{CALLER}: {name}: (.*)$", log, re.MULTILINE)
    return [each for each in found if not each.startswith("running")]


def test_a_crowd_of_made_up_senders_keeps_no_honest_one_out(place: Street, knockd: Knockd) -> None:
    knockd.start(PLAIN)
    for turn in range(20_000):
        place.knock(7000, source=f"10.{1 + turn // 65536}.{turn // 256 % 256}.{turn % 256}")
        if turn % 500 == 0:
            place.heard()
        if turn % 5000 == 2500:
            place.knock(7000, 8000, 9000, source=f"192.0.2.{1 + turn // 5000}")
    knockd.wait_for("OPEN SESAME", 4)
    assert "were left out" in knockd.log
    assert knockd.process is not None
    status = Path(f"/proc/{knockd.process.pid}/status").read_text("ascii")
    resident = re.search(r"VmRSS:\s+(\d+) kB", status)
    assert resident is not None
    assert int(resident[1]) < 150_000


def test_a_storm_at_a_door_of_one_knock_is_kept_within_bounds(
    place: Street, knockd: Knockd
) -> None:
    knockd.start("[one]\nsequence = 53:udp\ncommand = /bin/sleep 5\n[last]\nsequence = 999\n")
    for turn in range(3000):
        place.knock(53, flags=None, source=f"10.9.{turn // 256}.{turn % 256}")
        if turn % 500 == 0:
            place.heard()
    place.knock(999)
    knockd.wait_for("last: OPEN SESAME")
    assert knockd.process is not None
    children = Path(f"/proc/{knockd.process.pid}/task/{knockd.process.pid}/children")
    assert len(children.read_text("ascii").split()) <= 256


def now() -> list[int]:
    """The ports of the sequence that is the current one."""
    window = rotating.window_of(time.time(), 30)
    return [each.port for each in rotating.sequence_of(Secret(KEY), window, 4)]


def test_a_moving_sequence_opens_once_over_a_restart_too(
    place: Street, knockd: Knockd, tmp_path: Path
) -> None:
    rc_file = tmp_path / "knockrc"
    rc_file.touch(mode=0o600)
    rc_file.write_text(f"[moving]\nhost = {HERE}\nsecret = {SECRET}\ndelay = 5\n", "utf-8")
    knockd.start(MOVING)
    done = place.outside.run(str(PROGRAMS / "knock"), "-v", "-f", str(rc_file), "-n", "moving")
    knocked = [int(port) for port in re.findall(rf"{HERE}:(\d+)", done.stdout)]
    knockd.wait_for(f"{CALLER}: moving: OPEN SESAME")

    place.knock(*knocked, source="10.77.0.99")
    knockd.stop(signal.SIGKILL)
    knockd.start(MOVING)
    place.knock(*knocked, source="10.77.0.99")
    told = "not opened for 10.77.0.99: this sequence was used before"
    assert "OPEN SESAME" not in knockd.wait_for(told)


def test_a_moving_sequence_moves(place: Street, knockd: Knockd) -> None:
    window = 5

    def early() -> tuple[int, Sequence[Service]] | None:
        """One that is tried two windows too early; nothing if the time moved on meanwhile."""
        knockd.start(f"{MOVING}every = {window}\n[last]\nsequence = 999\n")
        first = rotating.window_of(time.time(), window)
        late = rotating.sequence_of(Secret(KEY), first + 2, 4)
        place.knock(*(each.port for each in late), 999)
        knockd.wait_for("last: OPEN SESAME")
        if rotating.window_of(time.time(), window) == first:
            return first, late
        knockd.stop(signal.SIGKILL)
        return None

    first, late = until(early)
    while rotating.window_of(time.time(), window) == first:
        time.sleep(0.05)
    time.sleep(0.2)  # the door's turn has come, too
    place.knock(*(each.port for each in late))
    knockd.wait_for("moving: OPEN SESAME")
    assert knockd.log.count("moving: Stage 1") == 1


def test_a_sheet_opens_a_door_line_by_line(place: Street, knockd: Knockd, tmp_path: Path) -> None:
    sheet = knockd.folder / "sheet"
    place.inside.run(str(PROGRAMS / "watchword"), "sheet", "--lines", "2", "--write", str(sheet))
    assert sheet.stat().st_mode & 0o777 == 0o600
    mine = tmp_path / "mine"
    mine.write_bytes(sheet.read_bytes())
    rc_file = tmp_path / "knockrc"
    rc_file.write_text(f"[door]\nhost = {HERE}\none_time_sequences = {mine}\n", "utf-8")
    knockd.start(f"[once]\none_time_sequences = {sheet}\ntcpflags = syn\n")
    for turn in (1, 2):
        place.outside.run(str(PROGRAMS / "knock"), "-d", "5", "-f", str(rc_file), "-n", "door")
        knockd.wait_for("once: OPEN SESAME", turn)
    assert sheet.read_bytes() == mine.read_bytes()
    knockd.wait_for("no more sequences left")


@pytest.mark.requirement("8.6")
def test_a_forged_duplicate_spoils_a_sequence_and_no_packet_of_spa(
    place: Street, knockd: Knockd, tmp_path: Path
) -> None:
    """Anybody can send a packet in the name of somebody else, and need not see the answer."""
    folder = tmp_path / "spa"
    folder.mkdir()
    server = Server(place.inside, folder).start()
    try:
        knockd.start(PLAIN)
        place.knock(7000, 8000)
        place.knock(8000)  # forged: for the kernel it comes from the caller
        place.knock(9000)
        place.knock(7000, 8000, 9000, source="10.77.0.99")
        knockd.wait_for("10.77.0.99: open: OPEN SESAME")
        assert f"{CALLER}: open: OPEN SESAME" not in knockd.log

        payload = sealed("0.0.0.0,tcp/22", sent_at=int(time.time()))
        for port in (62201, 7000):
            place.knock(port, flags=None)
        send_datagram(place.outside, payload, HERE, 62201)
        server.wait_for("expires at")
    finally:
        server.stop()
        server.program("--fw-flush")
