"""The C library, asked in this process through its documented functions.

In here: one call, which opens a packet or refuses it, as fwknopd does.
Not in here: what it is asked (rows.library).
"""

from __future__ import annotations

import ctypes

from bench.waiting import NotMeasuredError
from watchword.spa import Code, Credential

NAME = "libfko.so.3"
MAC_MISMATCH = int(Code.INVALID_DATA_HMAC_COMPAREFAIL)


class Libfko:
    """The library with one pair of keys."""

    def __init__(self, credential: Credential) -> None:
        """Raises NotMeasuredError: the library is not installed."""
        try:
            self._c = ctypes.CDLL(NAME)
        except OSError as error:
            raise NotMeasuredError(f"{NAME} is not installed") from error
        self._new = self._c.fko_new_with_data
        mac_key = credential.mac_key.reveal() if credential.mac_key else b""
        key = credential.key.reveal()
        self._context = ctypes.c_void_p()
        self._at = ctypes.byref(self._context)
        self._keys = (
            key, ctypes.c_int(len(key)), ctypes.c_int(int(credential.mode)),
            mac_key, ctypes.c_int(len(mac_key)), ctypes.c_int(int(credential.mac_digest)),
        )  # fmt: skip

    def open(self, payload: bytes) -> int:
        """Verify, decrypt and read one packet, and let go of it; the library's error number."""
        status = int(self._new(self._at, payload, *self._keys))
        if not status:
            self._c.fko_destroy(self._context)
        return status
