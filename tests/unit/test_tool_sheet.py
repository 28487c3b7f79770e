"""watchword sheet and watchword check --knockd: what they print, what they refuse."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from watchword.dialects.knockd.one_time import next_sequence
from watchword.programs import watchword

DOOR = "[d]\nsequence = 7001,8001,9001\n"


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().out.splitlines()


def test_a_sheet_has_the_lines_that_were_asked_for_and_no_two_alike(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert watchword.main(["sheet", "--lines", "50", "--knocks", "5"]) == 0
    found = lines(capsys)
    assert len(set(found)) == 50
    assert all(line.startswith(" ") and len(line.split(",")) == 5 for line in found)
    assert len(next_sequence(found[0].encode("ascii")).sequence) == 5


def test_two_sheets_have_nothing_in_common(capsys: pytest.CaptureFixture[str]) -> None:
    sheets = []
    for _ in range(2):
        watchword.main(["sheet"])
        sheets.append(set(lines(capsys)))
    assert not sheets[0] & sheets[1]


def test_a_sheet_is_written_for_its_owner_only_and_over_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "sheet"
    assert watchword.main(["sheet", "--write", str(path)]) == 0
    assert path.stat().st_mode & 0o777 == 0o600
    before = path.read_bytes()
    assert not set(lines(capsys)) & set(before.decode("ascii").splitlines())
    assert watchword.main(["sheet", "--write", str(path)]) == 1
    assert path.read_bytes() == before


def test_a_sheet_can_be_drawn(capsys: pytest.CaptureFixture[str]) -> None:
    assert watchword.main(["sheet", "--lines", "3", "--qr"]) == 0
    found = lines(capsys)
    assert any("█" in line for line in found[:-3])
    assert all(line.startswith(" ") for line in found[-3:])


@pytest.mark.parametrize("words", [["--lines", "0"], ["--knocks", "2"], ["--lines", "1001"]])
def test_a_sheet_of_a_size_that_makes_no_sense_is_refused(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert watchword.main(["sheet", *words]) == 2
    assert "choose" in capsys.readouterr().err


def test_doors_are_checked_and_their_odds_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "knockd.conf"
    path.touch(mode=0o600)
    path.write_text(DOOR, "utf-8")
    assert watchword.main(["check", "--knockd", str(path)]) == 0
    shown = capsys.readouterr()
    assert "knockd.conf:1: [d]: a scan of all ports in ascending order opens it" in shown.err
    assert "one of 6 scans of all ports in random order opens it" in shown.err
    assert shown.out == "1 doors; the configuration can be used\n"


def test_a_wrong_file_of_doors_cannot_be_used(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "knockd.conf"
    path.write_text(DOOR.replace("7001", "0"), "utf-8")
    assert watchword.main(["check", "--json", "--knockd", str(path)]) == 1
    told = json.loads(capsys.readouterr().out)
    assert not told["usable"]
    assert "port 0 is invalid" in told["complaints"][0]["message"]
