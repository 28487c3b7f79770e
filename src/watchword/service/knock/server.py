"""The command knockd: its options, its log, its PID file, going into the background.

In here: the order in which options act, and what is said before there is a log.
Not in here: the running daemon (daemon).

Source: knockd, section 1. Differences: an unknown option of the command line is
told and nothing starts, with the status 0 of the original; a second daemon with
the same PID file is refused.
"""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

from watchword import __version__
from watchword.dialects.knockd import conf, daemon_options, words
from watchword.dialects.knockd.daemon_options import PID_FILE, DaemonOptions
from watchword.dialects.knockd.weakness import weaknesses
from watchword.dialects.knockd.words import UsageError
from watchword.edges import core_dumps, streams
from watchword.edges.clock import SystemClock
from watchword.edges.report.lines import SyslogSink
from watchword.errors import Complaint, HostError, OperatorError
from watchword.model.door_events import NoPidFile
from watchword.model.knocking import Knocking, KnockSettings
from watchword.service.complain import answered
from watchword.service.daemon import process
from watchword.service.daemon.supervision import Supervision
from watchword.service.knock.daemon import KnockDaemon
from watchword.service.knock.loading import load
from watchword.service.knock.teller import LogFile, Names, Teller, look_up

PROGRAM: Final = "knockd"
_RUBBISH: Final = (50_000, 20, 100)
"""When the interpreter looks for cycles: seldom, since knocks make none, and a look walks
over every attempt."""
_READABLE: Final = 0o644
"""Of the PID file, as the original makes it: scripts of others read it."""


def run(argv: Sequence[str], *, own_process: bool = False) -> int:
    """Do what the command line says; return the exit status."""
    if own_process:
        core_dumps.forbid()
        streams.open_closed()
    try:
        options = daemon_options.parse(argv)
    except UsageError as error:
        _warn(f"{PROGRAM}: {error}")
        return _said(daemon_options.usage())  # and 0, as the original
    if options.help:
        return _said(daemon_options.usage())
    if options.version:
        return _said(words.version(PROGRAM, __version__).rstrip("\n"))
    try:
        return _started(replace(options, config=str(Path.cwd() / options.config)))
    except OperatorError as error:
        _complain(error.complaints)
        _said(daemon_options.usage())
    except HostError as error:
        _warn(str(error))
        if error.hint:
            _warn(f"{PROGRAM}: hint: {error.hint}")
    return 1


def _said(text: str) -> int:
    """Print an answer; the exit status of that."""

    def say() -> int:
        print(text)
        return 0

    return answered(PROGRAM, say)


def _warn(text: str) -> None:
    print(text, file=sys.stderr)


def _complain(complaints: Sequence[Complaint]) -> None:
    for each in complaints:
        _warn(each.message)
        if each.hint:
            _warn(f"{PROGRAM}: hint: {each.hint}")


def _started(options: DaemonOptions) -> int:
    if options.interface:
        _refuse_no_interfaces(options.interface)
    knocking = load(options.config)
    if options.check:
        _complain([*knocking.complaints, *weaknesses(knocking.doors)])
        return _said(
            f"{options.config}: {len(knocking.doors)} doors, nothing that would stop knockd"
        )
    if options.flush:
        from watchword.service.knock import flushing  # noqa: PLC0415  (only for this)

        flushing.flush(knocking.settings)
        return 0
    if not options.daemon:
        told = Supervision()
        return _daemon(options, knocking, told.ready, told.awaiting)
    return process.into_background(lambda ready: _daemon(options, knocking, ready))


def _refuse_no_interfaces(text: str) -> None:
    """An empty name would mean all of them."""
    try:
        conf.interfaces(text)
    except ValueError as error:
        raise OperatorError(f"{text!r} names no interface", hint=str(error)) from None


def _daemon(
    options: DaemonOptions,
    knocking: Knocking,
    ready: Callable[[], None],
    awaiting: Callable[[Sequence[str]], None] = lambda what: None,
) -> int:
    gc.freeze()
    gc.set_threshold(*_RUBBISH)
    names = Names(look_up) if options.lookup else None
    teller = Teller(aloud=options.verbose, debug=options.debug, names=names)
    log = _Log(options, teller)
    log.open(knocking.settings)
    daemon = KnockDaemon(options, knocking, teller, SystemClock(), log.open, awaiting=awaiting)
    pid_file = None
    if options.daemon:
        pid_file = Path(knocking.settings.pid_file or options.pid_file or PID_FILE)
    lock = _locked(pid_file, teller)
    if options.verbose:
        print(f"listening on {','.join(daemon.interfaces)}...", flush=True)
    try:
        return asyncio.run(daemon.run(ready))
    finally:
        if lock is not None and pid_file is not None:
            with suppress(OSError):
                pid_file.unlink()
            lock.close()
        teller.close()


def _locked(path: Path | None, teller: Teller) -> process.PidFile | None:
    """The PID file; None: there is none. Raises AlreadyRunningError."""
    if path is None:
        return None
    hint = "end it first, or give this one another PidFile"
    try:
        return process.PidFile(path, hint, program=PROGRAM, mode=_READABLE)
    except process.AlreadyRunningError:
        raise
    except HostError as error:
        reason = getattr(error.__cause__, "strerror", None) or str(error)
        teller.tell(NoPidFile(str(path), reason))
        return None


class _Log:
    """The destinations of lines, as options and file say."""

    def __init__(self, options: DaemonOptions, teller: Teller) -> None:
        self._options = options
        self._teller = teller
        self._path = ""

    def open(self, settings: KnockSettings) -> str:
        """Open what there is to open; what was open before is closed. The path of the file."""
        teller = self._teller
        path = settings.log_file or self._path or self._options.log_file or ""
        self._path = path
        if teller.file is not None:
            teller.file.close()
            teller.file = None
        if path:
            try:
                teller.file = LogFile(path)
            except OSError as error:
                _warn(f"warning: cannot open logfile: {error.strerror}")
        if settings.syslog and teller.syslog is None:
            teller.syslog = SyslogSink(PROGRAM, settings.facility, numbered=False)
        return path
