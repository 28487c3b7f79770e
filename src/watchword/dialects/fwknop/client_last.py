"""The options of the last run, as a line that can be kept and run again (client, section 11).

In here: what is kept of a command line, and reading it back.
Not in here: the file (service.client).

Keys on the command line are not kept: the next run asks for them instead. A
word with blanks is quoted, so that it comes back as it was.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from watchword.dialects.fwknop.client_option_table import OPTIONS, Option
from watchword.errors import OperatorError

_LONGEST = 1024  # bytes; the original's limit, longer lines are refused
_SECRET = {
    "key-rijndael": "",
    "key-base64-rijndael": "",
    "key-hmac": "--use-hmac",
    "key-base64-hmac": "--use-hmac",
}
"""Options whose value is a key, and what stands for each in the kept line."""


def kept(argv: Sequence[str]) -> str:
    """The line to keep, without a newline. ``argv`` begins with the program's name.

    Raises OperatorError if it is too long.
    """
    words = [argv[0], *_without_keys(argv[1:])]
    line = "".join(f"{_quoted(word)} " for word in words)
    if len(line.encode("utf-8", "surrogateescape")) > _LONGEST:
        raise OperatorError("argument string too long, exiting.")
    return line


def again(line: str) -> list[str]:
    """The words of a kept line, the program's name left out.

    Lines of the original are not quoted, and those of the perl client begin
    with the first option.
    """
    import shlex  # noqa: PLC0415  (few runs need it)

    try:
        words = shlex.split(line)
    except ValueError:
        words = line.split()
    return words if words and words[0].startswith("-") else words[1:]


def _quoted(word: str) -> str:
    plain = word and not any(each.isspace() or each in "'\"\\" for each in word)
    if plain:
        return word
    import shlex  # noqa: PLC0415  (few runs need it)

    return shlex.quote(word)


def _without_keys(words: Sequence[str]) -> Iterator[str]:
    rest = iter(words)
    for word in rest:
        option, attached = _recognise(word)
        if option is None or option.long not in _SECRET:
            yield word
            if option is not None and option.placeholder and not attached:
                yield from (value for value in [next(rest, None)] if value is not None)
        else:
            if not attached:
                next(rest, None)
            yield from filter(None, [_SECRET[option.long]])


def _recognise(word: str) -> tuple[Option | None, bool]:
    """The option whose value is, or follows, this word; and whether it is in the word itself."""
    if word.startswith("--") and len(word) > 2:
        name, equals, _ = word[2:].partition("=")
        fit = [each for each in OPTIONS if each.long.startswith(name)]
        exact = [each for each in fit if each.long == name]
        found = exact or fit
        return (found[0], bool(equals)) if len(found) == 1 else (None, False)
    if word.startswith("-") and len(word) > 1:
        return _last_of_bundle(word[1:])
    return None, False


def _last_of_bundle(letters: str) -> tuple[Option | None, bool]:
    for at, letter in enumerate(letters):
        option = next((each for each in OPTIONS if each.short == letter), None)
        if option is None or option.placeholder:
            return option, at + 1 < len(letters)
    return None, False
