"""The command ``fwknop1``: the client with the command line of the perl client 1.9."""

from __future__ import annotations

import gc
import sys
from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run the client's command line; the exit status is 0 or, for any failure, 1.

    With arguments of a caller the process is that caller's, and is left as it is.
    """
    own_process = argv is None
    if own_process:
        gc.disable()  # as in fwknop
    from watchword.service.client import command as client  # noqa: PLC0415  (only now)

    words = sys.argv[1:] if argv is None else argv
    return client.run(words, own_process=own_process, as_perl=True)


if __name__ == "__main__":
    sys.exit(main())
