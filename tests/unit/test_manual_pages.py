"""The manual pages say of every option and variable that there is, and of no other, readably."""

from __future__ import annotations

import argparse
import os
import re
import subprocess
from pathlib import Path

import pytest

from tools import manpages, samples
from watchword.dialects.fwknop import (
    access_conf_table,
    client_option_table,
    client_perl_table,
    companion_options,
    fwknopd_conf_table,
    rcfile_read,
    server_options,
    watchdog_options,
)
from watchword.dialects.knockd import client_options, conf, daemon_options, door_section
from watchword.dialects.shells.command import Command, Switch, Takes, Value
from watchword.service.tool import command as tool

PAGES = Path(__file__).parents[2] / "packaging" / "man"
PROGRAMS = (
    "fwknop", "fwknop1", "fwknop_serv", "fwknopd", "knock", "knockd", "knopmd", "knoptm",
    "knopwatchd", "watchword",
)  # fmt: skip
_OPTION = re.compile(r"^(?:\\fB(-\w)\\fR, )?\\fB(--[\w-]+)\\fR", re.MULTILINE)
_VARIABLE = re.compile(r"\\fB([A-Za-z0-9_%]+)\\fR")


def page(name: str) -> str:
    """The source of a page, with plain hyphens."""
    return (PAGES / name).read_text("utf-8").replace(r"\-", "-")


def options_in(name: str) -> list[tuple[str, str]]:
    """Short and long form of every option that has an entry of its own."""
    entries = page(name).partition(".SH OPTIONS")[2]
    return [(short, long) for short, long in _OPTION.findall(entries)]


def variables_in(name: str) -> set[str]:
    return {
        word
        for word in _VARIABLE.findall(page(name))
        if word.upper() == word or "Cmd" in word or word[0] == "%"
    }


def of_watchword() -> set[tuple[str, str]]:
    """Options of watchword and of its commands."""
    found: set[tuple[str, str]] = set()
    parsers = [tool.parser()]
    while parsers:
        for action in parsers.pop()._actions:
            if isinstance(action, argparse._SubParsersAction):
                parsers += action.choices.values()
            elif action.option_strings:
                short, long = ["", *action.option_strings][-2:]
                found.add((short, long))
    return found


def dashed(short: str, long: str) -> tuple[str, str]:
    return f"-{short}" if short else "", f"--{long}"


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("fwknop.8", {dashed(each.short, each.long) for each in client_option_table.OPTIONS}),
        ("fwknop1.8", {dashed(each.short, each.long) for each in client_perl_table.PERL_OPTIONS}),
        *(
            (f"{name}.8", {dashed(each.short, each.long) for each in options})
            for name, options in companion_options.OPTIONS.items()
        ),
        ("fwknopd.8", {dashed(each.short, each.long) for each in server_options.OPTIONS}),
        ("knock.8", {dashed(each.short, each.long) for each in client_options.OPTIONS}),
        ("knockd.8", {dashed(each.short, each.long) for each in daemon_options.OPTIONS}),
        ("knopwatchd.8", {dashed(each.short, each.long) for each in watchdog_options.OPTIONS}),
        ("watchword.8", of_watchword()),
    ],
)
def test_a_page_has_every_option_of_its_program_once(
    name: str, options: set[tuple[str, str]]
) -> None:
    told = options_in(name)
    assert set(told) == options
    assert len(told) == len(options)


def test_every_command_of_watchword_has_a_section_of_its_page() -> None:
    [commands] = [
        action.choices
        for action in tool.parser()._actions
        if isinstance(action, argparse._SubParsersAction)
    ]
    sections = re.findall(r"^\.SS watchword ([a-z-]+)$", page("watchword.8"), re.MULTILINE)
    assert sections == list(commands)


