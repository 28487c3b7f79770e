"""Keys do not leave the memory of our programs with a crash, nor by another process's look."""

from __future__ import annotations

import array
import fcntl
import os
import resource
import signal
import subprocess
import sys
import termios
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.daemon import PROGRAMS, Server, until
from tests.within_reach import within_reach
from watchword.lab.hosts import Lab

pytestmark = pytest.mark.system
PROGRAM, FWKNOPD = str(PROGRAMS / "fwknop"), str(PROGRAMS / "fwknopd")
_, MOST = resource.getrlimit(resource.RLIMIT_CORE)
UNLIMITED = (
    "prlimit", f"--core={'unlimited' if MOST == resource.RLIM_INFINITY else MOST}:", "--",
)  # fmt: skip
NO_LIMITS = (
    sys.executable, "-c", "import resource, runpy, sys; resource.setrlimit = lambda *_: None; "
    "sys.argv[:] = sys.argv[1:]; runpy.run_module(sys.argv[0], run_name='__main__')",
)  # fmt: skip
"""Runs a program where limits do not count, as with a host that pipes its dumps to a program."""
NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--")
OPTIONS = (
    "--no-rc-file", "--no-save-args", "-T", "-A", "tcp/22",
    "-a", "192.0.2.1", "-D", "192.0.2.2", "--fd", "0",
)  # fmt: skip
"""Waits for a key on standard input, and sends nothing."""


def core_limit(pid: int) -> list[str]:
    """Soft and hard limit."""
    limits = Path(f"/proc/{pid}/limits").read_text("ascii").splitlines()
    [line] = [each for each in limits if each.startswith("Max core file size")]
    return line.split()[4:6]


def shut(pid: int) -> bool:
    return core_limit(pid) == ["0", "0"]


def wait_until_it_reads(process: subprocess.Popen[bytes]) -> None:
    """Give it the beginning of a key, and wait until it has taken that."""
    assert process.stdin is not None
    process.stdin.write(b"some ")
    process.stdin.flush()
    unread = array.array("i", [1])
    pipe = process.stdin.fileno()
    until(lambda: fcntl.ioctl(pipe, termios.FIONREAD, unread) == 0 and unread[0] == 0)


def leaves_a_core(pid: int, number: signal.Signals) -> bool:
    """Whether our child's end by this signal comes with a core dump."""
    os.kill(pid, number)
    ended = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    assert ended is not None
    assert ended.si_status == number
    return ended.si_code == os.CLD_DUMPED


def start(*command: str, folder: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with Lab() as lab:
        yield Server(lab.host("server"), tmp_path)


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT])
@pytest.mark.parametrize("program", [(PROGRAM,), (*NO_LIMITS, "watchword.programs.fwknop")])
def test_a_client_that_crashes_leaves_no_core(
    program: Sequence[str], number: signal.Signals, tmp_path: Path
) -> None:
    process = start(*UNLIMITED, *program, *OPTIONS, folder=tmp_path)
    try:
        wait_until_it_reads(process)
        assert shut(process.pid) or program[0] == sys.executable
        assert not leaves_a_core(process.pid, number)
    finally:
        process.kill()
        process.communicate(timeout=60)
    assert list(tmp_path.glob("core*")) == []


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT])
@pytest.mark.parametrize("program", [(FWKNOPD,), (*NO_LIMITS, "watchword.programs.fwknopd")])
def test_a_server_that_crashes_leaves_no_core(
    server: Server, program: Sequence[str], number: signal.Signals, tmp_path: Path
) -> None:
    server.command = [*UNLIMITED, *program]
    server.start()
    hand, gate = server.pids
    for each in (hand, gate):
        assert shut(each) or program[0] == sys.executable
    assert not leaves_a_core(hand, number)
    assert list(tmp_path.glob("core*")) == []


def test_a_server_in_the_background_has_the_limit_too(server: Server, tmp_path: Path) -> None:
    server.command = [*UNLIMITED, *server.command]
    server.write()
    done = server.host.run(*server.command, *server.files)
    assert done.returncode == 0
    pid = int((tmp_path / "run" / "fwknopd.pid").read_text("ascii"))
    try:
        assert shut(pid)
    finally:
        assert server.program("-K").returncode == 0


def test_an_ordinary_user_can_send_and_no_process_of_theirs_can_look_in(tmp_path: Path) -> None:
    process = start(*within_reach(), *NOBODY, PROGRAM, *OPTIONS, folder=tmp_path)
    wait_until_it_reads(process)
    assert shut(process.pid)
    before = start(*NOBODY, "sleep", "300", folder=tmp_path)
    until(lambda: Path(f"/proc/{before.pid}/comm").read_text("ascii") == "sleep\n")
    assert Path(f"/proc/{before.pid}/environ").stat().st_uid == 65534
    before.kill()
    before.communicate(timeout=60)
    assert Path(f"/proc/{process.pid}/environ").stat().st_uid == 0
    look = subprocess.run(
        [*NOBODY, "head", "-c1", f"/proc/{process.pid}/environ"],
        check=False, capture_output=True, timeout=60,
    )  # fmt: skip
    assert b"Permission denied" in look.stderr
    said, complaints = process.communicate(b"key\n", timeout=60)
    assert process.returncode == 0, complaints
    assert b"SPA packet not actually sent" in said
