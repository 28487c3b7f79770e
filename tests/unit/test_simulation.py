"""The play of a building: its people come by the seed, and its figures say what happened."""

from __future__ import annotations

import asyncio
import json
import threading
from pathlib import Path
from xml.etree import ElementTree

import pytest

from watchword.errors import HostError
from watchword.programs import watchword
from watchword.simulation.cast import Play, visits
from watchword.simulation.figures import Result, picture, table
from watchword.simulation.hidden import LONGEST, Service
from watchword.simulation.modes import MODES
from watchword.simulation.stage import Stage


def result(mode: str, admitted: int, *shut_out: str, visits: int = 200) -> Result:
    return Result(mode, f"how {mode} works", visits, visits, shut_out, 0.25, 5_000, admitted)


def test_the_same_seed_is_the_same_play_and_another_one_is_not() -> None:
    assert visits(Play(seed=3)) == visits(Play(seed=3))
    assert visits(Play(seed=3)) != visits(Play(seed=4))


def test_owners_come_as_often_as_is_said_in_order_and_never_twice_at_once() -> None:
    play = Play(owners=300, minutes=120, visits=4, stay=1.0)
    found = visits(play)
    assert 0.9 < len(found) / (300 * 4 * 2) < 1.1
    assert found == sorted(found, key=lambda each: each.at)
    until = dict.fromkeys(range(300), 0.0)
    for each in found:
        assert until[each.owner] <= each.at <= play.seconds - play.patience
        until[each.owner] = each.at + each.stay
    assert max(until.values()) <= play.seconds


def test_the_table_compares_with_the_first_mode() -> None:
    *_, plain, one = table([result("plain", 2_000), result("one", 5, "1.0 owner-3: no answer")])
    assert "| 2,000 | 100.00% | 200 | 0 | 0.00% | 0.25 s |" in plain
    assert "| 5 | 0.25% | 200 | 1 | 0.50% | 0.25 s |" in one


def test_a_play_in_which_nothing_happened_has_figures_too() -> None:
    nothing = Result("plain", "nobody came", 0, 0, (), None, 0, 0)
    assert table([nothing])[-1].endswith("| 0 | 0 | - | 0 | 0 | 0.00% | - |")
    ElementTree.fromstring(picture([nothing], "nobody"))  # noqa: S314 - our own


def test_the_picture_has_a_bar_of_each_kind_for_each_mode() -> None:
    drawn = picture([result("plain", 9_999), result("one", 0, "x")], "A & B")
    root = ElementTree.fromstring(drawn)  # noqa: S314 - our own
    bars = [
        float(each.attrib["width"])
        for each in root.iter("{http://www.w3.org/2000/svg}rect")
        if each.attrib["fill"] != "white"
    ]
    assert len(bars) == 4
    full, none, nobody, one = bars
    assert full > 100 > one > none == nobody == 0
    assert "A &amp; B" in drawn


def test_every_mode_has_a_name_of_its_own_and_the_first_is_the_base_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert watchword.main(["simulate", "--list"]) == 0
    listed = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert listed == [each.name for each in MODES]
    assert len(set(listed)) == len(listed)
    assert not MODES[0].stanza
    assert not MODES[0].settings


@pytest.mark.parametrize(
    ("argv", "said"),
    [(["nosuch"], "no mode 'nosuch'"), (["--owners", "0"], "a number from 1 to 1000")],
)
def test_what_cannot_be_played_is_refused_before_anything_is_made(
    argv: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        status = watchword.main(["simulate", *argv])
    except SystemExit as ended:
        status = ended.code  # type: ignore[assignment]
    assert status == 2
    assert said in capsys.readouterr().err


def test_its_answer_for_machines_says_what_was_played(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Stage, "run", lambda self: result("plain", 7))
    assert watchword.main(["simulate", "plain", "--owners", "3", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["play"]["owners"] == 3
    assert [each["admitted"] for each in told["modes"]] == [7]


def test_a_mode_that_cannot_be_played_ends_the_others(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    over = threading.Event()

    def run(stage: Stage) -> Result:
        if stage._mode.name == "plain":
            raise HostError("no room for it")
        assert over.wait(30)
        raise HostError("killed")

    monkeypatch.setattr(Stage, "run", run)
    monkeypatch.setattr(Stage, "stop", lambda stage: over.set())
    assert watchword.main(["simulate", "short", "plain"]) == 1
    assert "no room for it" in capsys.readouterr().err


def test_a_picture_that_cannot_be_written_does_not_take_the_figures_along(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(Stage, "run", lambda self: result("plain", 7))
    assert watchword.main(["simulate", "plain", "--plot", str(tmp_path / "no" / "file")]) == 2
    told = capsys.readouterr()
    assert "| 5,000 | 7 |" in told.out
    assert "No such file" in told.err


@pytest.mark.parametrize(
    ("said", "of_owners", "of_others"),
    [
        (b"a word\n", 1, 0),
        (b"let me in\n", 0, 1),
        (b"let me", 0, 1),
        (b"x" * 1000, 0, 1),
        (b"", 0, 0),
    ],
    ids=["an owner", "a neighbour", "half of it", "too much", "nothing"],
)
def test_who_is_in_is_told_by_what_he_says(said: bytes, of_owners: int, of_others: int) -> None:
    """An owner's client may give up a connection before it has said anything, and be in by another:
    that is no neighbour's."""
    service = Service({b"a word"})

    async def scene() -> None:
        server = await asyncio.start_server(service.meet, "127.0.0.1", 0, limit=LONGEST)
        async with server:
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            writer.write(said)
            writer.write_eof()
            await asyncio.wait_for(reader.read(), 60)
            writer.close()

    asyncio.run(scene())
    assert (service.of_owners, service.of_others) == (of_owners, of_others)
