"""The command watchword support-bundle: one file for people who help.

In here: its options, which texts are collected, and that one which cannot be had keeps out
none of the others.
Not in here: what is taken out of them (dialects.fwknop.anonymous), the findings (doctor).

No key is collected. Names and addresses are placeholders unless somebody says otherwise.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final

from watchword.service.tool import questions as tool_questions

if TYPE_CHECKING:
    from watchword.dialects.fwknop.anonymous import Anonymous
    from watchword.dialects.fwknop.translate import Configuration

_EVENTS: Final = 500  # of the last ones
_COMMANDS: Final = frozenset({
    "command-started", "cycle-opening", "cycle-closing", "cycle-not-closed",
})  # fmt: skip
"""Events whose lines have a command in them."""
_PROGRAMS: Final = (
    ("nft", "--version"), ("iptables", "--version"), ("ipset", "--version"), ("gpg", "--version"),
)  # fmt: skip


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser of ``watchword``."""
    parser = commands.add_parser(
        "support-bundle",
        help="collect what people who help will ask for, without keys and names",
        description="Write one file with the versions, the settings in effect, everything that is "
        "wrong with them, the findings of doctor --server, the figures and the last events of the "
        "running fwknopd. No key is in it; addresses, names and commands are placeholders.",
    )
    tool_questions.add_files(parser)
    tool_questions.add_socket(parser)
    parser.add_argument(
        "-o", "--output", metavar="FILE", help="where to (watchword-support-TIME.tar.gz)"
    )
    parser.add_argument("--with-names", action="store_true", help="leave addresses and names")
    parser.set_defaults(answer=_bundle)


def _bundle(arguments: argparse.Namespace) -> int:
    import time
    from pathlib import Path

    from watchword.edges import files

    texts = dict(_texts(arguments))
    name = arguments.output or time.strftime("watchword-support-%Y%m%d-%H%M%S.tar.gz")
    path = Path(name)
    files.replace_private(path, _packed(texts))
    print(f"wrote {path}: {', '.join(sorted(texts))}")
    print("look at it before you give it away: what is a name to you need not be one to a program")
    return 0


def _packed(texts: dict[str, str]) -> bytes:
    import io
    import tarfile

    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, text in sorted(texts.items()):
            content = text.encode("utf-8", "replace")
            member = tarfile.TarInfo(f"watchword-support/{name}")
            member.size, member.mode = len(content), 0o600
            archive.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def _texts(arguments: argparse.Namespace) -> Iterator[tuple[str, str]]:
    from watchword.dialects.fwknop.anonymous import Anonymous

    names = Anonymous()
    collected = (
        ("complaints.txt", lambda: _complaints(arguments)),
        ("settings.txt", lambda: _settings(arguments, names)),
        ("status.json", lambda: _status(arguments)),
        ("log.txt", lambda: _log(arguments, names)),
        ("findings.json", lambda: _findings(arguments)),
        ("versions.txt", _versions),
    )
    found = [(name, _had(collect)) for name, collect in collected]
    for name, text in found:
        yield name, text if arguments.with_names else names.text(text)


def _had(collect: Callable[[], str]) -> str:
    """The text, or why there is none: it is for somebody whose server is broken."""
    from watchword.errors import WatchwordError

    try:
        return collect()
    except (WatchwordError, OSError) as error:
        return f"cannot be had: {error}\n"


def _loaded(arguments: argparse.Namespace) -> Configuration:
    return tool_questions.configuration(arguments)


def _complaints(arguments: argparse.Namespace) -> str:
    from watchword.errors import OperatorError

    try:
        found = _loaded(arguments).complaints
    except OperatorError as error:
        found = error.complaints
    return "".join(f"{each}\n" for each in found) or "nothing is wrong\n"


def _settings(arguments: argparse.Namespace, names: Anonymous) -> str:
    from watchword.dialects.fwknop import dump

    configuration = _loaded(arguments)
    names.learn_from(configuration)
    return dump.dump_config(configuration, origins=True)


def _status(arguments: argparse.Namespace) -> str:
    import json

    from watchword.service import asking

    told = asking.ask(tool_questions.socket_of(arguments), "status")
    return json.dumps(told, indent=2) + "\n"


def _log(arguments: argparse.Namespace, names: Anonymous) -> str:
    from collections import deque

    from watchword.service.tool import recent_told

    path = tool_questions.socket_of(arguments)
    pieces = recent_told.events(path, "log", follow=False)
    lines = []
    for told in deque((each for piece in pieces for each in piece), maxlen=_EVENTS):
        names.learn("user", str(told.get("user", "")))
        if told.get("reason") == "wrong-user":
            names.learn("user", str(told.get("detail", "")))
        said = ["(left out: a command)"] if told["event"] in _COMMANDS else told["lines"]
        lines += [f"{told['at']:.3f} {told['event']}: {line}" for line in said]
    return "".join(f"{each}\n" for each in lines)


def _findings(arguments: argparse.Namespace) -> str:
    import contextlib
    import io

    from watchword.service.doctor import server

    said = io.StringIO()
    options = argparse.Namespace(**{**vars(arguments), "json": True, "probe": False})
    with contextlib.redirect_stdout(said):
        server.answer(options)
    return said.getvalue()


def _versions() -> str:
    import platform
    import ssl

    from watchword import __version__
    from watchword.edges.programs import SystemPrograms
    from watchword.errors import HostError

    lines = [
        f"watchword {__version__}",
        f"python {platform.python_version()}",
        f"kernel {platform.system()} {platform.release()} {platform.machine()}",
        ssl.OPENSSL_VERSION,
    ]
    for argv in _PROGRAMS:
        try:
            done = SystemPrograms().run(argv, seconds=5)
        except HostError:
            lines.append(f"{argv[0]}: not there")
        else:
            said = (done.stdout or done.stderr).decode("utf-8", "replace").strip().splitlines()
            lines.append(f"{argv[0]}: {said[0] if said else 'says nothing'}")
    return "".join(f"{each}\n" for each in lines)
