"""Which port a knock opens, for whoever goes there afterwards.

In here: asking for a port where a stanza names none, whether it covers one, the
port that a translated service has outside.
Not in here: what the packet says (client_request), connecting (service.tool.approach).
"""

from __future__ import annotations

from watchword.dialects.fwknop.client_settings import AllowKind, Given
from watchword.errors import OperatorError
from watchword.model.services import Proto, Service
from watchword.record import replace
from watchword.wire.spa.grammar import parse_access
from watchword.wire.spa.message import Message


def asking_for(settings: Given, port: int, stanza: str) -> Given:
    """Settings that ask for a TCP port: as they are if they do, else with it if they name none.

    Raises OperatorError: they ask for other ports.
    """
    wanted = f"tcp/{port}"
    if not settings.access:
        return replace(settings, access=wanted)
    if wanted in settings.access.split(",") or settings.nat_port == port:
        return settings
    raise OperatorError(
        f"{stanza} asks for {settings.access}, and the connection is to {wanted}",
        hint=f"add {wanted} to its ACCESS, or leave ACCESS out to have the port asked for",
    )


def first_tcp(settings: Given) -> int | None:
    """The first TCP port that is asked for; None: there is none to wait for."""
    for each in (settings.access or "").split(","):
        try:
            service = Service.parse(each)
        except ValueError:  # told when the packet is made
            continue
        if service.proto is Proto.TCP:
            return service.port
    return None


def outer_port(message: Message, port: int) -> int:
    """Where a service that was asked for by ``port`` is found: elsewhere if it is translated."""
    if message.nat is None:
        return port
    _, services = parse_access(message.text)
    return services[0].port


def family(settings: Given) -> int | None:
    """4 or 6 if only such an address is let in; None: whichever the packet comes from."""
    allow = settings.allow
    if allow is None or allow.kind is not AllowKind.ADDRESS:
        return None
    return 6 if ":" in allow.text else 4
