"""The first bytes of a connection to a service that has a front: they prove whose it is.

In here: saying them, and hearing the answer.
Not in here: what they are (wire.proof), the other side (service.front).
"""

from __future__ import annotations

import hmac
import socket
import time
from contextlib import suppress
from typing import Final

from watchword.edges.dial import Answer, Heard
from watchword.errors import OperatorError
from watchword.service.client.send import Knocker, Packet
from watchword.wire.proof import ANSWER, Proof

PATIENCE: Final = 5.0
"""Seconds for the answer."""
HUNG_UP: Final = "has another answer than a front has, or none"


def prove(answer: Answer, knocker: Knocker, packet: Packet) -> Answer:
    """The same connection, ready for the service; or a silence: it is not let through.

    What is sent proves that we have sent the packet. What comes back proves that the server has
    read it, before anything of ours goes over the connection.

    Raises OperatorError: there is no HMAC key.
    """
    connection = answer.connection
    if connection is None:
        return answer
    if knocker.mac_key is None:
        connection.close()
        raise OperatorError(
            "PROVE needs an HMAC key, from which the proof is made",
            hint="add HMAC_KEY_BASE64 to the stanza, on both sides",
        )
    proof = Proof.of_packet(knocker.mac_key, packet.plaintext)
    heard = b""
    with suppress(OSError):
        connection.settimeout(PATIENCE)
        connection.sendall(proof.message)
        heard = _heard(connection, time.monotonic() + PATIENCE)
    if hmac.compare_digest(heard, proof.answer):
        connection.settimeout(None)
        return answer
    connection.close()
    return Answer(Heard.SILENCE, reason=HUNG_UP)


def _heard(connection: socket.socket, end: float) -> bytes:
    """As much of an answer as there is. Raises OSError: nothing more came in time."""
    heard = b""
    while len(heard) < ANSWER:
        connection.settimeout(max(0.001, end - time.monotonic()))
        octets = connection.recv(ANSWER - len(heard))
        if not octets:
            break
        heard += octets
    return heard
