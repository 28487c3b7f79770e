"""Which sockets of this host wait for strangers, and whose they are.

In here: /proc/net and /proc/<pid>/fd, read. Not in here: which of them may be reached.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Final

from watchword.model.addresses import Address, canonical
from watchword.model.services import Proto, Service
from watchword.record import record

_TABLES: Final = (("tcp", "0A"), ("tcp6", "0A"), ("udp", "07"), ("udp6", "07"))
"""Files of /proc/net, and the state in which a socket waits."""
_WORD: Final = 4  # bytes; addresses are printed word by word, in the machine's own order
_NOBODY: Final = "0"


@record
class Listener:
    service: Service
    address: Address
    """What it is bound to; unspecified: every address of that family."""
    pid: int = 0
    """0: not known, or the kernel's own."""
    program: str = ""


def listeners(proc: Path = Path("/proc")) -> list[Listener]:
    """Every socket of this network namespace that waits for whoever comes, loopback included."""
    found = [each for table, state in _TABLES for each in _table(proc, table, state)]
    owners = _owners(proc, {inode for _, _, inode in found})
    return [
        Listener(service, address, *owners.get(inode, (0, ""))) for service, address, inode in found
    ]


def namesakes(program: str, proc: Path = Path("/proc")) -> list[int]:
    """Processes of that name in our own network namespace, without those that one of them made."""
    ours = _link(proc / "self" / "ns" / "net")
    found = {
        int(each.name): parent(int(each.name), proc)
        for each in _processes(proc)
        if _name(each) == program and _link(each / "ns" / "net") == ours
    }
    return [pid for pid, parent in found.items() if parent not in found]


def parent(pid: int, proc: Path = Path("/proc")) -> int:
    """Who made that process; 0: it is gone."""
    try:
        told = (proc / str(pid) / "stat").read_text("ascii", "replace")
        return int(told.rpartition(")")[2].split()[1])
    except (OSError, IndexError):
        return 0


def _table(proc: Path, table: str, state: str) -> Iterator[tuple[Service, Address, str]]:
    try:
        lines = (proc / "self" / "net" / table).read_text("ascii").splitlines()[1:]
    except OSError:
        return  # no IPv6
    for line in lines:
        _, local, remote, found, *rest = line.split()
        port = int(local.partition(":")[2], 16)
        if found == state and port and remote.endswith(":0000"):
            yield Service(Proto(table[:3]), port), _address(local.partition(":")[0]), rest[5]


def _address(text: str) -> Address:
    octets = bytes.fromhex(text)
    if sys.byteorder == "little":
        words = (octets[at : at + _WORD] for at in range(0, len(octets), _WORD))
        octets = b"".join(word[::-1] for word in words)
    address = IPv4Address(octets) if len(octets) == _WORD else IPv6Address(octets)
    return canonical(str(address))


def _owners(proc: Path, inodes: set[str]) -> dict[str, tuple[int, str]]:
    """Who holds which socket, of those that we may look at."""
    owners: dict[str, tuple[int, str]] = {}
    for process in _processes(proc):
        with suppress(OSError):
            for descriptor in (process / "fd").iterdir():
                kind, _, inode = _link(descriptor).partition(":[")
                inode = inode.rstrip("]")
                if kind == "socket" and inode in inodes and inode != _NOBODY:
                    owners.setdefault(inode, (int(process.name), _name(process)))
    return owners


def _processes(proc: Path) -> Iterator[Path]:
    return (each for each in proc.iterdir() if each.name.isdecimal())


def _name(process: Path) -> str:
    """What runs there; of an interpreter, the script that it runs."""
    try:
        name = (process / "comm").read_text("utf-8", "replace").strip()
        words = (process / "cmdline").read_bytes().split(b"\0") if name.startswith("python") else []
    except OSError:
        return ""
    script = words[1] if len(words) > 1 and not words[1].startswith(b"-") else b""
    return Path(script.decode("utf-8", "replace")).name or name


def _link(path: Path) -> str:
    try:
        return str(path.readlink())
    except OSError:
        return ""
