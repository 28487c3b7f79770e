"""Runs other programs, never through a shell.

In here: the runner on the real machine, and one in memory that answers from a
list. Not in here: which programs, and what their output means.

A program gets an environment of its own, a group of its own, a limit in time
and one on its output. When a limit is reached the whole group is killed.
"""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import IO, Any, cast

from watchword.edges.portable import own_user
from watchword.errors import HostError
from watchword.model.commands import Account
from watchword.ports import Completed, NotStartedError, ProgramRunner
from watchword.record import record

CLEAN_ENVIRONMENT: Mapping[str, str] = {
    "PATH": "/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin",
    "LC_ALL": "C",  # messages that we read are not translated
}
OUTPUT_LIMIT = 64 << 20  # bytes; a listing of 100,000 set elements is about 20 MiB
_PIECE = 1 << 16
_DYING = 2.0  # seconds; a process in the middle of a file system that hangs does not die
_FORBIDDEN = (
    "see that {} may be executed (ls -l, and the mount option noexec); if it may, AppArmor or "
    "SELinux forbids it: see dmesg"
)
_LOOK_AGAIN = 0.05  # seconds; a program may end while a child of it keeps our pipes open


class SystemPrograms:
    """Runs programs on this machine."""

    def __init__(
        self,
        environment: Mapping[str, str] | None = None,
        output_limit: int = OUTPUT_LIMIT,
        *,
        chatter: bool = False,
        umask: int = -1,
    ) -> None:
        """``environment`` is added to the clean one; ``output_limit`` counts both outputs.

        ``chatter``: what is said beyond the limit is thrown away, and is no reason to end
        the program. ``umask``: what may not be done to the files that it makes; -1: as ours.
        """
        self._umask = umask
        self._environment = {**CLEAN_ENVIRONMENT, **(environment or {})}
        self._output_limit = output_limit
        self._chatter = chatter
        self._ended = threading.Event()

    def end(self) -> None:
        """Kill whatever runs, in whichever thread, and run nothing any more."""
        self._ended.set()

    def run(
        self,
        argv: Sequence[str],
        *,
        stdin: bytes = b"",
        seconds: float = 10.0,
        account: Account | None = None,
    ) -> Completed:
        """Run to the end of the program itself; children it leaves behind are not waited for.

        With an account the program has that user and group and no other group.
        Raises HostError if it cannot start, takes longer than ``seconds`` or
        says more than the output limit. The message names the program, not
        its arguments.
        """
        process = self._started(argv, account)
        talk = None
        try:
            with _told_of(argv[0], seconds):
                talk = _Talk(process, stdin, self._output_limit, self._ended, self._chatter)
                return talk.to_the_end(time.monotonic() + seconds)
        finally:
            _kill(process)
            if talk is not None:
                talk.close()

    def _started(self, argv: Sequence[str], account: Account | None) -> subprocess.Popen[bytes]:
        """Raises NotStartedError."""
        if self._ended.is_set():
            raise NotStartedError(f"{argv[0]}: nothing is run any more")
        if own_user() is None:
            raise NotStartedError(f"{argv[0]}: other programs are not run on this kind of system")
        try:
            return subprocess.Popen(
                list(argv),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=self._environment,
                cwd="/",
                start_new_session=True,
                umask=self._umask,
                **_identity(account),
            )
        except PermissionError as error:
            refused = f"{argv[0]}: cannot be started: {error}"
            raise NotStartedError(refused, hint=_FORBIDDEN.format(argv[0])) from error
        except (OSError, ValueError) as error:
            raise NotStartedError(f"{argv[0]}: cannot be started: {error}") from error


@contextmanager
def _told_of(program: str, seconds: float) -> Iterator[None]:
    """What goes wrong with a program that runs, as HostError."""
    try:
        yield
    except _TooMuchError as error:
        raise HostError(f"{program}: {error}") from error
    except InterruptedError as error:
        raise HostError(f"{program}: was ended with the program that ran it") from error
    except TimeoutError as error:
        raise HostError(f"{program}: took longer than {seconds:g} s and was ended") from error
    except OSError as error:
        raise HostError(f"{program}: cannot be spoken to: {error}") from error


