"""Whether this host passes packets on.

In here: two files of the kernel's. Not in here: changing them, which is the operator's to do.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from watchword.errors import HostError

SETTINGS: Final = {
    4: "net.ipv4.ip_forward",
    6: "net.ipv6.conf.all.forwarding",
}
"""By IP version, as sysctl calls them."""
_ROOT: Final = Path("/proc/sys")


def is_on(version: int, root: Path = _ROOT) -> bool:
    """Of the network namespace of the calling process. True where there is no such IP version.

    Raises HostError: it cannot be read.
    """
    try:
        return (root / SETTINGS[version].replace(".", "/")).read_text("ascii").strip() != "0"
    except FileNotFoundError:
        return True
    except OSError as error:
        raise HostError(f"cannot read {SETTINGS[version]}: {error}") from error
