"""Whether this host forwards packets, before somebody is led on to another one.

In here: one refusal. Not in here: rules that lead on (rules).

For a rule that does, firewalld switches the kernel's forwarding on, for everybody, and nobody would
switch it off.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from watchword.errors import HostError
from watchword.model.openings import Hole

_SWITCHES: Final = {4: "net/ipv4/ip_forward", 6: "net/ipv6/conf/all/forwarding"}


def check_forwarding(hole: Hole) -> None:
    """Raises HostError: it leads to another host, and this one forwards nothing."""
    version = hole.who.version
    if hole.lead is not None and hole.lead.host is not None and not forwards(version):
        raise HostError(
            f"this host forwards nothing of IPv{version}, so {hole.who} is led nowhere",
            hint=f"sysctl -w {_SWITCHES[version].replace('/', '.')}=1",
        )


def forwards(version: int) -> bool:
    """In the network namespace of this thread."""
    try:
        return Path("/proc/sys", _SWITCHES[version]).read_text("ascii").strip() != "0"
    except OSError:
        return False
