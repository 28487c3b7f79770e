"""Asks a STUN server for our address, over UDP.

In here: sending the question again, waiting for the answer that is ours.
Not in here: the messages (wire.whereabouts.stun).
"""

from __future__ import annotations

import secrets
import socket
from contextlib import closing
from typing import Final

from watchword.edges.whereabouts.reaching import SECONDS, Deadline, connected
from watchword.errors import HostError
from watchword.model.addresses import Address
from watchword.model.whereabouts import Stun
from watchword.wire.whereabouts import claims, stun

_FIRST_WAIT: Final = 0.5  # seconds (RFC 8489, 6.2.1); each wait is twice the one before
_LONGEST: Final = 2048  # bytes of a datagram; an answer has some hundred


def ask(server: Stun, version: int, *, seconds: float = SECONDS) -> Address:
    """The address that a server sees us under.

    Args:
        version: 4 or 6: over which family we ask, and what the answer has to be.

    Raises HostError, PeerError.
    """
    deadline = Deadline(seconds)
    channel = connected(server.host, server.port, version, socket.SOCK_DGRAM, deadline)
    with closing(channel):
        return claims.usable(_exchange(channel, deadline), version)


def _exchange(channel: socket.socket, deadline: Deadline) -> Address:
    """The same question, again and again: whichever is answered, it was ours."""
    transaction = secrets.token_bytes(stun.TRANSACTION_BYTES)
    question = stun.question(transaction)
    wait = _FIRST_WAIT
    while True:
        turn = Deadline(deadline.left(wait))
        try:
            channel.send(question)
            return _first_answer(channel, transaction, turn)
        except TimeoutError:
            wait *= 2
        except OSError as error:
            raise HostError(f"the STUN server: {error.strerror or error}") from error


def _first_answer(channel: socket.socket, transaction: bytes, turn: Deadline) -> Address:
    """Whatever else arrives is passed over. Raises TimeoutError when the turn is over."""
    while True:
        try:
            channel.settimeout(turn.left())
        except HostError:
            raise TimeoutError from None
        address = stun.answer(channel.recv(_LONGEST), transaction)
        if address is not None:
            return address
