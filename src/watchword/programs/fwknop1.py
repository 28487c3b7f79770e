"""The command ``fwknop1``: the client with the command line of the perl client 1.9."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from watchword.service import client


def main(argv: Sequence[str] | None = None) -> int:
    """Run the client's command line; the exit status is 0 or, for any failure, 1.

    With arguments of a caller the process is that caller's, and is left as it is.
    """
    if argv is None:
        return client.run(sys.argv[1:], own_process=True, as_perl=True)
    return client.run(argv, as_perl=True)


if __name__ == "__main__":
    sys.exit(main())
