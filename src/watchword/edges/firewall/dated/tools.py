"""Which tool drives which firewall.

In here: the choice. Not in here: what each of them does.
"""

from __future__ import annotations

from watchword.edges.firewall.dated.ipfw import Ipfw
from watchword.edges.firewall.dated.rule import Tool
from watchword.edges.firewall.dated.running import Program
from watchword.model.settings import FirewallSettings
from watchword.ports import ProgramRunner


def tool_for(settings: FirewallSettings, programs: ProgramRunner) -> Tool:
    """The tool of ``settings.backend``; nothing is run yet."""
    return Ipfw(Program(settings.exe, programs), settings.ipfw)
