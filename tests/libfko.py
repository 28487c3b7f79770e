"""The C library of fwknop in this process, through its documented functions."""

from __future__ import annotations

import ctypes

from watchword.model.crypto import Credential, Digest
from watchword.wire.spa.errors import Code
from watchword.wire.spa.message import Message, MessageType

NAME = "libfko.so.3"


class Libfko:
    """Decodes packets as fwknopd does."""

    def __init__(self) -> None:
        """Raises OSError where the library is not installed."""
        self._c = ctypes.CDLL(NAME)

    def decode(self, payload: bytes, credential: Credential) -> Message | Code:
        """The message, or the error with which the library refuses. It stops at a NUL."""
        context = ctypes.c_void_p()
        key = credential.key.reveal()
        mac_key = credential.mac_key.reveal() if credential.mac_key else None
        status = self._c.fko_new_with_data(
            ctypes.byref(context), payload, key, len(key), int(credential.mode),
            mac_key, len(mac_key or b""), int(credential.mac_digest) if mac_key else 0,
        )  # fmt: skip
        if status:
            return Code(status)
        try:
            return self._message(context)
        finally:
            self._c.fko_destroy(context)

    def _message(self, context: ctypes.c_void_p) -> Message:
        return Message(
            random=self._text(context, "rand_value") or "",
            user=self._text(context, "username") or "",
            sent_at=self._number(context, "timestamp", ctypes.c_long()),
            version=self._text(context, "version") or "",
            type=MessageType(self._number(context, "spa_message_type", ctypes.c_short())),
            text=self._text(context, "spa_message") or "",
            nat=self._text(context, "spa_nat_access"),
            server_auth=self._text(context, "spa_server_auth"),
            seconds=self._number(context, "spa_client_timeout", ctypes.c_int()),
            digest=Digest(self._number(context, "spa_digest_type", ctypes.c_short())),
        )

    def _text(self, context: ctypes.c_void_p, name: str) -> str | None:
        found = ctypes.c_char_p()
        assert getattr(self._c, f"fko_get_{name}")(context, ctypes.byref(found)) == 0
        return None if found.value is None else found.value.decode("utf-8", "surrogateescape")

    def _number(
        self,
        context: ctypes.c_void_p,
        name: str,
        found: ctypes.c_long | ctypes.c_int | ctypes.c_short,
    ) -> int:
        assert getattr(self._c, f"fko_get_{name}")(context, ctypes.byref(found)) == 0
        return found.value
