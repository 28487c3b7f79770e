"""Runs what failed once more, by itself, where the command line asks for that.

In here: ``--second-look N``. When no more than N tests failed in company, each gets one run alone;
if all of them pass then, the run counts as passed and says by name which tests were unsteady. An
unsteady test is a defect, of itself or of the product, but it need not stop what has nothing to
do with it: continuous integration asks for this, on machines where others work as well. ``make
test`` does not.
Not in here: a second run of what fails alone. That stays a failure.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence

import pytest


class SecondLook:
    """Follows one run, and has the last word on it."""

    def __init__(self, most: int) -> None:
        """``most``: how many failures are looked at again; more are no accident."""
        self._most = most
        self._failed: dict[str, None] = {}
        self._unsteady: Sequence[str] = ()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """A failure to set up or clean up counts, too."""
        if report.failed:
            self._failed[report.nodeid] = None

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A file that cannot be read: alone it cannot either."""
        if report.failed:
            self._failed[report.nodeid] = None

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Only after a run that went to its end, with nothing worse than failures."""
        if session.exitstatus != pytest.ExitCode.TESTS_FAILED:
            return
        if 0 < len(self._failed) <= self._most and self._pass_alone(session.config):
            self._unsteady = tuple(self._failed)
            session.exitstatus = pytest.ExitCode.OK

    def _pass_alone(self, config: pytest.Config) -> bool:
        alone = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *self._failed]
        return subprocess.run(alone, cwd=config.rootpath, check=False).returncode == 0

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self._unsteady:
            terminalreporter.section("unsteady: failed in company, passed alone")
            for test in self._unsteady:
                terminalreporter.line(test)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--second-look", type=int, default=0, metavar="N",
        help="run what failed once more, alone, if it is N tests or fewer",
    )  # fmt: skip


def pytest_configure(config: pytest.Config) -> None:
    most = config.getoption("--second-look")
    if most and not hasattr(config, "workerinput"):
        config.pluginmanager.register(SecondLook(most), "second-look")
