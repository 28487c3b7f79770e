"""``make demo`` from outside: its claims hold, and it leaves nothing, however it ends."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from demo.sshd import UID
from tests.daemon import until

pytestmark = [pytest.mark.system, pytest.mark.peer("nmap", "nft", "ssh", "sshd", "ip")]
ROOT = Path(__file__).parents[2]
COMMAND = (sys.executable, "-m", "demo")


def start() -> subprocess.Popen[str]:
    return subprocess.Popen(
        COMMAND, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


def processes(pid: int) -> Iterator[str]:
    """What runs for the demo of that number, zombies aside.

    Others may have its user as well; they are in networks that somebody has a name for.
    """
    others = set()
    for network in Path("/run/netns").glob("*"):
        with suppress(FileNotFoundError):
            others.add(network.stat().st_ino)
    for process in Path("/proc").iterdir():
        try:
            command = (process / "cmdline").read_bytes()
            mine = command and process.stat().st_uid == UID
            mine = mine and (process / "ns/net").stat().st_ino not in others
        except (NotADirectoryError, FileNotFoundError, ProcessLookupError):
            continue
        if f"wwdemo{pid}-".encode() in command or mine:
            yield command.replace(b"\0", b" ").decode("utf-8", "replace")


def namespaces(pid: int) -> list[str]:
    listed = subprocess.check_output(["ip", "netns", "list"], text=True).split()
    return [name for name in listed if name.startswith(f"wwdemo{pid}-")]


def left_by(pid: int) -> list[str]:
    """Namespaces, folders and processes of the demo of that number."""
    folders = [str(folder) for folder in Path(tempfile.gettempdir()).glob(f"wwdemo{pid}-*")]
    return [*namespaces(pid), *folders, *processes(pid)]


def wait_for_sshd(demo: subprocess.Popen[str]) -> None:
    """Until the first login to the server stands."""
    assert demo.stdout is not None
    for line in demo.stdout:
        if "logged in by ssh" in line:
            return
    pytest.fail("the demo ended before its first login")


@pytest.mark.requirement("4.3")
@pytest.mark.timeout(600)
def test_every_claim_of_the_demo_holds_and_nothing_is_left() -> None:
    demo = start()
    said, _ = demo.communicate()
    assert demo.returncode == 0, said
    assert "FAILED" not in said
    until(lambda: not left_by(demo.pid))


def test_an_interrupted_demo_leaves_nothing() -> None:
    demo = start()
    wait_for_sshd(demo)
    assert namespaces(demo.pid)
    demo.send_signal(signal.SIGINT)
    assert demo.wait(120) == 130
    until(lambda: not left_by(demo.pid))


def test_what_a_killed_demo_leaves_is_removed_on_request() -> None:
    demo = start()
    wait_for_sshd(demo)
    demo.kill()
    demo.wait(60)
    assert left_by(demo.pid)
    subprocess.run([*COMMAND, "--remove"], cwd=ROOT, check=True, capture_output=True)
    until(lambda: not left_by(demo.pid))
