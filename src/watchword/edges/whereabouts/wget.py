"""Has the program wget fetch a page with our address, as the original does (client, section 7).

In here: what it inherits, how its output is read.
Not in here: its command line (dialects), the page's text (wire.whereabouts.claims).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from shutil import which
from typing import Final

from watchword.edges.programs import SystemPrograms
from watchword.edges.whereabouts.reaching import SECONDS
from watchword.errors import HostError
from watchword.model.addresses import Address
from watchword.wire.whereabouts import claims

_INHERITED: Final = (
    "HOME", "http_proxy", "https_proxy", "no_proxy", "all_proxy",
    "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY",
)  # fmt: skip
_OUTPUT_LIMIT: Final = 1 << 16  # bytes


def ask(argv: Sequence[str], version: int, *, seconds: float = SECONDS) -> Address:
    """The address that the first line of its output begins with. Raises HostError, PeerError."""
    program = which(argv[0])
    if program is None:
        raise HostError(f"{argv[0]}: there is no such program")
    kept = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    programs = SystemPrograms(kept, _OUTPUT_LIMIT)
    ran = programs.run((os.path.abspath(program), *argv[1:]), seconds=seconds)  # noqa: PTH100
    first = ran.stdout.partition(b"\n")[0]
    if not first and ran.status:
        raise HostError(f"the program ended with status {ran.status}")
    try:
        return claims.leading(first, version)
    except claims.NoAddressError as error:
        raise HostError("the program printed no such address") from error
