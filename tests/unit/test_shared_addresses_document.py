"""docs/shared-addresses.md: the tests that it names are there, its modes are those that play."""

from __future__ import annotations

import re
from pathlib import Path

from watchword.dialects.fwknop.access_conf_table import KNOWN
from watchword.simulation.cast import Play, visits
from watchword.simulation.figures import Result, picture, table
from watchword.simulation.modes import MODES

ROOT = Path(__file__).parents[2]
PICTURE = ROOT / "docs" / "shared-addresses.svg"
PAGE = (ROOT / "docs" / "shared-addresses.md").read_text("utf-8")


def test_every_test_that_it_names_exists() -> None:
    named = set(re.findall(r"`(test_\w+)`", PAGE))
    files = {each.name for each in (ROOT / "tests").rglob("test_*.py")}
    there = {
        name
        for each in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"def (test_\w+)\(", each.read_text("utf-8"))
    }
    assert len(named) > 15
    assert named <= there
    assert set(re.findall(r"`(test_\w+\.py)`", PAGE)) <= files


def test_what_is_played_is_what_it_describes() -> None:
    for each in MODES:
        for keyword in each.stanza:
            assert keyword in PAGE
            assert keyword in KNOWN


def test_every_line_of_its_table_leads_to_a_section() -> None:
    heads = {
        re.sub(r"[^a-z0-9 -]", "", each.lower()).replace(" ", "-")
        for each in re.findall(r"^## (.*)$", PAGE, re.MULTILINE)
    }
    assert set(re.findall(r"\]\(#([a-z0-9-]+)\)", PAGE)) <= heads


def test_the_figures_of_its_play_are_those_of_its_picture_and_one_makes_the_other() -> None:
    play = Play(owners=200, neighbours=20, visits=2, minutes=60)
    lines = [each for each in PAGE.split("<!-- play: begin -->")[1].split("\n") if each[:1] == "|"]
    results = [_result(each) for each in lines[2:]]
    assert table(results) == lines
    assert [each.mode for each in results] == [each.name for each in MODES]
    assert {each.visits for each in results} == {len(visits(play))}
    title = "200 people with keys and 20 without behind one address, 60 minutes"
    assert picture(results, title) == PICTURE.read_text("utf-8")


def _result(row: str) -> Result:
    """What a row of the table says."""
    named, *figures = (each.strip() for each in row.strip("|").split("|"))
    name, _, title = named.partition(": ")
    tries, admitted, _, wanted, shut_out = (each.replace(",", "") for each in figures[:5])
    return Result(
        mode=name.strip("`"), title=title, visits=int(wanted), knocks=0,
        shut_out=("",) * int(shut_out), median_wait=float(figures[-1].removesuffix(" s")),
        tries=int(tries), admitted=int(admitted),
    )  # fmt: skip
