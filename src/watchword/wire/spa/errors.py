"""What libfko would say: its error numbers, their names and their texts.

In here: the table of wire format, chapter 12, and SpaError, which carries one
of its numbers. Numbers and texts are stable: clients print them, servers log
them, and scripts look for them.
Not in here: which check raises what (the module that makes the check).
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

from watchword.errors import PeerError

if TYPE_CHECKING:
    from watchword.model.reasons import Reason


class Code(IntEnum):
    """Error numbers of libfko 2.6; 114 and 140 are only marks in its list."""

    SUCCESS = 0
    CTX_NOT_INITIALIZED = 1
    MEMORY_ALLOCATION = 2
    FILESYSTEM_OPERATION = 3
    INVALID_DATA = 4
    INVALID_DATA_CLIENT_TIMEOUT_NEGATIVE = 5
    INVALID_DATA_DECODE_MSGLEN_VALIDFAIL = 6
    INVALID_DATA_DECODE_NON_ASCII = 7
    INVALID_DATA_DECODE_LT_MIN_FIELDS = 8
    INVALID_DATA_DECODE_GT_MAX_FIELDS = 9
    INVALID_DATA_DECODE_WRONG_NUM_FIELDS = 10
    INVALID_DATA_DECODE_ENC_MSG_LEN_MT_T_SIZE = 11
    INVALID_DATA_DECODE_RAND_MISSING = 12
    INVALID_DATA_DECODE_USERNAME_MISSING = 13
    INVALID_DATA_DECODE_USERNAME_TOOBIG = 14
    INVALID_DATA_DECODE_USERNAME_DECODEFAIL = 15
    INVALID_DATA_DECODE_USERNAME_VALIDFAIL = 16
    INVALID_DATA_DECODE_TIMESTAMP_MISSING = 17
    INVALID_DATA_DECODE_TIMESTAMP_TOOBIG = 18
    INVALID_DATA_DECODE_TIMESTAMP_DECODEFAIL = 19
    INVALID_DATA_DECODE_VERSION_MISSING = 20
    INVALID_DATA_DECODE_VERSION_TOOBIG = 21
    INVALID_DATA_DECODE_MSGTYPE_MISSING = 22
    INVALID_DATA_DECODE_MSGTYPE_TOOBIG = 23
    INVALID_DATA_DECODE_MSGTYPE_DECODEFAIL = 24
    INVALID_DATA_DECODE_MESSAGE_MISSING = 25
    INVALID_DATA_DECODE_MESSAGE_TOOBIG = 26
    INVALID_DATA_DECODE_MESSAGE_DECODEFAIL = 27
    INVALID_DATA_DECODE_MESSAGE_VALIDFAIL = 28
    INVALID_DATA_DECODE_ACCESS_VALIDFAIL = 29
    INVALID_DATA_DECODE_NATACCESS_MISSING = 30
    INVALID_DATA_DECODE_NATACCESS_TOOBIG = 31
    INVALID_DATA_DECODE_NATACCESS_DECODEFAIL = 32
    INVALID_DATA_DECODE_NATACCESS_VALIDFAIL = 33
    INVALID_DATA_DECODE_SRVAUTH_MISSING = 34
    INVALID_DATA_DECODE_SRVAUTH_DECODEFAIL = 35
    INVALID_DATA_DECODE_SPA_EXTRA_TOOBIG = 36
    INVALID_DATA_DECODE_EXTRA_TOOBIG = 37
    INVALID_DATA_DECODE_EXTRA_DECODEFAIL = 38
    INVALID_DATA_DECODE_TIMEOUT_MISSING = 39
    INVALID_DATA_DECODE_TIMEOUT_TOOBIG = 40
    INVALID_DATA_DECODE_TIMEOUT_VALIDFAIL = 41
    INVALID_DATA_DECODE_TIMEOUT_DECODEFAIL = 42
    INVALID_DATA_ENCODE_MESSAGE_TOOBIG = 43
    INVALID_DATA_ENCODE_MSGLEN_VALIDFAIL = 44
    INVALID_DATA_ENCODE_DIGEST_VALIDFAIL = 45
    INVALID_DATA_ENCODE_DIGEST_TOOBIG = 46
    INVALID_DATA_ENCODE_NOTBASE64 = 47
    INVALID_DATA_ENCRYPT_MSGLEN_VALIDFAIL = 48
    INVALID_DATA_ENCRYPT_DIGESTLEN_VALIDFAIL = 49
    INVALID_DATA_ENCRYPT_PTLEN_VALIDFAIL = 50
    INVALID_DATA_ENCRYPT_RESULT_MSGLEN_VALIDFAIL = 51
    INVALID_DATA_ENCRYPT_CIPHERLEN_DECODEFAIL = 52
    INVALID_DATA_ENCRYPT_CIPHERLEN_VALIDFAIL = 53
    INVALID_DATA_ENCRYPT_DECRYPTED_MESSAGE_MISSING = 54
    INVALID_DATA_ENCRYPT_DECRYPTED_MSGLEN_VALIDFAIL = 55
    INVALID_DATA_ENCRYPT_GPG_MESSAGE_VALIDFAIL = 56
    INVALID_DATA_ENCRYPT_GPG_DIGEST_VALIDFAIL = 57
    INVALID_DATA_ENCRYPT_GPG_MSGLEN_VALIDFAIL = 58
    INVALID_DATA_ENCRYPT_GPG_RESULT_MSGLEN_VALIDFAIL = 59
    INVALID_DATA_ENCRYPT_GPG_CIPHER_DECODEFAIL = 60
    INVALID_DATA_ENCRYPT_GPG_ENCODEDMSG_NULL = 61
    INVALID_DATA_ENCRYPT_GPG_ENCODEDMSGLEN_VALIDFAIL = 62
    INVALID_DATA_ENCRYPT_TYPE_VALIDFAIL = 63
    INVALID_DATA_ENCRYPT_MODE_VALIDFAIL = 64
    INVALID_DATA_ENCRYPT_TYPE_UNKNOWN = 65
    INVALID_DATA_FUNCS_NEW_ENCMSG_MISSING = 66
    INVALID_DATA_FUNCS_NEW_MSGLEN_VALIDFAIL = 67
    INVALID_DATA_FUNCS_GEN_KEYLEN_VALIDFAIL = 68
    INVALID_DATA_FUNCS_GEN_HMACLEN_VALIDFAIL = 69
    INVALID_DATA_FUNCS_GEN_KEY_ENCODEFAIL = 70
    INVALID_DATA_FUNCS_GEN_HMAC_ENCODEFAIL = 71
    INVALID_DATA_FUNCS_SET_MSGLEN_VALIDFAIL = 72
    INVALID_DATA_HMAC_MSGLEN_VALIDFAIL = 73
    INVALID_DATA_HMAC_ENCMSGLEN_VALIDFAIL = 74
    INVALID_DATA_HMAC_COMPAREFAIL = 75
    INVALID_DATA_HMAC_TYPE_VALIDFAIL = 76
    INVALID_DATA_HMAC_LEN_VALIDFAIL = 77
    INVALID_DATA_MESSAGE_PORT_MISSING = 78
    INVALID_DATA_MESSAGE_TYPE_VALIDFAIL = 79
    INVALID_DATA_MESSAGE_EMPTY = 80
    INVALID_DATA_MESSAGE_CMD_MISSING = 81
    INVALID_DATA_MESSAGE_ACCESS_MISSING = 82
    INVALID_DATA_MESSAGE_NAT_MISSING = 83
    INVALID_DATA_MESSAGE_PORTPROTO_MISSING = 84
    INVALID_DATA_NAT_EMPTY = 85
    INVALID_DATA_RAND_LEN_VALIDFAIL = 86
    INVALID_DATA_SRVAUTH_MISSING = 87
    INVALID_DATA_TIMESTAMP_VALIDFAIL = 88
    INVALID_DATA_USER_MISSING = 89
    INVALID_DATA_USER_FIRSTCHAR_VALIDFAIL = 90
    INVALID_DATA_USER_REMCHAR_VALIDFAIL = 91
    INVALID_DATA_UTIL_STRTOL_LT_MIN = 92
    INVALID_DATA_UTIL_STRTOL_GT_MAX = 93
    DATA_TOO_LARGE = 94
    INVALID_KEY_LEN = 95
    USERNAME_UNKNOWN = 96
    INCOMPLETE_SPA_DATA = 97
    MISSING_ENCODED_DATA = 98
    INVALID_DIGEST_TYPE = 99
    INVALID_ALLOW_IP = 100
    INVALID_SPA_COMMAND_MSG = 101
    INVALID_SPA_ACCESS_MSG = 102
    INVALID_SPA_NAT_ACCESS_MSG = 103
    INVALID_ENCRYPTION_TYPE = 104
    WRONG_ENCRYPTION_TYPE = 105
    DECRYPTION_SIZE = 106
    DECRYPTION_FAILURE = 107
    DIGEST_VERIFICATION_FAILED = 108
    INVALID_HMAC_KEY_LEN = 109
    UNSUPPORTED_HMAC_MODE = 110
    UNSUPPORTED_FEATURE = 111
    ZERO_OUT_DATA = 112
    UNKNOWN = 113
    MISSING_GPG_KEY_DATA = 115
    GPGME_NO_OPENPGP = 116
    GPGME_CONTEXT = 117
    GPGME_PLAINTEXT_DATA_OBJ = 118
    GPGME_SET_PROTOCOL = 119
    GPGME_CIPHER_DATA_OBJ = 120
    GPGME_BAD_PASSPHRASE = 121
    GPGME_ENCRYPT_SIGN = 122
    GPGME_CONTEXT_SIGNER_KEY = 123
    GPGME_SIGNER_KEYLIST_START = 124
    GPGME_SIGNER_KEY_NOT_FOUND = 125
    GPGME_SIGNER_KEY_AMBIGUOUS = 126
    GPGME_ADD_SIGNER = 127
    GPGME_CONTEXT_RECIPIENT_KEY = 128
    GPGME_RECIPIENT_KEYLIST_START = 129
    GPGME_RECIPIENT_KEY_NOT_FOUND = 130
    GPGME_RECIPIENT_KEY_AMBIGUOUS = 131
    GPGME_DECRYPT_FAILED = 132
    GPGME_DECRYPT_UNSUPPORTED_ALGORITHM = 133
    GPGME_BAD_GPG_EXE = 134
    GPGME_BAD_HOME_DIR = 135
    GPGME_SET_HOME_DIR = 136
    GPGME_NO_SIGNATURE = 137
    GPGME_BAD_SIGNATURE = 138
    GPGME_SIGNATURE_VERIFY_DISABLED = 139

    @property
    def label(self) -> str:
        """The name in the C header, for example ``FKO_ERROR_DECRYPTION_FAILURE``."""
        return f"FKO_ERROR_{self.name}"

    @property
    def text(self) -> str:
        """What ``fko_errstr`` says."""
        return _TEXTS.get(self) or f"Args contain invalid data: {self.label}"


_TEXTS = {
    Code.SUCCESS: "Success",
    Code.CTX_NOT_INITIALIZED: "FKO Context is not initialized",
    Code.MEMORY_ALLOCATION: "Unable to allocate memory",
    Code.FILESYSTEM_OPERATION: "Read/write bytes mismatch",
    Code.INVALID_DATA: "Args contain invalid data",
    Code.DATA_TOO_LARGE: "Value or Size of the data exceeded the max allowed",
    Code.INVALID_KEY_LEN: "Invalid key length",
    Code.USERNAME_UNKNOWN: "Unable to determine username",
    Code.INCOMPLETE_SPA_DATA: "Missing or incomplete SPA data",
    Code.MISSING_ENCODED_DATA: "There is no encoded data to process",
    Code.INVALID_DIGEST_TYPE: "Invalid digest type",
    Code.INVALID_ALLOW_IP: "Invalid allow IP address in the SPA message data",
    Code.INVALID_SPA_COMMAND_MSG: "Invalid SPA command message format",
    Code.INVALID_SPA_ACCESS_MSG: "Invalid SPA access message format",
    Code.INVALID_SPA_NAT_ACCESS_MSG: "Invalid SPA nat_access message format",
    Code.INVALID_ENCRYPTION_TYPE: "Invalid encryption type",
    Code.WRONG_ENCRYPTION_TYPE: "Wrong or inappropriate encryption type for this operation",
    Code.DECRYPTION_SIZE: "Unexpected or invalid size for decrypted data",
    Code.DECRYPTION_FAILURE: "Decryption failed or decrypted data is invalid",
    Code.DIGEST_VERIFICATION_FAILED: "The computed digest did not match the digest in the spa data",
    Code.INVALID_HMAC_KEY_LEN: "Invalid HMAC key length",
    Code.UNSUPPORTED_HMAC_MODE: "Unsupported HMAC mode (default: SHA256)",
    Code.UNSUPPORTED_FEATURE: "Unsupported or unimplemented feature or function",
    Code.ZERO_OUT_DATA: "Could not zero out sensitive data",
    Code.UNKNOWN: "Unknown/Unclassified error",
    Code.MISSING_GPG_KEY_DATA: "Missing GPG key data (signer or recipient not set)",
    Code.GPGME_NO_OPENPGP: "This GPGME implementation does not support OpenPGP",
    Code.GPGME_CONTEXT: "Unable to create GPGME context",
    Code.GPGME_PLAINTEXT_DATA_OBJ: "Error creating the plaintext data object",
    Code.GPGME_SET_PROTOCOL: "Unable to set GPGME to use OpenPGP protocol",
    Code.GPGME_CIPHER_DATA_OBJ: "Error creating the encrypted data data object",
    Code.GPGME_BAD_PASSPHRASE: "The GPG passphrase was not valid",
    Code.GPGME_ENCRYPT_SIGN: "Error during the encrypt and sign operation",
    Code.GPGME_CONTEXT_SIGNER_KEY: "Unable to create GPGME context for the signer key",
    Code.GPGME_SIGNER_KEYLIST_START: "Error from signer keylist start operation",
    Code.GPGME_SIGNER_KEY_NOT_FOUND: "The key for the given signer was not found",
    Code.GPGME_SIGNER_KEY_AMBIGUOUS: "Ambiguous name/id for the signer key (multiple matches)",
    Code.GPGME_ADD_SIGNER: "Error adding the signer key to the gpgme context",
    Code.GPGME_CONTEXT_RECIPIENT_KEY: "Unable to create GPGME context for the recipient key",
    Code.GPGME_RECIPIENT_KEYLIST_START: "Error from signer keylist start operation",
    Code.GPGME_RECIPIENT_KEY_NOT_FOUND: "The key for the given recipient was not found",
    Code.GPGME_RECIPIENT_KEY_AMBIGUOUS: (
        "Ambiguous name/id for the recipient key (multiple matches)"
    ),
    Code.GPGME_DECRYPT_FAILED: "Decryption operation failed",
    Code.GPGME_DECRYPT_UNSUPPORTED_ALGORITHM: (
        "Decryption operation failed due to unsupported algorithm"
    ),
    Code.GPGME_BAD_GPG_EXE: "Unable to stat the given GPG executable",
    Code.GPGME_BAD_HOME_DIR: "Unable to stat the given GPG home directory",
    Code.GPGME_SET_HOME_DIR: "Unable to set the given GPG home directory",
    Code.GPGME_NO_SIGNATURE: "Missing GPG signature",
    Code.GPGME_BAD_SIGNATURE: "Bad GPG signature",
    Code.GPGME_SIGNATURE_VERIFY_DISABLED: "Trying to check signature with verification disabled",
}


class SpaError(PeerError):
    """A packet cannot be opened, or a message cannot be sealed.

    The message is libfko's text, with a detail of ours where that says more.
    It never quotes a key or a payload.
    """

    def __init__(self, code: Code, detail: str = "") -> None:
        super().__init__(f"{code.text} ({detail})" if detail else code.text)
        self.code = code
        self.detail = detail

    @property
    def reason(self) -> Reason:
        """Our word for it; whatever is wrong inside a decrypted text is MALFORMED."""
        from watchword.wire.spa.reasons import reason_of  # noqa: PLC0415  (readers only)

        return reason_of(self.code)