def _identity(account: Account | None) -> dict[str, Any]:
    """What is changed between fork and exec. Root loses its other groups in any case.

    Only what has to be changed: a root with few capabilities may not even try.
    """
    if account is not None:
        return {"user": account.uid, "group": account.gid, "extra_groups": []}
    if own_user() == 0 and set(os.getgroups()) - {os.getgid()}:
        return {"extra_groups": []}
    return {}


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Whatever still runs is killed, with all of its group; what cannot die is left behind."""
    if process.poll() is not None:
        return
    with suppress(ProcessLookupError, PermissionError):  # sudo, unless we are root
        os.killpg(process.pid, signal.SIGKILL)
    with suppress(subprocess.TimeoutExpired):
        process.wait(_DYING)


class _TooMuchError(Exception):
    """The program says more than we are willing to keep."""


class _Talk:
    """Feeds one program and listens to it, all pipes at once."""

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        stdin: bytes,
        limit: int,
        ended: threading.Event,
        chatter: bool,
    ) -> None:
        self._chatter = chatter
        self._ended = ended
        self._process = process
        self._stdin = cast(IO[bytes], process.stdin)  # all three were asked for as pipes
        self._unsent = memoryview(stdin)
        self._room = limit
        outputs = (cast(IO[bytes], process.stdout), cast(IO[bytes], process.stderr))
        self._heard: dict[IO[bytes], list[bytes]] = {pipe: [] for pipe in outputs}
        self._selector = selectors.DefaultSelector()
        for pipe in self._heard:
            self._watch(pipe, selectors.EVENT_READ)
        self._watch(self._stdin, selectors.EVENT_WRITE)

    def to_the_end(self, deadline: float) -> Completed:
        while self._selector.get_map():
            left = deadline - time.monotonic()
            over = self._process.poll() is not None
            if left <= 0 and not over:
                raise TimeoutError
            if self._ended.is_set():
                raise InterruptedError
            ready = self._selector.select(0 if over else min(left, _LOOK_AGAIN))
            if over and (left <= 0 or not ready):
                break
            for key, _ in ready:
                self._serve(key.fileobj)  # type: ignore[arg-type]  # only our pipes are watched
        try:
            status = self._process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired as error:
            raise TimeoutError from error
        stdout, stderr = (b"".join(pieces) for pieces in self._heard.values())
        return Completed(status, stdout, stderr)

    def close(self) -> None:
        """Let go of the pipes."""
        self._selector.close()
        for pipe in (self._stdin, *self._heard):
            with suppress(OSError):  # unsent input of a program that is gone
                pipe.close()

    def _watch(self, pipe: IO[bytes], events: int) -> None:
        os.set_blocking(pipe.fileno(), False)
        self._selector.register(pipe, events)

    def _serve(self, pipe: IO[bytes]) -> None:
        if pipe is self._stdin:
            self._feed(pipe)
        else:
            self._hear(pipe)

    def _feed(self, pipe: IO[bytes]) -> None:
        try:
            sent = os.write(pipe.fileno(), self._unsent[:_PIECE])
        except BrokenPipeError:  # it does not want its input; that is its own affair
            sent = len(self._unsent)
        self._unsent = self._unsent[sent:]
        if not self._unsent:
            self._selector.unregister(pipe)
            pipe.close()

    def _hear(self, pipe: IO[bytes]) -> None:
        piece = os.read(pipe.fileno(), _PIECE)
        if not piece:
            self._selector.unregister(pipe)
            return
        if len(piece) > self._room:
            if not self._chatter:
                raise _TooMuchError("said too much and was ended")
            piece = piece[: self._room]
        self._room -= len(piece)
        if piece:
            self._heard[pipe].append(piece)


@record
class Run:
    """One call of a program."""

    argv: tuple[str, ...]
    stdin: bytes
    account: Account | None = None


class MemoryPrograms:
    """Runs nothing: keeps what it was asked for, and answers from a list.

    An answer that is an error is raised. When the list is used up, every
    program succeeds in silence.
    """

    def __init__(self, answers: Iterable[Completed | HostError] = ()) -> None:
        self.answers = deque(answers)
        self.runs: list[Run] = []

    def run(
        self,
        argv: Sequence[str],
        *,
        stdin: bytes = b"",
        seconds: float = 10.0,
        account: Account | None = None,
    ) -> Completed:
        self.runs.append(Run(tuple(argv), stdin, account))
        answer = self.answers.popleft() if self.answers else Completed(0, b"", b"")
        if isinstance(answer, HostError):
            raise answer
        return answer


_: tuple[type[ProgramRunner], ...] = (SystemPrograms, MemoryPrograms)
