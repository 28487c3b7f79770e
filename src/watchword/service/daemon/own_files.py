"""The files of fwknopd, as they lie on this machine.

In here: how they are reached, and reading all of them. Every question to a configuration begins
with this, so it loads nothing of the running daemon.
Not in here: what they say (dialects.fwknop.translate), what is done with it (server_commands).
"""

from __future__ import annotations

from dataclasses import replace
from shutil import which

from watchword.dialects.fwknop import translate
from watchword.dialects.fwknop.server_files import Sources
from watchword.dialects.fwknop.server_options import ServerOptions
from watchword.dialects.fwknop.translate import Configuration
from watchword.edges import file_rights, files, users
from watchword.edges.programs import CLEAN_ENVIRONMENT
from watchword.errors import OperatorError
from watchword.model.settings import Settings
from watchword.service.daemon import named_paths, process


def sources() -> Sources:
    """Files of this machine. What is relative is so to where we were started."""
    here = process.started_in()
    return Sources(
        read=lambda name: files.read_text(here / name),
        list_folder=lambda name: [path.name for path in files.list_folder(here / name)],
        is_folder=lambda name: (here / name).is_dir(),
        is_program=lambda name: which(name, path=CLEAN_ENVIRONMENT["PATH"]) is not None,
        is_private=lambda name: files.is_private_folder(here / name),
        user=users.user,
        group=users.group,
    )


def settings(options: ServerOptions) -> Settings:
    """Where a running daemon is to be found, also while its files are broken.

    Raises OperatorError: a file was named that is not there.
    """
    named_paths.check_settings(options)
    return translate.settings_only(sources(), options)


def configured(options: ServerOptions) -> Configuration:
    """What the files say, with what is wrong about the files themselves.

    Raises OperatorError with every complaint if one of them is fatal.
    """
    named_paths.check(options)
    configuration = translate.load(sources(), options)
    loose = [
        complaint
        for name in configuration.files
        for complaint in file_rights.permission_complaints(process.started_in() / name)
    ]
    fatal = [each for each in loose if each.fatal]
    if fatal:
        raise OperatorError.of(fatal)
    return replace(configuration, complaints=(*loose, *configuration.complaints))
