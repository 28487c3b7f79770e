"""Which tool drives which firewall.

In here: the choice. Not in here: what each of them does.
"""

from __future__ import annotations

import socket
from pathlib import Path

from watchword.edges.firewall.dated.aws import SecurityGroup
from watchword.edges.firewall.dated.aws_calls import Group
from watchword.edges.firewall.dated.ipf import Ipf
from watchword.edges.firewall.dated.ipfw import Ipfw
from watchword.edges.firewall.dated.netsh import Netsh
from watchword.edges.firewall.dated.pf import Pf
from watchword.edges.firewall.dated.rule import Tool
from watchword.edges.firewall.dated.running import Program
from watchword.model.firewalls import FirewallSettings
from watchword.ports import ProgramRunner


def tool_for(
    settings: FirewallSettings, programs: ProgramRunner, folder: Path | None = None
) -> Tool:
    """The tool of ``settings.backend``; nothing is run yet.

    ``folder``: where what rules cannot say may be written down, by whoever has the lock.
    """
    if settings.backend == "aws":
        name = settings.aws.name or socket.gethostname()
        return SecurityGroup(Group(settings.aws), name, look_every=settings.aws.look_every)
    program = Program(settings.exe, programs)
    if settings.backend == "pf":
        return Pf(program, settings.anchor)
    if settings.backend == "ipf":
        return Ipf(program, Program("ipfstat", programs), settings.group)
    if settings.backend == "netsh":
        return Netsh(program)
    return Ipfw(program, settings.ipfw, folder)
