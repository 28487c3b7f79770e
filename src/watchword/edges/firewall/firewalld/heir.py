"""The server's side of the process that ends rules where firewalld does not.

In here: starting it, telling it. Not in here: what it does (heir_process, pending).
"""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

from watchword.edges.firewall.firewalld.pending import Will, told
from watchword.edges.firewall.firewalld.rules import Rule
from watchword.edges.firewall.firewalld.ways import bus_environment
from watchword.edges.programs import CLEAN_ENVIRONMENT
from watchword.errors import HostError

_MODULE = "watchword.edges.firewall.firewalld.heir_process"
_SECONDS = 10.0


class Heir(Protocol):
    """Somebody who ends rules when we cannot any more."""

    @property
    def alive(self) -> bool: ...

    def tell(self, hold: Iterable[Will] = (), drop: Iterable[Rule] = ()) -> None:
        """What is there from now on, and what is gone. Raises HostError: it does not hear."""
        ...


class HeirProcess:
    """A process of its own, which outlives this one until everything it knows of has ended."""

    def __init__(self, exe: str) -> None:
        """``exe``: firewall-cmd. Raises HostError: it cannot be started."""
        self._deaf = False
        self._speaking = threading.Lock()
        self._channel, far = socket.socketpair()
        self._channel.settimeout(_SECONDS)
        try:
            with far:
                self._process = subprocess.Popen(
                    [sys.executable, "-I", "-m", _MODULE, str(far.fileno()), exe],
                    stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL, pass_fds=(far.fileno(),),
                    env={**CLEAN_ENVIRONMENT, **bus_environment()}, cwd="/", start_new_session=True,
                )  # fmt: skip
        except OSError as error:
            self._channel.close()
            raise HostError(f"the process that ends openings cannot be started: {error}") from error

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return not self._deaf and self._process.poll() is None

    def tell(self, hold: Iterable[Will] = (), drop: Iterable[Rule] = ()) -> None:
        """Raises HostError."""
        hold, drop = list(hold), list(drop)
        if not hold and not drop:
            return
        with self._speaking:
            try:
                self._channel.sendall(told(hold, drop))
            except OSError as error:
                self._deaf = True
                raise HostError(f"the process that ends openings does not hear: {error}") from error

    def close(self) -> None:
        """It goes on until everything has ended."""
        self._channel.close()


_running: dict[tuple[str, str, int], HeirProcess] = {}
_guard = threading.Lock()


def shared_heir(exe: str) -> HeirProcess:
    """One process for all backends of one firewalld: a reload makes another for the same rules.

    It stays until this process ends. Raises HostError: it cannot be started.
    """
    namespace = Path("/proc/thread-self/ns/net").stat().st_ino
    key = (exe, str(bus_environment()), namespace)
    with _guard:
        process = _running.get(key)
        if process is None or not process.alive:
            if process is not None:
                process.close()
            process = _running[key] = HeirProcess(exe)
        return process
