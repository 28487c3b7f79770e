"""docs/faults.md names the tests that show what it says; they are there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "faults.md"


def test_every_line_names_tests_and_they_are_there() -> None:
    lines = [line for line in PAGE.read_text("utf-8").splitlines() if line.startswith("| ")][1:]
    assert len(lines) > 12
    for line in lines:
        named = re.findall(r"`((?:system|unit)/test_\w+\.py)`", line.split("|")[-2])
        assert named, line
        assert [each for each in named if not (ROOT / "tests" / each).is_file()] == []
