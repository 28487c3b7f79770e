"""The programs mark their own process, and nobody else's."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAMS = ["fwknop", "fwknopd", "watchword"]
ASK = """
import contextlib, importlib, io, resource, sys
most = resource.getrlimit(resource.RLIMIT_CORE)[1]
resource.setrlimit(resource.RLIMIT_CORE, (most, most))
program = importlib.import_module("watchword.programs." + sys.argv[1])
arguments = ["--version"]
if sys.argv[2] == "as a command":
    sys.argv[1:], arguments = arguments, None
with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()):
    program.main(arguments)
soft = resource.getrlimit(resource.RLIMIT_CORE)[0]
print("shut" if soft == 0 else "kept" if soft == most else soft)
"""


def limit_after(program: str, way: str) -> str:
    asked = [sys.executable, "-c", ASK, program, way]
    done = subprocess.run(asked, capture_output=True, text=True, timeout=120, check=True)
    return done.stdout.strip()


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_command_forbids_core_dumps_of_itself(program: str) -> None:
    assert limit_after(program, "as a command") == "shut"


@pytest.mark.parametrize("program", PROGRAMS)
def test_whoever_calls_a_program_from_another_keeps_their_own_limit(program: str) -> None:
    resource = pytest.importorskip("resource")
    if resource.getrlimit(resource.RLIMIT_CORE)[1] == 0:
        pytest.skip("core dumps are forbidden here anyway")
    assert limit_after(program, "by a caller") == "kept"
