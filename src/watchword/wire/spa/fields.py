"""A decrypted text to a message and back (wire format, chapters 4 and 5; 11.3 and 11.4).

In here: the order of the checks, lengths, strict numbers, and libfko's error
number for each.
Not in here: what addresses, ports and hosts look like (grammar), encryption
(rijndael), reading as libfko reads (leniency).

The C library reads numbers out of nearly any text and ends strings at a NUL.
Here a number is its decimal digits and nothing else, and a NUL is an error.
"""

from __future__ import annotations

from watchword.model.crypto import Digest
from watchword.model.undisclosed import alike
from watchword.record import record
from watchword.wire.spa import base64text, checks, grammar
from watchword.wire.spa.digests import digest_text, kinds_of_length
from watchword.wire.spa.errors import Code, SpaError
from watchword.wire.spa.lengths import MAX_SECONDS, MAX_TIMESTAMP
from watchword.wire.spa.message import Message, MessageType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

MIN_TEXT: Final = 36
MAX_TEXT: Final = 1499
"""Characters of a plaintext, and of a packet with its prefix restored."""
MAX_FIELD: Final = 256
"""Characters of base64 of a message, a NAT message or server_auth."""
MAX_USER_FIELD: Final = 64
MAX_VERSION: Final = 8

_PRINTABLE: Final = bytes(range(0x20, 0x7F))
_NO_NUMBER: Final = "not a plain decimal number"
_RANDOM_DIGITS: Final = 16


@record
class Base64Codes:
    """What libfko calls the ways in which a base64 field can be wrong."""

    missing: Code
    too_big: Code
    undecodable: Code


USER_FIELD = Base64Codes(
    Code.INVALID_DATA_DECODE_USERNAME_MISSING,
    Code.INVALID_DATA_DECODE_USERNAME_TOOBIG,
    Code.INVALID_DATA_DECODE_USERNAME_DECODEFAIL,
)
MESSAGE_FIELD = Base64Codes(
    Code.INVALID_DATA_DECODE_MESSAGE_MISSING,
    Code.INVALID_DATA_DECODE_MESSAGE_TOOBIG,
    Code.INVALID_DATA_DECODE_MESSAGE_DECODEFAIL,
)
NAT_FIELD = Base64Codes(
    Code.INVALID_DATA_DECODE_NATACCESS_MISSING,
    Code.INVALID_DATA_DECODE_NATACCESS_TOOBIG,
    Code.INVALID_DATA_DECODE_NATACCESS_DECODEFAIL,
)
AUTH_FIELD = Base64Codes(
    Code.INVALID_DATA_DECODE_SRVAUTH_DECODEFAIL,
    Code.INVALID_DATA_DECODE_SRVAUTH_MISSING,
    Code.INVALID_DATA_DECODE_SRVAUTH_DECODEFAIL,
)
AUTH_FIELD_BEFORE_TIMEOUT = Base64Codes(
    Code.INVALID_DATA_DECODE_EXTRA_DECODEFAIL,
    Code.INVALID_DATA_DECODE_SRVAUTH_MISSING,
    Code.INVALID_DATA_DECODE_EXTRA_DECODEFAIL,
)


def _is_number(field: bytes) -> bool:
    """Decimal digits and nothing else, without zeros in front. Only ASCII counts as a digit."""
    return field.isdigit() and (field[:1] != b"0" or field == b"0")


def read(plaintext: bytes) -> Message:
    """Read a decrypted text.

    Raises SpaError with the number that libfko gives, or the nearest where
    only strict reading refuses; nothing else, whatever the bytes.
    """
    encoded, digest = verified(plaintext)
    random, user, sent_at, version, kind, text, *rest = encoded.split(b":")
    if len(random) != _RANDOM_DIGITS or not random.isdigit():
        raise SpaError(Code.INVALID_DATA_DECODE_RAND_MISSING)
    name = _read_user(user)
    stamp = _read_timestamp(sent_at)
    check_version(version)
    type_ = _read_type(kind)
    if len(rest) > type_.has_nat + type_.has_timeout + 1:
        raise SpaError(Code.INVALID_DATA_DECODE_WRONG_NUM_FIELDS)
    message = _read_message(text, type_)
    nat = _read_nat(rest.pop(0) if rest else b"") if type_.has_nat else None
    auth, seconds = _read_rest(rest, type_)
    return Message(
        random.decode("ascii"), name, stamp, version.decode("ascii"), type_,
        message, nat, auth, seconds, digest,
    )  # fmt: skip


def verified(plaintext: bytes) -> tuple[bytes, Digest]:
    """Steps 20 to 24: the text before the digest, once the digest is right."""
    if not MIN_TEXT <= len(plaintext) <= MAX_TEXT:
        raise SpaError(Code.INVALID_DATA_DECODE_MSGLEN_VALIDFAIL)
    text = plaintext.partition(b"\0")[0]
    if text.translate(None, _PRINTABLE):
        raise SpaError(Code.INVALID_DATA_DECODE_NON_ASCII)
    fields = text.split(b":", 11)
    if len(fields) < 7:
        raise SpaError(Code.INVALID_DATA_DECODE_LT_MIN_FIELDS)
    found = fields[-1]
    kinds = kinds_of_length(len(found))
    if not kinds:
        raise SpaError(Code.INVALID_DIGEST_TYPE)
    encoded = text[: -len(found) - 1]
    for kind in kinds if text == plaintext else ():
        if alike(digest_text(kind, encoded), found):
            return encoded, kind
    raise SpaError(Code.DIGEST_VERIFICATION_FAILED)


