"""Splits the client's rc file into lines, sections and variables (client, section 9).

In here: what is a comment, where a section begins, where a value ends. Nothing
is lost: the lines of a file, joined, are the file.
Not in here: which variables exist (rcfile_read), changing a file (rcfile_write).
"""

from __future__ import annotations

from watchword.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

DEFAULT = "default"
MAX_LINE = 1023  # bytes; what the original reads of a line
_BREAKS = str.maketrans({"\t": " ", ";": "\n", "#": "\n", "\r": "\n"})
"""Blanks as one character, and what ends a value as another."""


@record
class Line:
    """One line of the file. It may hold a key and is not shown."""

    text: str
    """As it stands in the file, end of line included."""
    number: int
    """1-based."""
    section: str
    """The section it stands in, as written; empty before the first one."""
    head: bool = False
    """True: this line opens the section."""
    name: str = ""
    """The variable that is set here; empty where none is."""
    value: str = ""
    broken: bool = False
    """True: neither a comment nor a section nor a variable."""

    def __repr__(self) -> str:
        return f"<line {self.number} of an rc file, not shown>"


def lines(text: str) -> Iterator[Line]:
    """The lines of a file, in order."""
    section = ""
    for number, line in enumerate(_split(text), start=1):
        if line[0] in "#;\r\n":
            yield Line(line, number, section)
        elif len(line) > MAX_LINE // 4 and len(_octets(line)) > MAX_LINE:
            yield Line(line, number, section, broken=True)
        elif (name := _head(line)) is not None:
            section = name
            yield Line(line, number, section, head=True)
        else:
            name, value = _variable(line)
            yield Line(line, number, section, name=name, value=value, broken=not name)


def _head(line: str) -> str | None:
    """The section that a line opens; None: it opens none."""
    name, bracket, _ = line.lstrip(" \t").partition("]")
    return name[1:] if bracket and name.startswith("[") else None


def _variable(line: str) -> tuple[str, str]:
    """What a line sets, and to what; twice nothing if it sets nothing."""
    words = line.translate(_BREAKS).partition("\n")[0].lstrip(" ")
    name, _, rest = words.partition(" ")
    value = rest.lstrip(" ").partition(" ")[0]
    return (name.removesuffix(":"), value) if value else ("", "")


def section_names(text: str) -> list[str]:
    """Names of all sections but the default one, as written, in order."""
    return [each.section for each in lines(text) if each.head and not same(each.section, DEFAULT)]


def same(one: str, other: str) -> bool:
    """Whether two names mean the same section: letter case does not count."""
    return one.lower() == other.lower()


def is_section_name(text: str) -> bool:
    """Whether a section of this name can be written and found again."""
    return bool(text) and text.isprintable() and "]" not in text


def is_value(text: str) -> bool:
    """Whether a value can be written and read back as it is."""
    return bool(text) and text.isprintable() and not any(each in text for each in " ;#")


def _octets(line: str) -> bytes:
    return line.rstrip("\r\n").encode("utf-8", "surrogateescape")


def _split(text: str) -> list[str]:
    """Lines with their ends; only LF ends a line."""
    parts = text.split("\n")
    last = parts.pop()
    return [f"{part}\n" for part in parts] + ([last] if last else [])
