"""Programs that may run for long: their end, what they inherit, what they leave."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from pathlib import Path

import pytest

from watchword.edges import children


def run(*argv: str) -> int:
    return asyncio.run(children.run(argv))


@pytest.mark.parametrize(
    ("argv", "status"),
    [
        (("true",), 0),
        (("sh", "-c", "exit 7"), 7),
        (("sh", "-c", "kill -9 $$"), -signal.SIGKILL),
        (("/no/such/program",), 127),
        (("/etc/passwd",), 126),
        (("nul\0",), 126),
    ],
)
def test_the_end_is_told_as_a_shell_tells_it(argv: tuple[str, ...], status: int) -> None:
    assert run(*argv) == status


def test_a_text_without_an_interpreter_is_run_by_the_shell(tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text('exit "$1"\n', "ascii")
    script.chmod(0o755)
    assert run(str(script), "5") == 5


def test_none_of_our_sockets_are_passed_on() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ours:
        seen = f"test ! -e /proc/self/fd/{ours.fileno()}"
        assert run("sh", "-c", seen) == 0
        assert os.path.exists(f"/proc/self/fd/{ours.fileno()}")  # noqa: PTH110


def test_many_run_at_the_same_time(tmp_path: Path) -> None:
    """Each ends when all of them are there."""
    waits = f"mktemp -p {tmp_path}; until [ $(ls {tmp_path} | wc -l) -ge 20 ]; do sleep 0.1; done"

    async def together() -> list[int]:
        async with asyncio.timeout(60):
            return await asyncio.gather(*(children.run(("sh", "-c", waits)) for _ in range(20)))

    assert asyncio.run(together()) == [0] * 20


def test_what_is_not_waited_for_any_more_goes_on(tmp_path: Path) -> None:
    begun, done = tmp_path / "begun", tmp_path / "done"
    script = f"touch {begun}; sleep 0.3; touch {done}"

    async def give_up() -> None:
        work = asyncio.ensure_future(children.run(("sh", "-c", script)))
        async with asyncio.timeout(60):
            while not begun.exists():
                await asyncio.sleep(0.01)
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
        async with asyncio.timeout(60):
            while not done.exists():
                await asyncio.sleep(0.02)

    asyncio.run(give_up())
    assert done.exists()
