"""fwknopd as a server: from what its files say to a daemon that runs, in one process or two.

In here: going into the background, the lock, the log, what becomes of an error or a bug.
Not in here: the options that print something and end (server_commands, server_questions), the
running server (daemon), locks and signals (process).
"""

from __future__ import annotations

import asyncio
import gc
import os
import socket
import sys
import time
import traceback
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from watchword.dialects.fwknop import dump
from watchword.dialects.fwknop.server_options import ServerOptions
from watchword.dialects.fwknop.translate import Configuration
from watchword.edges.clock import SystemClock
from watchword.errors import Complaint, HostError, OperatorError
from watchword.model.daemon_events import Complained, HostTrouble
from watchword.model.settings import PacketQueue, Settings
from watchword.ports import Reporter
from watchword.service.apart import parting
from watchword.service.complain import complain, say
from watchword.service.daemon import leading, owed, process, surroundings
from watchword.service.daemon.daemon import Daemon
from watchword.service.daemon.logbook import Logbook
from watchword.service.daemon.means import ourselves
from watchword.service.daemon.own_configuration import proven
from watchword.service.daemon.run_files import RunFiles
from watchword.service.daemon.server_commands import PROGRAM
from watchword.service.daemon.sources import doubts
from watchword.service.daemon.supervision import Supervision

DUMPS = 2
"""How often -v has to be said for the settings in effect to be printed at the start."""
FIRST_LIFE = 1.0
"""Seconds that a daemon in the background has to have lived to be started once more when its gate
is lost; in the foreground that is the business of who started it."""
SWITCH = 0.0003  # seconds that the thread of the store waits for the interpreter under load


def serve(options: ServerOptions) -> int:
    """Be the server; the exit status when it has ended, or, in the background, has begun."""
    configuration = proven(options)
    if options.foreground:
        told = Supervision()
        return min(_daemon(configuration, options, told.ready, told.awaiting), 1)
    doubtful = (*doubts(configuration.settings), *leading.doubts(configuration.policy))
    say(PROGRAM, (*configuration.complaints, *doubtful))
    here = Path.cwd()

    def work(ready: Callable[[], None]) -> int:
        began = time.monotonic()
        status = _daemon(configuration, options, ready)
        if status == parting.LOST and time.monotonic() - began > FIRST_LIFE:
            os.chdir(here)
            os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606
        return min(status, 1)

    return process.into_background(work)


def _daemon(
    configuration: Configuration,
    options: ServerOptions,
    ready: Callable[[], None],
    awaiting: Callable[[Sequence[str]], None] = lambda what: None,
) -> int:
    """Its exit status, or ``parting.LOST``."""
    settings = configuration.settings
    os.umask(0o077)
    sys.setswitchinterval(SWITCH)
    gc.freeze()
    reporter = _logbook(configuration, options)
    try:
        surroundings.prepare(settings, reporter)
        if options.foreground and settings.log.verbosity >= DUMPS:
            print(dump.dump_config(configuration), end="", file=sys.stderr, flush=True)
        lock = process.PidFile(settings.pid_file)
        if _parts(settings, reporter):
            status = parting.serve(
                _apart(configuration, options), parting.Front(lock, reporter, ready, awaiting)
            )
        else:
            owed.forget(settings)
            found_by = RunFiles(settings.run_dir, lock, reporter)
            means = replace(ourselves(), awaiting=awaiting, control=found_by.take)
            daemon = Daemon(configuration, lambda: proven(options), reporter, SystemClock(), means)
            status = _to_the_end(daemon.run(ready), reporter)
        if status == 0:
            lock.end_well()
        lock.close()
    except (HostError, OperatorError) as error:
        complain(PROGRAM, error)
        return 1
    finally:
        reporter.close()
    return status


def _logbook(
    configuration: Configuration,
    options: ServerOptions,
    connect: Callable[[str], socket.socket] | None = None,
) -> Logbook:
    log, syslog = configuration.settings.log, options.syslog_enable
    return Logbook(log, foreground=options.foreground, syslog=syslog, connect=connect)


def _parts(settings: Settings, reporter: Reporter) -> bool:
    """Whether there are to be two processes."""
    if not settings.apart:
        return False
    if any(isinstance(each, PacketQueue) for each in settings.sources):
        text = "reading a netfilter queue takes CAP_NET_ADMIN, so packets are read with all rights"
        reporter.report(Complained(Complaint(text, fatal=False)))
        return False
    return True


def _apart(configuration: Configuration, options: ServerOptions) -> parting.Apart:
    return parting.Apart(
        configuration,
        read=lambda: proven(options),
        reporter=lambda connect: _logbook(configuration, options, connect),
        clock=SystemClock(),
        background=not options.foreground,
        run=_to_the_end,
    )


def _to_the_end(work: Coroutine[Any, Any, None], reporter: Logbook) -> int:
    """Run a daemon; what goes wrong is told. A bug is told, too, and let through."""
    try:
        asyncio.run(work)
    except (HostError, OperatorError) as error:
        complain(PROGRAM, error)
        return 1
    except Exception as bug:
        where = traceback.extract_tb(bug.__traceback__)[-1]
        said = f"{type(bug).__name__} at {Path(where.filename).name}:{where.lineno}"
        reporter.report(HostTrouble("internal error, the daemon ends", said, "please report it"))
        raise
    return 0
