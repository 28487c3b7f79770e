"""Where a service is found that a server leads to from a port which comes of the packet.

In here: SECRET_PORTS of the rc file, and which port it is for a packet.
Not in here: the rule (model.secret_ports), connecting (service.tool.approach).
"""

from __future__ import annotations

from watchword.dialects.fwknop.client_settings import Given
from watchword.wire.spa.message import Message, MessageType

PORTS = "SECRET_PORTS"


def ports(text: str) -> tuple[int, int]:
    """``40000-59999``, as the server's stanza has it. Raises ValueError."""
    low, dash, high = text.replace(" ", "").partition("-")
    if not dash or not (low + high).isdecimal() or not (low + high).isascii():
        raise ValueError(f"{text!r} is not of the form 40000-59999")
    if len(low) > 5 or len(high) > 5 or not 1024 <= int(low) < int(high) <= 65535:
        raise ValueError(f"{text!r} is no range of ports")
    return int(low), int(high)


def port(settings: Given, message: Message, plaintext: bytes) -> int:
    """The port that leads to what a packet asks for; 0: it is where it always is."""
    if PORTS not in settings.elsewhere or message.type is not MessageType.ACCESS:
        return 0
    from watchword.model.secret_ports import assigned  # noqa: PLC0415  (few runs need it)
    from watchword.wire.spa.digests import plaintext_digest  # noqa: PLC0415
    from watchword.wire.spa.grammar import parse_access  # noqa: PLC0415

    _, [service, *others] = parse_access(message.text)
    if others:
        return 0  # the server refuses that, and says why
    return assigned(plaintext_digest(plaintext), service, ports(settings.elsewhere[PORTS]))


def told(message: Message, secret: int) -> str:
    """For whoever connects by himself; in the form of what fwknop says of random ports."""
    _, _, services = message.text.partition(",")
    where = f"{services.partition('/')[0]}/{secret}"
    return f"[+] Secret port '{secret}' on: '{where}' will grant access to: '{services}'"
