"""docs/faults.md names the tests that show what it says; they are there."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "faults.md"


def test_every_line_names_tests_and_they_are_there() -> None:
    page = PAGE.read_text("utf-8").splitlines()
    heads = [line for line, rule in pairwise(page) if rule.startswith("|---")]
    lines = [line for line in page if line.startswith("| ") and line not in heads]
    assert len(heads) == 2
    assert len(lines) > 17
    for line in lines:
        named = re.findall(r"`((?:system|unit)/test_\w+\.py)`", line.split("|")[-2])
        assert named, line
        assert [each for each in named if not (ROOT / "tests" / each).is_file()] == []
