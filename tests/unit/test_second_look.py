"""What failed in company is run once more alone, if that is asked for."""

from __future__ import annotations

from pathlib import Path

import pytest

ONCE = """
    from pathlib import Path

    def test_that_is_unsteady():
        marker = Path(__file__).with_name("was here")
        seen = marker.exists()
        marker.touch()
        assert seen

    def test_that_is_steady():
        pass
"""
ALWAYS = "def test_that_is_wrong():\n    assert False\n"


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A project of its own with nothing but this plugin, and one unsteady test."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    pytester.makeconftest('pytest_plugins = ["tests.plugins.second_look"]')
    pytester.makepyfile(test_once=ONCE)
    return pytester


@pytest.mark.parametrize("more", [[], ["-n", "2"]], ids=["one process", "two"])
def test_what_passes_alone_is_named_and_stops_nothing(
    project: pytest.Pytester, more: list[str]
) -> None:
    ran = project.runpytest("--second-look=1", *more)
    assert ran.ret == pytest.ExitCode.OK
    ran.stdout.fnmatch_lines(
        ["*unsteady: failed in company*", "test_once.py::test_that_is_unsteady"]
    )


def test_nothing_is_looked_at_twice_unless_asked_for(project: pytest.Pytester) -> None:
    assert project.runpytest().ret == pytest.ExitCode.TESTS_FAILED


@pytest.mark.parametrize("most", [1, 2])
def test_what_fails_alone_stays_a_failure_and_so_do_too_many(
    project: pytest.Pytester, most: int
) -> None:
    project.makepyfile(test_always=ALWAYS)
    ran = project.runpytest(f"--second-look={most}")
    assert ran.ret == pytest.ExitCode.TESTS_FAILED
    assert "unsteady:" not in ran.stdout.str()


def test_a_file_that_cannot_be_read_is_not_forgotten_over_what_passes_alone(
    project: pytest.Pytester,
) -> None:
    project.makepyfile(test_broken="import nothing_of_that_name\n")
    ran = project.runpytest("--second-look=3", "--continue-on-collection-errors")
    assert ran.ret == pytest.ExitCode.TESTS_FAILED
    assert "unsteady:" not in ran.stdout.str()
