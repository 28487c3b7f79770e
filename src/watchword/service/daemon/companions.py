"""What knoptm, knopmd and fwknop_serv have in common: their options, and errors in words.

In here: from a command line to what the program does with the configuration.
Not in here: what that is (knoptm, knopmd, fwknop_serv), the option tables
(dialects.fwknop.companion_options).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from watchword import __version__
from watchword.dialects.fwknop import companion_options, server_options
from watchword.dialects.fwknop.companion_options import CompanionOptions
from watchword.dialects.fwknop.server_options import ServerOptions
from watchword.edges import core_dumps, streams
from watchword.errors import WatchwordError
from watchword.service.complain import answered, complain
from watchword.service.daemon import server

Work = Callable[[CompanionOptions, ServerOptions], int]
"""Given its own options, and those by which an fwknopd would find the same files."""


def run(program: str, argv: Sequence[str], work: Work, *, own_process: bool) -> int:
    """Do what the command line says; the exit status is 0 or, for any failure, 1.

    ``own_process``: nobody else's code runs in this process, so it may be marked for good.
    """
    if own_process:
        core_dumps.forbid()  # the configuration has keys in it
        streams.open_closed()
    try:
        return answered(program, lambda: _answer(program, argv, work))
    except WatchwordError as error:
        complain(program, error)
        return 1


def _answer(program: str, argv: Sequence[str], work: Work) -> int:
    options = companion_options.parse(program, argv)
    if options.help:
        print(companion_options.usage(program), end="")
        return 0
    if options.version:
        print(f"{program} of Watchword {__version__}")
        return 0
    return work(options, server.absolute(server_options.parse(options.daemon)))
