"""The server's side of the process that ends rules where firewalld does not.

In here: starting it, telling it. Not in here: what it does (heir_process, pending).
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

from watchword.edges.firewall.firewalld.pending import Will, told
from watchword.edges.firewall.firewalld.rules import Rule
from watchword.edges.firewall.firewalld.system_bus import bus_environment
from watchword.edges.firewall.heirs import Process, Shared
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


class HeirProcess(Process):
    """A process of its own, which outlives this one until everything it knows of has ended."""

    def __init__(self, exe: str) -> None:
        """``exe``: firewall-cmd. Raises HostError: it cannot be started."""
        self._deaf = False
        self._speaking = threading.Lock()
        environment = {**CLEAN_ENVIRONMENT, **bus_environment()}
        super().__init__(_MODULE, exe, environment=environment)
        self._channel.settimeout(_SECONDS)

    @property
    def alive(self) -> bool:
        return not self._deaf and super().alive

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


_shared = Shared[HeirProcess]()


def shared_heir(exe: str) -> HeirProcess:
    """One process for all backends of one firewalld. Raises HostError: it cannot be started."""
    namespace = Path("/proc/thread-self/ns/net").stat().st_ino
    return _shared.one_for((exe, str(bus_environment()), namespace), lambda: HeirProcess(exe))
