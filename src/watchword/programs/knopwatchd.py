"""The command ``knopwatchd``: keeps ``fwknopd`` running."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from watchword.service.daemon import watchdog


def main(argv: Sequence[str] | None = None) -> int:
    """Run the supervisor's command line; the exit status is 0 or, for any failure, 1."""
    if argv is None:
        return watchdog.run(sys.argv[1:], own_process=True)
    return watchdog.run(argv)


if __name__ == "__main__":
    sys.exit(main())
