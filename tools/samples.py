"""The sample fwknopd.conf, made of the table of variables and of the manual page.

The table says which variables there are and what their defaults are; the page says what they
mean, in its order and under its headings. So the table, the page and the sample agree
(``python -m tools.manpages`` writes the sample, too). Variables that change nothing here are left
out.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from pathlib import Path

from watchword.dialects.fwknop.fwknopd_conf_table import ALIASES, VARIABLES

PACKAGING = Path(__file__).parents[1] / "packaging"
PAGE = PACKAGING / "man" / "fwknopd.conf.5"
SAMPLE = PACKAGING / "etc" / "fwknopd.conf"
_WIDTH = 88
_COLUMN = 30  # where values begin
_NAMES = re.compile(r"\\fB([A-Za-z0-9_]+)\\fR")
_ARGUMENT = re.compile(r"\\fB([A-Za-z0-9_]+)\\fR \\fI([^\\]+)\\fR")
_HEAD = """\
# Settings of fwknopd: /etc/fwknop/fwknopd.conf, owned by root, mode 0600.
#
# A line is a name, blanks, a value and a semicolon. What begins with # is a comment. The file
# may be empty: what is commented out below stands there with its default, or, where there is
# none, with what it takes in angle brackets. fwknopd.conf(5) is the manual page, and
# "watchword check" says what the file amounts to, before fwknopd is started or reloaded.
"""


def fwknopd_conf() -> str:
    """The whole sample."""
    page = PAGE.read_text("utf-8")
    return _HEAD + "".join(_sections(page.partition(".SH DESCRIPTION\n")[2]))


def _sections(text: str) -> Iterator[str]:
    for section in text.split(".SH ")[1:]:
        title, _, rest = section.partition("\n")
        entries = list(_entries(rest))
        if entries:
            yield f"\n# --- {title.lower()} ---\n" + "".join(entries)


def _entries(text: str) -> Iterator[str]:
    for entry in text.split(".TP\n")[1:]:
        head, _, said = entry.partition("\n")
        names = [name for name in _NAMES.findall(head) if name in VARIABLES]
        if names:
            takes = dict(_ARGUMENT.findall(head))
            about = textwrap.fill(_plain(said), _WIDTH, initial_indent="# ", subsequent_indent="# ")
            yield f"\n{about}\n" + "".join(_line(name, takes, head) for name in names)


def _line(name: str, takes: dict[str, str], head: str) -> str:
    """The variable with its default, commented out."""
    variable = VARIABLES[name]
    kinds = [takes[each] for each in (name, *_others(name)) if each in takes]
    value = variable.default or f"<{kinds[0] if kinds else 'value'}>"
    return f"#{name:<{_COLUMN - 2}} {value};\n"


def _others(name: str) -> Iterator[str]:
    """Second names, behind which the page may say what the variable takes."""
    return (alias for alias, first in ALIASES.items() if first == name)


def _plain(roff: str) -> str:
    """The text of an entry without the page's markup; what follows a blank line is left out."""
    lines = []
    for line in roff.split("\n"):
        if line.startswith((".SH", ".PP", ".ad")):
            break
        lines.append(re.sub(r"^\.[BI]R? (\S+) ?(.*)$", r"\1\2", line))
    text = " ".join(filter(None, lines))
    return re.sub(r"\\f[BIR]", "", text).replace("\\-", "-").replace("\\e", "\\").replace("\\&", "")
