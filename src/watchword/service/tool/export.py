"""The command watchword export: a stanza of the client, as a QR code or a URI for another device.

In here: its options, which stanza, whether keys may be shown here.
Not in here: the texts (dialects.fwknop.stanza_uri, stanza_android), pictures (edges.qr).

Keys are shown on a terminal, or where that was asked for in so many words.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from watchword.dialects.fwknop.client_settings import Given, KeyWord
    from watchword.service.client.console import Console

PROGRAM: Final = "watchword"


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser of ``watchword``."""
    parser = commands.add_parser(
        "export",
        help="a stanza of the client for another device: QR code, PNG, URI",
        description="Show a stanza of the rc file, keys included, so that another device can take "
        "it: on a terminal as a QR code. Whoever sees it can knock in your name.",
    )
    parser.add_argument("name", metavar="STANZA", help="its name in the rc file")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--qr", action="store_true", help="draw a QR code, terminal or not")
    form.add_argument("--png", metavar="FILE", help="write the QR code to a new file, mode 0600")
    form.add_argument("--uri", action="store_true", help="print the text instead of a QR code")
    parser.add_argument(
        "--android", action="store_true", help="only the keys, as the Android client reads them"
    )
    parser.add_argument(
        "--without-keys",
        action="store_true",
        help="everything but the keys: nobody can knock by it",
    )
    parser.add_argument("--rc-file", metavar="FILE", help="rc file to go by (~/.fwknoprc)")
    parser.set_defaults(answer=_export)


def _export(arguments: argparse.Namespace) -> int:
    from watchword.errors import OperatorError

    if arguments.android and arguments.without_keys:
        raise OperatorError("--android is about the keys", hint="leave --without-keys out")
    if not (arguments.qr or arguments.png or arguments.uri or sys.stdout.isatty()):
        raise OperatorError(
            "standard output is no terminal, and what is printed holds keys",
            hint="say --uri or --qr if that is meant, or write --png FILE",
        )
    settings = _settings(arguments)
    text = _text(arguments, settings)
    if arguments.uri:
        print(text)
    elif arguments.png:
        _write(Path(arguments.png), text)
    else:
        _draw(text)
    return 0


def _settings(arguments: argparse.Namespace) -> Given:
    """The stanza with ``[default]`` under it, its keys in base64 or taken out."""
    from watchword.dialects.fwknop import rcfile
    from watchword.dialects.fwknop.client_options import CommandLine
    from watchword.dialects.fwknop.client_settings import Given, merge
    from watchword.errors import OperatorError
    from watchword.record import replace
    from watchword.service.client import files as client_files
    from watchword.service.client.console import Console

    if rcfile.same(arguments.name, rcfile.DEFAULT):
        raise OperatorError(
            "[default] is no stanza of its own", hint="it goes along with each: name one of them"
        )
    line = CommandLine(given=Given(), named=arguments.name, rc_file=arguments.rc_file)
    path = client_files.rc_path(line, os.environ)
    if path is None or not client_files.exists(path):
        raise OperatorError(f"there is no rc file {path}", hint="name one with --rc-file")
    console = Console()
    settings = merge(*client_files.load(path, line, console))
    if arguments.without_keys:
        return replace(settings, key=None, mac_key=None)
    key, mac_key = (_word(each, settings, console) for each in (settings.key, settings.mac_key))
    return replace(settings, key=key, mac_key=mac_key)


def _word(word: KeyWord | None, settings: Given, console: Console) -> KeyWord | None:
    """A key from wherever it stands, in base64."""
    from base64 import b64encode

    from watchword.dialects.fwknop.client_settings import KeyForm, KeyWord
    from watchword.service.client.seal import octets

    key = octets(word, settings, console)
    return None if key is None else KeyWord(KeyForm.BASE64, b64encode(key).decode("ascii"))


def _text(arguments: argparse.Namespace, settings: Given) -> str:
    """What is exported. What its owner has to know of it is said on standard error."""
    from watchword.dialects.fwknop import stanza_words
    from watchword.service.complain import say

    name: str = arguments.name
    if arguments.android:
        text, remarks = stanza_words.for_android(name, settings)
    else:
        text, remarks = stanza_words.for_everybody(name, settings, arguments.without_keys)
    say(PROGRAM, remarks)
    return text


def _write(path: Path, text: str) -> None:
    from watchword.edges import files, qr
    from watchword.errors import OperatorError

    if not files.create_private(path, qr.png(text)):
        raise OperatorError(f"{path} exists already", hint="take it away, or name another file")
    print(f"[+] Wrote the QR code to: {path}")


def _draw(text: str) -> None:
    import shutil

    from watchword.edges import qr, streams
    from watchword.errors import OperatorError
    from watchword.service.tool import qr_drawing

    modules = qr.modules(text)
    attended = sys.stdout.isatty()
    blocks = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    width = len(modules[0]) * (1 if blocks else 2)
    columns = shutil.get_terminal_size().columns
    if attended and width > columns:
        raise OperatorError(
            f"the QR code is {width} columns wide, and the terminal has {columns}",
            hint="make the window wider, or write a picture with --png FILE",
        )
    if blocks:
        print(qr_drawing.in_half_blocks(modules, colour=streams.colours(sys.stdout)))
    else:
        print(qr_drawing.in_letters(modules))
