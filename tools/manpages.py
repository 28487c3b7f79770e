"""Keeps the manual pages in step with the option tables: ``python -m tools.manpages [--check]``.

The tables that parse our command lines (``watchword.service.tool.command_lines``) say which
options there are, how they are written, and what they take: from them come --help, shell
completion, and the head of every entry under OPTIONS. What stands below a head is written by
hand and kept. An option without an entry gets one, with the words of --help, after the entry
of its neighbour in the table; an entry without an option goes. A command of ``watchword``
without a section gets one too. The sample fwknopd.conf is made of the page and the table (samples).

Exit status: 0 done, or with --check nothing to do; 1 with --check, a page differs.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from tools import samples
from watchword.dialects.shells.command import Command, Switch, Takes
from watchword.service.tool import command_lines

PAGES = Path(__file__).parents[1] / "packaging" / "man"
_HEAD = re.compile(r"(?:\\fB\\-\w\\fR, )?\\fB\\-\\-((?:\w|\\-)+)\\fR(?: \\f[BI](.*)\\fR)?")
_UNNAMED = ("value", "text")
"""What a table calls a value that it has no better name for; the page's own name is kept."""


def pages() -> dict[str, Command]:
    """Our pages about programs, by file name."""
    return {f"{each.name}.8": each for each in command_lines.all_programs()}


def rewritten(page: str, program: Command) -> str:
    """The page as the tables want it."""
    page = "\n".join(_with_commands(page.split("\n"), program.commands))
    before, mark, rest = page.partition("\n.SH OPTIONS\n")
    options, end, after = rest.partition("\n.SH ")
    lines = _options(options.split("\n"), _switches(program))
    return before + mark + "\n".join(lines) + end + after


def _switches(program: Command) -> dict[str, tuple[Switch, str]]:
    """Every option of a program and its commands once, each with its neighbour before it."""
    found: dict[str, tuple[Switch, str]] = {}
    before = ""
    for each in program.switches:
        found.setdefault(each.long, (each, before))
        before = each.long
    for command in program.commands:
        for long, (switch, neighbour) in _switches(command).items():
            found.setdefault(long, (switch, neighbour))
    return found


def _options(lines: Sequence[str], switches: dict[str, tuple[Switch, str]]) -> list[str]:
    blocks = list(_blocks(lines))
    there = {long for long, _ in blocks}
    kept = [
        (long, _headed(block, switches[long][0]) if long else block)
        for long, block in blocks
        if not long or long in switches
    ]
    for long, (switch, neighbour) in switches.items():
        if long not in there:
            names = [each for each, _ in kept]
            at = names.index(neighbour) + 1 if neighbour and neighbour in names else len(kept)
            kept.insert(at, (long, [".TP", _head(switch, ""), f"{_sentence(switch.what)}"]))
    return [line for _, block in kept for line in block]


def _blocks(lines: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    """The section in pieces: entries with the option they are about, and what lies between."""
    block: list[str] = []
    for at, line in enumerate(lines):
        if line.startswith((".TP", ".SS", ".PP")) and block:
            yield _option_of(block), block
            block = []
        block.append(line)
        if at == len(lines) - 1:
            yield _option_of(block), block


def _option_of(block: Sequence[str]) -> str:
    found = _HEAD.fullmatch(block[1]) if block[0] == ".TP" and len(block) > 1 else None
    return found[1].replace("\\-", "-") if found else ""


def _headed(block: list[str], switch: Switch) -> list[str]:
    found = _HEAD.fullmatch(block[1])
    return [block[0], _head(switch, (found and found[2]) or ""), *block[2:]]


def _head(switch: Switch, known: str) -> str:
    names = ", ".join(f"\\fB{_dashed(name)}\\fR" for name in switch.names)
    if switch.value.takes is Takes.NOTHING:
        return names
    if len(switch.value.words) == 1:
        return f"{names} \\fB{switch.value.words[0]}\\fR"
    name = known if switch.value.name in _UNNAMED and known else switch.value.name
    return f"{names} \\fI{name}\\fR"


def _dashed(text: str) -> str:
    return text.replace("-", "\\-")


def _sentence(what: str) -> str:
    """Half a sentence of --help as a whole one, in the page's letters."""
    text = what.replace("\\", "\\e").replace("-", "\\-") or "See \\-\\-help"
    text = text[0].upper() + text[1:] + "."
    return f"\\&{text}" if text[0] in ".'" else text


def _with_commands(lines: list[str], commands: Sequence[Command]) -> Iterator[str]:
    """The page with a section for every command, in the order of the commands."""
    heads = [f".SS watchword {each.name}" for each in commands]
    missing = {head: each for head, each in zip(heads, commands, strict=True) if head not in lines}
    for line in lines:
        known = heads.index(line) if line in heads else len(heads)
        if line in heads or (missing and line == ".SH OPTIONS"):
            for head in [each for each in heads[:known] if each in missing]:
                yield from (head, _sentence(missing.pop(head).what))
        yield line


def main(argv: Sequence[str]) -> int:
    """Write the pages, or with ``--check`` say which would change."""
    stale = []
    for name, program in pages().items():
        page = (PAGES / name).read_text("utf-8")
        wanted = rewritten(page, program)
        if wanted != page:
            stale.append(name)
            if "--check" not in argv:
                (PAGES / name).write_text(wanted, "utf-8")
    sample = samples.fwknopd_conf()
    if not samples.SAMPLE.exists() or samples.SAMPLE.read_text("utf-8") != sample:
        stale.append(samples.SAMPLE.name)
        if "--check" not in argv:
            samples.SAMPLE.write_text(sample, "utf-8")
    if stale:
        print(("differs: " if "--check" in argv else "written: ") + ", ".join(stale))
    return int("--check" in argv and bool(stale))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
