"""AES-256-CBC by the libcrypto that this Python's ``hashlib`` has loaded already.

In here: enciphering whole blocks, which is all that a sealed packet needs.
Not in here: deciphering and the other modes (ciphers): what comes from strangers is given
to ``cryptography`` and to nobody else.

``cryptography`` takes longer to load than Python to start, and calls the same functions
(docs/decisions/0035). Where they cannot be found, or do not give what a published
example says, the answer is None, and ``cryptography`` does it.
"""

from __future__ import annotations

from ctypes import CDLL, byref, c_char_p, c_int, c_void_p, create_string_buffer
from functools import cache

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

_BLOCK: Final = 16
_KEY: Final = 32
_FUNCTIONS: Final = {
    "EVP_CIPHER_CTX_new": (c_void_p, ()),
    "EVP_CIPHER_CTX_free": (None, (c_void_p,)),
    "EVP_CIPHER_CTX_set_padding": (c_int, (c_void_p, c_int)),
    "EVP_aes_256_cbc": (c_void_p, ()),
    "EVP_EncryptInit_ex": (c_int, (c_void_p, c_void_p, c_void_p, c_char_p, c_char_p)),
    "EVP_EncryptUpdate": (c_int, (c_void_p, c_char_p, c_void_p, c_char_p, c_int)),
}
"""What each gives back and takes; the same since OpenSSL 1.1 (EVP_EncryptInit(3))."""
_EXAMPLE: Final = tuple(
    bytes.fromhex(text)
    for text in (
        "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4",
        "000102030405060708090a0b0c0d0e0f",
        "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51",
        "f58c4c04d6e5f1ba779eabfb5f7bfbd69cfc4e967edb808d679f777bc6702c7d",
    )
)
"""Key, IV, two blocks and what becomes of them: NIST SP 800-38A, F.2.5."""


def encrypt_cbc(key: bytes, iv: bytes, blocks: bytes) -> bytes | None:
    """Encipher whole blocks without padding; None: not on this machine.

    Raises ValueError for a key that is not 32 bytes long, an IV that is not 16, or half a block:
    the library would read past their ends.
    """
    library = _library()
    return None if library is None else _encrypted(library, key, iv, blocks)


@cache
def _library() -> CDLL | None:
    """The library, once it has shown that it does what it should."""
    try:
        import _hashlib  # noqa: PLC0415  (not in every build)

        found = CDLL(_hashlib.__file__)  # symbols are looked for in what it is linked with, too
        for name, (result, arguments) in _FUNCTIONS.items():
            function = getattr(found, name)
            function.restype, function.argtypes = result, arguments
    except (ImportError, AttributeError, OSError):
        return None
    *given, expected = _EXAMPLE
    return found if _encrypted(found, *given) == expected else None


def _encrypted(library: CDLL, key: bytes, iv: bytes, blocks: bytes) -> bytes | None:
    if len(key) != _KEY or len(iv) != _BLOCK or len(blocks) % _BLOCK:
        raise ValueError("AES-256-CBC takes 32 bytes of key, 16 of IV, and whole blocks")
    context = library.EVP_CIPHER_CTX_new()
    if not context:
        return None
    try:
        return _run(library, context, key, iv, blocks)
    finally:
        library.EVP_CIPHER_CTX_free(context)  # which wipes the key


def _run(library: CDLL, context: int, key: bytes, iv: bytes, blocks: bytes) -> bytes | None:
    """Without padding nothing is left for EVP_EncryptFinal to write."""
    out = create_string_buffer(len(blocks) + _BLOCK)  # as much as it may write at the most
    size = c_int()
    done = (
        library.EVP_EncryptInit_ex(context, library.EVP_aes_256_cbc(), None, key, iv) == 1
        and library.EVP_CIPHER_CTX_set_padding(context, 0) == 1
        and library.EVP_EncryptUpdate(context, out, byref(size), blocks, len(blocks)) == 1
    )
    return out.raw[: len(blocks)] if done and size.value == len(blocks) else None
