"""What the gate writes to the hand: a number, and an order or a reply.

In here: both as bytes, written and read. Not in here: what an order says (wire.orders).
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from typing import Any, Final

from watchword.errors import PeerError
from watchword.model.orders import Order
from watchword.service.asking import LARGEST
from watchword.wire import orders, orders_read

_HEAD: Final = struct.Struct("!cQ")
_ORDER, _REPLY = b"o", b"r"


@dataclass(frozen=True, slots=True)
class Letter:
    """An order; or, where it is None, the reply to a question that was asked of the gate."""

    number: int
    order: Order | None
    reply: dict[str, Any] | None = None


def order(number: int, what: Order) -> bytes:
    return _HEAD.pack(_ORDER, number) + orders.encode(what)


def reply(number: int, answer: dict[str, object]) -> bytes:
    return _HEAD.pack(_REPLY, number) + json.dumps(answer).encode("ascii")


def read(octets: bytes) -> Letter:
    """Raises PeerError: it is neither."""
    if len(octets) < _HEAD.size:
        raise PeerError("a message without a head")
    kind, number = _HEAD.unpack_from(octets)
    body = octets[_HEAD.size :]
    if kind == _ORDER:
        return Letter(number, orders_read.decode(body))
    if kind != _REPLY or len(body) > LARGEST:
        raise PeerError("a message of no kind")
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise PeerError("a reply that cannot be read") from error
    if not isinstance(answer, dict):
        raise PeerError("a reply that is none")
    return Letter(number, None, answer)
