"""The server's side of the process that ends its rules when it is dead.

In here: starting that process, telling it to look. Not in here: what it does (heir_process).
"""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Protocol

from watchword.edges.programs import CLEAN_ENVIRONMENT
from watchword.errors import HostError
from watchword.model.settings import FirewallSettings, IpfwSettings

_MODULE = "watchword.edges.firewall.dated.heir_process"


class Heir(Protocol):
    """Somebody who ends rules when we cannot any more."""

    @property
    def alive(self) -> bool: ...

    def look(self) -> None:
        """Rules were changed."""
        ...

    def close(self) -> None:
        """We end no more rules."""
        ...


class HeirProcess:
    """A process of its own, which outlives this one until no rule is left."""

    def __init__(self, settings: FirewallSettings, lock: Path) -> None:
        """Raises HostError: it cannot be started."""
        self._channel, far = socket.socketpair()
        self._channel.setblocking(False)
        try:
            with far:
                self._process = subprocess.Popen(
                    [sys.executable, "-I", "-m", _MODULE, str(far.fileno()), order(settings, lock)],
                    stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL, pass_fds=(far.fileno(),),
                    env=dict(CLEAN_ENVIRONMENT), cwd="/", start_new_session=True,
                )  # fmt: skip
        except OSError as error:
            self._channel.close()
            raise HostError(f"the process that ends openings cannot be started: {error}") from error

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def look(self) -> None:
        with contextlib.suppress(OSError):  # full: it looks anyway; gone: seen by ``alive``
            self._channel.send(b"!")

    def close(self) -> None:
        self._channel.close()


def order(settings: FirewallSettings, lock: Path) -> str:
    """What the process has to know, in one argument; there is nothing secret in it."""
    return json.dumps(
        {
            "backend": settings.backend,
            "exe": settings.exe,
            "ipfw": asdict(settings.ipfw),
            "anchor": settings.anchor,
            "lock": str(lock),
        }
    )


def ordered(text: str) -> tuple[FirewallSettings, Path]:
    """The same, read back."""
    told = json.loads(text)
    settings = FirewallSettings(
        backend=told["backend"],
        exe=told["exe"],
        ipfw=IpfwSettings(**told["ipfw"]),
        anchor=told["anchor"],
    )
    return settings, Path(told["lock"])
