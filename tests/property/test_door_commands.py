"""A command that is run without a shell means what a shell would have made of it."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from watchword.dialects.knockd.commands import command
from watchword.model.templates import Blank

WHO = {Blank.WHO: "192.0.2.7"}
words = st.text(alphabet="ab '\"%IP-=/,.:@+_0\t", max_size=20)


@pytest.fixture(scope="module")
def recorder() -> Iterator[Path]:
    """A program that prints its arguments, each with a NUL behind it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "recorder"
        path.write_text('#!/bin/sh\nprintf "%s\\0" "$@"\n', "ascii")
        path.chmod(0o755)
        yield path


def told_by(argv: tuple[str, ...]) -> tuple[int, bytes]:
    done = subprocess.run(argv, capture_output=True, check=False, timeout=120)
    return done.returncode, done.stdout


@pytest.mark.requirement("3.19")
@settings(max_examples=60, deadline=None)
@given(words)
@example("-I INPUT -s %IP% -p tcp --dport 22 -j ACCEPT -m comment --comment 'from %IP%'")
@example("'%IP%'\"%IP%\"%IP%")
@example("'' \"\" a''b")
@example("a=b --c='d e'")
@example("%IP%/32,%IP%")
def test_it_is_given_the_arguments_that_a_shell_would_give(recorder: Path, text: str) -> None:
    whole = f"{recorder} {text}"
    found = command(whole)
    shell = ("/bin/sh", "-c", found.template.told(WHO))
    argv = shell if found.through_shell else found.template.argv(WHO)
    assert told_by(argv) == told_by(shell)
