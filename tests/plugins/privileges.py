"""Skips what this machine cannot run, says so, and under CI does not let it pass.

In here: the marks ``system`` (needs root and network namespaces) and ``peer``
(needs packaged programs); a summary of everything that was skipped, by reason.
Under CI (``CI=true``) as root, a ``system`` or ``peer`` test that is skipped
fails, unless the machine cannot make namespaces at all.
Not in here: installing programs (tools/setup.sh).
"""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Generator

import pytest
from _pytest.terminal import TerminalReporter

from watchword.lab.hosts import can_make_namespaces

PACKAGED = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Where packaged programs are; not the virtual environment, which has our own of the same names."""


def missing(item: pytest.Item) -> list[str]:
    """Programs that the test's ``peer`` marks name and that are not installed."""
    programs = [str(name) for mark in item.iter_markers("peer") for name in mark.args]
    return [name for name in programs if shutil.which(name, path=PACKAGED) is None]


def must_not_skip(item: pytest.Item) -> bool:
    """Whether this machine is one that has to run the test."""
    under_ci = os.environ.get("CI", "").lower() in {"1", "true"}
    if not under_ci or os.geteuid() != 0:
        return False
    if item.get_closest_marker("system"):
        return not can_make_namespaces()
    return item.get_closest_marker("peer") is not None


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("system") and (reason := can_make_namespaces()):
        pytest.skip(reason)
    if names := missing(item):
        pytest.skip(f"not installed: {', '.join(sorted(names))}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and must_not_skip(item):
        report.outcome = "failed"
        report.longrepr = f"skipped, and under CI as root it must run: {reason_of(report)}"
    return report


def reason_of(report: pytest.TestReport) -> str:
    """Why a test was skipped, without pytest's own words in front."""
    where = report.longrepr
    text = where[2] if isinstance(where, tuple) else str(where)
    return text.removeprefix("Skipped: ")


def pytest_terminal_summary(terminalreporter: TerminalReporter) -> None:
    """Say what was not run, and why, a line for each reason."""
    skipped = terminalreporter.stats.get("skipped", [])
    reasons = Counter(reason_of(report) for report in skipped)
    if reasons:
        terminalreporter.section("not run on this machine")
    for reason, count in reasons.most_common():
        terminalreporter.write_line(f"{count:5} test{'s' if count > 1 else ' '}  {reason}")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "system: needs root and network namespaces")
    config.addinivalue_line("markers", "peer(*programs): needs these packaged programs")
