"""From libfko's error numbers to our words for why a packet is refused.

In here: the table. It stands apart from the numbers, because who writes packets
needs no reasons.
"""

from __future__ import annotations

from watchword.model.reasons import Reason
from watchword.wire.spa.errors import Code

_REASONS = {
    Code.INVALID_DATA_FUNCS_NEW_MSGLEN_VALIDFAIL: Reason.LENGTH,
    Code.INVALID_DATA_ENCRYPT_TYPE_UNKNOWN: Reason.LENGTH,
    Code.INVALID_DATA_ENCODE_NOTBASE64: Reason.ALPHABET,
    Code.INVALID_DATA_HMAC_ENCMSGLEN_VALIDFAIL: Reason.MAC_MISMATCH,
    Code.INVALID_DATA_HMAC_COMPAREFAIL: Reason.MAC_MISMATCH,
    Code.INVALID_DATA_ENCRYPT_CIPHERLEN_VALIDFAIL: Reason.NOT_DECRYPTED,
    Code.DECRYPTION_SIZE: Reason.NOT_DECRYPTED,
    Code.DECRYPTION_FAILURE: Reason.NOT_DECRYPTED,
    Code.INVALID_KEY_LEN: Reason.NOT_DECRYPTED,
    Code.INVALID_DATA_ENCRYPT_GPG_CIPHER_DECODEFAIL: Reason.ALPHABET,
    Code.GPGME_DECRYPT_FAILED: Reason.NOT_DECRYPTED,
    Code.GPGME_NO_SIGNATURE: Reason.UNSIGNED,
    Code.GPGME_BAD_SIGNATURE: Reason.BADLY_SIGNED,
}


def reason_of(code: Code) -> Reason:
    """Whatever is wrong inside a decrypted text is MALFORMED."""
    return _REASONS.get(code, Reason.MALFORMED)
