"""knockd as a process, ours and the packaged one: options, exit codes, signals, files.

What both do is tried on both. Where the original has a defect, ours is tried alone.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.daemon import PROGRAMS, until
from tests.knockd_scene import (
    CALLER,
    CALLER_6,
    HERE,
    HERE_6,
    OURS,
    PACKAGED,
    Knockd,
    Street,
    fresh,
    street,
)
from watchword.lab import knock_frames
from watchword.lab.sockets import listen, open_socket
from watchword.model.doors import Flag

pytestmark = pytest.mark.system
KNOCKS = {"ours": str(PROGRAMS / "knock"), "packaged": "/usr/bin/knock"}
both = pytest.mark.parametrize(
    "program",
    [
        pytest.param(OURS, id="ours"),
        pytest.param(PACKAGED, id="packaged", marks=pytest.mark.peer("knockd")),
    ],
)
DOOR = "[open]\nsequence = 7000,8000,9000\nseq_timeout = 5\ntcpflags = syn\n"
PLAIN = f"{DOOR}command = /bin/true %IP%\n"
OPENED = [
    f"{CALLER}: open: Stage 1",
    f"{CALLER}: open: Stage 2",
    f"{CALLER}: open: Stage 3",
    f"{CALLER}: open: OPEN SESAME",
    f"open: running command: /bin/true {CALLER}",
]


def until_told(knockd: Knockd, text: str, knock: Callable[[], object], times: int = 1) -> None:
    """Ours hears every knock. The packaged one says nothing when it listens to other doors, and
    what comes before is lost; so there it is done again."""
    knock()
    while knockd.program == PACKAGED:
        with suppress(AssertionError):
            until(lambda: knockd.log.count(text) >= times, seconds=2)
            break
        knock()
    knockd.wait_for(text, times)


def timed(folder: Path, seconds: int = 1) -> str:
    """A door whose commands leave files behind."""
    return (
        f"{DOOR}command = touch {folder}/started\ncmd_timeout = {seconds}\n"
        f"stop_command = touch {folder}/stopped\n"
    )


@pytest.fixture(scope="module")
def place() -> Iterator[Street]:
    with street() as found:
        yield found


@pytest.fixture
def knockd(place: Street, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Knockd]:
    """The daemon that the test asks for; ours unless it asks."""
    program = (
        request.node.callspec.params.get("program", OURS)
        if hasattr(request.node, "callspec")
        else OURS
    )
    found = Knockd(place, fresh(tmp_path), program)
    yield found
    if found.process is not None:
        found.stop(signal.SIGKILL)


@both
@pytest.mark.parametrize(
    ("words", "status"),
    [(("-h",), 0), (("-V",), 0), (("-Z",), 0), (("-c", "/no/such/file"), 1)],
    ids=["help", "version", "unknown", "no file"],
)
def test_what_does_not_start_ends_with_the_status_of_the_original(
    knockd: Knockd, words: tuple[str, ...], status: int, program: str
) -> None:
    ended, lines = knockd.tried(*words)
    assert ended == status
    assert ("knockd 0.8" if words == ("-V",) else "usage: knockd [options]") in lines
    if words[0] == "-c":
        assert "/no/such/file: No such file or directory" in lines


@both
@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("sequence = 1\n", "config: line 1: all directives must belong to a section"),
        ("[]\n", "config: line 1: bad section name"),
        ("[d]\ncolour = red\n", "config: line 2: syntax error"),
        ("[d]\nsequence = 1\ntcpflags = syn, ack\n", 'config: line 3: unrecognized flag " ACK"'),
        ("[d]\nsequence = 65536\n", "config: section d: port 65536 is invalid"),
        ("[d]\nsequence = 1:icmp\n", "config: section d: unknown protocol in knock sequence"),
        (
            "[d]\nsequence = " + ",".join(["7"] * 33) + "\n",
            "config: section d: too many ports in knock sequence",
        ),
        ("[d]\nseq_timeout = 1\n", "error: section 'd' has an empty knock sequence"),
    ],
)
def test_a_mistake_in_the_file_is_told_in_the_words_of_the_original(
    knockd: Knockd, text: str, told: str, program: str
) -> None:
    knockd.conf.write_text(text, "utf-8")
    status, lines = knockd.tried("-c", str(knockd.conf), "-i", "eth0")
    assert status == 1
    assert told in lines
    assert "usage: knockd [options]" in lines


@both
def test_an_interface_that_is_not_there_ends_the_start(knockd: Knockd, program: str) -> None:
    knockd.write(PLAIN)
    status, lines = knockd.tried("-c", str(knockd.conf), "-i", "nosuch0")
    assert status == 1
    assert "could not open nosuch0: " in "".join(lines)


@pytest.mark.parametrize("name", ["eth0,", ",", "eth0/..", "x" * 16])
def test_a_name_that_no_interface_can_have_is_refused(knockd: Knockd, name: str) -> None:
    """An empty one among several would mean all of them."""
    knockd.write(PLAIN)
    status, lines = knockd.tried("-c", str(knockd.conf), "-i", name)
    assert status == 1
    assert f"{name!r} names no interface" in lines


@both
@pytest.mark.requirement("3.11", "3.25")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda each: each.name)
def test_an_opening_is_logged_and_the_status_is_the_signal(
    place: Street, knockd: Knockd, number: signal.Signals, program: str
) -> None:
    knockd.start(PLAIN)
    place.knock(7000, 8000, 9000)
    knockd.wait_for("running command")
    assert knockd.stop(number) == int(number)
    assert knockd.log.splitlines() == [
        "starting up, listening on eth0", *OPENED, "shutting down",
    ]  # fmt: skip
    stamped = knockd.log_file.read_text("utf-8").splitlines()[0]
    assert re.match(r"\[\d{4}-\d\d-\d\d \d\d:\d\d\] starting up", stamped)


@both
def test_verbose_prints_the_lines_without_their_times(
    place: Street, knockd: Knockd, program: str
) -> None:
    knockd.start(PLAIN, "-v")
    place.knock(7000, 8000, 9000)
    knockd.wait_for("running command")
    knockd.stop()
    lines = [line for line in knockd.said.splitlines() if line]
    assert lines[0] == "listening on eth0..."
    assert [line for line in lines if line in OPENED] == OPENED


@both
@pytest.mark.requirement("3.10", "3.27")
def test_the_systems_log_hears_every_line(
    place: Street, knockd: Knockd, tmp_path: Path, program: str
) -> None:
    heard = tmp_path / "log.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as log:
        log.bind(str(heard))
        log.settimeout(60)
        knockd.write(PLAIN, options="UseSyslog\n")
        words = f"{knockd.program} -i eth0 -c {knockd.conf}"
        knockd.process = place.inside.start(
            "unshare", "-m", "sh", "-c",
            "mount -t tmpfs none /dev && mknod -m 666 /dev/null c 1 3 && mkdir -p /dev/shm && "
            f"ln -s {heard} /dev/log && exec {words}",
        )  # fmt: skip
        first = log.recv(2000).decode("ascii")
        place.knock(7000)
        second = log.recv(2000).decode("ascii")
    form = r"<29>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d knockd: "
    assert re.fullmatch(form + "starting up, listening on eth0", first)
    assert re.fullmatch(form + f"{CALLER}: open: Stage 1", second)


@both
@pytest.mark.requirement("3.12")
def test_a_background_daemon_has_a_pid_file_while_it_lives(
    knockd: Knockd, tmp_path: Path, program: str
) -> None:
    pid_file = tmp_path / "knockd.pid"
    knockd.write(PLAIN, options=f"PidFile = {pid_file}\n")
    done = knockd.run("-d", "-i", "eth0", "-c", str(knockd.conf), "-p", "/no/such/folder/pid")
    assert done.returncode == 0
    knockd.wait_for("starting up")
    pid = int(pid_file.read_text("ascii"))
    assert pid_file.read_text("ascii") == f"{pid}\n"
    assert pid_file.stat().st_mode & 0o777 == 0o644
    assert Path(f"/proc/{pid}/cwd").resolve() == Path("/")
    assert Path(f"/proc/{pid}/fd/1").readlink() == Path("/dev/null")
    os.kill(pid, signal.SIGTERM)
    until(lambda: not pid_file.exists())
    knockd.wait_for("shutting down")


def test_a_second_daemon_with_the_same_pid_file_is_refused(knockd: Knockd, tmp_path: Path) -> None:
    pid_file = tmp_path / "knockd.pid"
    knockd.write(PLAIN, options=f"PidFile = {pid_file}\n")
    words = ("-d", "-i", "eth0", "-c", str(knockd.conf))
    assert knockd.run(*words).returncode == 0
    pid = int(pid_file.read_text("ascii"))
    try:
        again = knockd.run(*words)
        assert again.returncode == 1
        assert f"already running: (PID={pid})" in again.stderr
        assert int(pid_file.read_text("ascii")) == pid
    finally:
        os.kill(pid, signal.SIGTERM)
        until(lambda: not pid_file.exists())


@both
def test_a_pid_file_that_cannot_be_made_is_told_and_no_obstacle(
    knockd: Knockd, program: str
) -> None:
    path = "/proc/no/such/pid"
    knockd.write(PLAIN, options=f"PidFile = {path}\n")
    assert knockd.run("-d", "-i", "eth0", "-c", str(knockd.conf)).returncode == 0
    knockd.wait_for("starting up")
    assert f"could not create pid file {path}: No such file or directory" in knockd.log
    _end_background(knockd)


def _end_background(knockd: Knockd) -> None:
    """End a daemon that is known by its command line only."""
    mine = str(knockd.conf).encode()
    for each in Path("/proc").glob("[0-9]*"):
        try:
            words = (each / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if mine in words and b"-d" in words:
            os.kill(int(each.name), signal.SIGTERM)
    knockd.wait_for("shutting down")


@both
def test_a_log_file_that_cannot_be_opened_is_told_and_no_obstacle(
    knockd: Knockd, tmp_path: Path, program: str
) -> None:
    knockd.conf.write_text(f"[options]\nLogFile = {tmp_path}\n{PLAIN}", "utf-8")
    said = tmp_path / "said"
    with said.open("wb") as out:
        knockd.process = knockd.host.start(
            program, "-v", "-i", "eth0", "-c", str(knockd.conf), stdout=out, stderr=out
        )
        until(lambda: b"warning: cannot open logfile: Is a directory" in said.read_bytes())
    assert not knockd.ended


@both
@pytest.mark.requirement("3.20")
def test_the_stop_command_runs_after_its_time(place: Street, knockd: Knockd, program: str) -> None:
    knockd.start(timed(knockd.folder))
    place.knock(7000, 8000, 9000)
    until((knockd.folder / "started").exists)
    until((knockd.folder / "stopped").exists)
    started, stopped = ((knockd.folder / name).stat().st_mtime for name in ("started", "stopped"))
    assert stopped - started >= 0.9
    knockd.wait_for(f"{CALLER}: open: command timeout")


@both
def test_an_end_waits_for_the_stop_command_and_says_so_last(
    place: Street, knockd: Knockd, program: str
) -> None:
    knockd.start(timed(knockd.folder))
    place.knock(7000, 8000, 9000)
    until((knockd.folder / "started").exists)
    assert knockd.stop() == 15
    assert (knockd.folder / "stopped").exists()
    assert knockd.log.splitlines()[-1] == "shutting down"


def test_an_end_waits_for_every_stop_command(place: Street, knockd: Knockd) -> None:
    knockd.start(timed(knockd.folder))
    place.knock(7000, 8000, 9000)
    place.knock(7000, 8000, 9000, source="10.77.0.12")
    knockd.wait_for("running command", 2)
    assert knockd.stop() == 15
    assert knockd.log.count("command timeout") == 2
    assert knockd.log.splitlines()[-1] == "shutting down"


def test_every_stop_command_can_be_run_at_the_end(place: Street, knockd: Knockd) -> None:
    knockd.start(timed(knockd.folder, seconds=3600), options="CloseAtExit = yes\n")
    place.knock(7000, 8000, 9000)
    until((knockd.folder / "started").exists)
    assert knockd.stop() == 15
    assert (knockd.folder / "stopped").exists()


@pytest.mark.requirement("3.20")
def test_what_was_to_be_closed_is_closed_after_a_crash(place: Street, knockd: Knockd) -> None:
    knockd.start(timed(knockd.folder, seconds=5))
    place.knock(7000, 8000, 9000)
    until((knockd.folder / "started").exists)
    knockd.stop(signal.SIGKILL)
    assert not (knockd.folder / "stopped").exists()
    knockd.start(PLAIN)  # the door of then is gone; what it opened is not
    until((knockd.folder / "stopped").exists)
    knockd.wait_for("command timeout")


def test_a_child_that_is_killed_takes_no_stop_command_with_it(
    place: Street, knockd: Knockd
) -> None:
    doors = timed(knockd.folder).replace("command = touch", "command = sleep 600; touch", 1)
    knockd.start(doors)
    place.knock(7000, 8000, 9000)
    assert knockd.process is not None
    children = Path(f"/proc/{knockd.process.pid}/task/{knockd.process.pid}/children")
    [child] = until(lambda: children.read_text("ascii").split())
    until(lambda: _killed(int(child)))
    until((knockd.folder / "stopped").exists)
    assert not (knockd.folder / "started").exists()


def _killed(group: int) -> bool:
    """False: it is so young that it leads no group yet."""
    with suppress(ProcessLookupError):
        os.killpg(group, signal.SIGTERM)
        return True
    return False


@both
def test_a_reload_takes_new_doors_and_forgets_attempts_but_no_stop_command(
    place: Street, knockd: Knockd, program: str
) -> None:
    knockd.start(timed(knockd.folder))
    place.knock(7000, 8000, 9000)
    until((knockd.folder / "started").exists)
    place.knock(7000)
    knockd.wait_for("Stage 1", 2)
    knockd.write("[other]\nsequence = 8000,9000\ncommand = /bin/true\n")
    knockd.send(signal.SIGHUP)
    knockd.wait_for("re-reading config file")
    until_told(knockd, "other: OPEN SESAME", lambda: place.knock(9000, 8000, 9000))
    until((knockd.folder / "stopped").exists)
    assert "open: Stage 2" not in knockd.log.partition("re-reading")[2]


@pytest.mark.parametrize("text", ["[open]\nsequence = 0\n", None], ids=["broken", "missing"])
def test_a_reload_of_a_wrong_file_leaves_the_doors_as_they_were(
    place: Street, knockd: Knockd, text: str | None
) -> None:
    knockd.start(PLAIN)
    if text is None:
        knockd.conf.unlink()
    else:
        knockd.conf.write_text(text, "utf-8")
    knockd.send(signal.SIGHUP)
    knockd.wait_for("the doors of before go on")
    place.knock(7000, 8000, 9000)
    knockd.wait_for("OPEN SESAME")
    assert not knockd.ended


@pytest.mark.requirement("3.11")
def test_a_reload_opens_the_log_file_anew(place: Street, knockd: Knockd) -> None:
    knockd.start(PLAIN)
    moved = knockd.log_file.rename(knockd.folder / "log.1")
    knockd.send(signal.SIGHUP)
    knockd.wait_for("re-opening log file")
    place.knock(7000)
    knockd.wait_for("Stage 1")
    assert "Stage 1" not in moved.read_text("utf-8")


def sheet(knockd: Knockd, *lines: str) -> tuple[str, Path]:
    """A one-time door and its file."""
    path = knockd.folder / "sheet"
    path.write_text("".join(f"{line}\n" for line in lines), "utf-8")
    return f"[once]\none_time_sequences = {path}\ntcpflags = syn\ncommand = /bin/true\n", path


@both
@pytest.mark.requirement("3.21")
def test_each_sequence_of_a_sheet_opens_once_and_is_marked(
    place: Street, knockd: Knockd, program: str
) -> None:
    doors, path = sheet(knockd, "# mine", " 7000,8000", " 7100,8100", " 7200,8200")
    knockd.start(doors)
    place.knock(7000, 8000)
    knockd.wait_for("OPEN SESAME")
    until(lambda: path.read_text("utf-8") == "# mine\n#7000,8000\n 7100,8100\n 7200,8200\n")
    until_told(knockd, "OPEN SESAME", lambda: place.knock(7000, 8000, 7100, 8100), 2)
    until(lambda: path.read_text("utf-8") == "# mine\n#7000,8000\n#7100,8100\n 7200,8200\n")


@pytest.mark.requirement("3.22")
def test_a_door_whose_sheet_is_used_up_is_shut_and_the_others_are_not(
    place: Street, knockd: Knockd
) -> None:
    doors, path = sheet(knockd, " 7000,8000")
    knockd.start(doors + PLAIN.replace("7000,8000,9000", "5000,6000"))
    place.knock(7000, 8000)
    told = "no more sequences left in the one time sequences file for door once"
    knockd.wait_for(f"{told} --> disabling the door")
    assert path.read_text("utf-8") == "#7000,8000\n"
    place.knock(7000, 8000, 5000, 6000)
    knockd.wait_for("open: OPEN SESAME")
    assert knockd.log.count("once: OPEN SESAME") == 1
    assert not knockd.ended


def test_a_used_sequence_lends_nothing_to_the_next_one(place: Street, knockd: Knockd) -> None:
    doors, _ = sheet(knockd, " 7000,8000", " 7100,8100,8200")
    knockd.start(doors)
    place.knock(7000, 8000, 8200)
    knockd.wait_for("OPEN SESAME")
    place.knock(7100, 8100, 8200, source="fd77::11", to="fd77::1")
    knockd.wait_for("fd77::11: once: OPEN SESAME")
    assert knockd.log.count("OPEN SESAME") == 2


def test_a_line_that_is_no_sequence_is_passed_over(place: Street, knockd: Knockd) -> None:
    doors, path = sheet(knockd, " 99999", " 7000,8000", " 7100,8100")
    knockd.start(doors)
    assert "config: section once: port 99999 is invalid" in knockd.log
    place.knock(7000, 8000)
    knockd.wait_for("OPEN SESAME")
    place.knock(7000, 8000, 7100, 8100)
    knockd.wait_for("OPEN SESAME", 2)
    assert path.read_text("utf-8") == " 99999\n#7000,8000\n#7100,8100\n"


def test_a_sheet_that_cannot_be_marked_opens_nothing(place: Street, knockd: Knockd) -> None:
    doors, path = sheet(knockd, " 7000,8000", " 7100,8100")
    knockd.start(f"{doors}[other]\nsequence = 5000\n")
    path.rename(knockd.folder / "away")
    path.mkdir()
    place.knock(7000, 8000)
    text = "error while disabling used one time sequence for door once --> disabling the door"
    knockd.wait_for(text)
    place.knock(7000, 8000, 5000)
    knockd.wait_for("other: OPEN SESAME")
    assert "(mend that, then reload: SIGHUP)" in knockd.log
    assert "once: OPEN SESAME" not in knockd.log
    assert "once: running command" not in knockd.log


@pytest.mark.parametrize(("mount", "opens"), [("full", True), ("read-only", False)])
def test_a_full_disk_is_no_obstacle_and_a_read_only_one_opens_nothing(
    place: Street, knockd: Knockd, mount: str, opens: bool
) -> None:
    """The mark takes the place of a byte that is there already."""
    disk = knockd.folder / "disk"
    disk.mkdir()
    sheet_file = disk / "sheet"
    knockd.write(f"[once]\none_time_sequences = {sheet_file}\n[last]\nsequence = 999\n")
    prepare = f"mount -t tmpfs -o size=64k none {disk} && printf ' 7000,8000\\n' >{sheet_file}"
    if mount == "full":
        prepare += f"; head -c 100000 /dev/zero >{disk}/rest 2>/dev/null"
    else:
        prepare += f" && mount -o remount,ro {disk}"
    knockd.process = place.inside.start(
        "unshare", "-m", "sh", "-c",
        f"{prepare}; exec {OURS} -i eth0 -c {knockd.conf}", stderr=subprocess.DEVNULL,
    )  # fmt: skip
    knockd.wait_for("starting up")
    place.knock(7000, 8000)
    place.knock(999)
    knockd.wait_for("last: OPEN SESAME")
    assert ("once: OPEN SESAME" in knockd.log) is opens
    marked = Path(f"/proc/{knockd.process.pid}/root{sheet_file}").read_text("ascii")
    assert marked == ("#" if opens else " ") + "7000,8000\n"


def test_a_sheet_that_was_changed_meanwhile_opens_what_stands_there_now(
    place: Street, knockd: Knockd
) -> None:
    doors, path = sheet(knockd, " 7000,8000", " 7100,8100")
    knockd.start(doors)
    fresh_sheet = knockd.folder / "fresh"
    fresh_sheet.write_text(" 7200,8200\n", "utf-8")
    fresh_sheet.rename(path)
    place.knock(7000, 8000)
    knockd.wait_for("its sequence is no longer in")
    place.knock(7200, 8200)
    knockd.wait_for("OPEN SESAME")
    assert path.read_text("utf-8") == "#7200,8200\n"
    assert knockd.log.count("OPEN SESAME") == 1


@both
@pytest.mark.requirement("3.16")
@pytest.mark.parametrize("client", ["ours", "packaged", "by hand"])
def test_a_sequence_of_both_protocols_is_knocked_by_any_client(
    place: Street, knockd: Knockd, client: str, program: str
) -> None:
    knockd.start("[u]\nsequence = 2222:udp,3333:tcp,4444:udp\ntcpflags = syn\n")

    def knock() -> None:
        if client == "by hand":  # as nc does it
            for kind, port in (
                (socket.SOCK_DGRAM, 2222),
                (socket.SOCK_STREAM, 3333),
                (socket.SOCK_DGRAM, 4444),
            ):
                with open_socket(place.outside, HERE, kind) as hand, suppress(OSError):
                    hand.connect((HERE, port))
                    hand.send(b"x")
                time.sleep(0.06)  # the packaged one looks every 50 ms
        else:
            words = (HERE, "2222:udp", "3333:tcp", "4444:udp")
            place.outside.run(KNOCKS[client], "-d", "20", *words)

    until_told(knockd, "u: OPEN SESAME", knock)


@both
@pytest.mark.parametrize(("flags", "opens"), [("syn", True), ("", False)], ids=["syn", "none"])
def test_knocks_at_open_ports_need_the_flag_syn(
    place: Street, knockd: Knockd, flags: str, opens: bool, program: str
) -> None:
    """An open port answers, and the packets that follow count as knocks, too."""
    doors = PLAIN if flags else PLAIN.replace("tcpflags = syn\n", "")
    listeners = [listen(place.inside, HERE, port) for port in (7000, 8000, 9000)]
    try:
        knockd.start(doors)
        place.outside.run("/usr/bin/knock", "-d", "60", HERE, "7000", "8000", "9000")
        knockd.wait_for("OPEN SESAME" if opens else "Stage 1")
        if not opens:
            place.knock(7000, 8000, 9000, source="10.77.0.99")
            knockd.wait_for("10.77.0.99: open: OPEN SESAME")
            assert f"{CALLER}: open: OPEN SESAME" not in knockd.log
    finally:
        for each in listeners:
            each.close()


@both
def test_the_loopback_interface_can_be_listened_on(
    place: Street, knockd: Knockd, program: str
) -> None:
    knockd.start(PLAIN, interface="lo")
    place.inside.run("/usr/bin/knock", "127.0.0.1", "7000", "8000", "9000")
    knockd.wait_for("127.0.0.1: open: OPEN SESAME")
    assert knockd.log.count("Stage 1") == 1


@pytest.mark.requirement("3.13")
@pytest.mark.parametrize("name", ["any", "lo,eth0"])
def test_every_interface_or_several_can_be_listened_on(
    place: Street, knockd: Knockd, name: str
) -> None:
    knockd.start(PLAIN, interface=name)
    place.knock(7000, 8000, 9000)
    knockd.wait_for(f"{CALLER}: open: OPEN SESAME")
    place.inside.run("/usr/bin/knock", "127.0.0.1", "7000", "8000", "9000")
    knockd.wait_for("127.0.0.1: open: OPEN SESAME")
    assert f"listening on {name}" in knockd.log


def test_an_address_that_is_added_later_counts(place: Street, knockd: Knockd) -> None:
    knockd.start(f"{PLAIN}[last]\nsequence = 999\n")
    place.knock(7000, 8000, 9000, to="10.77.9.1")
    place.knock(999)
    knockd.wait_for("last: OPEN SESAME")
    assert "open: OPEN SESAME" not in knockd.log
    place.inside.run("ip", "addr", "add", "10.77.9.1/24", "dev", "eth0")
    try:
        until(lambda: _opens(place, knockd, to="10.77.9.1"))
    finally:
        place.inside.run("ip", "addr", "del", "10.77.9.1/24", "dev", "eth0")


def _opens(place: Street, knockd: Knockd, to: str) -> bool:
    place.knock(7000, 8000, 9000, to=to)
    time.sleep(0.1)
    return "open: OPEN SESAME" in knockd.log


@both
def test_an_interface_that_goes_down_and_up_is_listened_on_again(
    place: Street, knockd: Knockd, program: str
) -> None:
    _second_interface(place)
    knockd.start(PLAIN, interface="eth1")
    place.inside.run("ip", "link", "set", "eth1", "down")
    place.inside.run("ip", "link", "set", "eth1", "up")
    until(lambda: place.outside.has_carrier("eth1"))
    place.knock(7000, 8000, 9000, to="10.78.0.1", interface="eth1")
    knockd.wait_for("OPEN SESAME")
    assert knockd.stop() == 15
    place.inside.run("ip", "link", "del", "eth1")


def _second_interface(place: Street) -> None:
    place.inside.run(
        "ip", "link", "add", "eth1", "type", "veth", "peer", "name", "eth1",
        "netns", place.outside.namespace,
    )  # fmt: skip
    place.inside.run("ip", "addr", "add", "10.78.0.1/24", "dev", "eth1")
    place.inside.run("ip", "link", "set", "eth1", "up")
    place.outside.run("ip", "link", "set", "eth1", "up")


def test_an_interface_that_is_removed_ends_the_daemon_with_an_error(
    place: Street, knockd: Knockd
) -> None:
    _second_interface(place)
    knockd.start(PLAIN, interface="eth1")
    place.inside.run("ip", "link", "del", "eth1")
    assert knockd.process is not None
    assert knockd.process.wait(60) == 1
    assert knockd.log.splitlines()[-1] == "shutting down"
    assert "pcap: The interface disappeared" in knockd.said


@both
def test_names_of_callers_are_looked_up_if_that_is_asked_for(
    place: Street, knockd: Knockd, tmp_path: Path, program: str
) -> None:
    hosts = tmp_path / "hosts"
    hosts.write_text(f"{CALLER} client.example\n", "ascii")
    knockd.write(PLAIN)
    words = f"{program} -l -i eth0 -c {knockd.conf}"
    knockd.process = place.inside.start(
        "unshare", "-m", "sh", "-c", f"mount --bind {hosts} /etc/hosts && exec {words}"
    )
    knockd.wait_for("starting up")
    place.knock(7000, 8000, 9000)
    knockd.wait_for("running command")
    named = [line.replace(CALLER, f"{CALLER} (client.example)") for line in OPENED[:4]]
    assert knockd.log.splitlines()[1:] == [*named, OPENED[4]]


def odd_frames() -> dict[int, bytes]:
    """Frames that may be knocks or not, each to a port of its own."""
    syn = int(Flag.SYN)
    found: dict[int, bytes] = {}

    def four(port: int, change: Callable[[bytes], bytes]) -> None:
        packet = change(knock_frames.knock(CALLER, HERE, port, syn))
        found[port] = knock_frames.frame(packet)

    def at(place: int, *octets: int) -> Callable[[bytes], bytes]:
        return lambda whole: whole[:place] + bytes(octets) + whole[place + len(octets) :]

    four(7100, lambda whole: whole)
    four(7101, at(6, 0x20, 0x00))  # the first of several fragments
    four(7102, at(6, 0x20, 0x03))  # a later one
    four(7103, lambda whole: b"\x46" + whole[1:20] + bytes(4) + whole[20:])  # an IP option
    four(7104, lambda whole: whole[:34])  # cut behind the flags
    four(7105, lambda whole: whole[:33])  # cut before them
    four(7106, at(9, 132))  # SCTP
    four(7107, at(12, 0x45))  # another source
    four(7108, at(33, syn | 0xC0))  # flags of congestion notification
    four(7109, at(2, 0x00, 0x14))  # a length that leaves nothing for TCP
    four(7110, at(32, 0x00))  # a TCP header without length
    six = knock_frames.knock(CALLER_6, HERE_6, 7111, syn)
    found[7111] = knock_frames.frame(six)
    hops = six[:6] + b"\0" + six[7:40] + bytes((6, 0)) + bytes(6)
    found[7112] = knock_frames.frame(hops + knock_frames.segment(7112, syn))
    tagged = knock_frames.frame(knock_frames.knock(CALLER, HERE, 7113, syn))
    found[7113] = tagged[:12] + b"\x81\x00\x00\x05" + tagged[12:]
    udp = knock_frames.packet(CALLER, HERE, 17, knock_frames.datagram(7114)[:4])
    found[7114] = knock_frames.frame(udp)
    return found


@pytest.mark.peer("knockd")
def test_odd_packets_count_for_both_or_for_none(place: Street, tmp_path: Path) -> None:
    frames = odd_frames()
    doors = "".join(
        f"[d{port}]\nsequence = {port}{':udp' if port == 7114 else ''}\n" for port in frames
    )
    daemons = [
        Knockd(place, tmp_path / str(at), program) for at, program in enumerate((OURS, PACKAGED))
    ]
    try:
        for each in daemons:
            each.start(f"{doors}[last]\nsequence = 7999\n")
        for frame in frames.values():
            place.send(frame)
        place.knock(7999)
        opened = [
            sorted(
                line
                for line in each.wait_for("last: OPEN SESAME").splitlines()
                if line.endswith("OPEN SESAME")
            )
            for each in daemons
        ]
    finally:
        for each in daemons:
            if each.process is not None:
                each.stop(signal.SIGKILL)
    cut = f"{CALLER}: d7105: OPEN SESAME"  # a TCP packet without flags is none of ours
    assert opened[0] == [line for line in opened[1] if line != cut]
    assert 5 < len(opened[0]) < len(frames)
