"""The files of fwknopd, as they lie on this machine.

In here: how they are reached, and what they say of where a daemon is. Every command begins with
this, so it loads next to nothing.
Not in here: reading all of them (own_configuration), what they say (dialects.fwknop).
"""

from __future__ import annotations

from watchword.dialects.fwknop import server_places
from watchword.dialects.fwknop.server_files import Sources
from watchword.dialects.fwknop.server_options import ServerOptions
from watchword.dialects.fwknop.server_places import Places
from watchword.edges import files, users
from watchword.service.daemon import named_paths, process


def sources() -> Sources:
    """Files of this machine. What is relative is so to where we were started."""
    here = process.started_in()
    return Sources(
        read=lambda name: files.read_text(here / name),
        list_folder=lambda name: [path.name for path in files.list_folder(here / name)],
        is_folder=lambda name: (here / name).is_dir(),
        is_program=is_program,
        is_private=lambda name: files.is_private_folder(here / name),
        user=users.user,
        group=users.group,
    )


def places(options: ServerOptions) -> Places:
    """Where a running daemon is to be found, also while its files are broken.

    Raises OperatorError: a file was named that is not there.
    """
    named_paths.check_settings(options)
    return server_places.places(sources(), options)


def is_program(name: str) -> bool:
    """Whether this machine has it, as it is looked for by those who start programs."""
    from shutil import which

    from watchword.edges.programs import CLEAN_ENVIRONMENT

    return which(name, path=CLEAN_ENVIRONMENT["PATH"]) is not None
