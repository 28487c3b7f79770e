"""Which packet a run makes, that of 2.6 or that of 1.9, and what the perl client says of one.

In here: the choice, what packets of 1.9 cannot have, the lines of the perl client.
Not in here: the packet itself (wire.spa.perl19), when a line is said (service.client.perl).

fwknop makes packets of 2.6, and those of 1.9 if asked. fwknop1 makes those of
1.9, because a server for which the perl client's options were written may know
no others, or, if it is newer, is set up for the perl client's keys (mode legacy);
it makes those of 2.6 as soon as something is asked for that 1.9 cannot say.
"""

from __future__ import annotations

from typing import Final

from watchword.dialects.fwknop.client_options import CommandLine
from watchword.dialects.fwknop.client_settings import AllowKind, Given
from watchword.dialects.fwknop.client_values import printable
from watchword.errors import OperatorError
from watchword.model.crypto import CipherMode, Digest
from watchword.wire.spa.message import Message, MessageType

MAX_PACKET: Final = 1500
"""Bytes; the default of --Max-packet-size."""

STARTING: Final = "[+] Starting fwknop client (SPA mode)..."
BUILDING: Final = "[+] Building encrypted Single Packet Authorization (SPA) message..."
ASKING: Final = (
    "[+] Enter an encryption key. This key must match a key in the file\n"
    "    /etc/fwknop/access.conf on the remote system.\n"
)
KEY_QUESTION: Final = "Encryption Key: "
AUTH_QUESTION: Final = "UNIX crypt() password: "

_DIGESTS: Final = (Digest.MD5, Digest.SHA1, Digest.SHA256)
_KINDS: Final = {
    MessageType.COMMAND: "command mode",
    MessageType.ACCESS: "access mode",
    MessageType.NAT_ACCESS: "NAT access mode",
    MessageType.TIMEOUT_ACCESS: "client timeout access mode",
    MessageType.TIMEOUT_NAT_ACCESS: "client timeout NAT access mode",
    MessageType.LOCAL_NAT_ACCESS: "local NAT access mode",
    MessageType.TIMEOUT_LOCAL_NAT_ACCESS: "client timeout local NAT access mode",
}


def is_old(line: CommandLine, settings: Given) -> bool:
    """Whether the packet is one of 1.9. Raises OperatorError for what it cannot have."""
    beyond = _beyond_perl(settings)
    asked = line.packet_version
    if asked is None:
        old = line.perl.wants_old_packet or (line.as_perl and not beyond)
    else:
        old = asked == "1.9"
    if old and beyond:
        raise OperatorError(
            f"A packet of 1.9 has no {beyond}.", hint="use --packet-version 2.6, or leave it out"
        )
    if not old and line.perl.wants_old_packet:
        raise OperatorError(
            "--Include-salted, --Include-equals and --Include-gpg-prefix belong to packets of 1.9.",
            hint="leave them out, or --packet-version 2.6",
        )
    return old


def check_signer(line: CommandLine, settings: Given) -> None:
    """fwknop1 sends no packet by GnuPG without a signature. Raises OperatorError."""
    signed = "GPG_SIGNER" in settings.elsewhere or line.perl.gpg_default_key
    if line.as_perl and not signed:
        raise OperatorError(
            "--gpg-recipient needs somebody who signs.",
            hint="name your key with --gpg-signing-key, or use --gpg-default-key",
        )


def _beyond_perl(settings: Given) -> str:
    """What these settings ask for that the perl client did not know; empty: nothing."""
    if settings.use_hmac:
        return "HMAC"
    if settings.mode not in (None, CipherMode.LEGACY, CipherMode.ASYMMETRIC):
        return f"encryption mode {settings.mode.name}"
    if settings.digest not in (None, *_DIGESTS):
        return f"digest {settings.digest.name.lower()}"
    allow = settings.allow
    if allow is not None and allow.kind is AllowKind.ADDRESS and ":" in allow.text:
        return "IPv6 address"
    return ""


def fields(message: Message, digest: str) -> str:
    """What the perl client prints of a packet; ``digest`` is the text of the inner digest."""
    rows = [
        ("Random data", message.random),
        ("Username", printable(message.user)),
        ("Timestamp", str(message.sent_at)),
        ("Version", message.version),
        ("Type", f"{int(message.type)} ({_KINDS[message.type]})"),
    ]
    if message.type is MessageType.COMMAND:
        rows.append(("Cmd", printable(message.text.partition(",")[2])))
    rows.append((f"{message.digest.name} sum", digest))
    block = "".join(f"        {f'{label}:':<16}{value}\n" for label, value in rows)
    return f"[+] Packet fields:\n\n{block}"


def sending(octets: int, address: str, carrier: str, port: int) -> str:
    return f"[+] Sending {octets} byte message to {address} over {carrier}/{port}..."


def nat_port(message: Message, port: int, *, old: bool) -> str:
    """Which port a random one has become, as scripts for the perl client look for it."""
    service = message.text.partition(",")[2]
    host, _, inner = (message.nat or "").partition(",")
    if not old:
        service = f"{service.partition('/')[0]}/{inner}"
    return f"[+] Requesting NAT access to {service} on {host} via port {port}"
