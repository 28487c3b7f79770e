"""Who runs this process, by the name that its system gives.

In here: the effective user's name.
Not in here: which name a packet carries (dialects.fwknop.client_request).
"""

from __future__ import annotations

import os


def login_name() -> str:
    """The effective user's name; empty where there is none, or no such thing as users."""
    try:
        import pwd  # noqa: PLC0415  (not on Windows)

        return pwd.getpwuid(os.geteuid()).pw_name
    except (ImportError, AttributeError, KeyError):
        return ""
