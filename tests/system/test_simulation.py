"""A short play of a building on a real kernel, in several ways at once, and what it shows."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from watchword.simulation.cast import Play
from watchword.simulation.figures import Result
from watchword.simulation.modes import MODES
from watchword.simulation.stage import READY, Stage

pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]
PLAY = Play(owners=20, neighbours=5, minutes=0.25, visits=400, stay=1.0, patience=15.0)
PLAYS = (PLAY, replace(PLAY, minutes=1.0, patience=45.0), replace(PLAY, minutes=2.0, patience=90.0))
"""On a machine that is busy, a longer one is played, by people with more patience."""
PLAYED = ("plain", "counted", "bound", "proof")


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[Play, dict[str, Result]]:
    """What was played, and how it went."""
    modes = [each for each in MODES if each.name in PLAYED]
    for play in PLAYS:
        stages = [Stage(play, each, tmp_path_factory.mktemp(each.name)) for each in modes]
        with ThreadPoolExecutor(len(stages)) as pool:
            found = {each.mode: each for each in pool.map(Stage.run, stages)}
        enough = found["plain"].visits >= 5 and found["plain"].admitted > 10
        if enough and all(each.tries > 5 and not each.shut_out for each in found.values()):
            break
    return play, found


@pytest.fixture(scope="module")
def played(both: tuple[Play, dict[str, Result]]) -> dict[str, Result]:
    return both[1]


def test_neighbours_get_in_beside_a_plain_grant_and_no_owner_is_shut_out(
    played: dict[str, Result],
) -> None:
    plain = played["plain"]
    assert plain.visits >= 5
    assert plain.shut_out == ()
    assert plain.knocks >= plain.visits
    assert 10 < plain.admitted <= plain.tries


@pytest.mark.requirement("2.23", partial=True)
def test_with_a_bound_port_or_a_proof_no_neighbour_gets_in_and_every_owner_does(
    played: dict[str, Result],
) -> None:
    for name in ("bound", "proof"):
        assert played[name].shut_out == ()
        assert played[name].tries > 5
        assert played[name].admitted == 0


@pytest.mark.requirement("2.23", partial=True)
def test_with_a_counted_grant_never_more_get_in_than_there_were_knocks(
    both: tuple[Play, dict[str, Result]],
) -> None:
    play, played = both
    counted = played["counted"]
    knocks = counted.knocks * int(1 + play.patience / 3)  # connect sends again every three seconds
    assert counted.admitted <= knocks
    assert counted.admitted < played["plain"].admitted / 3


def test_a_play_that_is_interrupted_leaves_nothing(tmp_path: Path) -> None:
    play = subprocess.Popen(
        [sys.executable, "-m", "watchword.programs.watchword", "simulate", "plain"],
        env={**os.environ, "TMPDIR": str(tmp_path)}, stdout=subprocess.PIPE,
    )  # fmt: skip
    limit = time.monotonic() + 120
    while not any(READY[0] in each.read_text() for each in tmp_path.rglob("fwknopd.log")):
        assert play.poll() is None
        assert time.monotonic() < limit
        time.sleep(0.05)
    assert namespaces(play.pid)
    play.send_signal(signal.SIGTERM)
    said, _ = play.communicate(timeout=120)
    assert (play.returncode, said) == (130, b"")
    assert not namespaces(play.pid)
    assert not list(tmp_path.iterdir())


def namespaces(pid: int) -> list[str]:
    """Of a lab of this process."""
    return [each.name for each in Path("/run/netns").glob(f"ww{pid}-*")]
