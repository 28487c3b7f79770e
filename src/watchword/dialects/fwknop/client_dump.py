"""What ``-T`` and ``-v`` show of a packet (client, section 12).

In here: the field dump and the transmit block, letter for letter.
Not in here: when they are shown (service.client.command).
"""

from __future__ import annotations

from collections.abc import Iterable

from watchword.dialects.fwknop.client_values import printable
from watchword.dialects.fwknop.rcfile_write import mode_name
from watchword.model.crypto import CipherMode, Digest
from watchword.record import record
from watchword.wire.spa.digests import TEXT_LENGTH
from watchword.wire.spa.message import Message

_ABSENT = "<NULL>"
_UNSHOWN = "(not shown: it holds a password)"
_WIDTH = 15  # of the labels in the dump
_TRANSMIT_WIDTH = 20


@record
class Sealing:
    """How a packet was sealed, as far as a dump shows it."""

    mode: CipherMode
    mac_digest: Digest | None
    """None: there is no HMAC."""
    gpg: tuple[tuple[str, str], ...] = ()
    """The rows about keys and signature; empty for a symmetric packet."""


def fields(
    message: Message, plaintext: bytes, payload: bytes, sealing: Sealing, *, decoded: bool
) -> str:
    """The dump of one packet.

    Args:
        message: What was sealed or opened.
        plaintext: What was encrypted, digest included.
        payload: What travels.
        decoded: True for the second dump, whose final data lacks the HMAC.
    """
    encoded, _, digest = plaintext.decode("ascii").rpartition(":")
    kind = sealing.mac_digest
    chars = 0 if kind is None else TEXT_LENGTH[kind]
    text = payload.decode("ascii")
    body, mac = text[: len(text) - chars], text[len(text) - chars :]
    rows = (
        ("Random Value", message.random),
        ("Username", printable(message.user)),
        ("Timestamp", str(message.sent_at)),
        ("FKO Version", message.version),
        ("Message Type", f"{int(message.type)} ({message.type.display})"),
        ("Message String", printable(message.text)),
        ("Nat Access", message.nat or _ABSENT),
        ("Server Auth", _UNSHOWN if message.server_auth else _ABSENT),
        ("Client Timeout", str(message.seconds)),
        ("Digest Type", f"{int(message.digest)} ({message.digest.name})"),
        ("HMAC Type", "0 (None)" if kind is None else f"{int(kind)} ({kind.name})"),
        ("Encryption Type", "2 (GPG)" if sealing.gpg else "1 (Rijndael)"),
        ("Encryption Mode", f"{int(sealing.mode)} ({mode_name(sealing.mode)})"),
        *sealing.gpg,
        ("Encoded Data", _UNSHOWN if message.server_auth else encoded),
        ("SPA Data Digest", digest),
        ("HMAC", mac or _ABSENT),
        ("Final SPA Data", body if decoded else text),
    )
    return "SPA Field Values:\n=================\n" + _block(rows, _WIDTH)


def octets(payload: bytes) -> str:
    """What travels, byte for byte: offset, sixteen bytes in hexadecimal, the same as text."""
    rows = []
    for at in range(0, len(payload), 16):
        part = payload[at : at + 16]
        text = "".join(chr(octet) if 0x20 <= octet < 0x7F else "." for octet in part)
        rows.append(f"{at:08x}  {part.hex(' '):<47}  {text}\n")
    return "Bytes of the packet:\n" + "".join(rows)


def transmission(proto: str, source_port: int | None, port: int, host: str, relay: str = "") -> str:
    """The block that announces the sending. ``relay``: whom it goes through, if anybody."""
    rows = (
        ("protocol", proto),
        ("source port", str(source_port) if source_port else "<OS assigned>"),
        ("destination port", str(port)),
        ("IP/host", printable(host)),
        *((("proxy", relay),) if relay else ()),
    )
    return "Generating SPA packet:\n" + _block(rows, _TRANSMIT_WIDTH)


def address(text: str) -> str:
    """One more line of that block: which of the host's addresses was taken."""
    return _block((("address", text),), _TRANSMIT_WIDTH)


def _block(rows: Iterable[tuple[str, str]], width: int) -> str:
    return "".join(f"{label:>{width}}: {value}\n" for label, value in rows)
