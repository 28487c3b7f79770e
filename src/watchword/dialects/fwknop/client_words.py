"""Splits a command line of the client into options and their values.

In here: which option a word names, whole or abbreviated, in which of the two
vocabularies, and which words are values.
Not in here: the options (client_option_table, client_old_options), what they
do (client_notes).

The rules are those of ``getopt_long`` (client, section 1): prefixes that name one
option, ``--name=value``, bundled letters, operands anywhere, and a value may
begin with a dash. The standard library has them for one vocabulary. There are
two here, the options of 2.6 and those of the perl client 1.9, and the order in
which they are asked decides: whole names first, then abbreviations in the
vocabulary that is asked first, then in the other. So a new name never makes an
old abbreviation ambiguous.
"""

from __future__ import annotations

from collections import deque

from watchword.dialects.fwknop.client_option_table import Option
from watchword.errors import OperatorError
from watchword.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import TypeAlias

Table: TypeAlias = "Callable[[], Sequence[Option]]"
"""Gives the options of one vocabulary; called when they are needed."""

_HINT = "{program} --help lists the options"


class UsageError(OperatorError):
    """The command line cannot be read at all."""


@record
class Spoken:
    """One word of a command line, with the word that is its value if it has one."""

    typed: tuple[str, ...]
    options: tuple[tuple[Option, str], ...]
    """Several in a bundle of letters; none for an operand."""


class Vocabulary:
    """The names that one command understands, in the order in which they are asked."""

    def __init__(self, program: str, first: Table, second: Table, *, one_dash: bool = False):
        """``one_dash``: long names may have one dash, as in perl; letters come second."""
        self._program = program
        self._one_dash = one_dash
        self._tables = (first, second)
        self._loaded: dict[int, Mapping[str, Option]] = {}

    def _names(self) -> Iterator[Mapping[str, Option]]:
        """The long names of each vocabulary. The second is loaded when the first does not do."""
        for at, table in enumerate(self._tables):
            if at not in self._loaded:
                self._loaded[at] = {option.long: option for option in table()}
            yield self._loaded[at]

    def _letter(self, letter: str) -> Option | None:
        for names in self._names():
            for option in names.values():
                if option.short == letter:
                    return option
        return None

    def split(self, words: Sequence[str]) -> Iterator[Spoken]:
        """Every word of a command line. Raises UsageError at the first that cannot be read."""
        rest = deque(words)
        while rest:
            word = rest.popleft()
            if word == "--":
                yield from (Spoken((each,), ()) for each in (word, *rest))
                return
            if word.startswith("--") or (self._one_dash and self._is_long(word)):
                yield self._long(word, rest)
            elif word.startswith("-") and len(word) > 1:
                yield self._bundle(word, rest)
            else:
                yield Spoken((word,), ())

    def _is_long(self, word: str) -> bool:
        name = word[1:].partition("=")[0]
        return len(name) > 1 and word.startswith("-") and len(self._candidates(name)) == 1

    def _candidates(self, name: str) -> list[Option]:
        """The options that this name can mean."""
        if not name:
            return []
        for names in self._names():
            if name in names:
                return [names[name]]
        for names in self._names():
            fit = [option for long, option in names.items() if long.startswith(name)]
            if fit:
                return fit
        return []

    def _long(self, word: str, rest: deque[str]) -> Spoken:
        name, equals, value = word.lstrip("-").partition("=")
        fit = self._candidates(name)
        if len(fit) != 1:
            raise self._ambiguous(name, fit) if fit else self._unknown(name)
        option = fit[0]
        if equals and not option.placeholder:
            raise self._error(f"option '--{option.long}' doesn't allow an argument")
        if equals or not option.placeholder:
            return Spoken((word,), ((option, value),))
        if option.optional and (not rest or rest[0].startswith("-")):
            return Spoken((word,), ((option, ""),))
        if not rest:
            raise self._error(f"option '--{option.long}' requires an argument")
        following = rest.popleft()
        return Spoken((word, following), ((option, following),))

    def _bundle(self, word: str, rest: deque[str]) -> Spoken:
        found: list[tuple[Option, str]] = []
        for at, letter in enumerate(word[1:], start=2):
            option = self._letter(letter)
            if option is None:
                raise self._error(f"invalid option -- '{letter}'")
            if not option.placeholder:
                found.append((option, ""))
            elif attached := word[at:]:
                return Spoken((word,), (*found, (option, attached)))
            elif rest:
                following = rest.popleft()
                return Spoken((word, following), (*found, (option, following)))
            else:
                raise self._error(f"option requires an argument -- '{letter}'")
        return Spoken((word,), tuple(found))

    def _error(self, said: str, hint: str = _HINT) -> UsageError:
        return UsageError(f"{self._program}: {said}", hint=hint.format(program=self._program))

    def _ambiguous(self, name: str, fit: Sequence[Option]) -> UsageError:
        listed = " ".join(f"'--{option.long}'" for option in fit)
        return self._error(f"option '--{name}' is ambiguous; possibilities: {listed}")

    def _unknown(self, name: str) -> UsageError:
        from watchword.dialects.fwknop.suggest import nearest  # noqa: PLC0415  (mistakes)

        said = f"unrecognized option '--{name}'"
        for names in self._names():
            if near := nearest(name, names):
                return self._error(said, f"did you mean --{near}?")
        return self._error(said)