def unfold(field: bytes, limit: int, codes: Base64Codes) -> bytes:
    """Steps that every base64 field goes through, read as libfko reads."""
    if not field:
        raise SpaError(codes.missing)
    if len(field) > limit:
        raise SpaError(codes.too_big)
    try:
        return base64text.decode_leniently(field)
    except ValueError:
        raise SpaError(codes.undecodable) from None


def _insist(field: bytes, octets: bytes, codes: Base64Codes) -> str:
    """Refuse what only libfko takes: spellings that are not canonical, and NUL."""
    if b"\0" in octets or not base64text.is_canonical_field(field, octets):
        raise SpaError(codes.undecodable, "not the canonical spelling")
    return octets.decode("utf-8", "surrogateescape")


def _read_user(field: bytes) -> str:
    octets = unfold(field, MAX_USER_FIELD, USER_FIELD)
    if not checks.is_user(octets):
        raise SpaError(Code.INVALID_DATA_DECODE_USERNAME_VALIDFAIL)
    return _insist(field, octets, USER_FIELD)


def _read_timestamp(field: bytes) -> int:
    if not field:
        raise SpaError(Code.INVALID_DATA_DECODE_TIMESTAMP_MISSING)
    if len(field) > MAX_TIMESTAMP:
        raise SpaError(Code.INVALID_DATA_DECODE_TIMESTAMP_TOOBIG)
    if not _is_number(field):
        raise SpaError(Code.INVALID_DATA_DECODE_TIMESTAMP_DECODEFAIL, _NO_NUMBER)
    return int(field)


def check_version(field: bytes) -> None:
    if not field:
        raise SpaError(Code.INVALID_DATA_DECODE_VERSION_MISSING)
    if len(field) > MAX_VERSION:
        raise SpaError(Code.INVALID_DATA_DECODE_VERSION_TOOBIG)


def _read_type(field: bytes) -> MessageType:
    if not field:
        raise SpaError(Code.INVALID_DATA_DECODE_MSGTYPE_MISSING)
    if len(field) > 2:
        raise SpaError(Code.INVALID_DATA_DECODE_MSGTYPE_TOOBIG)
    if not _is_number(field):
        raise SpaError(Code.INVALID_DATA_DECODE_MSGTYPE_DECODEFAIL, _NO_NUMBER)
    if int(field) not in _TYPES:
        raise SpaError(Code.INVALID_DATA_DECODE_MSGTYPE_DECODEFAIL)
    return _TYPES[int(field)]


_TYPES: Final = {int(kind): kind for kind in MessageType}


def _read_message(field: bytes, type_: MessageType) -> str:
    octets = unfold(field, MAX_FIELD, MESSAGE_FIELD)
    text = octets.decode("utf-8", "surrogateescape")
    try:
        checks.check_text(text, type_)
    except ValueError as error:
        command = type_ is MessageType.COMMAND
        code = (
            Code.INVALID_DATA_DECODE_MESSAGE_VALIDFAIL
            if command
            else Code.INVALID_DATA_DECODE_ACCESS_VALIDFAIL
        )
        raise SpaError(code, str(error)) from None
    return _insist(field, octets, MESSAGE_FIELD)


def _read_nat(field: bytes) -> str:
    octets = unfold(field, MAX_FIELD, NAT_FIELD)
    try:
        grammar.parse_nat(octets.decode("utf-8", "surrogateescape"))
    except ValueError as error:
        raise SpaError(Code.INVALID_DATA_DECODE_NATACCESS_VALIDFAIL, str(error)) from None
    return _insist(field, octets, NAT_FIELD)


def _read_rest(rest: list[bytes], type_: MessageType) -> tuple[str | None, int]:
    """Steps 34 to 37: server_auth if there is one, and the timeout if the type has one."""
    if len(b":".join(rest)) > MAX_FIELD:
        raise SpaError(Code.INVALID_DATA_DECODE_SRVAUTH_MISSING)
    if not type_.has_timeout:
        return (_read_auth(rest[0], AUTH_FIELD) if rest else None), 0
    auth = _read_auth(rest[0], AUTH_FIELD_BEFORE_TIMEOUT) if len(rest) > 1 else None
    return auth, _read_timeout(rest[-1] if rest else b"")


def _read_auth(field: bytes, codes: Base64Codes) -> str:
    if not field:
        raise SpaError(codes.missing, "an empty field")
    return _insist(field, unfold(field, MAX_FIELD, codes), codes)


def _read_timeout(field: bytes) -> int:
    if not field:
        raise SpaError(Code.INVALID_DATA_DECODE_TIMEOUT_MISSING)
    if not field.isdigit():
        raise SpaError(Code.INVALID_DATA_DECODE_TIMEOUT_VALIDFAIL)
    if not _is_number(field):
        raise SpaError(Code.INVALID_DATA_DECODE_TIMEOUT_DECODEFAIL, _NO_NUMBER)
    if int(field) > MAX_SECONDS:
        over = f"more than {MAX_SECONDS} seconds"
        raise SpaError(Code.INVALID_DATA_DECODE_TIMEOUT_DECODEFAIL, over)
    return int(field)
