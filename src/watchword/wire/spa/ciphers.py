"""The modes of AES-256 by ``cryptography``: whole blocks in, as many out (wire format, 6.2).

In here: one table of modes, for both directions.
Not in here: keys, salt and padding (rijndael), the one mode that is quick to load (libcrypto).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from watchword.model.crypto import CipherMode
from watchword.record import record

_BLOCK: Final = 16
Transform = Callable[[bytes, bytes, bytes], bytes]
"""AES key, IV and whole blocks to as many blocks."""


@record
class Scheme:
    """One mode, there and back."""

    encrypt: Transform
    decrypt: Transform


def _library(make: Callable[[bytes], modes.ECB | modes.CBC | modes.CTR]) -> Scheme:
    def encrypt(key: bytes, iv: bytes, blocks: bytes) -> bytes:
        context = Cipher(algorithms.AES256(key), make(iv)).encryptor()
        return context.update(blocks) + context.finalize()

    def decrypt(key: bytes, iv: bytes, blocks: bytes) -> bytes:
        context = Cipher(algorithms.AES256(key), make(iv)).decryptor()
        return context.update(blocks) + context.finalize()

    return Scheme(encrypt, decrypt)


# CFB and OFB are written out, because ``cryptography`` is about to drop them. Packets have
# at most 19 blocks, whole ones, and both modes use the cipher in one direction only.


def _feedback(
    key: bytes, iv: bytes, blocks: bytes, follow: Callable[[bytes, bytes], bytes]
) -> bytes:
    """``follow`` says what is enciphered next, given a block of key stream and its input block."""
    cipher = Cipher(algorithms.AES256(key), modes.ECB()).encryptor()  # noqa: S305  (a building block)
    register, result = iv, b""
    for start in range(0, len(blocks), _BLOCK):
        block = blocks[start : start + _BLOCK]
        stream = cipher.update(register)
        result += _xor(stream, block)
        register = follow(stream, block)
    return result


def _xor(left: bytes, right: bytes) -> bytes:
    return (int.from_bytes(left, "big") ^ int.from_bytes(right, "big")).to_bytes(_BLOCK, "big")


def _output_feedback(key: bytes, iv: bytes, blocks: bytes) -> bytes:
    return _feedback(key, iv, blocks, lambda stream, _: stream)


def _encrypt_cfb(key: bytes, iv: bytes, blocks: bytes) -> bytes:
    return _feedback(key, iv, blocks, _xor)


def _decrypt_cfb(key: bytes, iv: bytes, blocks: bytes) -> bytes:
    return _feedback(key, iv, blocks, lambda _, block: block)


SCHEMES: Final = {
    CipherMode.ECB: _library(lambda _: modes.ECB()),  # noqa: S305  (other people's configurations)
    CipherMode.CBC: _library(modes.CBC),
    CipherMode.CFB: Scheme(_encrypt_cfb, _decrypt_cfb),
    CipherMode.OFB: Scheme(_output_feedback, _output_feedback),
    CipherMode.CTR: _library(modes.CTR),
    CipherMode.LEGACY: _library(modes.CBC),
}
