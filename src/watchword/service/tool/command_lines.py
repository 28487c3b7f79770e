"""The command lines of all our programs as values, from the tables that parse them.

In here: option tables and argument parsers to commands. They are the one source of
--help, of the heads of the manual pages, and of completion.
Not in here: what is made of them (dialects.shells, tools.manpages).
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
from typing import Final

from watchword.dialects.fwknop import (
    client_option_table,
    client_perl_table,
    companion_options,
    server_options,
    watchdog_options,
)
from watchword.dialects.knockd import client_options, daemon_options
from watchword.dialects.knockd.words import Option
from watchword.dialects.shells.command import Command, Switch, Takes, Value
from watchword.model.crypto import CipherMode, Digest
from watchword.model.routes import Carrier
from watchword.service.tool import command as tool

_DIGESTS: Final = tuple(each.name.lower() for each in Digest)
_MODES: Final = tuple(each.name for each in CipherMode if each is not CipherMode.ASYMMETRIC)
_KINDS: Final = {
    "file": Takes.FILE, "folder": Takes.FOLDER, "host": Takes.HOST, "stanza": Takes.STANZA,
}  # fmt: skip
"""What a value is, by the name that the usage text gives it."""
_KNOWN: Final = {
    "named-config": Value(Takes.STANZA, "name"),
    "name": Value(Takes.STANZA, "name"),
    "digest-type": Value(Takes.WORD, "digest", _DIGESTS),
    "hmac-digest-type": Value(Takes.WORD, "digest", _DIGESTS),
    "encryption-mode": Value(Takes.WORD, "mode", _MODES),
    "server-proto": Value(Takes.WORD, "name", tuple(Carrier)),
}
"""What can be said of a value only by knowing its option."""


def all_programs() -> tuple[Command, ...]:
    """Every program that is installed, in the order of their names."""
    serv, knopmd, knoptm = map(companion, companion_options.OPTIONS)
    servers = (fwknopd(), knock(), knockd(), knopmd, knoptm, knopwatchd())
    return (fwknop(), fwknop1(), serv, *servers, watchword())


def fwknop() -> Command:
    """The client."""
    return Command("fwknop", "the client", tuple(_of_client(client_option_table.OPTIONS)))


def fwknop1() -> Command:
    """The client with the options of 1.9."""
    return Command("fwknop1", "the client", tuple(_of_client(client_perl_table.PERL_OPTIONS)))


def _of_client(options: Iterable[client_option_table.Option]) -> Iterator[Switch]:
    for each in options:
        name = each.placeholder
        value = _value(each.long, name.translate({ord("<"): None, ord(">"): None}))
        if name and "<" not in name:
            value = Value(Takes.WORD, name, (name,))
        yield Switch(each.short, each.long, value, each.what)


def fwknopd() -> Command:
    """The server."""
    return Command("fwknopd", "the server", tuple(_of_server(server_options.OPTIONS)))


def knopwatchd() -> Command:
    """What keeps the server running."""
    return Command("knopwatchd", "the watchdog", tuple(_of_server(watchdog_options.OPTIONS)))


def companion(name: str) -> Command:
    """What fwknop 1.9 had beside its server, by the program's name."""
    switches = tuple(_of_server(companion_options.OPTIONS[name]))
    return Command(name, "beside the server", switches)


def _of_server(options: tuple[server_options.Option, ...]) -> Iterator[Switch]:
    for each in options:
        takes = each.takes is server_options.Takes.TEXT
        last = each.long.rpartition("-")[2].replace("dir", "folder")
        name = (last if last in _KINDS else "value") if takes else ""
        yield Switch(each.short, each.long, _value(each.long, name), each.what)


def knock() -> Command:
    """The client of knockd."""
    switches = tuple(_of_knocking(client_options.OPTIONS))
    return Command("knock", "the client of knockd", switches, operand=Value(Takes.HOST, "host"))


def knockd() -> Command:
    """The server that is knocked at."""
    return Command("knockd", "the knock daemon", tuple(_of_knocking(daemon_options.OPTIONS)))


def _of_knocking(options: tuple[Option, ...]) -> Iterator[Switch]:
    for each in options:
        takes = _KINDS.get(each.value, Takes.TEXT) if each.value else Takes.NOTHING
        yield Switch(each.short, each.long, Value(takes, each.value), each.what)


def watchword() -> Command:
    """The tool, with its commands."""
    return _parsed(tool.PROGRAM, "the tool", tool.parser())


def _parsed(name: str, what: str, parser: argparse.ArgumentParser) -> Command:
    switches: list[Switch] = []
    commands: tuple[Command, ...] = ()
    operand = Value(Takes.TEXT)
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            commands = tuple(_subcommands(action))
        elif action.option_strings:
            switches.append(_switch(action))
        elif operand == Value(Takes.TEXT):
            operand = _operand(action)
    return Command(name, what, tuple(switches), commands, operand)


def _subcommands(
    action: argparse._SubParsersAction[argparse.ArgumentParser],
) -> Iterator[Command]:
    said = {each.dest: each.help or "" for each in action._choices_actions}
    for name, parser in action.choices.items():
        yield _parsed(name, said.get(name, ""), parser)


def _switch(action: argparse.Action) -> Switch:
    short = next((each[1:] for each in action.option_strings if each[1] != "-"), "")
    long = next(each[2:] for each in action.option_strings if each[1] == "-")
    what = (action.help or "").replace("%%", "%")
    if action.nargs == 0:
        return Switch(short, long, Value(Takes.NOTHING), what)
    name = str(action.metavar or action.dest).lower()
    return Switch(short, long, _chosen(action) or _value(long, name), what)


def _operand(action: argparse.Action) -> Value:
    name = str(action.metavar or action.dest).lower()
    if action.dest == "host":  # of somebody to knock at, who is found by the stanza
        return Value(Takes.STANZA, name)
    return _chosen(action) or Value(_KINDS.get(name, Takes.TEXT), name)


def _chosen(action: argparse.Action) -> Value | None:
    if not action.choices:
        return None
    return Value(Takes.WORD, str(action.dest), tuple(map(str, action.choices)))


def _value(option: str, name: str) -> Value:
    if not name:
        return Value(Takes.NOTHING)
    bare = name.partition("[")[0]
    return _KNOWN.get(option) or Value(_KINDS.get(bare, Takes.TEXT), name)
