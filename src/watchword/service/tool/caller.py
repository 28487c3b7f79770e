"""Readies the client of fwknop for commands that knock and then do something.

In here: which stanza is meant, its settings with the options given here on top.
Not in here: the options (knock_options), what is done afterwards (approach,
tool_connect, tool_run), the client's own command line (client).

No file is made or changed: neither an rc file nor saved arguments.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from watchword.dialects.fwknop import client_admit, client_ports, client_verify, rcfile, rcfile_find
from watchword.dialects.fwknop.client_options import CommandLine, parse, peek
from watchword.dialects.fwknop.client_settings import Given, combine
from watchword.dialects.fwknop.client_values import server
from watchword.dialects.fwknop.rcfile_read import read
from watchword.dialects.fwknop.suggest import did_you_mean
from watchword.edges.send import Carry
from watchword.errors import OperatorError
from watchword.record import record, replace
from watchword.service.client import files as client_files
from watchword.service.client.console import Console
from watchword.service.client.send import Knocker
from watchword.service.client.typed import as_typed


@record
class Called:
    """Somebody to knock at."""

    stanza: str
    """The stanza's name; empty: everything came from options."""
    line: CommandLine
    settings: Given

    @property
    def title(self) -> str:
        """How to speak of it."""
        return f"stanza [{self.stanza}]" if self.stanza else "the command line"

    @property
    def server(self) -> str:
        """The host that is knocked at, without a port; empty if none is named."""
        return server(self.settings.server).host if self.settings.server else ""

    def target(self, host: str) -> str:
        """Whom to connect to when ``host`` was asked for.

        A name without a dot that is the stanza's is a nickname of its server. Anything
        else is what it says: the server of a stanza may guard other hosts.
        """
        nickname = "." not in host and ":" not in host and rcfile.same(host, self.stanza)
        return self.server if nickname and self.server else host

    def asking_for(self, port: int) -> Called:
        """The same with this TCP port asked for. Raises OperatorError: it names others."""
        return replace(self, settings=client_ports.asking_for(self.settings, port, self.title))

    def bound(self, way: str | None) -> Called:
        """The same with grants bound to source ports, or not; None: as the stanza says."""
        if way is None:
            return self
        elsewhere = {**self.settings.elsewhere, client_admit.BIND: way}
        return replace(self, settings=replace(self.settings, elsewhere=elsewhere))

    @property
    def only_bound(self) -> bool:
        """Whether nothing wider than a source port is to be asked for."""
        return client_admit.is_bound(self.settings) == client_admit.ONLY

    @property
    def is_bound(self) -> bool:
        """Whether a source port is to be asked for, at least first."""
        return client_admit.is_bound(self.settings) != client_admit.NO

    @property
    def proves(self) -> bool:
        """Whether the first bytes of a connection are to prove whose it is."""
        return client_admit.proves(self.settings)

    def knocker(self, console: Console, *, carry: Carry | None = None) -> Knocker:
        """What knocks. ``carry`` sends the packets; None: as the settings say."""
        return Knocker(self.line, self.settings, os.environ, console, carry=carry)

    def verified(self) -> Called:
        """The same, once everything that the client checks before it knocks has been checked.

        Raises OperatorError.
        """
        client_verify.verify(self.line, self.settings)
        return self

    def wishing(self) -> Called:
        """The same, if it says what is to be opened or run. Raises OperatorError."""
        if self.settings.access or self.line.command is not None:
            return self
        raise OperatorError(
            f"{self.title} does not say what is to open",
            hint="name a TCP port on the command line, or put ACCESS tcp/22 into the stanza",
        )


def called(
    arguments: argparse.Namespace, host: str, console: Console, port: int | None = None
) -> Called:
    """Find whom the options mean. Raises OperatorError.

    Args:
        host: What was named on the command line: a stanza, or the server of one.
        port: The TCP port that is to be reached there, if any.
    """
    argv = options(arguments)
    early = peek(argv)
    client_verify.check_files(early)
    path = client_files.rc_path(early, os.environ)
    if path is None:
        line = _parsed(argv)
        return Called("", line, _with_server(combine(Given(), Given(), line.given), host))
    text = read_rc(path, console)
    name = arguments.name or early.named or _stanza_for(text, host, port, path)
    default, stanza = read(text, path, rcfile.DEFAULT, name)
    if stanza is None:
        raise _unknown(name, text, path)
    line = _parsed([*argv, "--named-config", name])
    settings = combine(default.given if default else Given(), stanza.given, line.given)
    return Called(name, line, _with_server(settings, host))


def options(arguments: argparse.Namespace) -> Sequence[str]:
    """The options about the knock as fwknop's. Raises OperatorError."""
    argv: list[str] = ["-v"] * arguments.verbose
    if arguments.rc_file is not None:
        argv += ["--rc-file", arguments.rc_file]
    if arguments.family is not None:
        argv.append(arguments.family)
    if arguments.options:
        import shlex
    for text in arguments.options:
        try:
            argv += shlex.split(text)
        except ValueError as error:
            raise OperatorError(
                f"--options cannot be read: {error}",
                hint="write it as for a shell, with every quote closed: -o '-P tcp -f 60'",
            ) from None
    return argv


def _parsed(argv: Sequence[str]) -> CommandLine:
    """Options of the client, none of which may keep it from knocking."""
    line = parse(argv)
    if (encoding := sys.getfilesystemencoding()) != "utf-8":
        line = as_typed(line, encoding)
    strange = {
        "--help": line.help, "--version": line.version, "--test": line.test,
        "--key-gen": line.key_gen, "--last-cmd": line.last, "--show-last": line.show_last,
        "--save-rc-stanza": line.save_stanza, "--stanza-list": line.stanza_list,
    }  # fmt: skip
    for name, given in strange.items():
        if given:
            raise OperatorError(f"{name} is not for a knock", hint="give it to fwknop itself")
    return line


def read_rc(path: str, console: Console) -> str:
    """The text of an rc file that has to exist. Raises OperatorError."""
    if not client_files.exists(path):
        raise OperatorError(
            f"there is no rc file {path}",
            hint="make a stanza with fwknop --save-rc-stanza, or name another file: --rc-file",
        )
    return client_files.read_own(path, console)


def _stanza_for(text: str, host: str, port: int | None, path: str) -> str:
    found = rcfile_find.stanzas_for(text, host, port)
    if not found:
        raise _unknown(host, text, path)
    if len(found) > 1:
        raise OperatorError(
            f"{host} is the server of several stanzas: {', '.join(found)}",
            hint="say which one is meant: -n NAME",
        )
    return found[0]


def _unknown(name: str, text: str, path: str) -> OperatorError:
    known = rcfile_find.names(text)
    hint = did_you_mean(name, known) or "fwknop --stanza-list shows the stanzas there are"
    return OperatorError(f"{path} has no stanza for {name!r}", hint=hint)


def _with_server(settings: Given, host: str) -> Given:
    return settings if settings.server or not host else replace(settings, server=host)
