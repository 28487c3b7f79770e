"""Which firewall a file asks for, by FIREWALL_BACKEND or by the tool that FIREWALL_EXE names.

In here: the names. Not in here: what each of them can be told (translate_firewall).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

BACKENDS: Final = (
    "nftables", "iptables", "ipset", "firewalld", "ipfw", "pf", "ipf", "netsh", "aws",
    "memory",
)  # fmt: skip
"""Those that there are; memory: for tests and demonstrations."""
_TOOLS: Final = {
    "nft": "nftables",
    "firewall-cmd": "firewalld",
    "ipfw": "ipfw",
    "pfctl": "pf",
    "netsh": "netsh",
    "netsh.exe": "netsh",
    "ipf": "ipf",
}
PROGRAMS: Final = {
    "iptables": "iptables",
    "ipset": "iptables",
    "firewalld": "firewall-cmd",
    "ipfw": "ipfw",
    "pf": "/sbin/pfctl",
    "ipf": "/sbin/ipf",
    "netsh": r"C:\Windows\System32\netsh.exe",
}
"""What is run where FIREWALL_EXE names nothing that fits."""
_IPTABLES: Final = re.compile(r"ip6?tables[A-Za-z0-9.-]*")


def chosen(asked: str, exe: str, kind: str = "") -> str:
    """The backend by name, which may be none that there is.

    Args:
        asked: FIREWALL_BACKEND; empty: not set.
        exe: FIREWALL_EXE; empty: not set.
        kind: FIREWALL_TYPE, of fwknop 1.9.
    """
    if asked:
        return asked
    if not exe and kind in ("ipfw", "iptables"):
        return kind
    return "iptables" if is_iptables(exe) else _TOOLS.get(_name(exe), "nftables")


def is_of_nftables(names: Iterable[str]) -> bool:
    """Whether variables are among these that have a meaning with nftables only, or there first."""
    return any(name == "FIREWALL_ATTACH" or name.startswith(("GUARD_", "NFT_")) for name in names)


def program(backend: str, exe: str) -> str:
    """The program that FIREWALL_EXE names if it is one of this backend's, else the usual one."""
    return exe if is_program_of(backend, exe) else PROGRAMS.get(backend, "iptables")


def is_program_of(backend: str, exe: str) -> bool:
    """Whether a path is that of a program by which this backend works, by its name."""
    if PROGRAMS.get(backend) == "iptables":
        return is_iptables(exe)
    return _TOOLS.get(_name(exe)) == backend


def is_iptables(exe: str) -> bool:
    """Whether a path is that of iptables, of whichever make."""
    return _IPTABLES.fullmatch(_name(exe)) is not None


def _name(exe: str) -> str:
    return re.split(r"[/\\]", exe)[-1]
