"""firewalld by its program firewall-cmd, where the library for D-Bus is missing.

In here: its arguments, and what it prints. Not in here: D-Bus (bus). Each question starts a
Python program: a grant costs a fifth of a second for each zone.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Final

from watchword.edges.firewall.firewalld.kernel import HOMES
from watchword.edges.firewall.firewalld.talk import SECONDS, News, Zone, not_running, refused
from watchword.edges.firewall.nft.watch import Watch
from watchword.ports import ProgramRunner

_NOT_RUNNING: Final = 252
_INVALID_ZONE: Final = 112


class CommandFirewalld:
    """The firewalld that firewall-cmd finds."""

    def __init__(self, exe: str, programs: ProgramRunner) -> None:
        self._exe = exe
        self._programs = programs

    def families(self) -> frozenset[int]:
        """Raises HostError."""
        self._run("--state")
        six = Path("/proc/thread-self/net/if_inet6").exists()
        return frozenset((4, 6) if six else (4,))

    def incarnation(self) -> str:
        """The program does not say."""
        return ""

    def zones(self) -> frozenset[str]:
        """Raises HostError."""
        active = self._run("--get-active-zones").splitlines()
        names = {line.split()[0] for line in active if line and not line[0].isspace()}
        return frozenset({*names, self._run("--get-default-zone").strip()})

    def all_zones(self) -> frozenset[str]:
        """Raises HostError."""
        return frozenset(self._run("--get-zones").split())

    def rules(self, zone: str) -> Sequence[str]:
        """Raises HostError."""
        return self._run(f"--zone={zone}", "--list-rich-rules", gone=True).splitlines()

    def zone(self, name: str) -> Zone:
        """Raises HostError."""
        told = _fields(self._run(f"--zone={name}", "--list-all"))
        return Zone(told["target"], told["services"].split(), told["ports"].split())

    def service_ports(self, name: str) -> Sequence[str]:
        """Raises HostError."""
        return _fields(self._run(f"--info-service={name}"))["ports"].split()

    def put(self, zone: str, rule: str, seconds: int) -> None:
        """Raises HostError."""
        self._run(f"--zone={zone}", f"--add-rich-rule={rule}", f"--timeout={seconds}")

    def take(self, zone: str, rule: str) -> None:
        """Raises HostError."""
        self._run(f"--zone={zone}", f"--remove-rich-rule={rule}", gone=True)

    def reload(self) -> None:
        """Raises HostError."""
        self._run("--reload")

    async def news(self) -> AsyncIterator[News]:
        """Yields when the kernel's tables of firewalld's were changed, by whomever."""
        watch = Watch(0, HOMES)
        try:
            yield None  # whatever happened before we listened
            async for _ in watch.wakings():
                yield None
        finally:
            watch.close()

    def close(self) -> None:
        """There is nothing to let go of."""

    def _run(self, *words: str, gone: bool = False) -> str:
        """What it prints; nothing where the zone is gone, and may be. Raises HostError."""
        done = self._programs.run([self._exe, *words], seconds=SECONDS)
        if done.status == _NOT_RUNNING:
            raise not_running()
        if done.status == _INVALID_ZONE and gone:
            return ""
        if done.status:
            said = (done.stderr or done.stdout).decode("utf-8", "replace").strip()
            raise refused(said.removeprefix("Error: "))
        return done.stdout.decode("utf-8", "replace")


def _fields(listing: str) -> dict[str, str]:
    """What stands behind each name in a listing of firewall-cmd's."""
    found = {"target": "default", "services": "", "ports": ""}
    for line in listing.splitlines():
        name, _, value = line.strip().partition(":")
        found.setdefault(name, "")
        if line[:1].isspace() and value:
            found[name] = value.strip()
    return found
