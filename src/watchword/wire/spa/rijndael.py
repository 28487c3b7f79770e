"""AES-256 as SPA packets use it: key, modes, padding (wire format, chapters 6 and 7).

In here: the container of salt and blocks, and who enciphers them.
Not in here: enciphering (libcrypto, ciphers), base64 and the prefix that is not
sent (envelope), what the plaintext says (fields), OpenPGP (mode 7).
"""

from __future__ import annotations

from watchword.model.crypto import CipherMode, Digest, Secret
from watchword.wire.spa import errors
from watchword.wire.spa.digests import hashed
from watchword.wire.spa.errors import SpaError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final, TypeAlias

    from watchword.wire.spa.ciphers import Scheme

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
        raise SpaError(errors.Code.INVALID_KEY_LEN)


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
    blocks = _blocks(mode, *derive(key, mode, salt), plaintext + bytes([fill]) * fill)
    return MAGIC + salt + blocks


def decrypt(container: bytes, key: Secret, mode: CipherMode) -> Opened:
    """Undo ``encrypt``. The first eight bytes are skipped, not compared.

    Padding that is none is kept as text (6.3). Raises SpaError: no whole
    number of blocks, nothing inside, or a mode that is not Rijndael's.
    """
    if len(container) % BLOCK or len(container) < BLOCK:
        raise SpaError(errors.Code.INVALID_DATA_ENCRYPT_CIPHERLEN_VALIDFAIL)
    salt = container[len(MAGIC) : BLOCK]
    padded = _scheme(mode).decrypt(*derive(key, mode, salt), container[BLOCK:])
    if not padded:
        raise SpaError(errors.Code.DECRYPTION_SIZE)
    fill = padded[-1]
    if not 1 <= fill <= BLOCK or not padded.endswith(bytes([fill]) * fill):
        return padded, False
    if fill == len(padded):
        raise SpaError(errors.Code.DECRYPTION_SIZE)
    return padded[:-fill], True


def _blocks(mode: CipherMode, key: bytes, iv: bytes, padded: bytes) -> bytes:
    if mode in (CipherMode.CBC, CipherMode.LEGACY) and (quick := _by_libcrypto(key, iv, padded)):
        return quick
    return _scheme(mode).encrypt(key, iv, padded)


def _by_libcrypto(key: bytes, iv: bytes, padded: bytes) -> bytes | None:
    try:
        from watchword.wire.spa.libcrypto import encrypt_cbc  # noqa: PLC0415  (writers only)
    except ImportError:  # a Python without ctypes
        return None
    return encrypt_cbc(key, iv, padded)


def _scheme(mode: CipherMode) -> Scheme:
    from watchword.wire.spa.ciphers import SCHEMES  # noqa: PLC0415  (loads cryptography)

    try:
        return SCHEMES[mode]
    except KeyError:
        raise SpaError(errors.Code.DECRYPTION_FAILURE, "not a Rijndael mode") from None
