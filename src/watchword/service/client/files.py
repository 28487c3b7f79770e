"""The files of the client: where they are, and reading the rc file.

In here: the home folder, the complaints about who may read a file, creating a
missing rc file.
Not in here: what stands in them (dialects), saving a stanza (client_save), the
kept options (client_kept).
"""

from __future__ import annotations

import os

from watchword.dialects.fwknop import rcfile
from watchword.dialects.fwknop.client_options import CommandLine
from watchword.dialects.fwknop.client_settings import Given
from watchword.dialects.fwknop.rcfile_read import Section, read
from watchword.edges import file_rights, files
from watchword.edges.portable import FilePath
from watchword.errors import HostError, OperatorError
from watchword.service.client.console import Console

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


def home(line: CommandLine, environment: Mapping[str, str]) -> str | None:
    """The folder of the client's own files: what --Home-dir says, else that of the user.

    Windows has no HOME; there it is the folder of the profile, or of the programs' data.
    """
    if line.perl.home_dir is not None:
        return line.perl.home_dir
    found = (environment.get(name) for name in ("HOME", "USERPROFILE", "APPDATA"))
    return next(filter(None, found), None)


def rc_path(line: CommandLine, environment: Mapping[str, str]) -> str | None:
    """The rc file in use; None: no rc file is to be used. Raises OperatorError.

    The perl client had none, and fwknop1 takes one only where a section of it is asked for.
    """
    if line.no_rc_file:
        return None
    if line.rc_file is not None:
        return line.rc_file or os.curdir
    if line.as_perl and not (line.named or line.save_stanza or line.stanza_list):
        return None
    if (folder := home(line, environment)) is None:
        raise OperatorError(
            "Warning: Unable to determine HOME directory.\n No .fwknoprc file processed.",
            hint="set HOME, or name a file with --rc-file",
        )
    return os.path.join(folder, ".fwknoprc")


def args_path(line: CommandLine, environment: Mapping[str, str]) -> str:
    """Where the options of the last run are. Raises OperatorError."""
    if line.args_file is not None:
        return line.args_file or os.curdir
    if line.no_home_dir:
        raise OperatorError(
            "In --no-home-dir mode must set the args save file path with -E",
            hint="for example -E /tmp/fwknop.run, or -E /dev/null, which keeps nothing",
        )
    if (folder := home(line, environment)) is None:
        raise OperatorError("Unable to determine args save file", hint="name one with -E")
    return os.path.join(folder, ".fwknop.run")


def exists(path: FilePath) -> bool:
    """Whether there is something of this name. Raises OperatorError if that cannot be told."""
    try:
        os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except (OSError, ValueError) as error:  # ValueError: a NUL, as a kept line may have one
        reason = (isinstance(error, OSError) and error.strerror) or str(error)
        raise OperatorError(f"{path}: {reason}", hint="name another file") from error
    return True


def check_permissions(path: FilePath, console: Console) -> None:
    """Say what is wrong with who may touch the file; never fatal (section 9)."""
    for complaint in file_rights.permission_complaints(path):
        console.remark(complaint)


def read_own(path: FilePath, console: Console, limit: int = files.TEXT_LIMIT) -> str:
    """The text of a file that is obeyed. Raises OperatorError, also where others may write it."""
    check_permissions(path, console)
    file_rights.refuse_foreign_hands(path)
    return files.read_text(path, limit)


def stanza_names(path: FilePath, console: Console) -> list[str]:
    """The sections of an rc file that has to exist."""
    if not exists(path):
        raise OperatorError(
            f"Unable to open rc file: {path}: No such file or directory",
            hint="name one with --rc-file, or make it with --save-rc-stanza",
        )
    check_permissions(path, console)
    return rcfile.section_names(files.read_text(path))


def load(path: FilePath, line: CommandLine, console: Console) -> tuple[Given, Given]:
    """What ``[default]`` and the named stanza say; a missing file is created first.

    The named stanza is not looked at when it is going to be saved.
    Raises OperatorError.
    """
    create_if_missing(path, console)
    text = read_own(path, console) if exists(path) else ""
    names = [rcfile.DEFAULT]
    if line.named is not None and not line.save_stanza:
        names.append(line.named)
    sections = read(text, os.fspath(path), *names)
    for name, section in zip(names, sections, strict=True):
        if line.verbose > 1:
            _tell(name, section, console)
        if section is None and name != rcfile.DEFAULT:
            raise _missing(name, text)
    default, stanza = (*sections, None)[:2]
    return default.given if default else Given(), stanza.given if stanza else Given()


def _tell(name: str, section: Section | None, console: Console) -> None:
    console.detail(f"process_rc_section() : Parsing section '{name}' ...")
    for variable in section.variables if section else ():
        console.detail(f"parse_rc_param() : Parsing variable {variable}...")


def create_if_missing(path: FilePath, console: Console) -> None:
    """Give the user an rc file to begin with. That it cannot be made is no error yet."""
    if exists(path):
        return
    from watchword.dialects.fwknop.rcfile_write import INITIAL  # noqa: PLC0415  (once)

    try:
        if files.create_private(path, INITIAL.encode()):
            console.warn(f"[*] Creating initial rc file: {path}.")
    except HostError as error:
        console.warn(f"Unable to create initial rc file: {error}")


def _missing(name: str, text: str) -> OperatorError:
    """No such stanza. Tutorials mix up the addresses of client and server: offer the near one."""
    from difflib import get_close_matches  # noqa: PLC0415  (only mistakes need it)

    known = rcfile.section_names(text)
    folded = {each.lower(): each for each in known}
    near = [folded[each] for each in get_close_matches(name.lower(), folded, n=1, cutoff=0.6)]
    if near:
        hint = f"did you mean [{near[0]}]?"
    elif known:
        hint = "fwknop --stanza-list shows the stanzas there are"
    else:
        hint = "there is no stanza yet; --save-rc-stanza makes one"
    return OperatorError(f"Named configuration stanza: [{name}] was not found.", hint=hint)
