"""What the shells complete, typed into the real ones, and that no name of a stanza ever runs."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.plugins.privileges import PACKAGED
from tests.terminals import Terminal
from watchword.dialects.shells import bash, fish, quoting, zsh
from watchword.dialects.shells.command import Command, Switch, Takes, Value
from watchword.programs import watchword
from watchword.service.tool import command_lines

STUBS = {
    "bash": 'fwknop() { printf "<%s>" "$@"; echo E"ND"; }; watchword() { fwknop "$@"; }',
    "zsh": 'fwknop() { printf "<%s>" "$@"; echo E"ND" }; watchword() { fwknop "$@" }',
    "fish": 'function fwknop; printf "<%s>" $argv; echo E"ND"; end; '
    "function watchword; fwknop $argv; end",
}
"""Programs that show what they were given."""
SHELLS = [
    pytest.param("bash", marks=pytest.mark.peer("bash")),
    pytest.param("zsh", marks=pytest.mark.peer("zsh")),
    pytest.param("fish", marks=pytest.mark.peer("fish")),
]
START = {
    "bash": ["bash", "--norc", "--noprofile", "-i"],
    "zsh": ["zsh", "-f", "-i"],
    "fish": ["fish", "--no-config", "-i"],
}
READY = {"bash": "", "zsh": "unsetopt beep; autoload -U compinit; compinit -u -D; ", "fish": ""}
RC_FILE = """\
[default]
# [commented]
  [indented]
