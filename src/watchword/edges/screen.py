"""A terminal taken over for a while: one picture after another, and then as it was.

In here: the other screen of the terminal, no cursor and no echo meanwhile, and
all of that undone whatever ends it.
Not in here: what is shown (service.grants_watch), questions (terminal).
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import termios
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from types import FrameType

_BEGIN = "\x1b[?1049h\x1b[?25l"  # the other screen, no cursor
_END = "\x1b[?25h\x1b[?1049l"
_TOP, _TO_THE_RIGHT, _BELOW = "\x1b[H", "\x1b[K", "\x1b[J"
_ENDING = (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


class _EndedError(Exception):
    """A signal came that ends the program, once the terminal is in order."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def there() -> bool:
    """Whether standard output is a terminal that can be taken over."""
    return sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"


def show_again(picture: Callable[[int], Sequence[str]], seconds: float) -> None:
    """Show a picture, made anew every so many seconds, until Ctrl-C or an error.

    ``picture`` is given the number of lines that there are. Raises
    KeyboardInterrupt and whatever the picture raises; by then the terminal is
    as it was.
    """
    try:
        with _signals(), _taken_over():
            while True:
                columns, lines = shutil.get_terminal_size()
                shown = [line[:columns] + _TO_THE_RIGHT for line in picture(lines)[:lines]]
                sys.stdout.write(_TOP + "\r\n".join(shown) + _BELOW)
                sys.stdout.flush()
                time.sleep(seconds)
    except _EndedError as ended:
        os.kill(os.getpid(), ended.number)


@contextmanager
def _taken_over() -> Iterator[None]:
    terminal = sys.stdout.fileno()
    before = termios.tcgetattr(terminal)
    quiet = termios.tcgetattr(terminal)
    quiet[3] &= ~termios.ECHO
    try:
        termios.tcsetattr(terminal, termios.TCSADRAIN, quiet)
        sys.stdout.write(_BEGIN)
        yield
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # somebody who cannot wait
        with suppress(OSError, termios.error):  # the terminal may be gone
            sys.stdout.write(_END)
            sys.stdout.flush()
            termios.tcsetattr(terminal, termios.TCSAFLUSH, before)


@contextmanager
def _signals() -> Iterator[None]:
    """Have signals that end the program raise, and none stop it half way."""

    def end(number: int, _frame: FrameType | None) -> None:
        raise _EndedError(number)

    heard = [each for each in _ENDING if signal.getsignal(each) is not signal.SIG_IGN]
    before = {number: signal.signal(number, end) for number in heard}
    before[signal.SIGINT] = signal.getsignal(signal.SIGINT)
    before[signal.SIGTSTP] = signal.signal(signal.SIGTSTP, signal.SIG_IGN)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
