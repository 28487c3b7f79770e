"""The server's side of the process that ends its rules when it is dead.

In here: starting that process, telling it to look. Not in here: what it does (heir_process).
"""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Protocol

from watchword.edges.firewall.heirs import Process, Shared
from watchword.edges.programs import CLEAN_ENVIRONMENT
from watchword.model.firewalls import AwsSettings, FirewallSettings, IpfwSettings

_OF_AWS = ("AWS_", "HOME", "HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy")
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


class HeirProcess(Process):
    """A process of its own, which outlives this one until no rule is left."""

    def __init__(self, settings: FirewallSettings, lock: Path) -> None:
        """Raises HostError: it cannot be started."""
        super().__init__(_MODULE, order(settings, lock), environment=environment(settings))
        self._channel.setblocking(False)

    def look(self) -> None:
        with contextlib.suppress(OSError):  # full: it looks anyway; gone: seen by ``alive``
            self._channel.send(b"!")


_shared = Shared[HeirProcess]()


class SharedHeir:
    """One process for all backends here that have the same rules."""

    def __init__(self, settings: FirewallSettings, lock: Path) -> None:
        """Raises HostError: it cannot be started."""
        self._process = _shared.one_for(order(settings, lock), lambda: HeirProcess(settings, lock))

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.alive

    def look(self) -> None:
        self._process.look()

    def close(self) -> None:
        """It goes on for other backends, and for what is open, until this process ends."""


def environment(settings: FirewallSettings) -> dict[str, str]:
    """A clean one; for AWS with what says where its credentials are."""
    found = dict(CLEAN_ENVIRONMENT)
    if settings.backend == "aws":
        found |= {name: text for name, text in os.environ.items() if name.startswith(_OF_AWS)}
    return found


def order(settings: FirewallSettings, lock: Path) -> str:
    """What the process has to know, in one argument; there is nothing secret in it."""
    return json.dumps(
        {
            "backend": settings.backend,
            "exe": settings.exe,
            "ipfw": asdict(settings.ipfw),
            "anchor": settings.anchor,
            "group": settings.group,
            "aws": asdict(settings.aws),
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
        group=told["group"],
        aws=AwsSettings(**told["aws"]),
    )
    return settings, Path(told["lock"])
