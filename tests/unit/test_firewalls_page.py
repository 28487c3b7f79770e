"""The table of docs/firewalls.md has a row for every feature and a column for every backend."""

from __future__ import annotations

import pytest

from tests.firewalls import BEGIN, COLUMNS, END, PAGE, ROWS, table, written
from watchword.model.openings import Feature

FOUND = {
    name: {"column": name, "seen on": "the kernel", "features": list(Feature), "passed": True}
    for name in COLUMNS
}


def test_every_feature_has_its_row() -> None:
    assert ROWS.keys() == set(Feature)


def test_the_page_has_the_rows_and_columns_of_today() -> None:
    page = PAGE.read_text("utf-8")
    now = page.partition(BEGIN)[2].partition(END)[0].strip().splitlines()
    made = list(table(FOUND))
    assert now[0] == made[0]
    assert [line.split("|")[1] for line in now] == [line.split("|")[1] for line in made]
    assert "**no**" not in "".join(now)


def test_what_one_way_of_running_a_backend_can_do_it_can() -> None:
    found = {
        **FOUND,
        "plain": {**FOUND["ipset"], "features": []},
        "iptables": {**FOUND["iptables"], "features": [], "passed": False, "seen on": "emulator"},
    }
    lines = list(table(found))
    assert lines[2] == "| IPv4 | yes | yes | yes | yes | no" + " | yes" * (len(COLUMNS) - 5) + " |"
    assert lines[-2].split(" | ")[1:7] == ["yes"] * 4 + ["**no**", "yes"]
    assert lines[-1].split(" | ")[5:7] == ["emulator", "the kernel"]


def test_a_backend_that_was_not_seen_is_an_error() -> None:
    with pytest.raises(KeyError, match="ipset"):
        list(table({name: each for name, each in FOUND.items() if name != "ipset"}))
    with pytest.raises(ValueError, match="no place"):
        written("# Firewalls\n", iter(()))