@pytest.mark.parametrize(
    ("name", "variables"),
    [
        ("access.conf.5", access_conf_table.KNOWN),
        (
            "fwknopd.conf.5",
            fwknopd_conf_table.VARIABLES.keys() | fwknopd_conf_table.ALIASES.keys(),
        ),
    ],
    ids=["access.conf", "fwknopd.conf"],
)
def test_a_page_names_every_variable_of_its_file(name: str, variables: frozenset[str]) -> None:
    assert variables_in(name) == variables


def test_the_page_of_the_client_names_every_variable_of_its_file_and_no_other() -> None:
    """The client's own hint about an unknown variable says so."""
    text = page("fwknop.8").partition("\n.SH THE RC FILE\n")[2].partition("\n.SH ")[0]
    heads = [entry.partition("\n")[0] for entry in text.split("\n.TP\n")[1:]]
    named = re.findall(r"[A-Z][A-Z0-9_]+", " ".join(head.partition(" ")[2] for head in heads))
    assert sorted(named) == sorted(rcfile_read.VARIABLES)


def test_the_page_of_knockds_file_names_every_key_and_no_other() -> None:
    named = {each.lower() for each in re.findall(r"^\\fB([A-Za-z_0-9]+)\\fR", knockd_heads(), re.M)}
    assert named == {*conf.KEYS, *door_section.KEYS}


def knockd_heads() -> str:
    """The heads of the entries, those that share one on lines of their own."""
    entries = page("knockd.conf.5").split("\n.TP\n")[1:]
    heads = (entry.partition("\n")[0] for entry in entries)
    return "\n".join(part.strip() for head in heads for part in head.split(", "))


def said_of_variables() -> dict[str, str]:
    """What the page of fwknopd.conf says of each variable; those of one entry share it."""
    told = {}
    for entry in page("fwknopd.conf.5").split("\n.TP\n")[1:]:
        head, _, said = entry.partition("\n")
        for name in re.findall(r"\\fB([A-Za-z_]+)\\fR", head):
            told[name] = said
    return told


def test_a_default_that_the_page_states_is_the_one_that_counts() -> None:
    stated = 0
    for name, said in said_of_variables().items():
        variable = fwknopd_conf_table.VARIABLES[fwknopd_conf_table.ALIASES.get(name, name)]
        if variable.default is None or "unless given" not in said:
            continue
        before = said[: said.rindex("unless given")]
        assert re.search(rf"(?<![\w.]){re.escape(variable.default)}(?![\w.])", before), name
        stated += 1
    assert stated > 30


@pytest.mark.requirement("5.14")
@pytest.mark.parametrize("program", PROGRAMS)
def test_every_command_has_a_page_that_says_what_it_is(program: str) -> None:
    assert page(f"{program}.8").startswith(f".TH {program.upper()} 8 2")
    assert f"\n.SH NAME\n{program} - " in page(f"{program}.8")


def test_there_is_a_page_for_every_command_that_is_installed() -> None:
    project = (PAGES.parents[1] / "pyproject.toml").read_text("utf-8")
    scripts = project.partition("[project.scripts]\n")[2].partition("\n\n")[0]
    assert {line.split()[0] for line in scripts.splitlines()} == set(PROGRAMS)


@pytest.mark.parametrize("name", manpages.pages())
def test_a_page_is_what_the_option_tables_make_of_it(name: str) -> None:
    """If not: python -m tools.manpages."""
    text = (PAGES / name).read_text("utf-8")
    assert manpages.rewritten(text, manpages.pages()[name]) == text


def _having(command: Command) -> set[str]:
    """The options of a command, and of what may follow it."""
    return {each.long for each in command.switches}.union(*map(_having, command.commands))


