"""The command ``knockd``: opens doors to those who knock."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from watchword.service.knock import server


def main(argv: Sequence[str] | None = None) -> int:
    """Run the daemon's command line.

    The exit status is that of the original: 0 after --help, 1 if it could not start,
    otherwise the number of the signal that ended it.
    """
    if argv is None:
        return server.run(sys.argv[1:], own_process=True)
    return server.run(argv)


if __name__ == "__main__":
    sys.exit(main())
