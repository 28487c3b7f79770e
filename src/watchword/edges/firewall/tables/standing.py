"""An iptables-restore that goes on standing, and is handed one script after another.

In here: starting it, handing over a script, hearing that it was carried out,
noticing that it was refused. Not in here: the scripts (batches), one-off runs
(tools).

The program commits a script at its COMMIT, and says nothing of that. Asked to
be verbose it repeats comments, so each script is followed by one of its own,
which comes back when everything before it is done. Its output is a terminal, so
that it comes back at once. What is refused ends the program, and nothing of the
table concerned has happened then.
"""

from __future__ import annotations

import contextlib
import os
import pty
import select
import subprocess
import time
import tty
from collections.abc import Mapping, Sequence

_PIECE = 1 << 16
_DYING = 5.0
SECONDS = 40.0
"""For one script, unless somebody says otherwise; iptables' own wait for its lock is part of it."""


class RefusedError(Exception):
    """A script was not carried out; the message is the program's."""


class UncertainError(Exception):
    """Nobody knows whether a script was carried out."""


class StandingRestore:
    """One program, started when first needed and again after a refusal."""

    def __init__(
        self,
        argv: Sequence[str],
        environment: Mapping[str, str],
        *,
        seconds: float = SECONDS,
        pause: float = 0.0,
        tries: int = 1,
    ) -> None:
        """``seconds``: for one script. ``pause``: seconds between two. ``tries``: how often one
        is handed over that is refused."""
        self._seconds = seconds
        self._pause = pause
        self._tries = tries
        self._done = float("-inf")
        self._argv = [*argv, "--verbose"]
        self._environment = dict(environment)
        self._process: subprocess.Popen[bytes] | None = None
        self._into = self._complaints = self._echo = -1
        """Our ends of its input, errors and output."""
        self._count = 0

    @property
    def pid(self) -> int | None:
        """Of the program, while there is one."""
        return None if self._process is None else self._process.pid

    def start(self) -> int:
        """Its process number. Raises RefusedError: there is no such program."""
        return self._started().pid

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is not None and self._process.poll() is None:
            return self._process
        self.close()
        self._echo, output = pty.openpty()
        tty.setraw(output)
        entry, self._into = os.pipe()
        self._complaints, errors = os.pipe()
        try:
            self._process = subprocess.Popen(
                self._argv, stdin=entry, stdout=output, stderr=errors,
                env=self._environment, cwd="/",
            )  # fmt: skip
        except OSError as error:
            self.close()
            raise RefusedError(f"{self._argv[0]}: cannot be started: {error}") from error
        finally:
            for theirs in (entry, output, errors):
                os.close(theirs)
        os.set_blocking(self._into, False)
        return self._process

    def carry_out(self, script: str) -> None:
        """Hand over one transaction and wait until it has happened.

        Raises RefusedError: nothing of it has. Raises UncertainError: the
        program died or took too long, and it may have.
        """
        for left in reversed(range(max(1, self._tries))):
            time.sleep(max(0.0, self._done + self._pause - time.monotonic()))
            try:
                return self._hand_over(script)
            except RefusedError:
                if not left:
                    raise
            finally:
                self._done = time.monotonic()
        return None

    def _hand_over(self, script: str) -> None:
        process = self._started()
        self._count += 1
        mark = f"# watchword {self._count}\n".encode()
        try:
            self._talk(script.encode() + mark, mark)
        except TimeoutError:
            self._kill(process)
            self.close()
            raise UncertainError(f"{self._argv[0]}: took too long and was ended") from None
        except EOFError:
            end = self._ended(self._argv, process, self._complaints)
            self.close()
            raise end from None

    def close(self) -> None:
        """Let it go; it ends when its input does."""
        for ours in (self._into, self._complaints, self._echo):
            if ours >= 0:
                os.close(ours)
        self._into = self._complaints = self._echo = -1
        if self._process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(1.0)
            self._kill(self._process)
        self._process = None

    def _talk(self, data: bytes, mark: bytes) -> None:
        """Raises EOFError: it has ended. Raises TimeoutError."""
        into, limit = self._into, time.monotonic() + self._seconds
        unsent, heard = memoryview(data), b""
        while mark not in heard:
            waiting = select.poll()
            waiting.register(self._echo, select.POLLIN)
            if unsent:
                waiting.register(into, select.POLLOUT)
            events = dict(waiting.poll(max(0.0, limit - time.monotonic()) * 1000))
            if not events:
                raise TimeoutError
            if self._echo in events:
                heard = heard[-len(mark) :] + self._hear()
            if into in events:
                unsent = unsent[self._tell(into, unsent) :]

    def _hear(self) -> bytes:
        try:
            piece = os.read(self._echo, _PIECE)
        except OSError:  # EIO: nobody holds the other end any more
            raise EOFError from None
        if not piece:
            raise EOFError
        return piece

    @staticmethod
    def _tell(into: int, unsent: memoryview) -> int:
        try:
            return os.write(into, unsent[:_PIECE])
        except BlockingIOError:
            return 0
        except OSError:
            raise EOFError from None

    @staticmethod
    def _ended(argv: Sequence[str], process: subprocess.Popen[bytes], complaints: int) -> Exception:
        """What an end of the program means."""
        try:
            status = process.wait(_DYING)
        except subprocess.TimeoutExpired:
            return UncertainError(f"{argv[0]}: says nothing any more and was ended")
        if status < 0:
            return UncertainError(f"{argv[0]}: was killed by signal {-status}")
        said = os.read(complaints, _PIECE).decode("utf-8", "replace").strip().splitlines()
        return RefusedError(f"{argv[0]} refused: {said[0] if said else f'status {status}'}")

    @staticmethod
    def _kill(process: subprocess.Popen[bytes]) -> None:
        if process.poll() is None:
            process.kill()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_DYING)
