"""Whether somebody keeps this machine's clock right, as the kernel knows it.

In here: the kernel's word on it. Not in here: comparing with other clocks
(other_clocks), what it means (service.doctor.server_diagnosis).
"""

from __future__ import annotations

import ctypes
import sys
from typing import Final

_UNSYNCHRONISED: Final = 0x40  # STA_UNSYNC


class _Timex(ctypes.Structure):
    """The beginning of the kernel's struct timex, and room for the rest."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_char * 256),
    )


def synchronised() -> bool | None:
    """Whether something (NTP, PTP) steers the clock; None: the kernel does not say."""
    if not sys.platform.startswith("linux"):
        return None
    asked = _Timex()  # no modes: nothing is changed
    try:
        done = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(asked))
    except (OSError, AttributeError):
        return None
    return None if done < 0 else not asked.status & _UNSYNCHRONISED
