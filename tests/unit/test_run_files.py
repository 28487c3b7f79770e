"""PID file and control socket are there again when somebody has removed them."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from watchword.edges.report.lines import MemoryReporter
from watchword.model.daemon_events import Complained, HostTrouble, RunDirectory
from watchword.service.daemon import run_files
from watchword.service.daemon.control import Control, Question, Rights
from watchword.service.daemon.process import PidFile
from watchword.service.daemon.run_files import RunFiles


async def hello(_: Question) -> dict[str, object]:
    return {"said": "hello"}


class House:
    def __init__(self, folder: Path) -> None:
        self.run_dir = folder / "run"
        self.run_dir.mkdir()
        self.pid_file = self.run_dir / "fwknopd.pid"
        self.lock = PidFile(self.pid_file)
        self.said = MemoryReporter()
        self.control = Control(
            self.run_dir / "control.sock", Rights(os.geteuid(), None, False), {"hello": hello}, {}
        )
        self.files = RunFiles(self.run_dir, self.lock, self.said)

    async def ask(self) -> str:
        reader, writer = await asyncio.open_unix_connection(self.control.path)
        writer.write(b'{"version": 1, "ask": "hello"}\n')
        answer = json.loads(await reader.readline())
        writer.close()
        return str(answer["said"])

    def is_whole(self) -> bool:
        return self.lock.intact() and self.control.intact()

    def told(self, kind: type) -> list[str]:
        return [
            str(getattr(each, "complaint", each))
            for each in self.said.events
            if isinstance(each, kind)
        ]


@asynccontextmanager
async def open_house(folder: Path) -> AsyncIterator[House]:
    house = House(folder)
    await house.control.open()
    house.files.take(house.control)
    await asyncio.sleep(0)  # it begins to listen
    try:
        yield house
    finally:
        await house.control.close()
        house.lock.close()


async def until(what: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not what():
            await asyncio.sleep(0.005)


def play(folder: Path, scene: Callable[[House], Awaitable[None]]) -> None:
    async def whole() -> None:
        async with open_house(folder) as house:
            await scene(house)

    asyncio.run(whole())


def remove_all(house: House) -> None:
    shutil.rmtree(house.run_dir)


def move_away(house: House) -> None:
    house.run_dir.rename(house.run_dir.with_name("elsewhere"))


def remove_pid_file(house: House) -> None:
    house.pid_file.unlink()


def remove_socket(house: House) -> None:
    house.control.path.unlink()


@pytest.mark.parametrize("remove", [remove_all, move_away, remove_pid_file, remove_socket])
def test_what_is_removed_is_made_again_and_told(
    remove: Callable[[House], None], tmp_path: Path
) -> None:
    async def scene(house: House) -> None:
        for _ in range(2):  # and once more
            remove(house)
            assert not house.is_whole()
            await until(house.is_whole)
            assert house.pid_file.read_text("ascii") == f"{os.getpid()}\n"
            assert house.control.path.stat().st_mode & 0o777 == 0o600
            assert await house.ask() == "hello"
            shutil.rmtree(tmp_path / "elsewhere", ignore_errors=True)
        assert "and it was made again" in house.told(Complained)[0]
        folder_went = remove in (remove_all, move_away)
        assert bool(house.told(RunDirectory)) is folder_went

    play(tmp_path, scene)


def test_where_it_cannot_be_made_that_is_told_once_and_tried_until_it_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_files, "_PAUSES", (0.01,))

    async def scene(house: House) -> None:
        house.run_dir.rename(tmp_path / "elsewhere")
        house.run_dir.write_text("in the way", "ascii")
        await until(lambda: bool(house.told(HostTrouble)))
        await asyncio.sleep(0.1)
        assert len(house.told(HostTrouble)) == 1
        house.run_dir.unlink()
        await until(house.is_whole)
        assert await house.ask() == "hello"

    play(tmp_path, scene)


def test_a_lock_that_another_process_has_meanwhile_is_not_taken_from_it(tmp_path: Path) -> None:
    take = (
        "import fcntl, os, sys; f = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT); "
        "fcntl.lockf(f, fcntl.LOCK_EX); os.rename(sys.argv[1], sys.argv[2]); "
        "print('held', flush=True); sys.stdin.read()"
    )

    async def scene(house: House) -> None:
        other = tmp_path / "run" / "other.pid"
        words = [sys.executable, "-c", take, str(other), str(house.pid_file)]
        with subprocess.Popen(words, stdin=-1, stdout=-1) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"held\n"
            house.control.path.unlink()
            await until(lambda: bool(house.told(HostTrouble)))
            assert "is already running" in house.told(HostTrouble)[0]
            assert not house.lock.intact()
            process.kill()
        assert not house.lock.intact()

    play(tmp_path, scene)


def test_a_socket_that_is_closed_on_purpose_is_not_made_again(tmp_path: Path) -> None:
    async def scene(house: House) -> None:
        await house.control.close()
        await asyncio.sleep(0.05)
        assert not house.control.path.exists()
        assert house.said.events == []

    play(tmp_path, scene)


def test_what_others_remove_beside_it_is_nothing_to_it(tmp_path: Path) -> None:
    async def scene(house: House) -> None:
        before = house.pid_file.stat().st_ino, house.control.path.stat().st_ino
        for number in range(3):
            beside = house.run_dir / str(number)
            beside.touch()
            beside.unlink()
        await asyncio.sleep(0.05)
        assert (house.pid_file.stat().st_ino, house.control.path.stat().st_ino) == before
        assert house.said.events == []

    play(tmp_path, scene)
