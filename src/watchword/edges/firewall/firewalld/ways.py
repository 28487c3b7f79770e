"""Which way leads to firewalld on this host.

In here: the choice. Not in here: the ways.
"""

from __future__ import annotations

from watchword.edges.firewall.firewalld.command import CommandFirewalld
from watchword.edges.firewall.firewalld.talk import Firewalld
from watchword.ports import ProgramRunner


def way_to(exe: str, programs: ProgramRunner) -> Firewalld:
    """D-Bus where its library is installed, else the program. Nothing is asked yet."""
    try:
        from watchword.edges.firewall.firewalld.bus import BusFirewalld  # noqa: PLC0415
    except ModuleNotFoundError:
        return CommandFirewalld(exe, programs)
    return BusFirewalld()