[two words]
[$(touch RAN1)]
[`touch RAN2`]
[it's "quoted"]
[2001:db8::1]
[a*b]
[\x1b]0;steered\x07]
KEY_BASE64 bm90IGEgbmFtZQ==
"""


@pytest.fixture(scope="module", params=SHELLS)
def shell(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Terminal]:
    """A shell that has read its script, in a folder that is its home."""
    name = str(request.param)
    home = tmp_path_factory.mktemp("home")
    (home / ".fwknoprc").write_text(RC_FILE, "utf-8")
    (home / "other").write_text("[elsewhere]\n", "utf-8")
    script = {"bash": bash, "zsh": zsh, "fish": fish}[name].script(command_lines.all_programs())
    (home / "script").write_text(script, "utf-8")
    environment = {"HOME": str(home), "PATH": PACKAGED, "TERM": "xterm", "LC_ALL": "C.UTF-8"}
    with Terminal(START[name], environment, home) as terminal:
        terminal.type(f'{READY[name]}source ./script; {STUBS[name]}; echo REA""DY\n', "READY")
        yield terminal
        assert not list(home.glob("RAN*"))


def given(shell: Terminal, typed: str) -> str:
    """The arguments that a program gets once this was typed and Enter pressed."""
    said = shell.type(f"{typed}\n", "END\r")
    [line] = re.findall(r"(<.*>)END\r", said)
    return str(line)


@pytest.mark.parametrize(
    ("typed", "arguments"),
    [
        ("fwknop -n ind\t", "<-n><indented>"),
        ("fwknop -n two\t", "<-n><two words>"),
        ("fwknop -n \\$\t", "<-n><$(touch RAN1)>"),
        ("fwknop -n '$(\t", "<-n><$(touch RAN1)>"),
        ("fwknop --named-config \\`\t", "<--named-config><`touch RAN2`>"),
        ("fwknop -n it\t", '<-n><it\'s "quoted">'),
        ("fwknop -n 2001:d\t", "<-n><2001:db8::1>"),
        ("fwknop -n a\t", "<-n><a*b>"),
        ("fwknop --named-config=ind\t", "<--named-config=indented>"),
        ("fwknop --rc-file other -n e\t", "<--rc-file><other><-n><elsewhere>"),
        ("fwknop --rc-file=./other -n e\t", "<--rc-file=./other><-n><elsewhere>"),
        ("fwknop --save-packet-a\t", "<--save-packet-append>"),
        ("fwknop -m sha3_2\t", "<-m><sha3_256>"),
        ("fwknop --rc-file ot\t", "<--rc-file><other>"),
        ("watchword complet\t", "<completion>"),
        ("watchword completion z\t", "<completion><zsh>"),
        ("watchword connect --try\t", "<connect><--try-first>"),
        ("watchword connect --name ind\t", "<connect><--name><indented>"),
        ("watchword export ind\t", "<export><indented>"),
    ],
)
def test_what_is_typed_and_a_tab_come_to(shell: Terminal, typed: str, arguments: str) -> None:
    assert given(shell, typed) == arguments


def test_a_name_that_would_steer_the_terminal_is_not_offered(shell: Terminal) -> None:
    said = shell.type('fwknop -n \t\t\x15echo E"ND"\n', "END\r")
    assert "steered" not in said


INSTALLED = {
    "zsh": ("functions/_watchword", "fpath=(./functions $fpath); " + READY["zsh"]),
    "fish": (".config/fish/completions/fwknop.fish", ""),
}
"""Where a script lies that nobody sources, and what else has to be said."""


@pytest.mark.parametrize("name", SHELLS[1:])
def test_a_script_in_the_folder_of_its_shell_is_found_there(name: str, tmp_path: Path) -> None:
    place, ready = INSTALLED[name]
    (tmp_path / place).parent.mkdir(parents=True)
    script = {"zsh": zsh, "fish": fish}[name].script(command_lines.all_programs())
    (tmp_path / place).write_text(script, "utf-8")
    (tmp_path / ".fwknoprc").write_text(RC_FILE, "utf-8")
    environment = {"HOME": str(tmp_path), "PATH": PACKAGED, "TERM": "xterm", "LC_ALL": "C.UTF-8"}
    start = START[name] if name == "zsh" else ["fish", "-i"]
    with Terminal(start, environment, tmp_path) as terminal:
        terminal.type(f'{ready}{STUBS[name]}; echo REA""DY\n', "READY")
        assert given(terminal, "fwknop -n ind\t") == "<-n><indented>"
        assert given(terminal, "fwknop --named-config tw\t") == "<--named-config><two words>"


@pytest.mark.parametrize("name", ["bash", "zsh", "fish"])
def test_every_option_of_every_program_is_in_every_script(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert watchword.main(["completion", name]) == 0
    script = capsys.readouterr().out
    for program in command_lines.all_programs():
        for command in (program, *program.commands):
            for switch in command.switches:
                written = f"-l {switch.long}" if name == "fish" else f"--{switch.long}"
                assert written in script


@pytest.mark.parametrize("name", SHELLS)
def test_words_of_a_description_are_no_commands(name: str, tmp_path: Path) -> None:
    """Descriptions are ours today; a script has to be right whatever they say."""
    what = "it's $(touch RAN) `touch RAN` \\ [a]: b"
    switch = Switch("x", "extra", Value(Takes.WORD, "a:b", ("$(touch RAN)",)), what)
    program = Command("fwknop", what, (switch,), (Command("sub", what, (switch,)),))
    write = {"bash": bash, "zsh": zsh, "fish": fish}[name].script
    (tmp_path / "script").write_text(write((program,)), "utf-8")
    ready = "autoload -U compinit; compinit -u -D; " if name == "zsh" else ""
    subprocess.run(
        [name, "-c", f"{ready}source ./script"], cwd=tmp_path, check=True, timeout=120,
        env={"HOME": str(tmp_path), "PATH": PACKAGED},
    )  # fmt: skip
    assert not (tmp_path / "RAN").exists()


def test_the_names_that_a_shell_reads_are_those_that_the_client_lists(tmp_path: Path) -> None:
    names = subprocess.run(
        ["sh", "-c", quoting.NAMES], input=RC_FILE, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    from watchword.dialects.fwknop import rcfile  # noqa: PLC0415

    listed = rcfile.section_names(RC_FILE)
    assert names == ["default", *[each for each in listed if each.isprintable()]]
    assert "indented" in names
