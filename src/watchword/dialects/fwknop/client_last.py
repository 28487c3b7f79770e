"""The options of the last run, as a line that can be kept and run again (client, section 11).

In here: what is kept of a command line, and reading it back.
Also the lines that are kept for each server.
Not in here: the files (service.client.kept).

Keys on the command line are not kept: the next run asks for them instead. A
word with blanks is quoted, so that it comes back as it was.
"""

from __future__ import annotations

from watchword.dialects.fwknop.client_options import MODERN, PERL
from watchword.dialects.fwknop.client_values import server
from watchword.dialects.fwknop.client_words import Spoken, UsageError, Vocabulary
from watchword.errors import OperatorError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_SERVER = frozenset({"destination", "Destination", "knock-dst"})
_MOST_HOSTS = 1000  # lines of ~/.fwknop.hosts; beyond it the oldest go
_LONGEST = 1024  # bytes; the original's limit, longer lines are refused
_SECRET = {
    "key-rijndael": "",
    "key-base64-rijndael": "",
    "key-hmac": "--use-hmac",
    "key-base64-hmac": "--use-hmac",
    "HTTP-proxy-password": "",
}
"""Options whose value is a key, and what stands for each in the kept line."""
_PROXIES = frozenset({"http-proxy", "HTTP-proxy", "socks"})
"""Options whose value may hold a login."""


def kept(argv: Sequence[str], *, as_perl: bool = False) -> str:
    """The line to keep, without a newline. ``argv`` begins with the program's name.

    The perl client's lines are without that name. Raises OperatorError if it is too long.
    """
    words = _without_keys(argv[1:], PERL if as_perl else MODERN)
    line = "".join(f"{_quoted(word)} " for word in ([] if as_perl else [argv[0]]) + list(words))
    if len(line.encode("utf-8", "surrogateescape")) > _LONGEST:
        raise OperatorError(
            "argument string too long, exiting.",
            hint="use --no-save-args, or save the options in the rc file with --save-rc-stanza",
        )
    return line


def keys_in(argv: Sequence[str], *, as_perl: bool = False) -> list[str]:
    """Keys and logins among the words of a command line, the program's name left out.

    Raises UsageError for a line that cannot be read.
    """
    found = []
    for word in (PERL if as_perl else MODERN).split(argv):
        long, value = _last_option(word)
        if long in _SECRET or (long in _PROXIES and "@" in value):
            found.append(value)
    return found


def again(line: str) -> list[str]:
    """The words of a kept line, the program's name left out.

    Lines of the original are not quoted.
    """
    import shlex  # noqa: PLC0415  (few runs need it)

    try:
        words = shlex.split(line)
    except ValueError:
        words = line.split()
    return words if is_of_perl(line) else words[1:]


def is_of_perl(line: str) -> bool:
    """Whether the perl client, or fwknop1, kept this line: it begins with the first option."""
    return line.lstrip().startswith("-")


def server_of(line: str) -> str | None:
    """The server that a kept line names, without its port; None if it names none."""
    vocabulary = PERL if is_of_perl(line) else MODERN
    found = None
    try:
        for word in vocabulary.split(again(line)):
            for option, value in word.options:
                if option.long in _SERVER:
                    found = value
        return server(found).host if found else None
    except (UsageError, ValueError):
        return None


def of_host(text: str, host: str) -> str | None:
    """The line for this server among kept lines, the last if there are several."""
    lines = [line for line in text.split("\n") if line.strip() and server_of(line) == host]
    return lines[-1] if lines else None


def with_host(text: str, line: str) -> str:
    """Kept lines with this one in place of those for the same server (client, section 17)."""
    host = server_of(line)
    lines = [each for each in text.split("\n") if each.strip() and server_of(each) != host]
    return "".join(f"{each}\n" for each in [*lines, line][-_MOST_HOSTS:])


def _quoted(word: str) -> str:
    plain = word and not any(each.isspace() or each in "'\"\\" for each in word)
    if plain:
        return word
    import shlex  # noqa: PLC0415  (few runs need it)

    return shlex.quote(word)


def _without_keys(words: Sequence[str], vocabulary: Vocabulary) -> Iterator[str]:
    for word in vocabulary.split(words):
        long, value = _last_option(word)
        if long in _SECRET:
            yield from filter(None, [_SECRET[long]])
        elif long in _PROXIES and "@" in value:
            *before, last = word.typed
            yield from before
            yield last.removesuffix(value) + _without_login(value)
        else:
            yield from word.typed


def _last_option(word: Spoken) -> tuple[str, str]:
    """The option of a word that has a value, with the value."""
    if not word.options:
        return "", ""
    option, value = word.options[-1]
    return option.long, value


def _without_login(proxy: str) -> str:
    """``http://user:password@host`` without the login."""
    scheme, slashes, rest = proxy.rpartition("://")
    return scheme + slashes + rest.rpartition("@")[2]
