"""One question of STUN, and its answer (RFC 8489): which address does a server see?

In here: the binding request, reading what comes back.
Not in here: sockets, sending again (edges.whereabouts), random values (an argument).

Anybody can send a datagram. One that does not repeat the 96 random bits of our
question is not ours, and neither is one whose FINGERPRINT is wrong. Nothing
authenticates the server itself: whoever can read the question on its way can
answer it.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from watchword.errors import PeerError
from watchword.model.addresses import Address

TRANSACTION_BYTES: Final = 12
"""Bytes of random that a question is told by."""
PORT: Final = 3478

_COOKIE: Final = 0x2112A442
_REQUEST, _SUCCESS, _FAILURE = 0x0001, 0x0101, 0x0111
_ERROR_CODE, _XOR_MAPPED, _FINGERPRINT = 0x0009, 0x0020, 0x8028
_OPTIONAL_FROM: Final = 0x8000
_KNOWN: Final = frozenset(range(0x000C)) | {0x0014, 0x0015, 0x001C, _XOR_MAPPED}
"""Attributes that need no understanding: those of RFC 3489, and those that would prove who asks."""
_FINGERPRINT_MASK: Final = 0x5354554E
_HEAD: Final = struct.Struct("!HHI12s")
_ATTRIBUTE: Final = struct.Struct("!HH")
_FAMILIES: Final = {(1, 4): 4, (2, 16): 6}


def question(transaction: bytes) -> bytes:
    """A binding request with a FINGERPRINT, 28 bytes.

    Args:
        transaction: Twelve random bytes, new for each question.
    """
    head = _HEAD.pack(_REQUEST, 8, _COOKIE, transaction)
    return head + _ATTRIBUTE.pack(_FINGERPRINT, 4) + _fingerprint(head)


def answer(datagram: bytes, transaction: bytes) -> Address | None:
    """The address that an answer gives; None: this is no answer to our question.

    Raises PeerError: it is one, and has no address.
    """
    if len(datagram) < _HEAD.size:
        return None
    kind, length, cookie, named = _HEAD.unpack_from(datagram)
    if (cookie, named) != (_COOKIE, transaction) or kind not in (_SUCCESS, _FAILURE):
        return None
    if length % 4 or len(datagram) != _HEAD.size + length:
        return None
    attributes = list(_attributes(datagram))
    if not _intact(datagram, attributes):
        return None
    if kind == _FAILURE:
        raise PeerError(f"the STUN server refuses: error {_error_code(attributes)}")
    return _address(attributes, datagram)


def _attributes(datagram: bytes) -> Iterator[tuple[int, bytes, int]]:
    """Type, value and place of each attribute. Raises PeerError where one leads outside."""
    at = _HEAD.size
    while at < len(datagram):
        kind, length = _ATTRIBUTE.unpack_from(datagram, at)
        value = datagram[at + 4 : at + 4 + length]
        if len(value) < length:
            raise PeerError("an attribute of the STUN answer is cut off")
        yield kind, value, at
        at += 4 + (length + 3) // 4 * 4


def _intact(datagram: bytes, attributes: list[tuple[int, bytes, int]]) -> bool:
    """Whether the FINGERPRINT is right and comes last, if there is one."""
    prints = [each for each in attributes if each[0] == _FINGERPRINT]
    if not prints:
        return True
    _, value, at = prints[0]
    return at + 8 == len(datagram) and value == _fingerprint(datagram[:at])


def _fingerprint(before: bytes) -> bytes:
    return (zlib.crc32(before) ^ _FINGERPRINT_MASK).to_bytes(4, "big")


def _error_code(attributes: list[tuple[int, bytes, int]]) -> str:
    for kind, value, _ in attributes:
        if kind == _ERROR_CODE and len(value) >= 4:
            return f"{value[2] & 7}{value[3] % 100:02}"
    return "without a number"


def _address(attributes: list[tuple[int, bytes, int]], datagram: bytes) -> Address:
    for kind, _, _ in attributes:
        if kind < _OPTIONAL_FROM and kind not in _KNOWN:
            raise PeerError(f"the STUN answer needs attribute {kind:#06x} to be understood")
    for kind, value, _ in attributes:
        if kind == _XOR_MAPPED:
            return _unmasked(value, datagram)
    raise PeerError("the STUN answer has no XOR-MAPPED-ADDRESS")


def _unmasked(value: bytes, datagram: bytes) -> Address:
    family = value[1] if len(value) >= 2 else 0
    masked = value[4:]
    version = _FAMILIES.get((family, len(masked)))
    if version is None:
        raise PeerError("the address in the STUN answer is of no known family")
    mask = datagram[4 : 4 + len(masked)]  # the cookie, and for IPv6 the transaction after it
    octets = bytes(one ^ other for one, other in zip(masked, mask, strict=True))
    return IPv4Address(octets) if version == 4 else IPv6Address(octets)
