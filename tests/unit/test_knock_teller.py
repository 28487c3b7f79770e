"""Where the lines of knockd go, and which are left out."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from watchword.errors import Place
from watchword.model.addresses import Address
from watchword.model.door_events import CommandRun, Remark, SesameOpened, Told
from watchword.model.doors import Door, Progress, Step
from watchword.model.services import Service
from watchword.service.knock.sparing import BURST
from watchword.service.knock.teller import LogFile, Names, Teller

ALICE = ip_address("192.0.2.7")
DOOR = Door(1, Place("knockd.conf", 1), "d", (Service.parse("tcp/7000"), Service.parse("tcp/9")))


def told(stage: int, step: Step = Step.ADVANCED, source: Address = ALICE) -> Told:
    return Told(Progress(step, DOOR, source, stage, 2))


def teller(path: Path, *, names: Names | None = None, debug: bool = False) -> Teller:
    found = Teller(aloud=False, debug=debug, names=names)
    found.file = LogFile(str(path))
    return found


def lines(path: Path) -> list[str]:
    return [line[len("[2026-11-29 13:00] ") :] for line in path.read_text("utf-8").splitlines()]


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(work)


def test_what_strangers_bring_about_is_counted_when_it_is_too_much(tmp_path: Path) -> None:
    found = teller(tmp_path / "log")
    for _ in range(BURST + 50):
        found.tell(told(1))
    found.tell(told(2))
    found.tell(SesameOpened(DOOR, ALICE))
    found.write_rest()
    written = lines(tmp_path / "log")
    assert written.count("192.0.2.7: d: Stage 1") == BURST
    assert "192.0.2.7: d: Stage 2" in written, "what opens is always told"
    assert "192.0.2.7: d: OPEN SESAME" in written
    assert "50 lines of knocks that led nowhere were left out" in written


def test_spoilt_attempts_are_told_to_who_debugs_only(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for debug in (False, True):
        found = teller(tmp_path / f"log{debug}", debug=debug)
        found.tell(told(1, Step.SPOILT))
        found.write_rest()
        assert lines(tmp_path / f"log{debug}") == []
    assert capsys.readouterr().out == "removing failed knock attempt (192.0.2.7)\n"


def test_lines_wait_for_names_and_stay_in_order(tmp_path: Path) -> None:
    asked: list[str] = []

    async def slow(address: str) -> str:
        asked.append(address)
        await asyncio.sleep(0.05)
        return "client.example"

    async def story() -> None:
        found = teller(tmp_path / "log", names=Names(slow))
        writing = asyncio.ensure_future(found.write_forever())
        for event in (told(1), told(2), SesameOpened(DOOR, ALICE), CommandRun("d", "x")):
            found.tell(event)
        found.tell(Remark("last"))
        async with asyncio.timeout(60):
            while "last" not in "".join(lines(tmp_path / "log")):
                await asyncio.sleep(0.01)
        writing.cancel()

    run(story())
    who = "192.0.2.7 (client.example): d:"
    assert lines(tmp_path / "log") == [
        f"{who} Stage 1", f"{who} Stage 2", f"{who} OPEN SESAME", "d: running command: x", "last",
    ]  # fmt: skip
    assert asked == ["192.0.2.7"]


def test_a_line_is_cut_where_the_original_cuts_it(tmp_path: Path) -> None:
    found = teller(tmp_path / "log")
    found.tell(CommandRun("d", "x" * 5000))
    found.write_rest()
    assert len(lines(tmp_path / "log")[0]) == 1023


def test_a_log_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    found = teller(Path("/dev/full"))
    found.tell(told(1))
    found.write_rest()
    found.close()
