"""The client from its command line to its exit status, in the original's order.

In here: the steps of client, section 1.
Not in here: what each of them does (client_files, client_kept, client_save,
client_send).

Starting is fast: what only some runs need is imported by them.
"""

from __future__ import annotations

import os
import sys

from watchword import __version__
from watchword.dialects.fwknop import client_last, client_verify
from watchword.dialects.fwknop.client_options import CommandLine, parse, peek
from watchword.dialects.fwknop.client_settings import PROTOCOL, AllowKind, Given, combine
from watchword.dialects.fwknop.client_values import printable
from watchword.edges import core_dumps, streams
from watchword.errors import HostError, OperatorError
from watchword.record import record, replace
from watchword.service.client import files as client_files
from watchword.service.client.console import Console

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from watchword.service.client.kept import KeptLines

_BY_NAME = "-n"  # with the name of a stanza and nothing else, the line holds no key


def run(argv: Sequence[str], *, own_process: bool = False, as_perl: bool = False) -> int:
    """Do what a command line says; ``argv`` is without the program's name.

    ``as_perl`` reads it, and speaks, as the perl client 1.9 did (fwknop1). Returns
    the exit status: 0 or, for any failure, 1.
    """
    if own_process:
        core_dumps.forbid()
        streams.open_closed()
    console = Console()
    undo: list[Callable[[], object]] = []
    try:
        if own_process and not (len(argv) == 2 and argv[0] == _BY_NAME):
            _hide_keys(argv, console, as_perl=as_perl)
        status = _Round(argv, os.environ, console, undo, as_perl).start()
        sys.stdout.flush()
    except (OperatorError, HostError) as error:
        console.complain(error)
        return 1
    except KeyboardInterrupt:
        console.warn("interrupted.")
        return 1
    except OSError as error:
        if (lost := streams.output_lost(error)) is None:
            raise
        if lost:
            console.warn(lost)
        return 1
    finally:
        for each in undo:
            each()
    return status


def _hide_keys(argv: Sequence[str], console: Console, *, as_perl: bool) -> None:
    try:
        keys = client_last.keys_in(argv, as_perl=as_perl)
    except OperatorError:
        return  # it will be complained about
    if not keys:
        return
    from watchword.edges import process_list  # noqa: PLC0415  (few runs need it)

    process_list.hide(keys)
    if console.attended:
        console.warn("[-] WARNING: a key on the command line can be seen by other users.")
        console.hint("keep it in the rc file (--save-rc-stanza), or give it with --stdin or --fd")


@record
class _Round:
    """One command line and what it leads to: the one that was typed, or the kept one of -l."""

    argv: Sequence[str]
    environment: Mapping[str, str]
    console: Console
    undo: list[Callable[[], object]]
    """What puts back, at the end of the run, what was changed of the process."""
    as_perl: bool
    kept: str | None = None
    """Where the kept line that is being run again came from; None: this one was typed."""

    def start(self) -> int:
        """Steps 1 and 2: what needs no settings."""
        early = peek(self.argv, as_perl=self.as_perl)
        if early.help:
            from watchword.dialects.fwknop.client_usage import usage  # noqa: PLC0415  (help)

            self.console.say(usage(__version__, as_perl=self.as_perl).removesuffix("\n"))
            return 0
        self.console.quiet, self.console.debug = early.perl.quiet, early.perl.debug
        if early.perl.locale is not None:
            _speak(early.perl.locale, self.console, self.undo)
        client_verify.check_files(early)
        path = client_files.rc_path(early, self.environment)
        if early.stanza_list and path is not None:
            return _list_stanzas(path, self.console)
        return self._settle(early, path)

    def _settle(self, early: CommandLine, path: str | None) -> int:
        """Steps 3 to 5: settings, and what is made and saved of them."""
        default = stanza = Given()
        if path is not None:
            default, stanza = client_files.load(path, early, self.console)
        line = parse(self.argv, as_perl=self.as_perl)
        if (encoding := sys.getfilesystemencoding()) != "utf-8":
            from watchword.service.client.typed import as_typed  # noqa: PLC0415  (rare)

            line = as_typed(line, encoding)
        settings = combine(default, stanza, line.given)
        name = client_verify.stanza_to_save(line) if line.save_stanza else ""
        if line.perl.knocks and not (line.save_stanza or line.key_gen):
            _verify_sequence(line, settings)
        else:
            client_verify.verify(line, settings)
        if line.key_gen or line.save_stanza:
            _make_and_save(line, settings, name, path, self.console)
        return 0 if line.key_gen else self._go_on(line, settings)

    def _go_on(self, line: CommandLine, settings: Given) -> int:
        """Steps 6 and later: kept options, and the packet."""
        path = self.kept or client_files.args_path(line, self.environment)
        if line.show_last or line.perl.show_host is not None:
            self.console.say(_shown(line, self._lines(path, line)))
            return 0
        if line.last or line.perl.last_host is not None:
            return self._again(line, self._lines(path, line), path)
        words = ["fwknop", *self.argv]
        keeping = self.kept is None and not settings.no_save_args
        kept = client_last.kept(words, as_perl=self.as_perl) if keeping else None
        try:
            if line.version:
                self.console.say(f"fwknop client {__version__}, FKO protocol version {PROTOCOL}")
                return 0
            status = _knock(line, settings, self.environment, self.console)
        finally:
            if kept is not None:  # whatever became of the packet, which does not wait for the disk
                self._lines(path, line).keep(kept, for_good=line.perl.save_dst)
        if kept is not None and line.given.server:
            self._lines(path, line).keep_for_host(kept)
        return status

    def _lines(self, path: str, line: CommandLine) -> KeptLines:
        from watchword.service.client.kept import KeptLines  # noqa: PLC0415  (after the packet)

        return KeptLines(path, line, self.console)

    def _again(self, line: CommandLine, lines: KeptLines, path: str) -> int:
        if self.kept is not None:
            raise OperatorError(
                f"The options kept in {path} ask for the last options again.",
                hint="delete the file, or give the options once more",
            )
        host = line.perl.last_host
        before = lines.last() if host is None else lines.of_host(host)
        if line.verbose:
            self.console.detail(f"Executing: {printable(before)}")
        return replace(
            self,
            argv=client_last.again(before),
            as_perl=client_last.is_of_perl(before),
            kept=path,
        ).start()


