"""Keys of the command line, byte for byte as they were typed, in any locale.

In here: from Python's reading of an argument back to its bytes, where the locale is not UTF-8.
Not in here: keys from files and prompts, which are bytes from the beginning.

The same passphrase has to be the same key, whether it is an option, typed at the prompt or
written into the rc file, and for the original client too.
"""

from __future__ import annotations

from watchword.dialects.fwknop.client_options import CommandLine
from watchword.dialects.fwknop.client_settings import KeyForm, KeyWord
from watchword.record import replace


def as_typed(line: CommandLine, encoding: str) -> CommandLine:
    """The same, with keys as texts of files are kept: UTF-8, and surrogates for other bytes.

    ``encoding``: that in which the arguments were read.
    """
    given = line.given
    key, mac_key = (_again(word, encoding) for word in (given.key, given.mac_key))
    return replace(line, given=replace(given, key=key, mac_key=mac_key))


def _again(word: KeyWord | None, encoding: str) -> KeyWord | None:
    if word is None or word.form is not KeyForm.TEXT:
        return word
    octets = word.text.encode(encoding, "surrogateescape")
    return KeyWord(word.form, octets.decode("utf-8", "surrogateescape"))
