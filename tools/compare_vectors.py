"""Says whether the vectors here are still the originals.

Usage: python -m tools.compare_vectors ORIGINAL_DIR

Compares every vector and key file, and prints a line for each that differs, is
missing here, or is here only. Exit status 0 if there is none, 1 if there are
some, 2 if asked wrongly. README.md is ours and is not compared.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).parents[1] / "src" / "watchword" / "conformance" / "vectors"
COMPARED = {".json", ".asc", ".txt"}


def files(directory: Path) -> dict[str, bytes]:
    """Every file that is compared, by its path below the directory."""
    return {
        path.relative_to(directory).as_posix(): path.read_bytes()
        for path in sorted(directory.rglob("*"))
        if path.suffix in COMPARED and path.is_file()
    }


def differences(original: Path, copy: Path) -> Iterator[str]:
    """One line for each file that is not the same on both sides."""
    theirs, ours = files(original), files(copy)
    for name in sorted(theirs.keys() | ours.keys()):
        if name not in ours:
            yield f"missing here: {name}"
        elif name not in theirs:
            yield f"here only: {name}"
        elif theirs[name] != ours[name]:
            yield f"differs: {name}"


def main(arguments: list[str]) -> int:
    if len(arguments) != 1 or not Path(arguments[0]).is_dir():
        print(__doc__, file=sys.stderr)
        return 2
    found = list(differences(Path(arguments[0]), HERE))
    print("\n".join(found) or f"{len(files(HERE))} files, all as the originals")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
