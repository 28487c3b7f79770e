"""The order of test files: those that take long begin first."""

from __future__ import annotations

import pytest

from tests.plugins.longest_first import LONGEST, TESTS, rank


def test_every_file_that_is_said_to_take_long_is_there_and_said_once() -> None:
    assert [name for name in LONGEST if not (TESTS / name).is_file()] == []
    assert len(set(LONGEST)) == len(LONGEST)


def test_long_files_come_first_and_those_with_namespaces_before_the_rest() -> None:
    names = ["unit/test_order.py", "system/test_x.py", "property/test_y.py", LONGEST[1], LONGEST[0]]
    found = sorted(names, key=lambda name: rank(TESTS / name))
    assert found == [
        LONGEST[0],
        LONGEST[1],
        "system/test_x.py",
        "unit/test_order.py",
        "property/test_y.py",
    ]


def test_this_session_is_in_that_order(request: pytest.FixtureRequest) -> None:
    ranks = [rank(item.path) for item in request.session.items]
    assert ranks == sorted(ranks)
