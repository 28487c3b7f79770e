"""One daemon as a process: its PID file, its lock, going into the background.

In here: who holds the lock (asked of the kernel, never read from the file),
taking it, signalling the holder, detaching from the terminal.
Not in here: what the daemon does (daemon).

The lock is a POSIX lock on the PID file, as fwknopd takes it, so each of the
two programs sees the other (fwknopd server, section 4).
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import signal
import struct
import sys
import time
from collections.abc import Callable
from pathlib import Path

from watchword.errors import HostError

_FLOCK = "@hhqqi"  # struct flock: type, whence, start, length, pid
_STARTED_IN: list[Path] = []
"""Where this process was when it went into the background, which is in / from then on."""
PATIENCE = {"SIGTERM": 25.0, "SIGKILL": 4.0}
"""Seconds until the next one. The daemon has twenty for what its commands have to close."""


def holder(pid_file: Path) -> int | None:
    """PID of the process that holds the lock; None if nobody does. Changes nothing."""
    try:
        descriptor = os.open(pid_file, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise HostError(
            f"cannot look at PID file {pid_file}: {error.strerror}",
            hint="ask as root, or name the right file with --pid-file",
        ) from error
    try:
        asked = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        kind, _, _, _, pid = struct.unpack(_FLOCK, fcntl.fcntl(descriptor, fcntl.F_GETLK, asked))
    finally:
        os.close(descriptor)
    return None if kind == fcntl.F_UNLCK else pid


class AlreadyRunningError(HostError):
    """Another instance holds the lock."""


class PidFile:
    """The lock of a running daemon, held until the process ends."""

    def __init__(
        self, path: Path, hint: str = "", *, program: str = "fwknopd", mode: int = 0o600
    ) -> None:
        """Take the lock and write our PID.

        Raises AlreadyRunningError: another instance holds it (``hint`` says
        what to do then). Raises HostError: the file cannot be made.
        """
        self.path = path
        self._hint = hint
        self._program = program
        self._mode = mode
        self._descriptor = self._taken()

    def _taken(self) -> int:
        path = self.path
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(path, flags, self._mode)
        except OSError as error:
            raise HostError(
                f"cannot make PID file {path}: {error.strerror}",
                hint="name a file in a folder that can be written to",
            ) from error
        try:
            self._lock(descriptor)
            self._write(descriptor)
        except HostError:
            os.close(descriptor)
            raise
        return descriptor

    def _lock(self, descriptor: int) -> None:
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in (errno.EACCES, errno.EAGAIN):
                raise HostError(f"cannot lock PID file {self.path}: {error.strerror}") from error
            said = f"[*] An instance of {self._program} is already running"
            raise AlreadyRunningError(
                f"{said}: (PID={holder(self.path)}).", hint=self._hint
            ) from error

    def _write(self, descriptor: int) -> None:
        try:
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode("ascii"), 0)
        except OSError as error:
            raise HostError(
                f"cannot write PID file {self.path}: {error.strerror}",
                hint=f"check free space of {self.path.parent}",
            ) from error

    def intact(self) -> bool:
        """Whether the file of that name is still ours."""
        ours = os.fstat(self._descriptor)
        try:
            there = self.path.lstat()
        except OSError:
            return False
        return (there.st_dev, there.st_ino) == (ours.st_dev, ours.st_ino)

    def renew(self) -> None:
        """Make the file again, which somebody removed. Raises HostError, as at first."""
        before, self._descriptor = self._descriptor, self._taken()
        os.close(before)

    def end_well(self) -> None:
        """Take our PID out of the file: who looks after a daemon sees that it was to end."""
        with contextlib.suppress(OSError):
            os.ftruncate(self._descriptor, 0)

    def close(self) -> None:
        os.close(self._descriptor)


def stop(pid_file: Path, *, program: str = "fwknopd") -> tuple[int, str] | None:
    """End the daemon that holds the lock; None if there is none.

    Returns its PID and the signal that did it: SIGTERM, or SIGKILL if that takes too long.
    """
    pid = server_of(pid_file, program)
    if pid is None:
        return None
    for name in ("SIGTERM", "SIGKILL"):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.Signals[name])
        limit = time.monotonic() + PATIENCE[name]
        while time.monotonic() < limit:
            if holder(pid_file) != pid:
                return pid, name
            time.sleep(0.02)
    raise HostError(f"process {pid} does not end, not even by SIGKILL")


def reload(pid_file: Path) -> int | None:
    """Send SIGHUP to the daemon that holds the lock; its PID, or None if there is none."""
    pid = server_of(pid_file, "fwknopd")
    if pid is not None:
        os.kill(pid, signal.SIGHUP)
    return pid


def server_of(pid_file: Path, program: str, *, unseen: bool = False) -> int | None:
    """Who holds the lock, if that is such a server. Raises HostError: it is something else.

    ``unseen``: one that cannot be looked at counts, too, as one in another container.
    """
    pid = holder(pid_file)
    if pid is None:
        return None
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except FileNotFoundError:
        return pid if unseen else None
    except OSError as error:
        raise HostError(f"cannot look at process {pid}: {error.strerror}") from error
    ours = re.compile(rb"(.*[./])?" + program.encode("ascii"))  # a script, a module
    if not any(ours.fullmatch(word) for word in words):
        raise HostError(
            f"process {pid} holds {pid_file}, and is no {program}",
            hint="look at it (ps), and name the right file with --pid-file",
        )
    return pid


def nowhere() -> int:
    """A descriptor that has nothing to read, and for whose writes nobody cares."""
    return os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)


def leave_terminal(nowhere: int) -> None:
    """Let go of the folder and the streams that we were started with."""
    _STARTED_IN[:] = [started_in()]
    os.chdir("/")
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)
    os.close(nowhere)


def started_in() -> Path:
    """The directory that relative paths in files are meant from, also in the background."""
    return _STARTED_IN[0] if _STARTED_IN else Path.cwd()


def into_background(work: Callable[[Callable[[], None]], int]) -> int:
    """Run ``work`` in a background process; return when it is ready, or its exit status.

    ``work`` is given a function to call once it is ready. Until then it shares
    our terminal, so what goes wrong at start is seen and ends with its status.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if child:
        os.close(writer)
        with os.fdopen(reader, "rb") as pipe:
            if pipe.read(1):
                return 0
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    os.close(reader)
    os.setsid()

    def ready() -> None:
        leave_terminal(nowhere())
        os.write(writer, b"+")
        os.close(writer)

    status = work(ready)
    sys.stdout.flush()
    os._exit(status)
