"""knopmd: in fwknop 1.9 what copied the firewall's log lines from syslog's pipe for port knocking.

In here: saying who does that now: fwknopd itself.
Not in here: knocks (knocks), reading the pipe (edges.capture.hit_log).

Exit status: 0, as there is nothing to do whatever AUTH_MODE is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from watchword.dialects.fwknop import server_values
from watchword.dialects.fwknop.companion_options import CompanionOptions
from watchword.dialects.fwknop.server_options import ServerOptions
from watchword.service.daemon import companions
from watchword.service.daemon.own_configuration import settings as own_settings
from watchword.service.daemon.own_files import sources
from watchword.service.daemon.sources import KNOCKS, place_of

PROGRAM: Final = "knopmd"


def run(argv: Sequence[str], *, own_process: bool = False) -> int:
    """Do what the command line says; return the exit status."""
    return companions.run(PROGRAM, argv, _say, own_process=own_process)


def _say(_: CompanionOptions, files: ServerOptions) -> int:
    settings = own_settings(files)
    mode = server_values.auth_mode(sources(), files)
    where = [place_of(each) for each in settings.sources if isinstance(each, KNOCKS)]
    if where:
        print(f"AUTH_MODE is {mode}: fwknopd takes knocks from {where[0]} itself.")
    else:
        print(f"AUTH_MODE is {mode}: nobody reads the firewall's log, and nothing is to be done.")
    return 0
