"""knopwatchd: starts fwknopd, and again when it dies.

In here: one child, what becomes of its end, signals passed on to it, a bound on starting again,
who gets a mail of it.
Not in here: options (watchdog_options), the daemon (daemon).

There is no shell and no polling: the child is waited for. It is started in the foreground, so
that it is a child, and writes to the system's log unless we are in the foreground, too. When we are
killed it goes on, since nobody could knock otherwise; the next knopwatchd adopts it (adopted).

A daemon that dies is started again at once. Only after two lives in a row of no more than
KNOPWATCHD_CHECK_INTERVAL seconds each there is a pause of that length before the next start, and
after KNOPWATCHD_MAX_RETRIES such lives in a row it is given up. One longer life resets the count.
"""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import syslog
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from types import FrameType
from typing import Final

from watchword.dialects.fwknop import server_options, watchdog_options
from watchword.dialects.fwknop.watchdog_options import Patience
from watchword.edges import core_dumps, mail, streams
from watchword.edges.programs import SystemPrograms
from watchword.errors import HostError, WatchwordError
from watchword.model.settings import MailSettings
from watchword.service.complain import answered, complain
from watchword.service.daemon import adopted, process, server
from watchword.service.daemon.adopted import Adopted
from watchword.service.daemon.own_configuration import configured

PROGRAM: Final = "knopwatchd"
_FWKNOPD: Final = (sys.executable, "-P", "-m", "watchword.programs.fwknopd", "-f")
_PASSED_ON: Final = (signal.SIGHUP,)
_ENDING: Final = (signal.SIGTERM, signal.SIGINT)


def run(argv: Sequence[str], *, own_process: bool = False) -> int:
    """Do what the command line says; return the exit status.

    ``own_process``: nobody else's code runs in this process, so it may be marked for good.
    """
    if own_process:
        core_dumps.forbid()  # the files that are checked before the first start have keys in them
        streams.open_closed()
    try:
        options = watchdog_options.parse(argv)
        if options.help:
            return answered(PROGRAM, _help)
        if options.version or options.dump:
            return server.run(["-V"] if options.version else ["-D", *options.daemon])
        absolute = server.absolute(server_options.parse(options.daemon))
        configuration = configured(absolute)
        limits = watchdog_options.patience(configuration.values)
        to = configuration.settings.mail
        words = server.file_options(absolute)
        running = partial(adopted.running, configuration.settings.pid_file)
    except WatchwordError as error:
        complain(PROGRAM, error)
        return 1
    if options.foreground:
        argv = [*_FWKNOPD, *words]
        return Watchdog(argv, limits, _to_terminal, to, running=running).run(lambda: None)
    syslog.openlog(PROGRAM, syslog.LOG_PID, syslog.LOG_DAEMON)
    argv = [*_FWKNOPD, "--syslog-enable", *words]
    watchdog = Watchdog(argv, limits, _to_log, to, running=running)
    return process.into_background(watchdog.run)


def _help() -> int:
    print(watchdog_options.usage(), end="")
    return 0


def _to_terminal(text: str) -> None:
    print(f"{PROGRAM}: {text}", file=sys.stderr, flush=True)


def _to_log(text: str) -> None:
    syslog.syslog(syslog.LOG_ERR, text)


class Watchdog:
    """One program that is kept running until it ends well, or we are told to end."""

    def __init__(
        self,
        argv: Sequence[str],
        limits: Patience,
        tell: Callable[[str], None],
        to: MailSettings | None = None,
        *,
        running: Callable[[], Adopted | None] = lambda: None,
    ) -> None:
        """``to``: who gets a mail of each new start; None: nobody. ``running``: the program that
        runs already, if it does; it is looked after in place of a child."""
        self._post = Post(to, tell)
        self._argv = list(argv)
        self._limits = limits
        self._tell = tell
        self._told_to_end = threading.Event()
        self._running = running
        self._child: subprocess.Popen[bytes] | Adopted | None = None

    def run(self, ready: Callable[[], None]) -> int:
        """Until the end; 0 if it was asked for. ``ready`` is called once it runs."""
        for number in (*_PASSED_ON, *_ENDING):
            signal.signal(number, self._signalled)
        ready()
        short_lives = 0
        while True:
            began = time.monotonic()
            status = self._one_life()
            if self._told_to_end.is_set() or status == 0:
                return 0
            lived = time.monotonic() - began
            short_lives = short_lives + 1 if lived <= self._limits.seconds else 0
            host = socket.gethostname()
            if short_lives > self._limits.tries:
                self._tell(f"Could not restart fwknopd on {host}. Exiting.")
                self._post.wait()  # this mail is not left out for one that is still on its way
                self._post.send(f"[*] {PROGRAM}: Could not restart fwknopd on {host}. Exiting.")
                self._post.wait()
                return 1
            self._tell(f"restarting fwknopd on {host} ({_end(status)})")
            self._post.send(f"[*] {PROGRAM}: Restarting fwknopd on {host}")
            if short_lives > 1 and self._told_to_end.wait(self._limits.seconds):
                return 0

    def _one_life(self) -> int:
        self._child = self._running()
        if self._child is None:
            self._child = subprocess.Popen(self._argv, stdin=subprocess.DEVNULL)
        else:
            self._tell(f"fwknopd runs already (PID {self._child.pid}), and is looked after")
        if self._told_to_end.is_set():
            self._child.terminate()
        return self._child.wait()

    def _signalled(self, number: int, _frame: FrameType | None) -> None:
        if number in _ENDING:
            self._told_to_end.set()
        if self._child is not None and self._child.returncode is None:
            self._child.send_signal(signal.SIGTERM if number in _ENDING else number)


class Post:
    """Mails that nobody waits for: a mailer that hangs holds up no start of the daemon."""

    def __init__(self, to: MailSettings | None, tell: Callable[[str], None]) -> None:
        self._to = to
        self._tell = tell
        self._last: threading.Thread | None = None

    def send(self, subject: str) -> None:
        """In a thread of its own; none where the one before is still on its way."""
        if self._to is None or (self._last is not None and self._last.is_alive()):
            return
        self._last = threading.Thread(target=self._send, args=(self._to, subject), daemon=True)
        self._last.start()

    def wait(self) -> None:
        """Until the last one is gone, for as long as a mail may take at most."""
        if self._last is not None:
            self._last.join(mail.PATIENCE)

    def _send(self, to: MailSettings, subject: str) -> None:
        try:
            mail.send(to, subject, SystemPrograms())
        except HostError as error:
            self._tell(str(error))


def _end(status: int) -> str:
    return f"signal {-status}" if status < 0 else f"status {status}"
