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


def test_many_run_at_the_same_time() -> None:
    async def together() -> list[int]:
        async with asyncio.timeout(30):
            return await asyncio.gather(*(children.run(("sleep", "0.5")) for _ in range(20)))

    began = os.times().elapsed
    assert asyncio.run(together()) == [0] * 20
    assert os.times().elapsed - began < 20 * 0.5


def test_what_is_not_waited_for_any_more_goes_on(tmp_path: Path) -> None:
    done = tmp_path / "done"

    async def give_up() -> None:
        work = asyncio.ensure_future(children.run(("sh", "-c", f"sleep 0.3; touch {done}")))
        await asyncio.sleep(0.05)
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
        async with asyncio.timeout(20):
            while not done.exists():
                await asyncio.sleep(0.02)

    asyncio.run(give_up())
    assert done.exists()
