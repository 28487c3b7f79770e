"""``make fuzz``: every target for a while, one after the other, and what they found.

In here: folders, seeds and words for each target, a process for each, the
table at the end. Not in here: fuzzing itself (one), the invariants (targets).

Usage: python -m fuzz [--seconds N] [TARGET ...]
Exit status: 0 nothing was found, 1 something was, 2 asked for wrongly.

Everything is kept in ``.cache/fuzz``: the next run goes on from this one's corpus.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import json
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from fuzz import targets
from fuzz.one import OUTCOMES
from fuzz.target import Target

KEPT_IN = Path(".cache/fuzz")
SECONDS = 60
_RUNS = re.compile(r"^Done (\d+) runs in (\d+) second", re.MULTILINE)
_ALIVE = re.compile(r"^#(\d+)\t", re.MULTILINE)
_EDGES = re.compile(r"cov: (\d+) ft: \d+ corp: (\d+)")
_ROW = "{:<18} {:>12} {:>9} {:>7} {:>7} {:>6}"


@dataclass(frozen=True, slots=True)
class Report:
    """What one target's run came to."""

    target: Target
    status: int
    runs: int
    """Inputs that were checked."""
    seconds: int
    edges: int
    """Places in the product's code that were reached; 0 without atheris."""
    corpus: int
    """Inputs that each reach something of their own."""
    findings: tuple[Path, ...]

    @property
    def failed(self) -> bool:
        return self.status != 0 or bool(self.findings)


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m fuzz", allow_abbrev=False)
    parser.add_argument("--seconds", type=int, default=SECONDS, help="for each target")
    names = [target.name for target in targets.ALL]
    parser.add_argument("target", nargs="*", choices=[[], *names], default=[])
    asked = parser.parse_args(argv)
    if importlib.util.find_spec("atheris") is None:
        say("atheris is not installed for this Python: inputs are mutated blindly")
    chosen = [targets.named(name) for name in asked.target or names]
    reports = list(runs(chosen, asked.seconds))
    say(_ROW.format("target", "executions", "a second", "edges", "corpus", "found"))
    for report in reports:
        say(_row(report))
    return 1 if any(report.failed for report in reports) else 0


def say(text: str) -> None:
    print(text, flush=True)


def runs(chosen: Sequence[Target], seconds: int) -> Iterator[Report]:
    for target in chosen:
        if missing := target.lacks():
            say(f"{target.name}: not run, this machine lacks {missing}")
            continue
        say(f"{target.name}: {target.invariant}")
        report = run(target, seconds, KEPT_IN / target.name)
        for path in report.findings:
            say(regression(target, path.read_bytes()))
        if report.failed:
            say(f"  {target.name} was broken; see {KEPT_IN / target.name / 'log'}")
        yield report


def run(target: Target, seconds: int, folder: Path) -> Report:
    """One target in a process of its own, with its log beside its corpus."""
    prepare(target, folder)
    before = _written(folder / "findings")
    with (folder / "log").open("w", encoding="utf-8") as log:
        done = subprocess.run(
            [sys.executable, "-m", "fuzz.one", target.name, str(seconds), str(folder)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            check=False,
        )
    after = _written(folder / "findings")
    found = sorted(path for path in after if after[path] != before.get(path))
    return told(target, done.returncode, (folder / "log").read_text("utf-8", "replace"), found)


def _written(folder: Path) -> dict[Path, int]:
    """Files and when they were written: what is found a second time is written again."""
    return {path: path.stat().st_mtime_ns for path in folder.iterdir()}


def prepare(target: Target, folder: Path) -> None:
    """Seeds under the names of their hashes, and the dictionary as libFuzzer reads it."""
    for name in ("seeds", "corpus", "findings"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / OUTCOMES).unlink(missing_ok=True)
    for seed in target.seeds():
        name = hashlib.sha1(seed, usedforsecurity=False).hexdigest()
        (folder / "seeds" / name).write_bytes(seed)
    words = ("".join(f"\\x{octet:02x}" for octet in word) for word in target.words if word)
    (folder / "words").write_text("".join(f'"{word}"\n' for word in words), "ascii")


def told(target: Target, status: int, log: str, findings: Sequence[Path]) -> Report:
    """Read a log: of a run to its end, or of one that something ended."""
    done, alive, edges = _RUNS.search(log), _ALIVE.findall(log), _EDGES.findall(log)
    count, seconds = (int(done[1]), int(done[2])) if done else (int((alive or [0])[-1]), 0)
    reached, corpus = map(int, edges[-1]) if edges else (0, 0)
    return Report(target, status, count, seconds, reached, corpus, tuple(findings))


def _row(report: Report) -> str:
    rate = f"{report.runs / report.seconds:,.0f}" if report.seconds else ""
    found = str(len(report.findings)) if report.findings else "broken" if report.failed else "0"
    name = report.target.name
    return _ROW.format(name, f"{report.runs:,}", rate, report.edges, report.corpus, found) + (
        f"\n    {outcomes}" if (outcomes := _outcomes(KEPT_IN / name / OUTCOMES)) else ""
    )


def _outcomes(path: Path) -> str:
    """The commonest words for what came of the inputs, in per cent."""
    if not path.exists():
        return ""
    seen: dict[str, int] = json.loads(path.read_text("utf-8"))
    total = sum(seen.values())
    most = sorted(seen.items(), key=lambda each: -each[1])[:8]
    return ", ".join(f"{word} {100 * count / total:.1f}%" for word, count in most)


def regression(target: Target, octets: bytes) -> str:
    """A finding as a line for the table in tests/unit/test_fuzz_findings.py."""
    return f'  add to FINDINGS:  ("{target.name}", bytes.fromhex("{octets.hex()}")),'


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
