"""Says when the copy of the requirement rows differs from the list it was copied from.

Usage: python -m tools.compare ORIGINAL COPY
Exit status: 0 the same rows, 1 they differ, 2 asked for wrongly.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from tests.requirements.rows import Row, read


def differences(original: list[Row], copy: list[Row]) -> Iterator[str]:
    """One line for each row that is missing, foreign or different; order counts as well."""
    theirs = {row.number: row for row in original}
    ours = {row.number: row for row in copy}
    for number, row in theirs.items():
        if number not in ours:
            yield f"row {number} is missing from the copy: {row.name}"
        elif ours[number] != row:
            yield f"row {number} differs: {row.name}"
    for number in ours.keys() - theirs.keys():
        yield f"row {number} is in the copy only: {ours[number].name}"
    if theirs.keys() == ours.keys() and list(theirs) != list(ours):
        yield "the rows stand in another order"


def main(argv: list[str]) -> int:
    if len(argv) != 2:
        print("usage: python -m tools.compare ORIGINAL COPY", file=sys.stderr)
        return 2
    original, copy = (list(read(Path(name).read_text("utf-8"))) for name in argv)
    found = list(differences(original, copy))
    print("\n".join(found) if found else f"the same {len(copy)} rows")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
