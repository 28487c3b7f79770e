"""Lets another program take the place of this process, and keeps work going beside it.

In here: becoming a program, a companion that lives as long as it does.
Not in here: programs that we run and wait for (edges.programs).

What takes our place has our process number, terminal, group, limits and signals, so
that its exit status is ours and nothing has to be passed on.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final, TypeAlias

from watchword.edges import core_dumps
from watchword.errors import HostError

Wait: TypeAlias = Callable[[float], bool]
"""Wait so many seconds; False, at once, when there is nobody left to work for."""
_POSIX: Final = os.name == "posix"
_LOOK_AGAIN: Final = 1.0  # seconds, where the system cannot tell us of an end


class NotFoundError(HostError):
    """There is no such program."""


def become(argv: Sequence[str]) -> int:
    """Run a program in our place, found on PATH, never through a shell.

    Returns only where systems have no such thing: its exit status then. Raises
    NotFoundError, HostError: it cannot be run, and we still are who we were.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    try:
        if not _POSIX:
            return subprocess.call(list(argv))
        core_dumps.give_back()
        with _default_signals():
            os.execvp(argv[0], list(argv))  # noqa: S606  (no shell, on purpose)
    except FileNotFoundError as error:
        raise NotFoundError(f"there is no program {argv[0]!r}") from error
    except (OSError, ValueError) as error:  # ValueError: a NUL
        reason = (isinstance(error, OSError) and error.strerror) or str(error)
        raise HostError(
            f"{argv[0]!r} cannot be run: {reason}", hint="check its name and the PATH"
        ) from error


class _default_signals:  # noqa: N801  (read as a verb: with _default_signals())
    """What Python ignores, the program gets as the system has it; back if it does not start."""

    _IGNORED: Final = ("SIGPIPE", "SIGXFZ", "SIGXFSZ")

    def __enter__(self) -> None:
        numbers = [getattr(signal, name) for name in self._IGNORED if hasattr(signal, name)]
        self._before = {each: signal.signal(each, signal.SIG_DFL) for each in numbers}

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)


def accompany(work: Callable[[Wait], None]) -> None:
    """Have something done for as long as this process lives, whatever program it becomes.

    The companion is a process of its own, nobody's child, with standard error and
    nothing else that is open here. Where there is no fork it is a thread.
    """
    if not _POSIX:
        threading.Thread(target=work, args=(_until_the_end,), daemon=True).start()
        return
    owner = os.getpid()
    life = _descriptor_of(owner)
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        if life is not None:
            os.close(life)
        return
    try:
        os.setsid()
        if not os.fork():
            _let_go(life)
            work(lambda seconds: _lives(owner, life, seconds))
    finally:
        os._exit(0)


def _descriptor_of(process: int) -> int | None:
    """A descriptor that can be waited at for the end of a process; None: not on this system."""
    with suppress(AttributeError, OSError):
        return os.pidfd_open(process)
    return None


def _let_go(kept: int | None) -> None:
    """Of everything that is open but standard error."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 0)
    os.dup2(nowhere, 1)
    most = os.sysconf("SC_OPEN_MAX")
    if kept is None:
        os.closerange(3, most)
    else:
        os.closerange(3, kept)
        os.closerange(kept + 1, most)


def _lives(owner: int, life: int | None, seconds: float) -> bool:
    end = time.monotonic() + seconds
    if life is not None:
        return not select.select([life], [], [], seconds)[0]
    while (left := end - time.monotonic()) > 0:
        try:
            os.kill(owner, 0)
        except ProcessLookupError:
            return False
        except PermissionError:  # it has become somebody else's
            pass
        time.sleep(min(left, _LOOK_AGAIN))
    return True


def _until_the_end(seconds: float) -> bool:
    time.sleep(seconds)
    return True
