"""The locale of this process: in which language the system words its errors.

In here: setting it. Not in here: our own messages, which are English, and programs that we
start, which have none (programs).
"""

from __future__ import annotations

import locale


def set_locale(name: str) -> bool:
    """Take a locale of this host for the whole process; False: it has none of that name."""
    try:
        locale.setlocale(locale.LC_ALL, name)
    except (locale.Error, ValueError):
        return False
    return True
