"""The command ``fwknop``: the client."""

from __future__ import annotations

import gc
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run the client's command line; the exit status is 0 or, for any failure, 1.

    With arguments of a caller the process is that caller's, and is left as it is.
    """
    own_process = argv is None
    if own_process:
        gc.disable()  # a run is over before it has garbage, and looking for it costs 2 ms of 50
    from watchword.service.client import command as client  # noqa: PLC0415  (only now)

    status = client.run(sys.argv[1:] if argv is None else argv, own_process=own_process)
    if own_process:
        gc.freeze()  # a process that ends looks for garbage once more, which costs 4 ms
    return status


if __name__ == "__main__":
    sys.exit(main())
