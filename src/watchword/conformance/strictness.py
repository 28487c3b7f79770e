"""Where a strict program may differ from libfko 2.6, vector by vector, and why.

In here: names of vectors for which the recorded answer of the C programs is not
the one that is demanded (wire format, chapter 16). Everything else is demanded
as it was recorded.
Not in here: the vectors (golden), what is held against them (library, servers).
"""

from __future__ import annotations

from typing import Final

from watchword.wire.spa.errors import Code

LENIENT_BUT_SOUND: Final = {
    "len-ts-wrap": "a time stamp beyond 2038; libfko cuts it to 32 bits, we read it as it is",
    "len-to-zero": "perl clients send a timeout of 0",
    "len-to-as-auth": "a seventh field of this type is server_auth, whatever it says",
    "len-auth-190": "within what decoders take",
    "len-ver-any": "printable, and only people look at it",
    "nat-2-ipv6-text": "an address like any other",
}
"""Marked lenient, and opened by the library all the same."""
BEYOND_2038: Final = {"neg-ts-2038": 2147483648, "neg-ts-uint32max": 4294967295}
"""Refused by libfko for its 32 bits; opened by the library with this time stamp."""
NOT_EXPRESSIBLE: Final = {
    "neg-mode0", "neg-mode4", "neg-mode9", "neg-mode-1",
    "neg-hmac-type8", "neg-hmac-type0", "neg-hmac-type-1",
}  # fmt: skip
"""Configurations that no value stands for: they end where text becomes a value."""

LET_PASS_BY_LIBFKO: Final = {
    "enc-local-nat-missing": Code.INCOMPLETE_SPA_DATA,
    "enc-timeout-70000": Code.DATA_TOO_LARGE,
    "enc-user-80": Code.DATA_TOO_LARGE,
    "enc-cmd-255": Code.DATA_TOO_LARGE,
}
"""Decoders refuse these or get something else; so they are not to be written (chapter 2)."""
WRITTEN_ALL_THE_SAME: Final = {
    "enc-ts-2038": "time stamps do not end in January 2038",
    "enc-msg-ip6": "IPv6 is our extension of the allow address",
}
NO_VALUE_TO_WRITE: Final = {"enc-digest0", "enc-digest8", "enc-mode9", "enc-hmactype8"}
"""Refused where a number becomes a Digest or a CipherMode."""
NO_COUNTERPART: Final = {"enc-enctype3"}
"""What kind of encryption it is follows from the mode; there is no second number to get wrong."""
WRITTEN_WITH_ANOTHER_CODE: Final = {
    "enc-nomsg": Code.INVALID_DATA_MESSAGE_EMPTY,  # no message is an empty one
    "enc-hmac-nokey": Code.INVALID_HMAC_KEY_LEN,  # no key is an empty one
}

STRICTER_THAN_FWKNOPD: Final = {
    "srv-replay-variants": 1,  # five spellings, of which four are none
    "srv-equals": 0,
    "srv-age-text": 0,
}
"""How many packets a strict server opens where fwknopd, which reads leniently, decodes more."""
LONGER_THAN_FWKNOPD_TAKES: Final = {
    "srv-wire417-pt256-hmac", "srv-cap-sha1-over", "srv-cap-sha256-over",
    "srv-cap-sha384-over", "srv-cap-sha512-over", "srv-cap-sha3_256-over",
    "srv-cap-sha3_512-over",
}  # fmt: skip
"""Authentic packets of 400 and more characters with their MAC: fwknopd takes them for OpenPGP
before it looks, unless the stanza has commands. A server may look."""

NOT_OPENED_FOR_OPENPGP: Final = {
    "gpg-raw-rand17": Code.INVALID_DATA_DECODE_RAND_MISSING,
    "gpg-raw-rand-alpha": Code.INVALID_DATA_DECODE_RAND_MISSING,
    "gpg-prefix-kept": Code.INVALID_DATA_ENCRYPT_GPG_CIPHER_DECODEFAIL,
}
"""OpenPGP packets that only a lenient reader opens: other spellings of what is in them."""
REFUSED_EARLIER: Final = {
    "gpg-short-unsigned-cv25519": Code.INVALID_DATA_ENCRYPT_TYPE_UNKNOWN,
}
"""Too short for OpenPGP: libfko takes it for something else and fails at that."""
LISTED_IN_OTHER_WORDS: Final = {"srv-gpg-remote-longid", "srv-gpg-fingerprint-lower"}
"""The signer is the one that the stanza lists, written as gpg shows it or in lower case; fwknopd
compares text and does not recognise him. A server may."""
