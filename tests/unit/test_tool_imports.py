"""What watchword imports to find a subcommand: that one, and nothing that works."""

from __future__ import annotations

import json
import subprocess
import sys
from keyword import iskeyword
from pathlib import Path

import pytest

from watchword.service.tool import command as tool

SERVER = {
    "cryptography", "sqlite3", "asyncio", "watchword.recognise", "watchword.grant",
    "watchword.conformance", "watchword.service.daemon.gate",
    "watchword.service.daemon.server_commands",
    "watchword.dialects.fwknop.translate", "watchword.edges.firewall", "watchword.edges.replay",
}  # fmt: skip
NOT_EVERYWHERE = {"fcntl", "pwd", "grp", "termios", "tty", "resource", "syslog"}
PROBE = """
import json, sys
for name in {missing!r}:
    sys.modules[name] = None
from watchword.service.tool import command as tool
try:
    status = tool.run({argv!r})
except SystemExit as end:
    status = end.code
print()
print(json.dumps([status, sorted(name for name, module in sys.modules.items() if module)]))
"""


def imported(*argv: str, missing: frozenset[str] = frozenset()) -> tuple[int, set[str]]:
    """Exit status of the command line, and every module that it brought in."""
    program = PROBE.format(argv=list(argv), missing=sorted(missing))
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    status, names = json.loads(done.stdout.splitlines()[-1])
    return status, set(names)


@pytest.mark.parametrize("argv", [("--help",), *((name, "--help") for name in tool.COMMANDS)])
def test_finding_a_command_imports_nothing_of_the_server_and_needs_no_unix(
    argv: tuple[str, ...],
) -> None:
    status, names = imported(*argv, missing=frozenset(NOT_EVERYWHERE))
    assert status == 0
    assert names & SERVER == set()


def test_only_the_module_of_the_named_command_is_imported() -> None:
    _, names = imported("check", "--help")
    commands = {f"watchword.service.tool.{name}{'_' * iskeyword(name)}" for name in tool.COMMANDS}
    assert names & commands == {"watchword.service.tool.check"}


@pytest.mark.parametrize("command", ["status", "grants", "log"])
def test_asking_a_daemon_imports_nothing_that_answers(command: str, tmp_path: Path) -> None:
    config = tmp_path / "fwknopd.conf"
    config.write_text(f"FWKNOP_RUN_DIR {tmp_path}\n", "ascii")
    status, names = imported(command, "-c", str(config))
    assert status == 1  # nobody answers there
    assert "watchword.service.asking" in names
    assert names & SERVER == set()


def test_an_unknown_command_is_answered_with_those_there_are(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as end:
        tool.run(["chekc"])
    assert end.value.code == 2
    said = capsys.readouterr().err
    assert all(name in said for name in tool.COMMANDS)


def test_what_a_client_s_command_works_with_needs_no_unix() -> None:
    argv = ("connect", "home", "22", "--rc-file", "/nonexistent")
    status, names = imported(*argv, missing=frozenset(NOT_EVERYWHERE))
    assert status == 2
    assert "watchword.service.tool.approach" in names
    assert names & SERVER == set()
