"""Reading as libfko reads: what only its decoder admits, and only if somebody asks for it.

In here: the locks that admit it, C's way with numbers and with NUL (wire
format, 3 and 11.3), and libfko's rules for hosts.
Not in here: anything strict (opening, fields, grammar), which knows nothing of this.

The rule: a packet is opened exactly where libfko 2.6 opens it, with the values
that libfko reports. So this is no superset of strict reading: a time stamp is
cut to 32 bits and refused if that makes it negative, and an IPv6 address is
refused, as they are there.
"""

from __future__ import annotations

import re
from typing import Final

from watchword.model.openpgp import Decrypted
from watchword.wire.spa import checks, fields
from watchword.wire.spa.errors import Code, SpaError
from watchword.wire.spa.fields import Base64Codes
from watchword.wire.spa.lengths import MAX_SECONDS, MAX_TIMESTAMP
from watchword.wire.spa.mac import GPG_PREFIX, PREFIX
from watchword.wire.spa.message import Message, MessageType
from watchword.wire.spa.opened import Opened
from watchword.wire.spa.opening import Lock
from watchword.wire.spa.openpgp import OpenPgpLock

_C_NUMBER = re.compile(rb" *([+-]?[0-9]+)")
_DIGITS = re.compile(rb"[0-9]+")
_HOST = re.compile(r"[^ /?\"'\\,]*")
_MAX_HOST: Final = 70
_RANDOM_CHARS: Final = 16


class LenientLock(Lock):
    """A lock for packets of senders that write what no sender should (chapters 11.3, 15, 16).

    It admits a prefix or padding left on the wire, any first character, unused
    bits, a missing padding of the plaintext, numbers with signs, blanks and
    trailing text, values that end at a NUL, and nearly any NAT host.

    What is given up: without an HMAC, whoever sees a packet can write it in
    other words, each with another ``packet_digest``, and libfko takes every
    one of them. So remember ``plaintext_digest(opened.plaintext)``, which is
    the same for all of them, and never ``packet_digest`` alone. Numbers may say
    what their sender did not mean: type ``x`` is a command, time stamp ``abc``
    is 1970, an octal address is what ``parse_access`` makes of it. A NAT host
    may hold control bytes: do not print it, and do not hand it to a program.

    ``flaw`` and ``Bunch`` stay strict: they refuse a prefix on the wire.
    """

    __slots__ = ()

    def fits(self, payload: bytes) -> bool:
        """As Lock.fits; a prefix that was left in front counts once, as for libfko."""
        return self.mac is None or self.mac.fits(payload.removeprefix(PREFIX))

    def open(self, payload: bytes) -> Opened:
        """As Lock.open, and admits what libfko admits. Raises SpaError with libfko's number."""
        plaintext, *_ = self._decrypt(payload)
        return Opened(read(plaintext), plaintext)


class LenientOpenPgpLock(OpenPgpLock):
    """The same for OpenPGP packets; their random value may be any text of 16 and more."""

    __slots__ = ()

    def fits(self, payload: bytes) -> bool:
        """As OpenPgpLock.fits; a prefix that was left in front counts once."""
        return self.mac is None or self.mac.fits(payload.removeprefix(GPG_PREFIX))

    def message(self, payload: bytes) -> bytes:
        """As OpenPgpLock.message, in any spelling."""
        return self._decode(payload)[2]

    def read(self, decrypted: Decrypted) -> Opened:
        """As OpenPgpLock.read, and admits what libfko admits."""
        return Opened(read(self._plaintext(decrypted)), decrypted.plaintext)


def read(plaintext: bytes) -> Message:
    """Read a decrypted text as libfko does (11.3, steps 20 to 37).

    Raises SpaError with libfko's number and nothing else, whatever the bytes.
    """
    encoded, digest = fields.verified(plaintext)
    random, user, sent_at, version, kind, text, *rest = encoded.split(b":")
    if len(random) < _RANDOM_CHARS:
        raise SpaError(Code.INVALID_DATA_DECODE_RAND_MISSING)
    name = _read_user(user)
    stamp = _read_timestamp(sent_at)
    fields.check_version(version)
    type_ = _read_type(kind)
    if len(rest) > type_.has_nat + type_.has_timeout + 1:
        raise SpaError(Code.INVALID_DATA_DECODE_WRONG_NUM_FIELDS)
    message = _read_message(text, type_)
    nat = _read_nat(rest.pop(0) if rest else b"") if type_.has_nat else None
    auth, seconds = _read_rest(b":".join(rest), type_)
    return Message(
        random[:_RANDOM_CHARS].decode("ascii"), name, stamp, version.decode("ascii"), type_,
        message, nat, auth, seconds, digest,
    )  # fmt: skip


