"""The command ``fwknop_serv``: completes TCP connections for an ``fwknopd`` that sniffs."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from watchword.service.daemon import fwknop_serv


def main(argv: Sequence[str] | None = None) -> int:
    """Run its command line; the exit status is 0 or, for any failure, 1."""
    if argv is None:
        return fwknop_serv.run(sys.argv[1:], own_process=True)
    return fwknop_serv.run(argv)


if __name__ == "__main__":
    sys.exit(main())