def test_an_option_of_watchword_stands_under_the_name_of_a_command_that_has_it() -> None:
    having = {each.name: _having(each) for each in manpages.pages()["watchword.8"].commands}
    of_all = {
        "commands that knock": ("connect", "run", "close", "doctor"),
        "commands about a server": [name for name, has in having.items() if "config-file" in has],
    }
    text = page("watchword.8").partition("\n.SH OPTIONS\n")[2].partition("\n.SH ")[0]
    first, *sections = text.split("\n.SS Of ")
    assert [long for _, long in _OPTION.findall(first)] == ["--version", "--help"]
    for section in sections:
        head, _, entries = section.partition("\n")
        named = of_all.get(head) or head.replace(" and ", ", ").split(", ")
        for _, long in _OPTION.findall(entries):
            assert any(long[2:] in having[name] for name in named), (head, long)


def test_the_synopsis_of_watchword_has_every_command_in_its_order() -> None:
    synopsis = page("watchword.8").partition("\n.SH SYNOPSIS\n")[2].partition("\n.SH ")[0]
    named = re.findall(r"^\\fBwatchword ([\w-]+)", synopsis, re.MULTILINE)
    assert tuple(dict.fromkeys(named)) == tool.COMMANDS


PAGE = """\
.SH DESCRIPTION
.SS watchword one
By hand.
.SH OPTIONS
.SS Of them
Before.
.TP
\\fB\\-a\\fR, \\fB\\-\\-alpha\\fR \\fIold\\fR
Kept: \\-a.
.PP
Between.
.TP
\\fB\\-\\-gone\\fR
Gone.
.TP
\\fB\\-\\-last\\fR \\fIpages\\-own\\fR
Kept.
.SH FILES
"""


def test_the_sample_of_settings_is_what_the_page_and_the_table_make_of_it() -> None:
    """If not: python -m tools.manpages."""
    assert samples.SAMPLE.read_text("utf-8") == samples.fwknopd_conf()


def test_heads_come_from_the_tables_and_what_is_below_them_from_the_page() -> None:
    def switch(short: str, long: str, takes: Takes, name: str = "") -> Switch:
        return Switch(short, long, Value(takes, name), "half a-sentence")

    one = Command("one", "does one", (switch("", "new", Takes.NOTHING),))
    zero = Command("zero", "does it", ())
    switches = (
        switch("A", "alpha", Takes.FILE, "file"),
        switch("b", "be-ta", Takes.NOTHING),
        switch("", "last", Takes.TEXT, "value"),
    )
    written = manpages.rewritten(PAGE, Command("watchword", "", switches, (zero, one)))
    assert (
        written
        == """\
.SH DESCRIPTION
.SS watchword zero
Does it.
.SS watchword one
By hand.
.SH OPTIONS
.SS Of them
Before.
.TP
\\fB\\-A\\fR, \\fB\\-\\-alpha\\fR \\fIfile\\fR
Kept: \\-a.
.TP
\\fB\\-b\\fR, \\fB\\-\\-be\\-ta\\fR
Half a\\-sentence.
.PP
Between.
.TP
\\fB\\-\\-last\\fR \\fIpages\\-own\\fR
Kept.
.TP
\\fB\\-\\-new\\fR
Half a\\-sentence.
.SH FILES
"""
    )
    assert manpages.rewritten(written, Command("watchword", "", switches, (zero, one))) == written


@pytest.mark.peer("mandoc")
@pytest.mark.parametrize("path", sorted(PAGES.iterdir()), ids=lambda path: path.name)
def test_mandoc_finds_nothing_wrong_with_a_page(path: Path) -> None:
    done = subprocess.run(
        ["mandoc", "-Tlint", "-W", "warning", path], capture_output=True, text=True, check=False
    )
    assert done.stdout + done.stderr == ""


@pytest.mark.peer("man")
@pytest.mark.parametrize("path", sorted(PAGES.iterdir()), ids=lambda path: path.name)
def test_man_formats_a_page_without_a_warning(path: Path) -> None:
    done = subprocess.run(
        ["man", "--warnings", "-E", "UTF-8", "-l", "-P", "cat", path],
        capture_output=True, text=True, check=True, env={**os.environ, "MANWIDTH": "80"},
    )  # fmt: skip
    assert done.stderr == ""
    assert "NAME" in done.stdout
