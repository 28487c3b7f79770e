"""Users and groups of this machine.

In here: looking them up by name. Not in here: acting as them (programs).
"""

from __future__ import annotations

import grp
import pwd


def user(name: str) -> tuple[int, int] | None:
    """User id and primary group; None: there is no such user."""
    try:
        entry = pwd.getpwnam(name)
    except (KeyError, ValueError, UnicodeError):
        return None
    return entry.pw_uid, entry.pw_gid


def group(name: str) -> int | None:
    """Group id; None: there is no such group."""
    try:
        return grp.getgrnam(name).gr_gid
    except (KeyError, ValueError, UnicodeError):
        return None
