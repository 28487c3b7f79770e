"""What the backend wants of firewalld, whichever way it is reached.

In here: the interface, and what its answers mean when they are no. Not in here: ways (bus,
command, rehearsal).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import NamedTuple, Protocol, TypeAlias

from watchword.errors import HostError

SECONDS = 10.0
"""For one answer: while it starts or reloads, firewalld answers when it is done."""


_LONGEST = 300  # characters of what it says


class NotRunningError(HostError):
    """There is no firewalld to be asked: nothing was changed."""


class RefusedError(HostError):
    """firewalld says no: nothing was changed."""


class Zone(NamedTuple):
    """What a zone lets everybody reach."""

    target: str
    """``default``, ``ACCEPT``, ``DROP``, ``%%REJECT%%``."""
    services: Sequence[str]
    ports: Sequence[str]
    """``22/tcp``, ``1000-2000/udp``."""


News: TypeAlias = Sequence[str] | None
"""Rich rules that came or went, and nothing else happened; None: something else may have."""


class Firewalld(Protocol):
    """A firewalld. Methods block, and may be called from any thread. All raise HostError."""

    def families(self) -> frozenset[int]:
        """The IP versions that it filters."""
        ...

    def incarnation(self) -> str:
        """Another one after each start of firewalld; empty: that is not known."""
        ...

    def zones(self) -> frozenset[str]:
        """Those that packets may come to now: active ones, and the default zone."""
        ...

    def all_zones(self) -> frozenset[str]:
        """Every zone that there is."""
        ...

    def rules(self, zone: str) -> Sequence[str]:
        """The rich rules of a zone that are in force. None of a zone that is not there."""
        ...

    def zone(self, name: str) -> Zone:
        """What it lets everybody reach now."""
        ...

    def service_ports(self, name: str) -> Sequence[str]:
        """The ports of a service, as those of a zone."""
        ...

    def put(self, zone: str, rule: str, seconds: int) -> None:
        """Add a rich rule until firewalld is reloaded, or so many seconds are over, 1 or more."""
        ...

    def take(self, zone: str, rule: str) -> None:
        """Remove a rich rule. One that is gone, as a zone that is gone, is no error."""
        ...

    def reload(self) -> None:
        """Make everything anew; what was set up for now only is lost."""
        ...

    def news(self) -> AsyncIterator[News]:
        """Yields when something of it may have changed; its start and its end included."""
        ...

    def close(self) -> None:
        """Let go of it; the next question opens it again."""
        ...


def refused(said: str) -> RefusedError:
    """``said``: in firewalld's own words, which begin with one in capitals."""
    hint = "the daemon has to run as root, and may not be locked out by firewalld's lockdown"
    if said.startswith("COMMAND_FAILED"):
        hint = "others have changed its rules in the kernel: systemctl restart firewalld"
    return RefusedError(f"firewalld refuses: {' '.join(said[:_LONGEST].split())}", hint=hint)


def not_running() -> NotRunningError:
    return NotRunningError(
        "firewalld does not run",
        hint="start it with systemctl start firewalld, or use FIREWALL_BACKEND nftables",
    )
