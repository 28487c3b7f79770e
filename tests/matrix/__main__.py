"""Tries the matrix on this machine and prints it, or writes its page.

``make matrix`` is this; with ``--page`` it writes docs/interoperability.md and tries
nothing. Exit status: 0 everything is as the page says, 1 something is not, 2 it cannot be
tried here.
"""

from __future__ import annotations

import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.matrix.pairs import LIVE, OLD, Pair, difference, expected
from tests.matrix.table import PAGE, Footnotes, written
from watchword.conformance.exchange import exchange
from watchword.conformance.findings import Finding, Verdict
from watchword.conformance.openpgp_cells import rings
from watchword.lab.hosts import can_make_namespaces

PAIRS_AT_ONCE = 6


def tried(pair: Pair) -> dict[tuple[str, str], Finding]:
    """What all cells of a pair came to."""
    cells = [expected(cell, pair) for cell in pair.cells]
    with (
        tempfile.TemporaryDirectory(prefix="watchword-rings-") as folder,
        rings(Path(folder)) as words,
    ):
        findings = exchange(pair.command("fwknop"), pair.command("fwknopd"), cells, words)
        return {(finding.group, finding.name): finding for finding in findings}


def lines(pair: Pair, found: dict[tuple[str, str], Finding], notes: Footnotes) -> Iterator[str]:
    yield f"\n{pair}"
    for cell in pair.cells:
        finding = found[cell.group, cell.name]
        why = difference(cell, pair)
        note = f" [{notes.number(why)}]" if why else ""
        right = finding.verdict is Verdict.PASS
        word = expected(cell, pair).expect.value + note if right else f"FAILED: {finding.detail}"
        yield f"  {cell.group:9} {cell.name:38} {word}"


def main(arguments: list[str]) -> int:
    if arguments == ["--page"]:
        PAGE.write_text(written(PAGE.read_text("utf-8")), "utf-8")
        return 0
    if why := can_make_namespaces():
        print(f"matrix: {why}", file=sys.stderr)
        return 2
    there = [pair for pair in (*LIVE, *OLD) if all(map(pair.command, ("fwknop", "fwknopd")))]
    notes, verdicts = Footnotes(), Counter[Verdict]()
    with ThreadPoolExecutor(PAIRS_AT_ONCE) as pool:
        for pair, found in zip(there, pool.map(tried, there), strict=True):
            print(*lines(pair, found, notes), sep="\n", flush=True)
            verdicts.update(finding.verdict for finding in found.values())
    print("", *notes.lines(), sep="\n")
    print(f"\n{verdicts[Verdict.PASS]} as expected, {verdicts[Verdict.FAIL]} not")
    for pair in {*LIVE, *OLD} - {*there}:
        print(f"not tried: {pair}: {', '.join(pair.needs)} of the package is not installed")
    return 1 if verdicts[Verdict.FAIL] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
