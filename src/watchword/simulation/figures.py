"""What came of a play, as figures, as a table, and as a picture.

In here: numbers and their text. Not in here: playing (stage), the command line.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

_IN, _OUT, _GRID, _INK = "#b3452c", "#2f6fab", "#dddddd", "#222222"
_WIDTH, _LEFT, _RIGHT, _ROW = 960, 380, 110, 44


@dataclass(frozen=True, slots=True)
class Result:
    """Of one mode."""

    mode: str
    title: str
    visits: int
    """How often an owner wanted in."""
    knocks: int
    shut_out: tuple[str, ...]
    """One for each owner who did not get in: when, who, and what he was told."""
    median_wait: float | None
    """Seconds from the knock until the service answered; None: nobody got in."""
    tries: int
    """How often a neighbour tried."""
    admitted: int
    """Connections to the service of people without a key."""

    @property
    def shut_out_share(self) -> float:
        return len(self.shut_out) / self.visits if self.visits else 0.0


def table(results: Sequence[Result]) -> list[str]:
    """As Markdown, with the first as the base line."""
    base = results[0].admitted if results else 0
    rows = [
        "| mode | neighbours' tries | got in | of the base line "
        "| owners' visits | shut out | share | median wait |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for each in results:
        share = f"{each.admitted / base:.2%}" if base else "-"
        wait = "-" if each.median_wait is None else f"{each.median_wait:.2f} s"
        rows.append(
            f"| `{each.mode}`: {each.title} | {each.tries:,} | {each.admitted:,} | {share} "
            f"| {each.visits:,} | {len(each.shut_out):,} | {each.shut_out_share:.2%} | {wait} |"
        )
    return rows


def picture(results: Sequence[Result], title: str) -> str:
    """As SVG: for each mode who got in without a key (logarithmic), and which owners did not."""
    most = max((each.admitted for each in results), default=0)
    decades = max(1, math.ceil(math.log10(most + 1)))
    span, height = _WIDTH - _LEFT - _RIGHT, 76 + _ROW * len(results)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}" '
        f'viewBox="0 0 {_WIDTH} {height}" font-family="sans-serif" font-size="13" fill="{_INK}">',
        f'<rect width="{_WIDTH}" height="{height}" fill="white"/>',
        f'<text x="16" y="24" font-size="15" font-weight="bold">{escape(title)}</text>',
        f'<text x="16" y="44" font-size="11" fill="{_IN}">connections of neighbours that got in '
        "(each grid line is ten times the one before)</text>",
        f'<text x="{_LEFT + span / 2:.0f}" y="44" font-size="11" fill="{_OUT}">owners who did not '
        "(the whole width is all of them)</text>",
    ]
    for step in range(decades + 1):
        x = _LEFT + span * step / decades
        parts.append(
            f'<line x1="{x:.1f}" y1="56" x2="{x:.1f}" y2="{height - 8}" stroke="{_GRID}"/>'
        )
    for number, each in enumerate(results):
        y = 60 + _ROW * number
        admitted = span * math.log10(each.admitted + 1) / decades
        shut = span * each.shut_out_share
        parts += [
            f'<text x="16" y="{y + 20}"><tspan font-weight="bold">{escape(each.mode)}</tspan> '
            f"{escape(each.title)}</text>",
            _bar(y, admitted, _IN, f"{each.admitted:,}"),
            _bar(y + 17, shut, _OUT, f"{len(each.shut_out)} of {each.visits:,}"),
        ]
    return "\n".join((*parts, "</svg>")) + "\n"


def _bar(y: float, width: float, colour: str, text: str) -> str:
    return (
        f'<rect x="{_LEFT}" y="{y}" width="{width:.1f}" height="14" fill="{colour}"/>'
        f'<text x="{_LEFT + width + 6:.1f}" y="{y + 11}" font-size="11">{text}</text>'
    )
