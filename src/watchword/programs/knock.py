"""The command ``knock``: the client of knockd."""

from __future__ import annotations

import gc
import sys
from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run the client's command line; the exit status is 0 or, for any failure, 1."""
    own_process = argv is None
    if own_process:
        gc.disable()  # a run is over before it has garbage
    from watchword.service.knock import client  # noqa: PLC0415  (only now)

    return client.run(sys.argv[1:] if argv is None else argv, own_process=own_process)


if __name__ == "__main__":
    sys.exit(main())
