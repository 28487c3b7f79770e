"""The controlling terminal of POSIX systems: a question, and an answer that is not shown.

In here: echo off, and back on whatever happens.
Not in here: Windows (terminal_windows).

Whatever ends the question, Ctrl-C, an error or a signal, the terminal is as it
was before anything else happens.
"""

from __future__ import annotations

import os
import signal
import termios
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from watchword.edges.prompt import InterruptedAskingError, read_line
from watchword.errors import OperatorError

_TERMINAL = "/dev/tty"
_ENDING = (
    signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGALRM, signal.SIGUSR1, signal.SIGUSR2,
)  # fmt: skip
_NEEDED = termios.ICANON | termios.ISIG | termios.NOFLSH  # an ignored Ctrl-Z drops no letters


class _Ended(BaseException):
    """A signal arrived that ends the program, once the terminal is in order."""

    def __init__(self, number: int) -> None:
        self.number = number


def ask(question: str) -> bytes:
    """Show the question, read one line without echo; without its end of line.

    Raises OperatorError if there is no terminal, or on Ctrl-C.
    """
    try:
        terminal = os.open(_TERMINAL, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError as error:
        raise OperatorError(
            "[*] getpasswd() key error.",
            hint="there is no terminal to ask on; use --stdin, --fd or a key file",
        ) from error
    try:
        return _ask(terminal, question)
    except KeyboardInterrupt:
        raise InterruptedAskingError("interrupted, no packet was sent.") from None
    except _Ended as ended:
        os.kill(os.getpid(), ended.number)
        raise OperatorError("ended by a signal, no packet was sent.") from None
    finally:
        os.close(terminal)


def _ask(terminal: int, question: str) -> bytes:
    with _signals_deferred(), _silent(terminal):
        os.write(terminal, question.encode())
        try:
            return read_line(terminal)
        finally:
            with suppress(OSError):
                os.write(terminal, b"\n")


@contextmanager
def _silent(terminal: int) -> Iterator[None]:
    """Echo off, and what was typed ahead thrown away; everything back at the end."""
    before = termios.tcgetattr(terminal)
    silent = termios.tcgetattr(terminal)
    silent[3] = (silent[3] & ~termios.ECHO) | _NEEDED
    try:
        termios.tcsetattr(terminal, termios.TCSAFLUSH, silent)
        yield
    finally:
        with suppress(termios.error):  # the terminal may be gone
            termios.tcsetattr(terminal, termios.TCSADRAIN, before)


@contextmanager
def _signals_deferred() -> Iterator[None]:
    """Have signals that end the program raise, and none that would leave it stopped."""

    def end(number: int, _frame: FrameType | None) -> None:
        raise _Ended(number)

    heard = [each for each in _ENDING if signal.getsignal(each) is not signal.SIG_IGN]  # nohup
    before = {number: signal.signal(number, end) for number in heard}
    before[signal.SIGINT] = signal.signal(signal.SIGINT, signal.default_int_handler)
    before[signal.SIGTSTP] = signal.signal(signal.SIGTSTP, signal.SIG_IGN)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
