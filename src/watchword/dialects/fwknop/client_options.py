"""The command line of fwknop.

In here: parsing, the usage text.
Not in here: the options as data (client_option_table), reading values
(client_values), rc files (rcfile_read), conflicts between options (client_verify).

Source: client, sections 1 and 2. Parsed as the original's library does it:
unambiguous prefixes, ``--name=value``, bundled short flags, operands anywhere
(and ignored), and a value may begin with a dash.
"""

from __future__ import annotations

import getopt
from collections.abc import Sequence
from typing import Final

from watchword.dialects.fwknop.client_notes import Said
from watchword.dialects.fwknop.client_option_table import GROUPS, OPTIONS, Family, Option
from watchword.dialects.fwknop.client_settings import Given
from watchword.dialects.fwknop.suggest import nearest
from watchword.errors import OperatorError
from watchword.record import record


@record
class CommandLine:
    """What the command line says, apart from what an rc file can say too (``given``)."""

    given: Given
    help: bool = False
    version: bool = False
    verbose: int = 0
    named: str | None = None
    rc_file: str | None = None
    no_rc_file: bool = False
    no_home_dir: bool = False
    save_stanza: bool = False
    force_stanza: bool = False
    stanza_list: bool = False
    key_gen: bool = False
    key_gen_file: str | None = None
    key_length: int = 32
    mac_key_length: int | None = None
    """None: as long as suits the digest."""
    command: str | None = None
    last: bool = False
    show_last: bool = False
    args_file: str | None = None
    packet_file: str | None = None
    append: bool = False
    test: bool = False
    descriptor: int | None = None
    """Where secrets are read from; None: the terminal."""
    family: Family = Family.ANY


class UsageError(OperatorError):
    """The command line cannot be read at all."""


_BY_NAME: Final = {f"--{each.long}": each for each in OPTIONS} | {
    f"-{each.short}": each for each in OPTIONS if each.short
}
_EARLY: Final = frozenset(
    {
        "help", "named-config", "save-args-file", "verbose", "rc-file", "no-rc-file",
        "no-home-dir", "save-rc-stanza", "force-stanza", "stanza-list",
    }
)  # fmt: skip
"""What the first pass looks at."""


def parse(argv: Sequence[str]) -> CommandLine:
    """Read a command line, the program's name left out.

    Raises UsageError for options that do not exist, OperatorError with the
    original's sentence for values that cannot be.
    """
    flags: Said = {}
    given: Said = {}
    for option, value in _split(argv):
        try:
            option.note(flags, given, value)
        except ValueError as error:
            raise OperatorError(str(error)) from None
    given["verbose"] = flags.get("verbose")
    return CommandLine(given=Given(**given), **flags)


def peek(argv: Sequence[str]) -> CommandLine:
    """The first pass: which files are in play, and what is only asked for (section 1).

    Values of all other options are not looked at. Raises UsageError.
    """
    flags: Said = {}
    for option, value in _split(argv):
        if option.long in _EARLY:
            option.note(flags, {}, value)
    return CommandLine(given=Given(), **flags)


def _split(argv: Sequence[str]) -> list[tuple[Option, str]]:
    short = "".join(o.short + (":" if o.placeholder else "") for o in OPTIONS if o.short)
    long = [o.long + ("=" if o.placeholder else "") for o in OPTIONS]
    try:
        found, _operands = getopt.gnu_getopt(list(argv), short, long)
    except getopt.GetoptError as error:
        raise _usage_error(error) from None
    return [(_BY_NAME[name], value) for name, value in found]


def _usage_error(error: getopt.GetoptError) -> UsageError:
    name = error.opt
    hint = "fwknop --help lists the options"
    if "not a unique" in error.msg:
        fit = [f"'--{each.long}'" for each in OPTIONS if each.long.startswith(name)]
        return UsageError(
            f"fwknop: option '--{name}' is ambiguous; possibilities: {' '.join(fit)}", hint=hint
        )
    if "must not have" in error.msg:
        return UsageError(f"fwknop: option '--{name}' doesn't allow an argument", hint=hint)
    if "requires" in error.msg:
        said = f"option requires an argument -- '{name}'"
        if len(name) > 1:
            said = f"option '--{name}' requires an argument"
        return UsageError(f"fwknop: {said}", hint=hint)
    if len(name) == 1 and name.isascii():
        return UsageError(f"fwknop: invalid option -- '{name}'", hint=hint)
    near = nearest(name, [each.long for each in OPTIONS])
    return UsageError(
        f"fwknop: unrecognized option '--{name}'", hint=f"did you mean --{near}?" if near else hint
    )


def usage(version: str) -> str:
    """The text of ``--help``, with a newline at the end."""
    lines = [
        f"fwknop client version {version} (Watchword)",
        "Single Packet Authorization client",
        "",
        "Usage: fwknop -A <port list> [-s|-a <address>] -D <server> [options]",
    ]
    for group in GROUPS:
        lines += ["", f"{group.heading}:", *map(_usage_line, group.options)]
    return "\n".join(lines) + "\n"


def _usage_line(option: Option) -> str:
    short = f"-{option.short}," if option.short else "   "
    name = f"{option.long} {option.placeholder}".rstrip()
    return f" {short} --{name:<31} {option.what}"
