"""What fwknopd loads to look at a PID file. Boot scripts and monitors do so all day.

A new line here is a decision. What only some commands need is imported by them, inside the
function that needs it; CONTRIBUTING.md says how.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

OURS = {
    "", "errors", "record", "programs", "programs.fwknopd",
    "service", "service.complain", "service.daemon", "service.daemon.own_files",
    "service.daemon.process", "service.daemon.server", "service.daemon.server_commands",
    "edges", "edges.core_dumps", "edges.files", "edges.portable", "edges.users",
    "dialects", "dialects.fwknop", "dialects.fwknop.firewall_backends",
    "dialects.fwknop.fwknopd_conf", "dialects.fwknop.fwknopd_conf_perl",
    "dialects.fwknop.fwknopd_conf_table", "dialects.fwknop.fwknopd_conf_verify",
    "dialects.fwknop.lines", "dialects.fwknop.server_complaints",
    "dialects.fwknop.server_files", "dialects.fwknop.server_options",
    "dialects.fwknop.server_perl_options", "dialects.fwknop.server_places",
    "dialects.fwknop.server_values", "dialects.fwknop.suggest",
}  # fmt: skip
HEAVY = {
    "asyncio", "concurrent", "cryptography", "dataclasses", "email", "hashlib", "inspect", "json",
    "logging", "shutil", "socket", "sqlite3", "ssl", "subprocess", "threading",
}  # fmt: skip
PROBE = """
import sys
before = set(sys.modules)
from watchword.programs.fwknopd import main
status = main({argv!r})
print()
print([status, *sorted(set(sys.modules) - before)])
"""


def loaded_by(*argv: str) -> tuple[int, set[str]]:
    """Exit status of fwknopd, and the names of the modules that it loaded."""
    program = PROBE.format(argv=list(argv))
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    status, *names = ast.literal_eval(done.stdout.decode("ascii").splitlines()[-1])
    return status, set(names)


def of_ours(names: set[str]) -> set[str]:
    return {each.partition(".")[2] for each in names if each.split(".")[0] == "watchword"}


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    """Options that name files of a daemon that does not run."""
    config = tmp_path / "fwknopd.conf"
    config.write_text(f"FWKNOP_RUN_DIR {tmp_path / 'run'}\n", "ascii")
    return ["-c", str(config), "-a", str(tmp_path / "none")]


@pytest.mark.parametrize(
    ("option", "status"), [("-S", 1), ("-K", 1), ("-R", 1), ("-V", 0), ("--help", 0)]
)
def test_looking_for_a_daemon_loads_nothing_of_it(
    option: str, status: int, files: list[str]
) -> None:
    ended, names = loaded_by(*files, option)
    assert ended == status
    assert of_ours(names) == OURS
    assert {each.split(".")[0] for each in names} & HEAVY == set()
