"""From a payload to a message, with one credential (wire format, chapter 11).

In here: the order of the steps. HMAC first, and nothing is decrypted unless it
fits; then decryption, digest, fields; last what only strict reading refuses,
so that everything libfko would refuse is refused with libfko's number.
Not in here: which credentials are tried (recognise), replay and age, reading
as libfko reads (leniency).

Strict reading: one packet has one accepted spelling. Without that, whoever
sees a packet without HMAC can send it again in other words (chapter 16).
"""

from __future__ import annotations

from collections.abc import Sequence

from watchword.model.crypto import Credential
from watchword.wire.spa import base64text, bunch, fields, rijndael
from watchword.wire.spa.envelope import flaw
from watchword.wire.spa.errors import Code, SpaError
from watchword.wire.spa.keyed import Mac
from watchword.wire.spa.lengths import RIJNDAEL_BELOW
from watchword.wire.spa.mac import PREFIX, restore
from watchword.wire.spa.opened import Opened

__all__ = ["Bunch", "Lock", "Opened", "flaw", "unseal"]


class Lock:
    """A credential with everything prepared that can be computed at load."""

    __slots__ = ("_credential", "mac", "mac_chars")

    def __init__(self, credential: Credential) -> None:
        """Raises SpaError for a key of more than 32 bytes, or an HMAC key outside 1 to 136."""
        rijndael.check_key(credential.key)
        mac_key = credential.mac_key
        self._credential = credential
        self.mac = None if mac_key is None else Mac(mac_key, credential.mac_digest)
        self.mac_chars = self.mac.chars if self.mac else 0
        """Characters at the end of a payload that are the MAC; 0: there is none."""

    def fits(self, payload: bytes) -> bool:
        """Whether the MAC verifies, or the credential has none. Constant time, never raises."""
        return self.mac is None or self.mac.fits(payload)

    def open(self, payload: bytes) -> Opened:
        """Decrypt and read a payload for which ``fits`` said yes.

        Raises SpaError and nothing else, whatever the bytes. Without an HMAC
        key this is also how a foreign packet is told from ours:
        ``reason`` is then NOT_DECRYPTED, with a chance of one in 10^17.
        """
        plaintext, text, container, padded = self._decrypt(payload)
        message = fields.read(plaintext)
        if not (padded and _is_canonical(payload, text, container)):
            odd = _oddity(payload, text, container)
            raise SpaError(Code.INVALID_DATA_ENCODE_NOTBASE64, f"not the canonical spelling: {odd}")
        return Opened(message, plaintext)

    def _decrypt(self, payload: bytes) -> tuple[bytes, bytes, bytes, bool]:
        """Steps 9 to 18: the plaintext, the text around it, its bytes, whether it had padding."""
        body = payload[: len(payload) - self.mac_chars]
        text = restore(body)
        size = len(text) if self.mac_chars else len(body)
        if not fields.MIN_TEXT <= size < RIJNDAEL_BELOW:
            raise SpaError(Code.INVALID_DATA_ENCRYPT_TYPE_UNKNOWN)
        if body.translate(None, base64text.ALPHABET + b"="):
            raise SpaError(Code.INVALID_DATA_ENCODE_NOTBASE64)
        container = base64text.decode_leniently(text)
        plaintext, padded = rijndael.decrypt(container, self._credential.key, self._credential.mode)
        if not fields.MIN_TEXT <= len(plaintext) <= fields.MAX_TEXT:
            raise SpaError(Code.INVALID_DATA_DECODE_MSGLEN_VALIDFAIL)
        if not (plaintext[:16].isdigit() and plaintext[16:17] == b":"):
            raise SpaError(Code.DECRYPTION_FAILURE)
        return plaintext, text, container, padded


def _is_canonical(payload: bytes, text: bytes, container: bytes) -> bool:
    return (
        not payload.startswith(PREFIX)
        and container.startswith(rijndael.MAGIC)
        and base64text.is_canonical(text, container)
    )


def _oddity(payload: bytes, text: bytes, container: bytes) -> str:
    """What is not canonical about a packet that libfko would take."""
    if payload.startswith(PREFIX):
        return "the prefix is on the wire"
    if b"=" in text:
        return "padded base64"
    if not container.startswith(rijndael.MAGIC):
        return "a prefix that is none"
    if not base64text.is_canonical(text, container):
        return "unused bits are set"
    return "the plaintext is not padded"


def unseal(payload: bytes, lock: Lock) -> Opened:
    """Take a packet all the way from text to message: the whole of chapter 11.

    Raises SpaError with the number of the first step that fails. For one
    packet and one key; a server tries ``flaw`` and a Bunch of locks first.
    """
    if not fields.MIN_TEXT <= len(payload) <= fields.MAX_TEXT:
        raise SpaError(Code.INVALID_DATA_FUNCS_NEW_MSGLEN_VALIDFAIL)
    if lock.mac_chars:
        body = payload[: -lock.mac_chars]
        if len(body) < fields.MIN_TEXT:
            raise SpaError(Code.INVALID_DATA_HMAC_ENCMSGLEN_VALIDFAIL)
        if not base64text.is_text(body):
            raise SpaError(Code.INVALID_DATA_ENCODE_NOTBASE64)
    if not lock.fits(payload):
        raise SpaError(Code.INVALID_DATA_HMAC_COMPAREFAIL)
    return lock.open(payload)


class Bunch(bunch.Bunch):
    """Several locks in their order, tried on one payload without doing anything twice."""

    __slots__ = ()

    def __init__(self, locks: Sequence[Lock]) -> None:
        super().__init__([lock.mac for lock in locks])
