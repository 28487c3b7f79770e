"""Every golden vector drives a test of its own.

In here: which vectors stand among the parameters of which test, as the vector itself or by
its id. A loop over vectors inside a test does not count: what it leaves out shows nowhere.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from watchword.conformance.golden import every_id, files
from watchword.conformance.strictness import NO_COUNTERPART

TESTS = Path(__file__).parents[1]
WITHOUT_A_TEST = NO_COUNTERPART
"""Vectors that say something about libfko for which there is nothing here."""


def cases_of(module: object) -> Iterator[object]:
    """The test functions of a module and of its test classes, skipped ones left out."""
    for name, value in vars(module).items():
        if name.startswith("test_") and not is_skipped(value):
            yield value
        elif name.startswith("Test") and isinstance(value, type) and not is_skipped(value):
            yield from cases_of(value)


def marks_of(test: object) -> list[pytest.Mark]:
    return list(getattr(test, "pytestmark", []))


def is_skipped(test: object) -> bool:
    return any(mark.name in ("skip", "xfail") for mark in marks_of(test))


def parameters_of(test: object) -> Iterator[object]:
    for mark in marks_of(test):
        if mark.name == "parametrize":
            yield from mark.args[1]


def ids_in(parameters: Iterable[object]) -> Iterator[str]:
    """The ids of vectors among the parameters of a test, or what may be one."""
    for each in parameters:
        if isinstance(each, dict):
            yield str(each.get("id"))
        elif isinstance(each, str):
            yield each
        elif isinstance(each, tuple):  # of several, or a pytest.param
            yield from ids_in(getattr(each, "values", each))


def reads_vectors(path: Path) -> bool:
    text = path.read_text("utf-8")
    return "conformance" in text or "VECTORS" in text


def module_of(path: Path) -> object:
    return importlib.import_module(".".join(path.relative_to(TESTS.parent).with_suffix("").parts))


def driven(modules: Iterable[object]) -> set[str]:
    cases = [case for module in modules for case in cases_of(module)]
    return {name for case in cases for name in ids_in(parameters_of(case))}


def test_every_vector_drives_a_test() -> None:
    there = every_id()
    modules = [module_of(path) for path in TESTS.rglob("test_*.py") if reads_vectors(path)]
    assert (len(files()), len(there)) == (21, 847)
    assert there.keys() - driven(modules) == WITHOUT_A_TEST


class Probe:
    """Stands for a module of tests."""

    @pytest.mark.parametrize("vector", [{"id": "one"}, pytest.param({"id": "two"}, id="x")])
    def test_vectors(self, vector: object) -> None: ...

    @pytest.mark.parametrize(("name", "more"), [("three", 3)])
    def test_names(self, name: str, more: int) -> None: ...

    @pytest.mark.skip
    @pytest.mark.parametrize("name", ["four"])
    def test_not_run(self, name: str) -> None: ...

    @pytest.mark.parametrize("name", ["five"])
    def no_test(self, name: str) -> None: ...


def test_a_vector_that_is_no_parameter_of_a_test_would_be_seen() -> None:
    assert driven([Probe]) == {"one", "two", "three"}
