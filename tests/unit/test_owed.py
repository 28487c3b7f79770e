"""Who writes the state directory has nobody run a command by that."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.contract.journal import grant
from tests.daemon import until
from tests.vitals import open_in
from watchword.edges.clock import FakeClock, boot_id
from watchword.edges.debts import NAME, Debts, folder_beside
from watchword.edges.programs import SystemPrograms
from watchword.edges.replay.sqlite import SqliteStore
from watchword.errors import HostError, OperatorError
from watchword.model.commands import Closing, Cycle
from watchword.model.knocking import KnockSettings
from watchword.model.settings import Settings
from watchword.service.apart import parting
from watchword.service.daemon import flushing, owed

CLOCK = FakeClock()


class Told:
    def __init__(self) -> None:
        self.words: list[str] = []

    def report(self, outcome: object) -> None:
        self.words.append(repr(outcome))

    def close(self) -> None:
        """There is nothing to close."""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "state").mkdir(0o700)
    return Settings(state_dir=tmp_path / "state", digest_file=tmp_path / "run" / "digest.cache")


def spoiling(settings: Settings) -> Closing:
    return Closing("touch", ("/usr/bin/touch", str(spoiled(settings))))


def spoiled(settings: Settings) -> Path:
    return settings.state_dir.parent / "spoiled"


def write_journal(settings: Settings, closing: Closing) -> None:
    async def write() -> None:
        stored = SqliteStore.open(settings.state_dir, boot_id=boot_id())
        await stored.journal.granted([replace(grant(), cycle=Cycle((closing,)))])
        await stored.aclose()

    asyncio.run(write())


def taken_up(settings: Settings) -> Debts:
    found = owed.taken_up(settings, CLOCK, parting._written(settings))
    assert found is not None
    return found


def test_nothing_in_the_state_directory_becomes_a_debt_once_the_hand_keeps_its_own(
    settings: Settings,
) -> None:
    taken_up(settings)
    row = {
        "owe": 1, "text": "x", "argv": spoiling(settings).argv, "seconds": 5.0, "until": 0.0,
        "most": 5.0, "ends": 0.0, "boot": boot_id(),
    }  # fmt: skip
    (settings.state_dir / NAME).write_text(json.dumps(row) + "\n")
    write_journal(settings, spoiling(settings))
    assert len(taken_up(settings)) == 0


def test_the_hand_that_is_the_first_one_takes_up_what_the_journal_has(settings: Settings) -> None:
    write_journal(settings, spoiling(settings))
    found = taken_up(settings).of(spoiling(settings).argv)
    assert found is not None
    assert found.inherited


def test_so_does_the_one_after_a_single_process(settings: Settings) -> None:
    taken_up(settings)
    owed.forget(settings)
    write_journal(settings, spoiling(settings))
    assert len(taken_up(settings)) == 1


def test_what_is_owed_lies_where_the_gate_writes_nothing(settings: Settings) -> None:
    folder = folder_beside(settings.state_dir)
    assert not any(folder.is_relative_to(each) for each in parting._written(settings))
    above = replace(settings, rotate=True, digest_file=folder.parent / "digest.cache")
    with pytest.raises(OperatorError, match=r"state\.hand lies where what reads packets may write"):
        taken_up(above)


def test_flushing_runs_of_the_journal_what_the_hand_owes_and_nothing_else(
    settings: Settings,
) -> None:
    taken_up(settings)
    write_journal(settings, spoiling(settings))
    told = Told()
    assert asyncio.run(flushing.end_everything(settings, told)) == 1
    assert "nothing has to be closed by /usr/bin/touch" in "".join(told.words)
    assert not spoiled(settings).exists()
    taken_up(settings).owe(spoiling(settings), 0.0, 5.0, CLOCK.now())
    assert asyncio.run(flushing.end_everything(settings, told)) == 0
    assert spoiled(settings).exists()
    assert len(taken_up(settings)) == 0


def test_what_failed_while_no_daemon_ran_is_still_owed(settings: Settings) -> None:
    missing = Closing("gone", ("/nonexistent/rm", "a"))
    taken_up(settings).owe(missing, 0.0, 5.0, CLOCK.now())
    before = open_in()
    with pytest.raises(HostError):
        owed.closing(settings, SystemPrograms(), CLOCK)(missing)
    until(lambda: open_in() <= before)  # knoptm does that for ever; others end meanwhile
    assert len(taken_up(settings)) == 1


def test_nothing_that_knockd_runs_lies_where_the_gate_writes() -> None:
    written = parting._written(Settings())
    assert not any(Path(KnockSettings().state_dir).is_relative_to(each) for each in written)
