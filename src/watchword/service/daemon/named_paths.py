"""Whether what the command line names is there, before the files are read.

In here: the check and its words, which are fwknopd's. Not in here: paths that the files name
(dialects, and who opens them).

Source: fwknopd server, section 2. Differences: a symbolic link is followed; a capture file may
come to be later.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

from watchword.dialects.fwknop.lines import not_opened, shown_file
from watchword.dialects.fwknop.server_options import USUAL_FILE, ServerOptions
from watchword.errors import OperatorError
from watchword.service.daemon import process

Fits: TypeAlias = Callable[[str, int], bool]
"""Whether a path of this mode will do."""


def check(options: ServerOptions) -> None:
    """Raises OperatorError about the first path that is not what it has to be."""
    for option, path, said, fits in _named(options):
        if path is None:
            continue
        try:
            status = Path(path).stat()
        except (OSError, ValueError) as error:
            reason = (isinstance(error, OSError) and error.strerror) or str(error)
            missing = f"[-] unable to lstat() path: {shown_file(path)}: {reason}"
            raise OperatorError(f"{missing}\n[*] {said}", hint=f"check {option}") from error
        if not fits(path, status.st_mode):
            raise OperatorError(f"[*] {said}", hint=f"check {option}")


def check_settings(options: ServerOptions) -> None:
    """Raises OperatorError about the first file of settings that was named and is not there.

    The usual one may be gone: a daemon has to be stopped and asked all the same. But whoever
    names a file means the daemon of that file, and no other. Neither who may read it nor what is
    in it matters for that.
    """
    named = [] if options.config_file == USUAL_FILE else [options.config_file]
    for path in (*named, *options.override_config):
        try:
            fits = stat.S_ISREG((process.started_in() / path).stat().st_mode)
        except PermissionError:
            continue
        except (OSError, ValueError):
            fits = False
        if not fits:
            raise OperatorError(
                not_opened("Config", path),
                hint="check the name: without the file it is not known which daemon is meant",
            )


def _named(options: ServerOptions) -> Iterator[tuple[str, str | None, str, Fits]]:
    access, folder = options.access_file, options.access_folder
    home, gpg, sudo = options.gpg_home_dir, options.gpg_exe, options.sudo_exe
    lost = "could not lstat(), does not exist, or too large?"
    idle = "not executable?"
    yield "--access-file", access, f"Invalid access.conf file path '{access}'", _file
    yield "--access-folder", folder, f"Invalid access folder directory '{folder}' {lost}", _folder
    yield "--gpg-home-dir", home, f"gpg home directory '{home}' {lost}", _folder
    yield "--gpg-exe", gpg, f"gpg path '{gpg}' could not lstat()/{idle}", _program
    yield "--sudo-exe", sudo, f"sudo path '{sudo}' could not stat()/{idle}", _program


def _file(_: str, mode: int) -> bool:
    return stat.S_ISREG(mode)


def _folder(_: str, mode: int) -> bool:
    return stat.S_ISDIR(mode)


def _program(path: str, mode: int) -> bool:
    return stat.S_ISREG(mode) and os.access(path, os.X_OK)
