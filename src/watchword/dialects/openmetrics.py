"""The text form of OpenMetrics 1.0: numbers with names, for whoever collects them.

In here: families of samples, what makes one well formed, and the text.
Not in here: which numbers there are (service.daemon.metrics), serving them (edges.scrapes).

Source: the OpenMetrics specification, version 1.0.0, sections "ABNF" and "Metric Types"; what
it offers beyond this (histograms, exemplars, time stamps) is not used.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from watchword.record import record

CONTENT_TYPE: Final = "application/openmetrics-text; version=1.0.0; charset=utf-8"
_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_LABEL = re.compile(r"(?!__)[a-zA-Z_][a-zA-Z0-9_]*")
_TAKEN: Final = ("_total", "_created", "_count", "_sum", "_bucket", "_info")
_ESCAPES: Final = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n"})


class Kind(Enum):
    """What the numbers of a family are, and what the names of its samples may end in."""

    COUNTER = ("counter", ("_total",))  # only grows
    GAUGE = ("gauge", ("",))  # is true now
    SUMMARY = ("summary", ("_count", "_sum"))  # how often, and how much of it all together
    INFO = ("info", ("_info",))  # the labels say it

    def __init__(self, word: str, endings: tuple[str, ...]) -> None:
        self.word = word
        self.endings = endings


@dataclass(frozen=True, slots=True)
class Sample:
    value: float
    labels: Mapping[str, str] = field(default_factory=dict)
    ending: str = ""
    """One of the kind's; empty: its first."""


@record
class Family:
    """Numbers that mean the same of different things.

    Raises ValueError if the names are none, or the kind has no such ending.
    """

    name: str
    """Without what the kind makes its samples end in."""
    kind: Kind
    help: str
    samples: tuple[Sample, ...]
    unit: str = ""
    """The name ends in it, behind a ``_``."""

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name) or self.name.endswith(_TAKEN):
            raise ValueError(f"{self.name!r} cannot be the name of a family")
        if self.unit and not self.name.endswith(f"_{self.unit}"):
            raise ValueError(f"{self.name!r} does not end in its unit")
        for sample in self.samples:
            if sample.ending and sample.ending not in self.kind.endings:
                raise ValueError(f"a {self.kind.word} has no {sample.ending!r}")
            if wrong := [name for name in sample.labels if not _LABEL.fullmatch(name)]:
                raise ValueError(f"{wrong[0]!r} cannot be the name of a label")


def text(families: Iterable[Family]) -> str:
    """The exposition of these families, up to its end. ValueError if two have one name."""
    lines: list[str] = []
    names: set[str] = set()
    for family in families:
        if family.name in names:
            raise ValueError(f"{family.name} is there twice")
        names.add(family.name)
        lines.extend(_lines(family))
    return "\n".join((*lines, "# EOF", ""))


def _lines(family: Family) -> Iterator[str]:
    yield f"# TYPE {family.name} {family.kind.word}"
    if family.unit:
        yield f"# UNIT {family.name} {family.unit}"
    yield f"# HELP {family.name} {family.help.translate(_ESCAPES)}"
    for sample in family.samples:
        ending = sample.ending or family.kind.endings[0]
        labels = ",".join(f'{n}="{v.translate(_ESCAPES)}"' for n, v in sample.labels.items())
        braces = f"{{{labels}}}" if labels else ""
        yield f"{family.name}{ending}{braces} {_number(sample.value)}"


def _number(value: float) -> str:
    """Whole numbers without a point, however large; others with all their digits."""
    return str(int(value)) if isinstance(value, int) else repr(value)
