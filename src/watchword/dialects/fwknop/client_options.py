"""The command lines of fwknop and fwknop1.

In here: parsing.
Not in here: the options as data (client_option_table), reading values
(client_values), rc files (rcfile_read), conflicts between options (client_verify).

Not in here either: how a line is split into words (client_words), the text of
--help (client_usage).

Source: client, sections 1, 2 and 17. Both commands know all options. Where the
perl client 1.9 and fwknop 2.6 give one name two meanings, fwknop takes that of
2.6 and fwknop1 that of 1.9.
"""

from __future__ import annotations

from watchword.dialects.fwknop.client_notes import Said
from watchword.dialects.fwknop.client_option_table import OPTIONS, Family, Option
from watchword.dialects.fwknop.client_perl import NO_PERL, Perl
from watchword.dialects.fwknop.client_settings import Given
from watchword.dialects.fwknop.client_words import Vocabulary
from watchword.errors import OperatorError
from watchword.record import record, replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Final


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
    packet_version: str | None = None
    """``1.9`` or ``2.6``; None: as the command does by itself."""
    perl: Perl = NO_PERL
    as_perl: bool = False
    """Whether this is fwknop1, where the perl client's defaults hold."""


def _of_perl() -> tuple[Option, ...]:
    from watchword.dialects.fwknop.client_perl_table import PERL_OPTIONS  # noqa: PLC0415  (few)

    return PERL_OPTIONS


MODERN: Final = Vocabulary("fwknop", lambda: OPTIONS, _of_perl)
PERL: Final = Vocabulary("fwknop1", _of_perl, lambda: OPTIONS, one_dash=True)
_EARLY: Final = frozenset(
    {
        "help", "named-config", "save-args-file", "verbose", "rc-file", "no-rc-file",
        "no-home-dir", "save-rc-stanza", "force-stanza", "stanza-list", "Home-dir", "debug",
        "quiet", "locale", "LC_ALL", "no-locale", "no-LC_ALL",
    }
)  # fmt: skip
"""What the first pass looks at."""


def parse(argv: Sequence[str], *, as_perl: bool = False) -> CommandLine:
    """Read a command line, the program's name left out; ``as_perl`` for fwknop1.

    Raises UsageError for options that do not exist, OperatorError with the
    original's sentence for values that cannot be.
    """
    flags: Said = {}
    given: Said = {}
    for option, value in _spoken(argv, as_perl=as_perl):
        try:
            option.note(flags, given, value)
        except ValueError as error:
            raise OperatorError(str(error), hint=_of_option(option)) from None
    given["verbose"] = flags.get("verbose")
    layer = Given(**given)
    if "perl" not in flags and not as_perl:
        return CommandLine(given=layer, as_perl=as_perl, **flags)
    from watchword.dialects.fwknop.client_perl_settled import settled  # noqa: PLC0415  (few)

    perl = Perl(**flags.pop("perl", {}))
    if perl.knocks and layer.rand_port and not as_perl:  # its letter means something else there
        perl = replace(perl, rotate_proto=True)
    layer = settled(perl, layer, verbose=bool(flags.get("verbose")), as_perl=as_perl)
    return CommandLine(given=layer, perl=perl, as_perl=as_perl, **flags)


def _of_option(option: Option) -> str:
    """What an option takes, for who gave it something else."""
    return f"--{option.long} {option.placeholder}: {option.what}"


def peek(argv: Sequence[str], *, as_perl: bool = False) -> CommandLine:
    """The first pass: which files are in play, and what is only asked for (section 1).

    Values of all other options are not looked at. Raises UsageError.
    """
    flags: Said = {}
    for option, value in _spoken(argv, as_perl=as_perl):
        if option.long in _EARLY:
            option.note(flags, {}, value)
    perl = Perl(**flags.pop("perl", {}))
    return CommandLine(given=Given(), perl=perl, as_perl=as_perl, **flags)


def _spoken(argv: Sequence[str], *, as_perl: bool) -> list[tuple[Option, str]]:
    words = list((PERL if as_perl else MODERN).split(argv))
    return [each for word in words for each in word.options]
