"""The command ``knoptm``: what is open, and until when."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from watchword.service.daemon import knoptm


def main(argv: Sequence[str] | None = None) -> int:
    """Run its command line; the exit status is 0 or, for any failure, 1."""
    if argv is None:
        return knoptm.run(sys.argv[1:], own_process=True)
    return knoptm.run(argv)


if __name__ == "__main__":
    sys.exit(main())
