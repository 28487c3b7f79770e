"""The command watchword import: puts a stanza from another device into the rc file.

In here: its options, where the text comes from, the question before a stanza is changed.
Not in here: the texts (dialects.fwknop.stanza_uri, stanza_android), pictures (edges.qr),
the file (client_save).
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from watchword.dialects.fwknop.stanza_uri import Carried

PROGRAM: Final = "watchword"
_KEY: Final = re.compile("key[-_]base64[=:]", re.IGNORECASE)
_LONGEST: Final = 1 << 14  # bytes that are read; a URI has 2048 at the most


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser of ``watchword``."""
    parser = commands.add_parser(
        "import",
        help="put a stanza from another device into the client's rc file",
        description="Take a stanza, or two keys, as watchword export writes them, and put them "
        "into the rc file. A stanza that is there is changed only after asking.",
    )
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument(
        "uri", metavar="URI", nargs="?", help="the text; - reads it from standard input"
    )
    source.add_argument("--png", metavar="FILE", help="a picture of the QR code")
    parser.add_argument("-n", "--name", metavar="NAME", help="name of the stanza, not its own")
    parser.add_argument("--force", action="store_true", help="ask nothing")
    parser.add_argument("--rc-file", metavar="FILE", help="rc file to write to (~/.fwknoprc)")
    parser.set_defaults(answer=_import)


def _import(arguments: argparse.Namespace) -> int:
    from watchword.dialects.fwknop import rcfile, stanza_uri
    from watchword.dialects.fwknop.client_options import CommandLine
    from watchword.dialects.fwknop.client_settings import Given
    from watchword.errors import OperatorError
    from watchword.service.client import files as client_files
    from watchword.service.client import save as client_save
    from watchword.service.client.console import Console

    carried = _carried(_text(arguments))
    name = arguments.name or carried.name
    if not name or rcfile.same(name, rcfile.DEFAULT):
        # What stands in [default] holds for every other stanza.
        raise OperatorError(
            "what is imported has no name that a stanza can have", hint="name it with --name"
        )
    console = Console()
    line = CommandLine(given=Given(), rc_file=arguments.rc_file)
    path = client_files.rc_path(line, os.environ) or ""  # there is one without --no-rc-file
    client_files.create_if_missing(path, console)
    given, ask = carried.given, not arguments.force
    try:
        if ask and not _may_change(path, name, carried):
            console.warn("Nothing was changed.")
            return 1
        left = client_save.save_stanza(path, name, given, console, anew=False, ask=ask)
    except KeyboardInterrupt:
        console.warn("\nNothing was changed.")
        return 1
    console.say(f"[+] Wrote stanza '{name}' to: {path}")
    for shown in stanza_uri.shown(given):
        if shown.split()[0] not in left:
            console.say(f"    {shown}")
    return 0


def _text(arguments: argparse.Namespace) -> str:
    from watchword.errors import Complaint, OperatorError
    from watchword.service.complain import say

    if arguments.png is not None:
        from watchword.edges import files, qr

        return qr.read_png(files.read_bytes(Path(arguments.png), qr.FILE_LIMIT))
    uri: str = arguments.uri
    if uri != "-":
        if _KEY.search(uri):
            remark = "keys on a command line can be seen by other users"
            say(PROGRAM, [Complaint(remark, hint="next time: watchword import -", fatal=False)])
        return uri
    octets = sys.stdin.buffer.read(_LONGEST + 1)
    if len(octets) > _LONGEST:
        raise OperatorError(
            "this is too long to be a URI", hint="import what watchword export --uri printed"
        )
    try:
        return octets.decode("utf-8").strip()
    except UnicodeDecodeError:
        raise OperatorError(
            "this is no text", hint="import what watchword export --uri printed"
        ) from None


def _carried(text: str) -> Carried:
    from watchword.dialects.fwknop import stanza_android, stanza_uri

    if not stanza_android.looks_like_keys(text):
        return stanza_uri.read(text)
    given = stanza_android.read(text)
    stanza_uri.check_keys(given)
    return stanza_uri.Carried("", given)


def _may_change(path: str, name: str, carried: Carried) -> bool:
    """Whether a stanza may be changed that is there already: the server in it, above all."""
    from watchword.dialects.fwknop import rcfile, stanza_uri
    from watchword.edges import files, prompt
    from watchword.service.client import files as client_files

    text = files.read_text(path) if client_files.exists(path) else ""
    if not any(rcfile.same(name, each) for each in rcfile.section_names(text)):
        return True
    names = ", ".join(stanza_uri.fields(carried.given))
    return prompt.confirm(f"Stanza '{name}' is there already. Set {names} in it [N/y] ? ")
