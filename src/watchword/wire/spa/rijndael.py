"""AES-256 as SPA packets use it: key, modes, padding (wire format, chapters 6 and 7).

In here: one table of modes, and the container of salt and blocks.
Not in here: base64 and the prefix that is not sent (envelope), what the
plaintext says (fields), OpenPGP (mode 7).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from watchword.model.crypto import CipherMode, Digest, Secret
from watchword.record import record
from watchword.wire.spa.digests import hashed
from watchword.wire.spa.errors import Code, SpaError

MAX_KEY: Final = 32
"""Bytes of passphrase."""
MAGIC: Final = b"Salted__"
SALT_BYTES: Final = 8
BLOCK: Final = 16
_LEGACY_KEY: Final = 16
"""Bytes to which mode ``legacy`` extends a shorter passphrase."""


Opened: TypeAlias = tuple[bytes, bool]
"""The plaintext, and whether it was padded: where not, everything was kept, as libfko keeps it."""


def check_key(key: Secret) -> None:
    """Raises SpaError (INVALID_KEY_LEN) for more than 32 bytes."""
    if len(key) > MAX_KEY:
        raise SpaError(Code.INVALID_KEY_LEN)


def derive(key: Secret, mode: CipherMode, salt: bytes) -> tuple[bytes, bytes]:
    """AES key (32 bytes) and IV (16 bytes), as OpenSSL's EVP_BytesToKey with MD5 makes them."""
    passphrase = key.reveal()
    if mode is CipherMode.LEGACY:
        passphrase = passphrase.ljust(_LEGACY_KEY, b"0")
    derived = block = b""
    for _ in range(3):
        block = hashed(Digest.MD5, block + passphrase + salt)
        derived += block
    return derived[:32], derived[32:]


def encrypt(plaintext: bytes, key: Secret, mode: CipherMode, salt: bytes) -> bytes:
    """``Salted__``, the salt and the blocks. ``salt`` is 8 bytes, never used twice.

    Raises SpaError for a mode that is not Rijndael's, or a key that is too long.
    """
    check_key(key)
    fill = BLOCK - len(plaintext) % BLOCK
    scheme = _scheme(mode)
    blocks = scheme.encrypt(*derive(key, mode, salt), plaintext + bytes([fill]) * fill)
    return MAGIC + salt + blocks


def decrypt(container: bytes, key: Secret, mode: CipherMode) -> Opened:
    """Undo ``encrypt``. The first eight bytes are skipped, not compared.

    Padding that is none is kept as text (6.3). Raises SpaError: no whole
    number of blocks, nothing inside, or a mode that is not Rijndael's.
    """
    if len(container) % BLOCK or len(container) < BLOCK:
        raise SpaError(Code.INVALID_DATA_ENCRYPT_CIPHERLEN_VALIDFAIL)
    salt = container[len(MAGIC) : BLOCK]
    padded = _scheme(mode).decrypt(*derive(key, mode, salt), container[BLOCK:])
    if not padded:
        raise SpaError(Code.DECRYPTION_SIZE)
    fill = padded[-1]
    if not 1 <= fill <= BLOCK or not padded.endswith(bytes([fill]) * fill):
        return padded, False
    if fill == len(padded):
        raise SpaError(Code.DECRYPTION_SIZE)
    return padded[:-fill], True


_Transform = Callable[[bytes, bytes, bytes], bytes]
"""AES key, IV and whole blocks to as many blocks."""


@record
class _Scheme:
    encrypt: _Transform
    decrypt: _Transform


def _scheme(mode: CipherMode) -> _Scheme:
    try:
        return _SCHEMES[mode]
    except KeyError:
        raise SpaError(Code.DECRYPTION_FAILURE, "not a Rijndael mode") from None


def _library(make: Callable[[bytes], modes.ECB | modes.CBC | modes.CTR]) -> _Scheme:
    def encrypt(key: bytes, iv: bytes, blocks: bytes) -> bytes:
        context = Cipher(algorithms.AES256(key), make(iv)).encryptor()
        return context.update(blocks) + context.finalize()

    def decrypt(key: bytes, iv: bytes, blocks: bytes) -> bytes:
        context = Cipher(algorithms.AES256(key), make(iv)).decryptor()
        return context.update(blocks) + context.finalize()

    return _Scheme(encrypt, decrypt)


# CFB and OFB are written out, because ``cryptography`` is about to drop them. Packets have
# at most 19 blocks, whole ones, and both modes use the cipher in one direction only.


def _feedback(
    key: bytes, iv: bytes, blocks: bytes, follow: Callable[[bytes, bytes], bytes]
) -> bytes:
    """``follow`` says what is enciphered next, given a block of key stream and its input block."""
    cipher = Cipher(algorithms.AES256(key), modes.ECB()).encryptor()  # noqa: S305  (a building block)
    register, result = iv, b""
    for start in range(0, len(blocks), BLOCK):
        block = blocks[start : start + BLOCK]
        stream = cipher.update(register)
        result += _xor(stream, block)
        register = follow(stream, block)
    return result


def _xor(left: bytes, right: bytes) -> bytes:
    return (int.from_bytes(left, "big") ^ int.from_bytes(right, "big")).to_bytes(BLOCK, "big")


def _output_feedback(key: bytes, iv: bytes, blocks: bytes) -> bytes:
    return _feedback(key, iv, blocks, lambda stream, _: stream)


def _encrypt_cfb(key: bytes, iv: bytes, blocks: bytes) -> bytes:
    return _feedback(key, iv, blocks, _xor)


def _decrypt_cfb(key: bytes, iv: bytes, blocks: bytes) -> bytes:
    return _feedback(key, iv, blocks, lambda _, block: block)


_SCHEMES: Final = {
    CipherMode.ECB: _library(lambda _: modes.ECB()),  # noqa: S305  (other people's configurations)
    CipherMode.CBC: _library(modes.CBC),
    CipherMode.CFB: _Scheme(_encrypt_cfb, _decrypt_cfb),
    CipherMode.OFB: _Scheme(_output_feedback, _output_feedback),
    CipherMode.CTR: _library(modes.CTR),
    CipherMode.LEGACY: _library(modes.CBC),
}
