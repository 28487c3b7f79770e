"""The kernel's log as a source of hits: who may write there, rotation, lines of others."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from tests.contract.hit_sources import HitSourceContract
from tests.old_knocks import UDP, hit
from tests.unit.test_kernel_log import HEAD, SYN, V4
from watchword.edges.capture import hit_log
from watchword.edges.capture.hit_log import LogSource
from watchword.edges.capture.hit_memory import MemoryHits
from watchword.edges.capture.log_rights import opened_log, opened_pipe
from watchword.edges.capture.openers import Openers
from watchword.edges.clock import FakeClock
from watchword.errors import HostError
from watchword.model.daemon_events import HostTrouble
from watchword.model.hits import Hit
from watchword.model.settings import KnockLog, Settings
from watchword.ports import HitSource
from watchword.programs import fwknopd
from watchword.service.daemon.sources import doubts

FOREIGN = "Nov 21 09:17:20 fw sshd[7]: Accepted publickey for mallory\n"


def line(port: int, stamp: float = 1.0) -> str:
    return f"{HEAD.replace('2435.015271', f'{stamp:.6f}')}{V4}{SYN.replace('61083', str(port))}\n"


class TestMemoryHits(HitSourceContract):
    def make(self) -> HitSource:
        return MemoryHits()

    def feed(self, source: HitSource, port: int) -> None:
        assert isinstance(source, MemoryHits)
        source.feed(hit("192.0.2.7", port, UDP), at=self.now())

    def now(self) -> float:
        return 100.0


class TestLog(HitSourceContract):
    pipe = False

    @pytest.fixture(autouse=True)
    def _in_a_folder(self, tmp_path: Path) -> None:
        self.path = tmp_path / "fifo" if self.pipe else log(tmp_path)
        self.clock = FakeClock(wall=1000.0, steady=100.0)

    def make(self) -> HitSource:
        wanted = KnockLog(self.path, pipe=self.pipe)
        return LogSource(wanted, self.clock, lambda trouble: None, Openers().log)

    def feed(self, source: HitSource, port: int) -> None:
        append(self.path, f"{HEAD}{V4}PROTO=UDP SPT=5 DPT={port} LEN=9\n")

    def now(self) -> float:
        return self.clock.now().steady


class TestPipe(TestLog):
    pipe = True


class Reader:
    """One source that is read, and what it told."""

    def __init__(self, wanted: KnockLog) -> None:
        self.clock = FakeClock(wall=1000.0, steady=100.0)
        self.told: list[str] = []
        self.source = LogSource(wanted, self.clock, self._tell, Openers().log)
        self._batches: AsyncIterator[Sequence[tuple[float, Hit]]] = self.source.batches()

    def _tell(self, trouble: HostTrouble) -> None:
        self.told.append(trouble.message)

    async def ports(self) -> list[int]:
        return [hit.port for _, hit in await self.next()]

    async def next(self) -> Sequence[tuple[float, Hit]]:
        async with asyncio.timeout(60):
            return await anext(self._batches)

    async def until_told(self) -> str:
        """What is told while nothing is heard."""
        waiting = asyncio.ensure_future(anext(self._batches))
        async with asyncio.timeout(60):
            while not self.told:
                await asyncio.sleep(0.005)
        assert not waiting.done()
        waiting.cancel()
        await asyncio.wait([waiting])
        return self.told[-1]


def log(folder: Path, text: str = "") -> Path:
    path = folder / "kern.log"
    path.write_text(text, "ascii")
    path.chmod(0o640)
    return path


def append(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)


@pytest.mark.requirement("8.22", partial=True)
def test_what_is_appended_to_a_log_is_heard_and_what_was_there_is_not(tmp_path: Path) -> None:
    async def scene() -> None:
        path = log(tmp_path, line(1))
        reader = Reader(KnockLog(path))
        append(path, line(2) + line(3)[:40])
        assert await reader.ports() == [2]
        append(path, line(3)[40:])
        assert await reader.ports() == [3]
        await reader.source.aclose()

    asyncio.run(scene())


def test_a_log_is_followed_through_rotation_and_when_it_is_cut(tmp_path: Path) -> None:
    async def scene() -> None:
        path = log(tmp_path, line(1))
        reader = Reader(KnockLog(path))
        append(path, line(2))
        path.rename(tmp_path / "kern.log.1")
        log(tmp_path, line(3))
        assert await reader.ports() == [2]
        assert await reader.ports() == [3]
        os.truncate(path, 0)
        append(path, line(4))
        assert await reader.ports() == [4]
        await reader.source.aclose()

    asyncio.run(scene())


def test_a_new_log_that_others_can_write_is_told_once_and_not_read(tmp_path: Path) -> None:
    async def scene() -> None:
        path = log(tmp_path)
        reader = Reader(KnockLog(path))
        path.rename(tmp_path / "kern.log.1")
        log(tmp_path, line(3)).chmod(0o666)
        hearing = asyncio.ensure_future(reader.ports())
        await asyncio.sleep(3 * hit_log.PAUSE)
        assert ["can be written by others" in each for each in reader.told] == [True]
        path.chmod(0o640)
        assert await hearing == [3]
        await reader.source.aclose()

    asyncio.run(scene())


def test_times_are_those_of_the_kernel(tmp_path: Path) -> None:
    async def scene() -> None:
        path = log(tmp_path)
        reader = Reader(KnockLog(path))
        append(path, line(1, 50.0) + line(2, 52.5))
        [first, second] = [at for at, _ in await reader.next()]
        assert (round(second - first, 3), second) == (2.5, 100.0)
        await reader.source.aclose()

    asyncio.run(scene())


def test_a_log_that_has_lines_of_other_programs_is_refused(tmp_path: Path) -> None:
    """There ``logger -t kernel`` of any user would look like the kernel."""
    path = log(tmp_path, line(1) + FOREIGN + line(2))
    with pytest.raises(HostError, match="has lines of other programs") as refused:
        Reader(KnockLog(path))
    assert "TRUST_SYSLOG_FILE" in refused.value.hint


def test_a_log_that_turns_out_to_have_them_is_not_read_any_more(tmp_path: Path) -> None:
    async def scene() -> None:
        path = log(tmp_path)
        reader = Reader(KnockLog(path))
        append(path, line(1) + FOREIGN + line(2))
        assert "has lines of other programs from now on" in await reader.until_told()
        assert reader.source.awaited == (f"log {path} of the kernel's lines alone",)
        reader = Reader(KnockLog(path, mixed=True))
        append(path, FOREIGN + line(3))
        assert await reader.ports() == [3]
        assert reader.source.dropped() == {"lines: not the kernel's": 1}
        await reader.source.aclose()

    asyncio.run(scene())


@pytest.mark.skipif(os.geteuid() != 0, reason="gives files away")
@pytest.mark.parametrize(
    ("mode", "owner", "why"),
    [
        (0o666, 0, "can be written by others"),
        (0o620, 0, "can be written by others"),
        (0o644, 65534, "belongs to nobody"),
        (0o600, 12345, "belongs to user 12345"),
    ],
)
def test_what_others_can_write_is_not_believed(
    mode: int, owner: int, why: str, tmp_path: Path
) -> None:
    path, pipe = log(tmp_path), tmp_path / "fifo"
    os.mkfifo(pipe)
    for each, opened in ((path, opened_log), (pipe, opened_pipe)):
        each.chmod(mode)
        os.chown(each, owner, 0)
        with pytest.raises(HostError, match=why):
            opened(each)


def test_a_pipe_is_made_for_its_owner_alone_and_nothing_else_is_taken_for_one(
    tmp_path: Path,
) -> None:
    pipe = tmp_path / "fwknop" / "fifo"
    os.close(opened_pipe(pipe))
    assert pipe.parent.stat().st_mode & 0o777 == 0o700
    assert pipe.stat().st_mode & 0o777 == 0o600
    with pytest.raises(HostError, match="is no named pipe"):
        opened_pipe(log(tmp_path))
    with pytest.raises(HostError, match="is no regular file"):
        opened_log(pipe)
    (tmp_path / "link").symlink_to(pipe)
    with pytest.raises(OSError, match="link"):
        opened_pipe(tmp_path / "link")


def test_a_pipe_is_read_whoever_comes_and_goes(tmp_path: Path) -> None:
    async def scene() -> None:
        pipe = tmp_path / "fifo"
        reader = Reader(KnockLog(pipe, pipe=True, prefixes=("DROP",)))
        for port in (1, 2):
            with pipe.open("w") as syslog:
                syslog.write(line(port) + line(9).replace("DROP", "OTHER"))
            assert await reader.ports() == [port]
        with pipe.open("w") as syslog:
            syslog.write(FOREIGN + line(3))
        assert "has lines of other programs from now on" in await reader.until_told()
        await reader.source.aclose()

    asyncio.run(scene())


def test_a_line_without_end_costs_no_memory(tmp_path: Path) -> None:
    async def scene() -> None:
        pipe = tmp_path / "fifo"
        reader = Reader(KnockLog(pipe, pipe=True, mixed=True))
        writer = os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
        hearing = asyncio.ensure_future(reader.ports())
        for _ in range(100):
            os.write(writer, b"x" * 4096)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        assert len(reader.source._rest) <= 4096
        os.write(writer, b"\n" + line(7).encode("ascii"))
        assert await hearing == [7]
        os.close(writer)
        await reader.source.aclose()

    asyncio.run(scene())


def test_what_is_wrong_with_a_log_is_known_before_the_start(tmp_path: Path) -> None:
    path = log(tmp_path, FOREIGN)
    [mixed] = doubts(Settings(sources=(KnockLog(path),)))
    assert "has lines of other programs" in mixed.message
    [missing] = doubts(Settings(sources=(KnockLog(tmp_path / "nowhere"),)))
    assert "cannot read the log" in missing.message
    path.write_text(line(1), "ascii")
    pipe = KnockLog(tmp_path / "fifo", pipe=True)
    assert doubts(Settings(sources=(KnockLog(path), pipe))) == []


def test_a_log_that_is_not_there_is_an_error_with_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(HostError, match="cannot read the log") as refused:
        Reader(KnockLog(tmp_path / "nowhere"))
    assert "IPT_SYSLOG_FILE" in refused.value.hint


@pytest.mark.requirement("8.22", "8.23", partial=True)
def test_a_log_is_read_from_its_beginning_for_the_systems_in_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The original reads only what comes later, which is nothing."""
    linux = SYN.replace("020405B40402080A", "020405B40402080A012046E40000000001030307")
    path = log(tmp_path, FOREIGN + f"{HEAD}{V4}DF {linux}\n" * 2 + line(3))
    (tmp_path / "pf.os").write_text("*:64:1:60:M*,S,T,N,W*:\tLinux:2.6::Linux\n", "ascii")
    conf = tmp_path / "fwknopd.conf"
    conf.touch(mode=0o600)
    conf.write_text(f"P0F_FILE {tmp_path}/pf.os;\n", "ascii")
    assert fwknopd.main(["-c", str(conf), "--os", "--fw-log", str(path)]) == 0
    assert capsys.readouterr().out == (
        "[+] 10.77.0.11\n      *:64:1:60:M*,S,T,N,W*:           Linux:2.6::Linux\n"
    )
    assert fwknopd.main(["-c", str(conf), "--os", "--fw-log", str(tmp_path / "x")]) == 1
    assert "cannot read the log" in capsys.readouterr().err
