"""The command fwknopd: the order in which its options act (fwknopd server, section 1).

In here: which option leads where, and paths that an option names, for whoever is elsewhere.
Not in here: what the options do (server_commands, server_questions), the server (serving).
"""

from __future__ import annotations

import gc
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from watchword.dialects.fwknop import server_options
from watchword.dialects.fwknop.server_options import ServerOptions
from watchword.edges import core_dumps, streams
from watchword.errors import WatchwordError
from watchword.record import replace
from watchword.service.complain import answered, complain
from watchword.service.daemon import server_commands

RUBBISH = (50_000, 20, 100)
"""When the interpreter looks for cycles: seldom, since packets and grants make none, and a
look walks over everything that is in force."""


def run(argv: Sequence[str], *, own_process: bool = False) -> int:
    """Do what the command line says; return the exit status.

    ``own_process``: nobody else's code runs in this process, so it may be marked for good.
    """
    if own_process:
        core_dumps.forbid()
        streams.open_closed()
        gc.set_threshold(*RUBBISH)
    try:
        options = absolute(server_options.parse(argv))
        for asked, action in server_commands.ACTIONS:
            if asked(options):
                return answered(server_commands.PROGRAM, partial(action, options))
        return _with_everything(options)
    except WatchwordError as error:
        complain(server_commands.PROGRAM, error)
        return 1


def _with_everything(options: ServerOptions) -> int:
    """What is left takes most of what there is to be imported."""
    asked = next((each for each in server_commands.QUESTIONS if getattr(options, each)), None)
    if asked is not None:
        from watchword.service.daemon import server_questions

        answer = partial(server_questions.ANSWERS[asked], options)
        return answered(server_commands.PROGRAM, answer)
    from watchword.service.daemon import serving

    return serving.serve(options)


def absolute(options: ServerOptions) -> ServerOptions:
    """Paths as they are meant now, so that a reload from another directory finds them."""
    here = Path.cwd()

    def whole(path: str | None) -> str | None:
        return str(here / path) if path else path

    return replace(
        options,
        config_file=str(here / options.config_file),
        override_config=tuple(str(here / each) for each in options.override_config),
        access_file=whole(options.access_file),
        access_folder=whole(options.access_folder),
        digest_file=whole(options.digest_file),
        export_digest_cache=whole(options.export_digest_cache),
        fw_log=whole(options.fw_log),
        pid_file=whole(options.pid_file),
        pcap_file=whole(options.pcap_file),
        run_dir=whole(options.run_dir),
        gpg_home_dir=whole(options.gpg_home_dir),
        gpg_exe=whole(options.gpg_exe),
        sudo_exe=whole(options.sudo_exe),
    )


def file_options(options: ServerOptions) -> list[str]:
    """The words that name the same files on another command line."""
    overrides = ",".join(options.override_config)
    named = (("-c", options.config_file), ("-a", options.access_file), ("-O", overrides))
    return [word for option, path in named if path for word in (option, path)]
