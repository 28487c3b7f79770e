"""Processes that outlive the server, to end what it opened: the server's side of them.

In here: starting one; one for all backends that have the same rules. Not in here: what each is
told (dated.heir, firewalld.heir, tables.ward), what it does then (heir_loop).
"""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Generic, TypeVar

from watchword.errors import HostError


def started(
    module: str, ends: Sequence[socket.socket], *words: str, environment: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    """Run a module of ours as a process of its own. Raises HostError: it cannot be started.

    ``ends``: of sockets; their numbers are its first arguments, and they are closed here.
    """
    numbers = [each.fileno() for each in ends]
    try:
        return subprocess.Popen(
            [sys.executable, "-I", "-m", module, *map(str, numbers), *words],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            pass_fds=numbers, env=environment, cwd="/", start_new_session=True,
        )  # fmt: skip
    except OSError as error:
        raise HostError(f"the process that ends openings cannot be started: {error}") from error
    finally:
        for each in ends:
            each.close()


class Process:
    """One at the other end of a socket, which outlives this one."""

    def __init__(self, module: str, *words: str, environment: Mapping[str, str]) -> None:
        """Raises HostError: it cannot be started."""
        self._channel, far = socket.socketpair()
        try:
            self._process = started(module, [far], *words, environment=environment)
        except HostError:
            self._channel.close()
            raise

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def close(self) -> None:
        """Let it go: it goes on until everything has ended."""
        self._channel.close()


One = TypeVar("One", bound=Process)


class Shared(Generic[One]):
    """One process for all backends here that have the same rules: a reload makes another backend.

    It stays until this process ends: one that is left alone while a server lives would end rules
    a moment before the server does.
    """

    def __init__(self) -> None:
        self._running: dict[Hashable, One] = {}
        self._guard = threading.Lock()

    def one_for(self, rules: Hashable, start: Callable[[], One]) -> One:
        """``rules``: what tells them from others. Raises what ``start`` raises."""
        with self._guard:
            process = self._running.get(rules)
            if process is None or not process.alive:
                if process is not None:
                    process.close()
                process = self._running[rules] = start()
            return process
