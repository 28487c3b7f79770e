"""Collects what firewall backends can do, and whether they keep the contract, from its tests.

In here: following a run. What a run has seen of a backend whole is kept in
.cache/firewalls.json; of a part of its tests nothing is.
Not in here: the table that is made of it (tests.firewalls).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.contract.firewall import FirewallContract

COLUMN = "firewall column"
FEATURES = "firewall features"
FOUND_IN = (".cache", "firewalls.json")


class Follower:
    """One run, from collection to its end."""

    def __init__(self) -> None:
        self._outcomes: dict[str, dict[str, str]] = {}
        """By class, then by test."""
        self._columns: dict[str, dict[str, Any]] = {}

    def pytest_collection_modifyitems(self, items: Sequence[pytest.Item]) -> None:
        for item in items:
            kind = getattr(item, "cls", None)
            if isinstance(kind, type) and issubclass(kind, FirewallContract) and kind.column:
                told = {
                    "class": item.nodeid.rpartition("::")[0],
                    "column": kind.column,
                    "seen on": kind.seen_on,
                    "tests": sum(name.startswith("test_") for name in dir(kind)),
                }
                item.user_properties.append((COLUMN, told))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        found: dict[str, Any] = dict(report.user_properties)
        told = found.get(COLUMN)
        if told is None:
            return
        kind = told["class"]
        self._columns.setdefault(kind, {**told, "features": []})
        if FEATURES in found:
            self._columns[kind]["features"] = found[FEATURES]
        name = report.nodeid.rpartition("::")[2]
        outcomes = self._outcomes.setdefault(kind, {})
        if report.when == "call" or not report.passed:
            worse = outcomes.get(name, "passed") == "passed"
            outcomes[name] = report.outcome if worse else outcomes[name]

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if hasattr(session.config, "workerinput"):
            return
        path = Path(session.config.rootpath, *FOUND_IN)
        seen = {}
        for kind, outcomes in self._outcomes.items():
            told = self._columns[kind]
            whole = len({name.partition("[")[0] for name in outcomes}) == told["tests"]
            if whole and told["features"]:
                passed = all(each == "passed" for each in outcomes.values())
                seen[kind] = {**told, "passed": passed, "runs": len(outcomes)}
        if seen:
            before = json.loads(path.read_text("utf-8")) if path.exists() else {}
            path.parent.mkdir(exist_ok=True)
            path.write_text(json.dumps({**before, **seen}, indent=1, sort_keys=True), "utf-8")


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Follower(), "firewall-contract")