def c_integer(text: bytes) -> int:
    """Read a number out of nearly any text, as C does: no digits are 0, 2**32 + 7 is 7.

    Raises ValueError beyond 64 bits; what is left is cut to 32, with its sign.
    """
    found = _C_NUMBER.match(text)
    value = int(found[1]) if found else 0
    if not -(2**63) <= value < 2**63:
        raise ValueError("a number beyond 64 bits")
    return (value + 2**31) % 2**32 - 2**31


def _c_number(field: bytes, limit: int, code: Code) -> int:
    """``limit``: the largest number that will do."""
    try:
        number = c_integer(field)
    except ValueError as error:
        raise SpaError(code, str(error)) from None
    if not 0 <= number <= limit:
        raise SpaError(code)
    return number


def _c_text(field: bytes, limit: int, codes: Base64Codes) -> str:
    """A field up to the NUL that ends it."""
    octets = fields.unfold(field, limit, codes).partition(b"\0")[0]
    return octets.decode("utf-8", "surrogateescape")


def _read_user(field: bytes) -> str:
    user = _c_text(field, fields.MAX_USER_FIELD, fields.USER_FIELD)
    if not checks.is_user(user.encode("utf-8", "surrogateescape")):
        raise SpaError(Code.INVALID_DATA_DECODE_USERNAME_VALIDFAIL)
    return user


def _read_timestamp(field: bytes) -> int:
    if not field:
        raise SpaError(Code.INVALID_DATA_DECODE_TIMESTAMP_MISSING)
    if len(field) > MAX_TIMESTAMP:
        raise SpaError(Code.INVALID_DATA_DECODE_TIMESTAMP_TOOBIG)
    return _c_number(field, 2**31 - 1, Code.INVALID_DATA_DECODE_TIMESTAMP_DECODEFAIL)


def _read_type(field: bytes) -> MessageType:
    if not field:
        raise SpaError(Code.INVALID_DATA_DECODE_MSGTYPE_MISSING)
    if len(field) > 2:
        raise SpaError(Code.INVALID_DATA_DECODE_MSGTYPE_TOOBIG)
    number = _c_number(field, max(MessageType), Code.INVALID_DATA_DECODE_MSGTYPE_DECODEFAIL)
    return MessageType(number)


def _read_message(field: bytes, type_: MessageType) -> str:
    text = _c_text(field, fields.MAX_FIELD, fields.MESSAGE_FIELD)
    command = type_ is MessageType.COMMAND
    try:
        if ":" in text.partition(",")[0]:
            raise checks.BadAddressError("libfko knows no IPv6 allow address")
        checks.check_text(text, type_)
    except ValueError as error:
        code = (
            Code.INVALID_DATA_DECODE_MESSAGE_VALIDFAIL
            if command
            else Code.INVALID_DATA_DECODE_ACCESS_VALIDFAIL
        )
        raise SpaError(code, str(error)) from None
    return text


def _read_nat(field: bytes) -> str:
    text = _c_text(field, fields.MAX_FIELD, fields.NAT_FIELD)
    try:
        parse_nat(text)
    except ValueError as error:
        raise SpaError(Code.INVALID_DATA_DECODE_NATACCESS_VALIDFAIL, str(error)) from None
    return text


def parse_nat(text: str) -> tuple[str, int]:
    """Read ``host,port`` where the host is nearly any text, or none. Raises ValueError."""
    host, _, port = text.partition(",")
    octets = len(host.encode("utf-8", "surrogateescape"))
    if octets > _MAX_HOST or not _HOST.fullmatch(host):
        raise ValueError("the host holds what no host may, or is too long")
    return host, checks.parse_port(port)


def _read_rest(rest: bytes, type_: MessageType) -> tuple[str | None, int]:
    """Steps 34 to 37, on everything that is unread."""
    if len(rest) > fields.MAX_FIELD:
        raise SpaError(Code.INVALID_DATA_DECODE_SRVAUTH_MISSING)
    if not type_.has_timeout:
        return _read_auth(rest, fields.AUTH_FIELD) if rest else None, 0
    auth, colon, seconds = rest.rpartition(b":")
    found = _read_auth(auth, fields.AUTH_FIELD_BEFORE_TIMEOUT) if colon else None
    return found, _read_timeout(seconds)


def _read_auth(field: bytes, codes: Base64Codes) -> str:
    return _c_text(field, fields.MAX_FIELD, codes) if field else ""


def _read_timeout(field: bytes) -> int:
    if not field:
        raise SpaError(Code.INVALID_DATA_DECODE_TIMEOUT_MISSING)
    if not _DIGITS.fullmatch(field):
        raise SpaError(Code.INVALID_DATA_DECODE_TIMEOUT_VALIDFAIL)
    return _c_number(field, MAX_SECONDS, Code.INVALID_DATA_DECODE_TIMEOUT_DECODEFAIL)
