"""docs/shared-addresses.md: the tests that it names are there, its modes are those that play."""

from __future__ import annotations

import re
from pathlib import Path

from watchword.dialects.fwknop.access_conf_table import KNOWN
from watchword.simulation.modes import MODES

ROOT = Path(__file__).parents[2]
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
