"""The command ``fwknopd``: the server."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from watchword.service.daemon import server


def main(argv: Sequence[str] | None = None) -> int:
    """Run the server's command line; the exit status is 0 or, for any failure, 1.

    With arguments of a caller the process is that caller's, and is left as it is.
    """
    if argv is None:
        return server.run(sys.argv[1:], own_process=True)
    return server.run(argv)


if __name__ == "__main__":
    sys.exit(main())
