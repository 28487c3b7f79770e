"""Checks the client's rc file as a whole: who may read it, and every stanza.

In here: mistakes and weak keys of all stanzas at once.
Not in here: what is a mistake (dialects), one stanza that is used (caller).
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Sequence

from watchword.dialects.fwknop import client_keys, client_verify, rcfile
from watchword.dialects.fwknop.client_options import CommandLine, parse, peek
from watchword.dialects.fwknop.client_settings import Given, KeyForm, KeyWord, combine
from watchword.dialects.fwknop.rcfile_read import read
from watchword.errors import Complaint, OperatorError
from watchword.model.crypto import CipherMode, Secret
from watchword.service.client import files as client_files
from watchword.service.client.console import Console
from watchword.service.tool import caller


def check(arguments: argparse.Namespace, console: Console) -> Sequence[str]:
    """Remark on everything; the names of the stanzas. Raises OperatorError: there is no file."""
    argv = caller.options(arguments)
    path = client_files.rc_path(peek(argv), os.environ)
    if path is None:
        raise OperatorError("there is no rc file to look at", hint="leave --no-rc-file out")
    text = caller.read_rc(path, console)
    line = parse(argv)
    names = list(dict.fromkeys(rcfile.section_names(text)))
    for name in names:
        for each in _stanza(text, path, name, line):
            console.remark(each)
    return names


def _stanza(text: str, file: str, name: str, line: CommandLine) -> Iterator[Complaint]:
    try:
        default, stanza = read(text, file, rcfile.DEFAULT, name)
        settings = combine(
            default.given if default else Given(), stanza.given if stanza else Given(), line.given
        )
        client_verify.verify(line, settings)
        keys = [_key(word) for word in (settings.key, settings.mac_key)]
    except OperatorError as error:
        for each in error.complaints:
            yield Complaint(f"[{name}] {each.message}", each.place, each.hint)
        return
    mode = CipherMode.ASYMMETRIC if client_verify.uses_gpg(settings) else settings.mode
    if settings.key is None and mode is not CipherMode.ASYMMETRIC:
        yield Complaint(f"[{name}] has no key: fwknop will ask for it", fatal=False)
        return
    for each in client_keys.remarks(mode or CipherMode.CBC, *keys):
        if settings.mac_key is None or settings.mac_key.form is not KeyForm.FILE:
            yield Complaint(f"[{name}] {each.message}", each.place, each.hint, fatal=False)


def _key(word: KeyWord | None) -> Secret | None:
    """A key that stands in the rc file itself."""
    if word is None or word.form is KeyForm.FILE:
        return None
    return Secret(client_keys.octets(word))
