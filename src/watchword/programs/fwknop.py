"""The command ``fwknop``: the client."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from watchword.service import client


def main(argv: Sequence[str] | None = None) -> int:
    """Run the client's command line; the exit status is 0 or, for any failure, 1."""
    return client.run(sys.argv[1:] if argv is None else argv)


if __name__ == "__main__":
    sys.exit(main())
