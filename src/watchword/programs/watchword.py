"""The command ``watchword``: ways to hidden services, and questions to a configuration."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from watchword.service.tool import command as tool


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; the exit status is 0 for yes, 1 for no, 2 for nonsense.

    With arguments of a caller the process is that caller's, and is left as it is.
    """
    if argv is None:
        return tool.run(sys.argv[1:], own_process=True)
    return tool.run(argv)


if __name__ == "__main__":
    sys.exit(main())
