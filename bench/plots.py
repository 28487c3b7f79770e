"""The results as pictures: SVG text, drawn without a library.

In here: one picture of how many times better each figure is, and one of who got
through a flood.
Not in here: the figures (run), the table (report).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

from bench.figures import Summary, ratio_shown, times_better
from bench.run import Results
from bench.servers import Ours, Packaged
from bench.table import Row

_OURS, _THEIRS, _GRID, _INK = "#2f6fab", "#c06a2b", "#dddddd", "#222222"
_WIDTH, _LEFT, _RIGHT, _ROW = 960, 430, 90, 24


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: from 0 to 1 of the width, with what is written beside it."""

    title: str
    share: float
    text: str
    colour: str = _OURS


def ratios(rows: Sequence[Row], results: Results) -> str:
    """How many times better than the packaged server each figure is, on a logarithmic scale."""
    found = [
        (line.title, times)
        for row in rows
        for line in row.lines
        if line.goal is not None and line.goal.times is not None
        for times in _times(row, line.key, results)
    ]
    most = max((math.log10(times) for _, times in found if times > 1), default=1.0)
    decades = max(1, math.ceil(most))
    bars = [
        Bar(title, max(0.0, math.log10(times)) / decades, ratio_shown(times))
        for title, times in found
    ]
    grid = [(step / decades, f"{10**step:,}×") for step in range(decades + 1)]
    return _picture("Times better than fwknopd 2.6.10 (one grid line: tenfold)", bars, grid)


def floods(rows: Sequence[Row], results: Results) -> str:
    """How many valid packets were honoured while 50,000 bad ones came each second."""
    bars = []
    for row in rows:
        for line in row.lines:
            if not line.key.startswith("flood.") or not line.key.endswith(".share"):
                continue
            for server, colour in ((Ours.name, _OURS), (Packaged.name, _THEIRS)):
                summary = results.summary(row, line, server)
                if isinstance(summary, Summary):
                    _, stanzas, kind, _ = line.key.split(".")
                    caller = "known" if kind == "known" else "first-time"
                    title = f"{int(stanzas):,} stanzas, {caller} callers, {server}"
                    shown = f"{summary.median * 100:.0f} %"
                    bars.append(Bar(title, summary.median, shown, colour))
    grid = [(step / 4, f"{25 * step} %") for step in range(5)]
    return _picture("Valid packets honoured during a flood of 50,000 bad ones a second", bars, grid)


def _times(row: Row, key: str, results: Results) -> Iterator[float]:
    """The ratio of one line, if both were measured and it is finite."""
    [line] = [each for each in row.lines if each.key == key]
    ours = results.summary(row, line, Ours.name)
    theirs = results.summary(row, line, Packaged.name)
    if isinstance(ours, Summary) and isinstance(theirs, Summary):
        times = times_better(ours.median, theirs.median, more_is_better=line.more_is_better)
        if math.isfinite(times) and times > 0:
            yield times


def _picture(title: str, bars: Sequence[Bar], grid: Iterable[tuple[float, str]]) -> str:
    height = 70 + _ROW * len(bars)
    span = _WIDTH - _LEFT - _RIGHT
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}" '
        f'viewBox="0 0 {_WIDTH} {height}" font-family="sans-serif" font-size="13" fill="{_INK}">',
        f'<rect width="{_WIDTH}" height="{height}" fill="white"/>',
        f'<text x="16" y="24" font-size="15" font-weight="bold">{escape(title)}</text>',
    ]
    for share, text in grid:
        x = _LEFT + span * share
        parts.append(
            f'<line x1="{x:.1f}" y1="54" x2="{x:.1f}" y2="{height - 12}" stroke="{_GRID}"/>'
            f'<text x="{x:.1f}" y="48" text-anchor="middle" font-size="11">{text}</text>'
        )
    parts += [_drawn(bar, 58 + _ROW * index, span) for index, bar in enumerate(bars)]
    return "\n".join((*parts, "</svg>")) + "\n"


def _drawn(bar: Bar, y: float, span: float) -> str:
    length = max(1.0, span * bar.share)
    title = bar.title if len(bar.title) <= 62 else f"{bar.title[:60]}…"
    return (
        f'<text x="{_LEFT - 10}" y="{y + 13}" text-anchor="end">{escape(title)}</text>'
        f'<rect x="{_LEFT}" y="{y}" width="{length:.1f}" height="{_ROW - 7}" fill="{bar.colour}"/>'
        f'<text x="{_LEFT + length + 6:.1f}" y="{y + 13}">{escape(bar.text)}</text>'
    )
