"""OpenPGP messages as SPA packets, and back (wire format, chapters 9 and 10).

In here: the two characters that are not sent, the MAC, the sizes, and the rules
about signatures. A packet is opened in two steps, because decryption needs a
key ring: ``OpenPgpLock.message`` gives what gpg is to decrypt, ``read`` takes
what came out of it. Sealing is the same the other way round: ``compose``, gpg,
``enclose``.
Not in here: gpg (edges.gpg, or whatever an application uses).
"""

from __future__ import annotations

from typing import Final

from watchword.model.openpgp import Decrypted, OpenPgpCredential, Signature, SignatureState, Signers
from watchword.wire.spa import base64text, fields
from watchword.wire.spa.errors import Code, SpaError
from watchword.wire.spa.keyed import Mac
from watchword.wire.spa.lengths import RIJNDAEL_BELOW
from watchword.wire.spa.mac import GPG_PREFIX, restore
from watchword.wire.spa.opened import Opened
from watchword.wire.spa.openpgp_packets import is_encrypted_message

MAX_TEXT: Final = fields.MAX_TEXT
"""Characters of a message with its prefix, and of a packet."""


class UnlistedSignerError(SpaError):
    """The signature is good, and the key that made it is not one of those that count."""

    def __init__(self, fingerprint: str, by: str) -> None:
        """``by`` is ``fingerprint`` or ``id``: the list in which the key is not."""
        super().__init__(Code.GPGME_BAD_SIGNATURE, f"the signer's {by} is not listed")
        self.fingerprint = fingerprint
        self.by = by


class OpenPgpLock:
    """The HMAC of a stanza's OpenPGP packets, prepared at load."""

    __slots__ = ("keyring", "mac", "mac_chars", "signers")

    def __init__(self, credential: OpenPgpCredential) -> None:
        """Raises SpaError for an HMAC key outside 1 to 136 bytes."""
        self.mac = _mac(credential)
        self.mac_chars = self.mac.chars if self.mac else 0
        """Characters at the end of a payload that are the MAC; 0: there is none."""
        self.keyring = credential.keyring
        self.signers = credential.signers

    def fits(self, payload: bytes) -> bool:
        """Whether the MAC verifies, or there is none. Constant time, never raises."""
        return self.mac is None or self.mac.fits(payload)

    def message(self, payload: bytes) -> bytes:
        """The OpenPGP message in a payload for which ``fits`` said yes: what gpg is to decrypt.

        Raises SpaError: the text is no canonical base64, too short for a
        message, begins with what senders cut off, or is something else than
        one message that is encrypted to public keys.
        """
        body, text, message = self._decode(payload)
        if body.startswith(GPG_PREFIX) or not base64text.is_canonical(text, message):
            code = Code.INVALID_DATA_ENCRYPT_GPG_CIPHER_DECODEFAIL
            raise SpaError(code, "not the canonical spelling")
        if not is_encrypted_message(message):
            raise SpaError(Code.GPGME_DECRYPT_FAILED, "it is no encrypted OpenPGP message")
        return message

    def _decode(self, payload: bytes) -> tuple[bytes, bytes, bytes]:
        """The text without MAC, the same with its prefix, and its bytes."""
        body = payload[: len(payload) - self.mac_chars]
        text = restore(body, GPG_PREFIX)
        size = len(text) if self.mac_chars else len(body)
        if not RIJNDAEL_BELOW <= size <= MAX_TEXT:
            raise SpaError(Code.INVALID_DATA_ENCRYPT_TYPE_UNKNOWN)
        try:
            return body, text, base64text.decode_leniently(text)
        except ValueError:
            raise SpaError(Code.INVALID_DATA_ENCRYPT_GPG_CIPHER_DECODEFAIL) from None

    def read(self, decrypted: Decrypted) -> Opened:
        """What was in the message, once its signatures are what the credential asks for.

        Raises SpaError: signatures, then the text itself (11.2 and 11.3).
        """
        return Opened(fields.read(self._plaintext(decrypted)), decrypted.plaintext)

    def _plaintext(self, decrypted: Decrypted) -> bytes:
        check_signatures(decrypted.signatures, self.signers)
        if not fields.MIN_TEXT <= len(decrypted.plaintext) <= fields.MAX_TEXT:
            raise SpaError(Code.INVALID_DATA_ENCRYPT_DECRYPTED_MSGLEN_VALIDFAIL)
        return decrypted.plaintext


def _mac(credential: OpenPgpCredential) -> Mac | None:
    key = credential.mac_key
    return None if key is None else Mac(key, credential.mac_digest, GPG_PREFIX)


_WORTHLESS: Final = {SignatureState.BAD, SignatureState.UNKNOWN_KEY}
"""Nobody signed, whatever name stands in it: anybody can write such a signature."""


def check_signatures(signatures: tuple[Signature, ...], signers: Signers) -> None:
    """Raises SpaError unless the first signature is one that counts.

    NO_SIGNATURE: there is none. BAD_SIGNATURE: it is not good, or its key is
    not trusted, or it is not of those that are listed.
    """
    if not signers.required:
        return
    if not signatures:
        raise SpaError(Code.GPGME_NO_SIGNATURE)
    first = signatures[0]
    if first.state in _WORTHLESS:
        raise SpaError(Code.GPGME_BAD_SIGNATURE, f"it is {first.state}")
    if not signers.any_state:
        if first.state is not SignatureState.GOOD:
            raise SpaError(Code.GPGME_BAD_SIGNATURE, f"it is {first.state}")
        if not first.trusted:
            raise SpaError(Code.GPGME_BAD_SIGNATURE, "its key is not trusted in the key ring")
    names = {first.fingerprint, first.primary or first.fingerprint}
    if signers.fingerprints and not names & signers.fingerprints:
        raise UnlistedSignerError(first.fingerprint, "fingerprint")
    if signers.ids and not any(name.endswith(each) for name in names for each in signers.ids):
        raise UnlistedSignerError(first.fingerprint, "id")


def enclose(message: bytes, credential: OpenPgpCredential) -> bytes:
    """An OpenPGP message as the payload that travels, without terminator.

    Args:
        message: Binary, made of what ``compose`` gives by gpg: signed, encrypted.
        credential: For its HMAC key, if it has one.

    Raises SpaError: the message does not begin as receivers take it for
    granted (an elliptic curve or an RSA key below 2048 bits), or its size is
    not what they take.
    """
    mac = _mac(credential)
    text = base64text.encode(message)
    if not text.startswith(GPG_PREFIX):
        raise SpaError(
            Code.INVALID_DATA_ENCRYPT_GPG_MESSAGE_VALIDFAIL,
            "the recipient's key is of a kind that packets cannot carry: it has to be RSA or "
            "ElGamal of 2048 bits or more (the key that signs may be of any kind)",
        )
    body = text[len(GPG_PREFIX) :]
    payload = body + (base64text.encode(mac.of(body)) if mac else b"")
    size = len(text) if mac else len(body)
    if len(text) > MAX_TEXT or len(payload) > MAX_TEXT or size < RIJNDAEL_BELOW:
        raise SpaError(
            Code.INVALID_DATA_ENCRYPT_GPG_RESULT_MSGLEN_VALIDFAIL,
            f"the packet has {len(payload)} characters, and {RIJNDAEL_BELOW} to {MAX_TEXT} are "
            "possible: use fewer or smaller keys, or ask for less at once",
        )
    return payload
