"""What every runner of programs does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import pytest

from watchword.ports import Completed, NotStartedError, ProgramRunner

Prepared: TypeAlias = tuple[ProgramRunner, Sequence[str]]
Prepare: TypeAlias = Callable[[Completed], Prepared]
"""A runner, and the arguments for which it will answer that."""


class ProgramsContract:
    """Subclasses give fixtures ``prepare`` and ``hopeless``, a program that cannot start."""

    @pytest.mark.parametrize("status", [0, 1, 127, -9])
    def test_the_status_is_told(self, prepare: Prepare, status: int) -> None:
        runner, argv = prepare(Completed(status, b"", b""))
        assert runner.run(argv).status == status

    def test_both_outputs_are_told_apart(self, prepare: Prepare) -> None:
        runner, argv = prepare(Completed(0, b"answer\n", b"complaint\n"))
        assert runner.run(argv, stdin=b"question") == Completed(0, b"answer\n", b"complaint\n")

    def test_a_program_that_cannot_start_is_the_machines_refusal(self, hopeless: Prepared) -> None:
        runner, argv = hopeless
        with pytest.raises(NotStartedError):
            runner.run(argv)
