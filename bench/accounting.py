"""What the kernel says a server has used: processor time, memory, datagrams.

In here: a cgroup of version 2 for each server, or the process tree where there
is none; the parsing of both.
Not in here: starting the server (servers), processes it starts (births).

A cgroup counts user and system time of every process and thread in it to the
microsecond, those that have ended included. /proc counts in ticks of 10 ms,
and a child only once it has been waited for.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, Protocol

PROC = Path("/proc")


class Account(Protocol):
    """One server's processes and what they have used."""

    how: str
    """For the report: where the figures come from."""

    def enter(self, pid: int) -> None:
        """Count this process, and all that it starts from now on."""
        ...

    def processor_seconds(self) -> float:
        """User and system time since the account was opened."""
        ...

    def pids(self) -> frozenset[int]: ...

    def close(self) -> None: ...


class Cgroup:
    """An account kept by a cgroup of version 2."""

    how = "cgroup v2, cpu.stat usage_usec"

    def __init__(self, folder: Path) -> None:
        """Raises OSError: there can be no such group."""
        folder.mkdir()
        self._folder = folder
        if "usage_usec" not in (folder / "cpu.stat").read_text("ascii"):
            folder.rmdir()
            raise FileNotFoundError(folder / "cpu.stat")

    def enter(self, pid: int) -> None:
        (self._folder / "cgroup.procs").write_text(f"{pid}\n", "ascii")

    def processor_seconds(self) -> float:
        return usage((self._folder / "cpu.stat").read_text("ascii"))

    def pids(self) -> frozenset[int]:
        return frozenset(map(int, (self._folder / "cgroup.procs").read_text("ascii").split()))

    def close(self) -> None:
        """Remove the group; its processes have to be gone, which may take them a moment."""
        for _ in range(200):
            with suppress(OSError):
                self._folder.rmdir()
                return
            time.sleep(0.01)


class Tree:
    """An account kept by walking the process tree; coarse, for machines without cgroups."""

    how = "/proc, utime + stime + cutime + cstime of the process tree (ticks of 10 ms)"

    def __init__(self) -> None:
        self._roots: set[int] = set()

    def enter(self, pid: int) -> None:
        self._roots.add(pid)

    def processor_seconds(self) -> float:
        ticks = sum(stat.ticks for stat in _stats(self.pids()))
        return ticks / os.sysconf("SC_CLK_TCK")

    def pids(self) -> frozenset[int]:
        parents = {stat.pid: stat.parent for stat in _stats(_numbers())}
        return descendants(self._roots, parents)

    def close(self) -> None:
        self._roots.clear()


def open_account(name: str) -> Account:
    """The best account that this machine can keep."""
    try:
        mount = cgroup_mount((PROC / "self/mountinfo").read_text("utf-8"))
        if mount is not None:
            return Cgroup(mount / name)
    except OSError:
        pass
    return Tree()


def how() -> str:
    """Where processor times come from on this machine."""
    account = open_account(f"watchword-bench-{os.getpid()}-trial")
    account.close()
    return account.how


def cgroup_mount(mountinfo: str) -> Path | None:
    """Where version 2 is mounted, from the text of /proc/self/mountinfo."""
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        if after.split(" ", 1)[0] == "cgroup2":
            return Path(before.split()[4])
    return None


def usage(cpu_stat: str) -> float:
    """Seconds from the text of cpu.stat. Raises KeyError if it says nothing of them."""
    values = dict(line.split() for line in cpu_stat.splitlines())
    return int(values["usage_usec"]) / 1e6


class Stat(NamedTuple):
    """What is used of /proc/<pid>/stat."""

    pid: int
    parent: int
    ticks: int
    """Own and waited-for children's, user and system."""


def parse_stat(text: str) -> Stat:
    """Read one line of /proc/<pid>/stat, whatever the program's name contains."""
    head, _, tail = text.rpartition(")")
    fields = tail.split()
    return Stat(int(head.split(" ", 1)[0]), int(fields[1]), sum(map(int, fields[11:15])))


def descendants(roots: Iterable[int], parents: Mapping[int, int]) -> frozenset[int]:
    """The roots that are alive, and everything below them."""
    children: dict[int, list[int]] = {}
    for pid, parent in parents.items():
        children.setdefault(parent, []).append(pid)
    found: set[int] = set()
    waiting = [pid for pid in roots if pid in parents]
    while waiting:
        pid = waiting.pop()
        if pid not in found:
            found.add(pid)
            waiting += children.get(pid, [])
    return frozenset(found)


def _numbers() -> Iterable[int]:
    return (int(each.name) for each in PROC.iterdir() if each.name.isdecimal())


def _stats(pids: Iterable[int]) -> Iterable[Stat]:
    for pid in pids:
        with suppress(OSError):
            yield parse_stat((PROC / str(pid) / "stat").read_text("utf-8", "replace"))


def memory(pids: Iterable[int]) -> int:
    """Proportional set size in bytes: what is shared is divided among those who share it."""
    total = 0
    for pid in pids:
        with suppress(OSError):
            total += parse_pss((PROC / str(pid) / "smaps_rollup").read_text("utf-8"))
    return total


def parse_pss(smaps_rollup: str) -> int:
    """Bytes, from the line ``Pss:  123 kB``. 0 if the kernel does not say."""
    for line in smaps_rollup.splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return 0


class Datagrams(NamedTuple):
    """What became of the datagrams that reached a host, since it exists."""

    read: int
    """Taken out of a socket by the server."""
    errors: int
    """Dropped at the socket: no room, or refused by its filter."""
    no_room: int
    """Of those, dropped because the receive buffer was full."""

    def since(self, before: Datagrams) -> Datagrams:
        return Datagrams(*(now - then for now, then in zip(self, before, strict=True)))

    @property
    def gone(self) -> int:
        """No longer waiting in the socket."""
        return self.read + self.errors


def datagrams(pid: int) -> Datagrams:
    """The counters of the network namespace that a process lives in."""
    return parse_snmp((PROC / str(pid) / "net/snmp").read_text("ascii"))


def parse_snmp(text: str) -> Datagrams:
    """Read the two ``Udp:`` lines of /proc/net/snmp. Raises ValueError if they are missing."""
    lines = [line.split()[1:] for line in text.splitlines() if line.startswith("Udp:")]
    if len(lines) != 2:
        raise ValueError("/proc/net/snmp has no counters of UDP")
    values = dict(zip(lines[0], map(int, lines[1]), strict=True))
    return Datagrams(values["InDatagrams"], values["InErrors"], values["RcvbufErrors"])
