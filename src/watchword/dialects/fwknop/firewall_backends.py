"""Which firewall a file asks for, by FIREWALL_BACKEND or by the tool that FIREWALL_EXE names.

In here: the names. Not in here: what each of them can be told (translate_firewall).
"""

from __future__ import annotations

import re
from typing import Final

BACKENDS: Final = ("nftables", "iptables", "ipset", "ipfw", "memory")
"""Those that there are; memory: for tests and demonstrations."""
LATER: Final = ("firewalld",)
_TOOLS: Final = {
    "nft": "nftables",
    "firewall-cmd": "firewalld",
    "ipfw": "ipfw",
}
PROGRAMS: Final = {"iptables": "iptables", "ipset": "iptables", "ipfw": "ipfw"}
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
    if not exe and kind == "ipfw":
        return kind
    return "iptables" if is_iptables(exe) else _TOOLS.get(_name(exe), "nftables")


def program(backend: str, exe: str) -> str:
    """The program that FIREWALL_EXE names if it is one of this backend's, else the usual one."""
    usual = PROGRAMS.get(backend, "iptables")
    fits = is_iptables(exe) if usual == "iptables" else _TOOLS.get(_name(exe)) == backend
    return exe if fits else usual


def is_iptables(exe: str) -> bool:
    """Whether a path is that of iptables, of whichever make."""
    return _IPTABLES.fullmatch(_name(exe)) is not None


def _name(exe: str) -> str:
    return exe.rpartition("/")[2]
