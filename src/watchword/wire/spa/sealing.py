"""From a message to a payload, with one credential (wire format, 11.4).

In here: encryption, the MAC, and the size that every server takes.
Not in here: the checks of the fields (composing), salt and random values:
the caller draws them, so that tests can give them.
"""

from __future__ import annotations

from watchword.model.crypto import Credential
from watchword.wire.spa import base64text, errors, rijndael
from watchword.wire.spa.composing import compose
from watchword.wire.spa.digests import packet_digest, plaintext_digest
from watchword.wire.spa.errors import SpaError
from watchword.wire.spa.lengths import RIJNDAEL_BELOW, SHORTEST
from watchword.wire.spa.mac import PREFIX, mac_of
from watchword.wire.spa.message import Message, MessageType

__all__ = ["packet_digest", "plaintext_digest", "seal"]


def seal(message: Message, credential: Credential, *, salt: bytes) -> bytes:
    """Write a message as the payload that travels, without terminator.

    Args:
        message: The type is adjusted to the timeout: ACCESS with seconds
            becomes TIMEOUT_ACCESS and the other way round (4.10). A command
            is sent without its seconds.
        credential: Key of 0 to 32 bytes, HMAC key of 1 to 136 bytes or none.
        salt: 8 bytes from a cryptographic source, new for every packet.

    Raises SpaError: a field, a key or the whole is not what decoders accept.
    """
    if len(salt) != rijndael.SALT_BYTES:
        raise ValueError("a salt is 8 bytes long")
    plaintext = compose(message)
    container = rijndael.encrypt(plaintext, credential.key, credential.mode, salt)
    body = base64text.encode(container)[len(PREFIX) :]
    mac = b""
    if credential.mac_key is not None:
        mac = base64text.encode(mac_of(body, credential.mac_key, credential.mac_digest))
    _check_size(len(body), len(mac), message.type)
    return body + mac


def _check_size(body: int, mac: int, type_: MessageType) -> None:
    """What is longer is taken for OpenPGP by those who receive it (chapter 9, 6.6).

    What is shorter nobody looks at; no message of these days comes to that. The
    library cuts the MAC off and puts the prefix on before it looks, the server
    looks at the whole payload, except where it expects commands.
    """
    library = body + len(PREFIX) if mac else body
    server = 0 if type_ is MessageType.COMMAND else body + mac
    if body + mac < SHORTEST:
        raise SpaError(
            errors.Code.INVALID_DATA_ENCRYPT_RESULT_MSGLEN_VALIDFAIL,
            f"{SHORTEST - body - mac} characters too short for a server to look at; use an HMAC",
        )
    if max(library, server) >= RIJNDAEL_BELOW:
        over = max(library, server) - RIJNDAEL_BELOW + 1
        raise SpaError(
            errors.Code.INVALID_DATA_ENCRYPT_RESULT_MSGLEN_VALIDFAIL,
            f"{over} characters too long for an encrypted packet; ask for less at once",
        )
