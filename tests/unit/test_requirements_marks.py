"""The marks on tests: rows they prove, what they need, and what is said when they cannot run."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.plugins import privileges
from tests.requirements.states import Evidence, load

PLUGINS = ("-p", "tests.plugins.requirements", "-p", "tests.plugins.privileges")
ROOT, NOBODY = 0, 65534


@pytest.fixture(autouse=True)
def _not_ci(monkeypatch: pytest.MonkeyPatch, pytester: pytest.Pytester) -> None:
    monkeypatch.delenv("CI", raising=False)
    plain = "-p no:cacheprovider -p no:hypothesispytest -p no:timeout"
    pytester.makeini(f"[pytest]\ntestpaths = .\naddopts = --strict-markers {plain}")


def run(pytester: pytest.Pytester, body: str, *options: str) -> pytest.RunResult:
    pytester.makepyfile(test_it="import pytest\n" + body)
    return pytester.runpytest_inprocess(*PLUGINS, *options)


def evidence(pytester: pytest.Pytester) -> dict[str, list[Evidence]]:
    return load(pytester.path / ".cache" / "requirements.json")


def test_a_whole_run_leaves_its_findings(pytester: pytest.Pytester) -> None:
    body = """
@pytest.mark.requirement("9.1", "9.2")
def test_good(): pass

@pytest.mark.requirement("9.2", partial=True)
def test_bad(): assert False

@pytest.mark.requirement("9.3")
def test_absent(): pytest.skip("no moon")

@pytest.mark.requirement("9.4")
@pytest.mark.xfail
def test_known_to_fail(): assert False
"""
    run(pytester, body)
    assert evidence(pytester) == {
        "9.1": [Evidence("test_it.py::test_good", "passed")],
        "9.2": [
            Evidence("test_it.py::test_good", "passed"),
            Evidence("test_it.py::test_bad", "failed", partial=True),
        ],
        "9.3": [Evidence("test_it.py::test_absent", "skipped")],
        "9.4": [Evidence("test_it.py::test_known_to_fail", "failed")],
    }


def test_several_processes_leave_the_findings_of_one(pytester: pytest.Pytester) -> None:
    body = """
@pytest.mark.requirement("9.1", partial=True)
def test_good(): pass

@pytest.mark.requirement("9.2")
def test_bad(): assert False

def test_of_nothing_in_particular(): pass
"""
    options = ("-p", "xdist", "-n", "2")
    run(pytester, body, *options).assert_outcomes(passed=2, failed=1)
    assert evidence(pytester) == {
        "9.1": [Evidence("test_it.py::test_good", "passed", partial=True)],
        "9.2": [Evidence("test_it.py::test_bad", "failed")],
    }
    (pytester.path / ".cache" / "requirements.json").unlink()
    run(pytester, body, *options, "-k", "good").assert_outcomes(passed=1)
    assert not (pytester.path / ".cache" / "requirements.json").exists()


def test_a_failing_clean_up_is_a_failure(pytester: pytest.Pytester) -> None:
    body = """
@pytest.fixture
def untidy():
    yield
    raise OSError

@pytest.mark.requirement("9.1")
def test_good(untidy): pass
"""
    run(pytester, body)
    assert evidence(pytester) == {"9.1": [Evidence("test_it.py::test_good", "failed")]}


@pytest.mark.parametrize("selection", [("-k", "good"), ("test_it.py",), ("-x",)])
def test_a_run_of_a_part_leaves_no_findings(
    pytester: pytest.Pytester, selection: tuple[str, ...]
) -> None:
    body = """
@pytest.mark.requirement("9.2")
def test_bad(): assert False

@pytest.mark.requirement("9.1")
def test_good(): pass
"""
    run(pytester, body, *selection)
    assert not (pytester.path / ".cache").exists()


@pytest.mark.parametrize(
    ("mark", "said"),
    [
        ('"99.1"', "there is no requirement row 99.1"),
        ("", "write requirement("),
        ('"9.1", half=True', "write requirement("),
    ],
)
def test_a_mark_that_means_no_row_stops_the_run_before_the_first_test(
    pytester: pytest.Pytester, mark: str, said: str
) -> None:
    result = run(pytester, f"@pytest.mark.requirement({mark})\ndef test_good(): pass\n")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"*{said}*"])


NEEDY = """
@pytest.mark.system
def test_of_the_kernel(): pass

@pytest.mark.peer("no-such-program-a", "sh")
def test_of_a_peer(): pass

@pytest.mark.peer("no-such-program-a")
def test_of_the_same_peer(): pass
"""


def become(monkeypatch: pytest.MonkeyPatch, uid: int, trouble: str) -> None:
    """Run as that user, on a machine with that reason not to make namespaces."""
    monkeypatch.setattr(os, "geteuid", lambda: uid)
    monkeypatch.setattr(privileges, "can_make_namespaces", lambda: trouble)


def test_without_root_the_summary_says_what_was_not_run_and_why(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    become(monkeypatch, NOBODY, "network namespaces need root")
    result = run(pytester, NEEDY)
    result.assert_outcomes(skipped=3)
    result.stdout.fnmatch_lines(
        [
            "*not run on this machine*",
            "    2 tests  not installed: no-such-program-a",
            "    1 test   network namespaces need root",
        ]
    )


def test_a_needy_test_runs_where_it_can(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    become(monkeypatch, ROOT, "")
    body = '@pytest.mark.system\n@pytest.mark.peer("sh")\ndef test_it(): pass\n'
    run(pytester, body).assert_outcomes(passed=1)


SKIPPED_BY_HAND = '@pytest.mark.system\ndef test_it(): pytest.skip("not today")\n'


NO_PEER = '@pytest.mark.peer("no-such")\ndef test_it(): pass\n'
OF_ANOTHER_KIND = 'def test_it(): pytest.skip("no moon")\n'


@dataclass(frozen=True, slots=True)
class Machine:
    ci: str
    uid: int
    trouble: str = ""
    """Why it cannot make namespaces."""


@pytest.mark.parametrize(
    ("machine", "body", "outcome"),
    [
        (Machine("true", ROOT), SKIPPED_BY_HAND, {"failed": 1}),
        (Machine("", ROOT), SKIPPED_BY_HAND, {"skipped": 1}),
        (Machine("true", NOBODY, "needs root"), SKIPPED_BY_HAND, {"skipped": 1}),
        (Machine("true", ROOT, "a bare container"), SKIPPED_BY_HAND, {"skipped": 1}),
        (Machine("true", ROOT), NO_PEER, {"errors": 1}),
        (Machine("", ROOT), NO_PEER, {"skipped": 1}),
        (Machine("true", ROOT), OF_ANOTHER_KIND, {"skipped": 1}),
    ],
)
def test_under_ci_what_the_machine_can_do_is_not_skipped(
    pytester: pytest.Pytester,
    monkeypatch: pytest.MonkeyPatch,
    machine: Machine,
    body: str,
    outcome: dict[str, int],
) -> None:
    become(monkeypatch, machine.uid, machine.trouble)
    monkeypatch.setenv("CI", machine.ci)
    run(pytester, body).assert_outcomes(**outcome)


def test_programs_of_our_own_are_not_taken_for_packaged_ones(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ours = tmp_path / "no-such-packaged-program"
    ours.write_text("#!/bin/sh\n", "ascii")
    ours.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    body = '@pytest.mark.peer("no-such-packaged-program")\ndef test_it(): pass\n'
    run(pytester, body).assert_outcomes(skipped=1)
