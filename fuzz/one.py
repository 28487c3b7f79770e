"""Runs one target for a while, in a process of its own.

In here: atheris around a target (it ends the process by itself), and the blind
loop where there is no atheris. Not in here: several targets, and what becomes
of what is found (``__main__``).

Usage: python -m fuzz.one TARGET SECONDS FOLDER
FOLDER has ``seeds``, ``corpus``, ``findings`` and ``words``. Exit status: 0
nothing was found, anything else: the input is in ``findings``.
"""

from __future__ import annotations

import hashlib
import json
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from fuzz.blind import Scrambler, inputs

try:
    import atheris
except ImportError:
    atheris = None

if TYPE_CHECKING:
    from fuzz.target import Target

OUTCOMES = "outcomes.json"
SLOWEST = 60  # seconds for one input; the machine may be busy with other things
_MEMORY = 2048  # megabytes
_FOUND = 77  # what atheris ends with when a check raised


def main(argv: list[str]) -> int:
    name, seconds, folder = argv[0], int(argv[1]), Path(argv[2])
    if atheris is None:
        return blindly(_target(name), seconds, folder)
    with atheris.instrument_imports(include=["watchword"]):
        target = _target(name)
    guided(target, seconds, folder)
    return 0


def _target(name: str) -> Target:
    """Imported here and not above, so that atheris sees the product being imported."""
    from fuzz import targets  # noqa: PLC0415

    return targets.named(name)


def guided(target: Target, seconds: int, folder: Path) -> None:
    """Let atheris look for inputs that reach new code. Does not return."""
    arguments = [
        sys.argv[0],
        f"-max_total_time={seconds}",
        f"-max_len={target.longest}",
        f"-timeout={SLOWEST}",
        f"-rss_limit_mb={_MEMORY}",
        f"-artifact_prefix={folder / 'findings'}/",
        *([f"-dict={folder / 'words'}"] if target.words else []),
        "-print_final_stats=1",
        str(folder / "corpus"),
        str(folder / "seeds"),
    ]
    atheris.Setup(
        arguments, counted(target.check, folder / OUTCOMES), custom_mutator=_mutator(target)
    )
    atheris.Fuzz()


def counted(check: Callable[[bytes], str], path: Path) -> Callable[[bytes], None]:
    """The check, with its words counted and written to a file about once a second."""
    seen: Counter[str] = Counter()
    due = time.monotonic() + 1

    def run(octets: bytes) -> None:
        nonlocal due
        seen[check(octets)] += 1
        if time.monotonic() > due:
            path.write_text(json.dumps(seen), "utf-8")
            due = time.monotonic() + 1

    return run


def _mutator(target: Target) -> Callable[[bytes, int, int], bytes]:
    """Half of the changes are libFuzzer's, the other half ours.

    Its own go after comparisons in the code; ours keep text text more often,
    and found things within a second that its own did not in a minute.
    """

    def mutate(octets: bytes, most: int, seed: int) -> bytes:
        source = Random(seed)
        ours = Scrambler(source)

        def scramble(piece: bytes, longest: int) -> bytes:
            if source.randrange(2):
                return ours(piece, longest)
            return bytes(atheris.Mutate(piece, max(len(piece), min(longest, most))))

        if target.mutate is None or not source.randrange(10):
            return scramble(octets, most)[:most]
        return target.mutate(octets, source, scramble)[:most]

    return mutate


def blindly(target: Target, seconds: int, folder: Path) -> int:
    """Mutate seeds without looking; says what it did as atheris would."""
    source = Random(time.time_ns())
    run = counted(target.check, folder / OUTCOMES)
    began = time.monotonic()
    count = 0
    for octets in inputs(target, source):
        count += 1
        try:
            run(octets)
        except BaseException:
            name = f"crash-{hashlib.sha1(octets, usedforsecurity=False).hexdigest()}"
            (folder / "findings" / name).write_bytes(octets)
            traceback.print_exc()
            return _FOUND
        if time.monotonic() - began > seconds:
            break
    print(f"Done {count} runs in {time.monotonic() - began:.0f} second(s)", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
