"""Asks for secrets: on the terminal without showing them, or from a descriptor.

In here: the controlling terminal with echo off and back on whatever happens,
lines from a descriptor, a yes-or-no question on standard input.
Not in here: what a good key is (dialects).

Whatever ends the question, Ctrl-C, an error or a signal, the terminal is as it
was before anything else happens.
"""

from __future__ import annotations

import os
import signal
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from watchword.errors import HostError, OperatorError

LONGEST = 4095  # bytes of a line; what a terminal gives at the most
_TERMINAL = "/dev/tty"
_ENDING = (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
_NEEDED = termios.ICANON | termios.ISIG | termios.NOFLSH  # an ignored Ctrl-Z drops no letters


class InterruptedAskingError(OperatorError):
    """Whoever was asked pressed Ctrl-C."""


class _Ended(BaseException):
    """A signal arrived that ends the program, once the terminal is in order."""

    def __init__(self, number: int) -> None:
        self.number = number


class Terminal:
    """Asks on the controlling terminal, wherever input and output are led."""

    def ask(self, question: str) -> bytes:
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
            return self._ask(terminal, question)
        except KeyboardInterrupt:
            raise InterruptedAskingError("interrupted, no packet was sent.") from None
        except _Ended as ended:
            os.kill(os.getpid(), ended.number)
            raise OperatorError("ended by a signal, no packet was sent.") from None
        finally:
            os.close(terminal)

    def _ask(self, terminal: int, question: str) -> bytes:
        with _signals_deferred(), _silent(terminal):
            os.write(terminal, question.encode())
            try:
                return _line(terminal)
            finally:
                with suppress(OSError):
                    os.write(terminal, b"\n")


class Descriptor:
    """Takes answers from an open descriptor, one line after the other."""

    def __init__(self, number: int) -> None:
        self._number = number

    def ask(self, _question: str) -> bytes:
        """The next line, without its end; empty at the end of the input.

        Reads no further than the line, so that whoever comes next finds the rest.
        Raises OperatorError if the descriptor is not open for reading.
        """
        try:
            return _line(self._number)
        except OSError as error:
            raise OperatorError(
                "getpasswd() - Unable to create a stream from the file descriptor : "
                f"{error.strerror}\n[*] getpasswd() key error."
            ) from error


def confirm(question: str) -> bool:
    """Ask on standard output; True if the next line of standard input begins with ``y``.

    The end of the input is a no.
    """
    print(question, end="", flush=True)
    try:
        return sys.stdin.readline()[:1] == "y"
    except (OSError, ValueError) as error:
        raise HostError(f"standard input cannot be read: {error}") from error


def _line(descriptor: int) -> bytes:
    line = bytearray()
    while len(line) < LONGEST:
        octet = os.read(descriptor, 1)
        if octet in (b"", b"\n"):
            break
        line += octet
    return bytes(line).removesuffix(b"\r")


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
