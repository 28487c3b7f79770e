"""A message to the text that is encrypted (wire format, chapter 4 and 11.4).

In here: every check that libfko's setters make, with their error numbers, and
the ones they lack: what no decoder would take is not written.
Not in here: reading (fields), encryption (sealing), what perl clients write
differently (perl19).
"""

from __future__ import annotations

from watchword.wire.spa import base64text, checks, errors
from watchword.wire.spa.digests import digest_text
from watchword.wire.spa.errors import SpaError
from watchword.wire.spa.lengths import MAX_SECONDS, MAX_TIMESTAMP
from watchword.wire.spa.message import Message, MessageType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Final

MAX_USER: Final = 48
MAX_MESSAGE: Final = 192
"""Bytes that fit into the base64 that decoders take (chapter 2); libfko writes more."""
MAX_NAT: Final = 127
MAX_AUTH: Final = 63

_MAX_STAMP: Final = 10**MAX_TIMESTAMP - 1


def compose(message: Message) -> bytes:
    """The plaintext of a packet, digest included. The type follows the timeout (4.10).

    Raises SpaError where a field is not what decoders accept.
    """
    return write(message, message.type.for_seconds(message.seconds), base64text.encode)


def write(message: Message, type_: MessageType, encode: Callable[[bytes], bytes]) -> bytes:
    """The same with this type, whatever the timeout, and this base64 for the fields.

    Raises SpaError where a field is not what decoders accept.
    """
    _check_numbers(message)
    parts = [
        message.random.encode("ascii"),
        encode(_user(message.user)),
        str(message.sent_at).encode("ascii"),
        message.version.encode("ascii"),
        str(int(type_)).encode("ascii"),
        encode(_text(message.text, type_)),
    ]
    nat = _nat(message.nat, type_)
    if nat is not None:
        parts.append(encode(nat))
    if message.server_auth is not None:
        parts.append(encode(_auth(message.server_auth)))
    if type_.has_timeout:
        parts.append(str(message.seconds).encode("ascii"))
    encoded = b":".join(parts)
    return encoded + b":" + digest_text(message.digest, encoded)


def _check_numbers(message: Message) -> None:
    """Random value, time, version and timeout."""
    if not (len(message.random) == 16 and _is_ascii(message.random, str.isdecimal)):
        raise SpaError(errors.Code.INVALID_DATA_RAND_LEN_VALIDFAIL, "sixteen decimal digits")
    if not 0 <= message.sent_at <= _MAX_STAMP:
        raise SpaError(errors.Code.INVALID_DATA_TIMESTAMP_VALIDFAIL)
    version = message.version
    if not (1 <= len(version) <= 8 and _is_ascii(version, str.isprintable)) or ":" in version:
        raise SpaError(errors.Code.INVALID_DATA, "the version is 1 to 8 characters without a colon")
    if message.seconds < 0:
        raise SpaError(errors.Code.INVALID_DATA_CLIENT_TIMEOUT_NEGATIVE)
    if message.seconds > MAX_SECONDS:
        raise SpaError(errors.Code.DATA_TOO_LARGE, f"a timeout is at most {MAX_SECONDS} seconds")


def _is_ascii(text: str, kind: Callable[[str], bool]) -> bool:
    return text.isascii() and kind(text)


def _octets(text: str, limit: int, what: str) -> bytes:
    """The bytes of a field, where they stand for this text and no other."""
    try:
        octets = text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise SpaError(errors.Code.INVALID_DATA, f"{what} cannot be written as UTF-8") from None
    if octets.decode("utf-8", "surrogateescape") != text or b"\0" in octets:
        raise SpaError(errors.Code.INVALID_DATA, f"{what} would be read as something else")
    if len(octets) > limit:
        raise SpaError(errors.Code.DATA_TOO_LARGE, f"{what} is at most {limit} bytes long")
    return octets


def _user(user: str) -> bytes:
    if not user:
        raise SpaError(errors.Code.INVALID_DATA_USER_MISSING)
    octets = _octets(user, MAX_USER, "the user name")
    if not checks.is_user(octets[:1]):
        raise SpaError(errors.Code.INVALID_DATA_USER_FIRSTCHAR_VALIDFAIL)
    if not checks.is_user(octets):
        raise SpaError(errors.Code.INVALID_DATA_USER_REMCHAR_VALIDFAIL)
    return octets


def _text(text: str, type_: MessageType) -> bytes:
    if not text:
        raise SpaError(errors.Code.INVALID_DATA_MESSAGE_EMPTY)
    octets = _octets(text, MAX_MESSAGE, "the message")
    try:
        checks.check_text(text, type_)
    except checks.BadAddressError as error:
        raise SpaError(errors.Code.INVALID_ALLOW_IP, str(error)) from None
    except ValueError as error:
        command = type_ is MessageType.COMMAND
        code = (
            errors.Code.INVALID_SPA_COMMAND_MSG if command else errors.Code.INVALID_SPA_ACCESS_MSG
        )
        raise SpaError(code, str(error)) from None
    return octets


def _nat(nat: str | None, type_: MessageType) -> bytes | None:
    if nat is None:
        if type_.has_nat:
            raise SpaError(errors.Code.INCOMPLETE_SPA_DATA, "this type needs a NAT message")
        return None
    if not nat:
        raise SpaError(errors.Code.INVALID_DATA_NAT_EMPTY)
    if not type_.has_nat:
        raise SpaError(errors.Code.INVALID_DATA_MESSAGE_TYPE_VALIDFAIL, "it carries no NAT message")
    octets = _octets(nat, MAX_NAT, "the NAT message")
    from watchword.wire.spa.grammar import parse_nat  # noqa: PLC0415  (few runs need it)

    try:
        parse_nat(nat)
    except ValueError as error:
        raise SpaError(errors.Code.INVALID_SPA_NAT_ACCESS_MSG, str(error)) from None
    return octets


def _auth(text: str) -> bytes:
    if not text:
        raise SpaError(errors.Code.INVALID_DATA_SRVAUTH_MISSING)
    return _octets(text, MAX_AUTH, "server_auth")