def _shown(line: CommandLine, lines: KeptLines) -> str:
    """The kept options, for somebody to read."""
    if (host := line.perl.show_host) is not None:
        said = f"[+] Last command run for host: {printable(host)}"
        return f"{said}\n    {printable(lines.of_host(host).strip())}"
    shown = f"Last fwknop client command line: {printable(lines.last())}"
    return f"[+] {shown}" if line.perl.show_last else f"{shown}\n"


def _speak(name: str, console: Console, undo: list[Callable[[], object]]) -> None:
    """Have the system's messages in another language; empty: that of the environment."""
    import locale  # noqa: PLC0415  (few runs need it)

    before = locale.setlocale(locale.LC_ALL)
    undo.append(lambda: locale.setlocale(locale.LC_ALL, before))
    try:
        locale.setlocale(locale.LC_ALL, name)
    except (locale.Error, ValueError):
        console.warn(
            f"[-] The locale '{printable(name)}' is not available: messages stay as they are."
        )


def _list_stanzas(path: str, console: Console) -> int:
    names = client_files.stanza_names(path, console)
    console.say(f"The following stanzas are configured in {path} :")
    for name in names:
        console.say(f" - {printable(name)}")
    return 0


def _make_and_save(
    line: CommandLine, settings: Given, name: str, path: str | None, console: Console
) -> None:
    """Step 5."""
    from watchword.service.client import save as keys  # noqa: PLC0415  (few runs need it)

    given = line.given
    made = keys.new_keys(line, settings) if line.key_gen else {}
    if made:
        given = keys.with_keys(given, made)
    left: frozenset[str] = frozenset()
    if line.save_stanza and path is not None:
        left = keys.save_stanza(path, name, given, console, anew=line.force_stanza)
    if made:
        whole = line.save_stanza and not left & made.keys()
        if whole or line.key_gen_file or not line.save_stanza:
            keys.hand_out(made, line.key_gen_file, path if whole else None, console)


def _verify_sequence(line: CommandLine, settings: Given) -> None:
    from watchword.dialects.fwknop import client_sequences  # noqa: PLC0415  (few runs need it)

    replay = line.last or line.perl.last_host is not None
    if not (replay or line.version or line.show_last or line.perl.show_host is not None):
        client_sequences.verify(line, settings)


def _knock(
    line: CommandLine, settings: Given, environment: Mapping[str, str], console: Console
) -> int:
    if line.perl.knocks:
        from watchword.service.client import sequence  # noqa: PLC0415  (few runs need it)

        return sequence.knock(line, settings, environment, console)
    from watchword.service.client.send import knock  # noqa: PLC0415  (after the checks)

    anybody = settings.allow is not None and settings.allow.kind is AllowKind.SOURCE
    if anybody and settings.verbose and not line.test:
        console.warn(
            "[-] WARNING: Should use -a or -R to harden SPA against potential MITM attacks"
        )
    return knock(line, settings, environment, console)
