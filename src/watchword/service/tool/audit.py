"""The command watchword audit: whether the audit journal is whole, and what it says.

In here: its options, reading the journal's files, what it prints.
Not in here: what makes a journal whole (dialects.audit), writing it (service.daemon.audit).
"""

from __future__ import annotations

import argparse
import json
import re
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from watchword.service.tool import questions as tool_questions

if TYPE_CHECKING:
    from watchword.dialects.audit import Examination

_LOG_LIMIT = 256 << 20  # bytes of a log that anchors are looked for in


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser of ``watchword``."""
    parser = commands.add_parser(
        "audit",
        parents=[tool_questions.options()],
        help="whether the audit journal is whole, and what it says",
        description="verify: go through the audit journal of fwknopd (AUDIT_LOG), and name the "
        "first entry that was changed, moved or taken out. show: print it. Exit status 1: it is "
        "not whole, or cannot be read.",
    )
    parser.add_argument("what", choices=("verify", "show"), metavar="verify|show")
    parser.add_argument(
        "--folder", metavar="FOLDER", help="where the journal lies, instead of STATE_DIR"
    )
    parser.add_argument(
        "--anchors", metavar="FILE", help="verify: also against the anchors in this log"
    )
    parser.add_argument(
        "-n", "--entries", type=_count, metavar="COUNT", help="show: only the last ones"
    )
    parser.set_defaults(answer=_answer)


def _count(text: str) -> int:
    if not re.fullmatch("[1-9][0-9]{0,8}", text):
        raise argparse.ArgumentTypeError("must be a number of entries, from 1")
    return int(text)


def _answer(arguments: argparse.Namespace) -> int:
    folder = _folder(arguments)
    return _verify(folder, arguments) if arguments.what == "verify" else _show(folder, arguments)


def _folder(arguments: argparse.Namespace) -> Path:
    from watchword.service.daemon import own_files

    if arguments.folder:
        return Path(arguments.folder)
    return own_files.places(tool_questions.given(arguments)).state_dir


def _files(folder: Path) -> list[Path]:
    from watchword.edges import audit as files
    from watchword.errors import HostError

    found = files.journal(folder)
    if not found and not files.head(folder):
        raise HostError(
            f"there is no audit journal in {folder}",
            hint="write AUDIT_LOG Y in fwknopd.conf, and start fwknopd again",
        )
    return found


def _lines(paths: Iterable[Path]) -> Iterator[tuple[str, int, bytes]]:
    from watchword.edges import audit as files

    for path in paths:
        for number, line in enumerate(files.lines(path), start=1):
            yield path.name, number, line


def _verify(folder: Path, arguments: argparse.Namespace) -> int:
    from watchword.dialects import audit
    from watchword.edges import audit as files
    from watchword.edges.files import read_text

    log = read_text(Path(arguments.anchors), _LOG_LIMIT) if arguments.anchors else ""
    head = audit.Link.of_head(files.head(folder))  # before the rest: it only grows
    found = audit.Examination(audit.anchors(log.splitlines()))
    found.look_at(_lines(_files(folder)))
    found.end(head)
    if arguments.json:
        print(json.dumps(_as_json(found)))
    else:
        print("\n".join(_in_words(found, asked=bool(arguments.anchors))))
    return 0 if found.flaw is None else 1


def _as_json(found: Examination) -> dict[str, object]:
    flaw = found.flaw
    return {
        "whole": flaw is None,
        "first": found.first,
        "last": found.last.seq,
        "hash": found.last.hash,
        "anchors": found.anchored,
        "unfinished": found.unfinished,
        "flaw": flaw and {"file": flaw.file, "line": flaw.line, "what": flaw.what},
    }


def _in_words(found: Examination, *, asked: bool) -> Iterator[str]:
    last = found.last
    if found.flaw is not None:
        yield f"NOT WHOLE: {found.flaw}"
        if last.seq:
            yield f"whole up to there: entries {found.first} to {last.seq}"
        return
    yield f"whole: entries {found.first} to {last.seq}, last {last.hash}"
    if found.first > 1:
        yield f"entries before {found.first} went with old files, by rotation"
    if asked:
        yield f"anchors in the log that it agrees with: {found.anchored}"
    if found.unfinished:
        yield "the last line has no end: it is being written, or fwknopd was killed meanwhile"


def _show(folder: Path, arguments: argparse.Namespace) -> int:
    from watchword.dialects import audit

    lines: Iterable[bytes] = (line for _, _, line in _lines(_files(folder)))
    if arguments.entries:
        lines = deque(lines, arguments.entries)
    for line in lines:
        if arguments.json:
            print(audit.printable(line.decode("ascii", "backslashreplace").rstrip("\n")))
        else:
            print(audit.shown(line))
    return 0
