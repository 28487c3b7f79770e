"""knopmd: in fwknop 1.9 what copied the firewall's log lines from syslog for port knocking.

In here: saying that there is nothing to do, or who does it now.
Not in here: knocking (service.knock), SPA packets (gate).

Exit status: 0 where AUTH_MODE has no need of it, as with the original; 1 for AUTH_MODE KNOCK.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from watchword.dialects.fwknop import translate
from watchword.dialects.fwknop.companion_options import CompanionOptions
from watchword.dialects.fwknop.server_options import ServerOptions
from watchword.errors import OperatorError
from watchword.service.daemon import companions
from watchword.service.daemon.server_commands import sources

PROGRAM: Final = "knopmd"


def run(argv: Sequence[str], *, own_process: bool = False) -> int:
    """Do what the command line says; return the exit status."""
    return companions.run(PROGRAM, argv, _say, own_process=own_process)


def _say(_: CompanionOptions, files: ServerOptions) -> int:
    mode = translate.auth_mode(sources(), files)
    if mode == "KNOCK":
        raise OperatorError(
            "AUTH_MODE KNOCK: knocks are not taken from the firewall's log by this version",
            hint="have callers send SPA packets (AUTH_MODE PCAP), or knock at knockd",
        )
    print(f"AUTH_MODE is {mode}: nobody reads the firewall's log, and nothing is to be done.")
    return 0
