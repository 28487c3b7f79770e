"""Runs the benchmark: ``make bench``, or ``python -m bench [--quick] [ROW or GROUP ...]``.

A group is all rows whose keys begin alike: ``python -m bench grants`` runs ``grants.0``,
``grants.5000`` and ``grants.50000``.

Exit status: 0 measured (whatever the figures say), 1 could not be done, 2
asked for wrongly, 130 interrupted.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from types import FrameType

from bench import accounting, machine, packets, plots, report
from bench.births import Births
from bench.rows import ROWS
from bench.run import Results, run
from bench.scene import being, build
from bench.servers import Ours, Packaged, Server
from bench.table import Effort, Row
from watchword.lab.hosts import Host, Lab, can_make_namespaces

ROOT = Path(__file__).parents[1]
BUILD = ROOT / "build" / "bench"
DOCUMENT = ROOT / "docs" / "benchmarks.md"
LIMIT, QUICK_LIMIT = 840.0, 80.0  # seconds after which no measurement is begun


def named(rows: Sequence[Row]) -> list[str]:
    """What rows can be asked for by: groups, and the keys of their rows, in order."""
    return list(dict.fromkeys(name for row in rows for name in (row.group, row.key)))


def known(name: str) -> str:
    """Raises ArgumentTypeError: no row and no group is called that."""
    if name not in named(ROWS):
        raise argparse.ArgumentTypeError(f"no row and no group is called {name!r}")
    return name


def options(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="bench", description="Watchword beside the packaged fwknopd, in one run"
    )
    parser.add_argument("--quick", action="store_true", help="fewer rounds: two minutes at most")
    parser.add_argument(
        "only",
        nargs="*",
        type=known,
        metavar="ROW",
        help="these rows only, or all of a group: " + ", ".join(named(ROWS)),
    )
    parser.add_argument(
        "--without", choices=[Ours.name, Packaged.name], help="leave one of the servers out"
    )
    return parser.parse_args(argv)


def trouble() -> str:
    """Why nothing can be measured here; empty if it can."""
    if reason := can_make_namespaces():
        return reason
    missing = [name for name in (Packaged.PROGRAM, "nft", "iptables") if not shutil.which(name)]
    return f"not installed: {', '.join(missing)}" if missing else ""


def interrupt(number: int, frame: FrameType | None) -> None:
    """A request to end unwinds everything, as Ctrl-C does."""
    raise KeyboardInterrupt


def listen(host: Host) -> None:
    """Start the service that hides."""
    command = (sys.executable, "-m", "bench.listener", str(packets.SERVICE_PORT))
    host.start(*command, cwd=ROOT, stdout=subprocess.DEVNULL)


class Bench:
    """Everything that has to stand while rows are measured."""

    def __init__(self, stack: ExitStack) -> None:
        self.births: Births | None = None
        try:
            self.births = Births()
            stack.callback(self.births.close)
        except OSError as error:
            print(f"bench: programs cannot be counted: {error}", file=sys.stderr)
        self.work = BUILD / f"work-{os.getpid()}"
        stack.callback(shutil.rmtree, self.work, ignore_errors=True)
        lab = stack.enter_context(Lab("wwbench"))
        scene = build(lab)
        self.servers: list[Server] = [
            Ours(scene.ours, self.work / "ours", self.births),
            Packaged(scene.packaged, self.work / "packaged", self.births),
        ]
        for server in self.servers:
            stack.callback(server.stop)
            listen(server.berth.host)
        stack.enter_context(being(scene.client))


def tell(began: float, text: str) -> None:
    print(f"{time.monotonic() - began:6.0f} s  {text}", file=sys.stderr, flush=True)


def perform(wanted: argparse.Namespace, rows: list[Row]) -> tuple[Results, dict[str, str]]:
    began = time.monotonic()
    BUILD.mkdir(parents=True, exist_ok=True)
    facts = machine.describe(BUILD) | {"processor time": accounting.how()}
    with ExitStack() as stack:
        bench = Bench(stack)
        servers = [each for each in bench.servers if each.name != wanted.without]
        results = run(
            rows,
            servers,
            Effort(wanted.quick),
            seconds=QUICK_LIMIT if wanted.quick else LIMIT,
            tell=lambda text: tell(began, text),
        )
    return results, facts


def publish(
    results: Results, facts: dict[str, str], rows: list[Row], wanted: argparse.Namespace
) -> None:
    """Print the table; write the JSON file and, after a full run, the document."""
    command = "make bench-quick" if wanted.quick else "make bench"
    table = report.entries(rows, results)
    print(report.as_text(table))
    raw = BUILD / time.strftime("%Y%m%d-%H%M%S.json", time.gmtime())
    raw.write_text(report.as_json(results, facts, command), "utf-8")
    print(f"\nraw numbers: {raw.relative_to(ROOT)}")
    if wanted.quick or wanted.only or wanted.without:
        return
    text = report.as_markdown(table, facts, command)
    DOCUMENT.write_text(report.rewritten(DOCUMENT.read_text("utf-8"), text), "utf-8")
    pictures = {"ratios": plots.ratios(rows, results), "floods": plots.floods(rows, results)}
    for name, picture in pictures.items():
        (DOCUMENT.parent / f"benchmarks-{name}.svg").write_text(picture, "utf-8")
    print(f"written: {DOCUMENT.relative_to(ROOT)} and its pictures")


def main(argv: list[str]) -> int:
    wanted = options(argv)
    if reason := trouble():
        print(f"bench: error: {reason}", file=sys.stderr)
        return 1
    signal.signal(signal.SIGTERM, interrupt)
    signal.signal(signal.SIGHUP, interrupt)
    rows = [row for row in ROWS if not wanted.only or {row.key, row.group} & set(wanted.only)]
    try:
        results, facts = perform(wanted, rows)
    except KeyboardInterrupt:
        print("\nbench: interrupted", file=sys.stderr)
        return 130
    publish(results, facts, rows, wanted)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
