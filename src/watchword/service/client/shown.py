"""What ``-v`` and ``-T`` show of a packet and of its way (client, section 12).

In here: the packet's fields, its bytes, the transmit block, the packet opened again.
Not in here: what these look like (dialects.fwknop.client_dump), sending (client_send).

Only runs that show something load it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from watchword.dialects.fwknop import client_dump
from watchword.service.client.console import Console

if TYPE_CHECKING:
    from watchword.dialects.fwknop.client_dump import Sealing
    from watchword.edges.send.sent import Sent
    from watchword.model.routes import Route
    from watchword.service.client.seal import Seal
    from watchword.service.client.send import Packet


def show(packet: Packet, sealing: Sealing, console: Console, *, octets: bool) -> None:
    """The fields of a packet; with ``octets``, also what travels, byte for byte."""
    message, plaintext, payload = packet.message, packet.plaintext, packet.payload
    console.detail(client_dump.fields(message, plaintext, payload, sealing, decoded=False))
    if octets:
        console.detail(client_dump.octets(payload))


def show_way(route: Route, console: Console) -> None:
    """Where a packet is about to go."""
    relay = str(route.relay) if route.relay else ""
    block = client_dump.transmission(
        route.carrier, route.source_port, route.port, route.host, relay
    )
    console.say(block.removesuffix("\n"))


def show_sent(sent: Sent, console: Console) -> None:
    """Which address was taken, and how much went there."""
    console.say(client_dump.address(sent.address).removesuffix("\n"))
    console.say(_bytes_sent(sent.octets))


def rehearse(payload: bytes, route: Route, console: Console, *, verbose: bool) -> None:
    """In place of sending: what would be sent, and that it was not."""
    if verbose:
        show_way(route, console)
    if not route.carrier.web:
        console.say("test mode enabled, SPA packet not actually sent.")
    else:
        if verbose and route.host:
            from watchword.edges.send import web  # noqa: PLC0415  (few runs need it)

            console.say(web.shown(payload, route))
        console.say("Test mode enabled, SPA packet not actually sent.")
    if verbose:
        console.say(_bytes_sent(0))


def show_opened(payload: bytes, seal: Seal, console: Console, *, verbose: bool) -> None:
    """Open the packet again, as its server will. Raises OperatorError if it does not open."""
    opened, sealing = seal.open(payload)
    if verbose:
        console.detail("\nDump of the Decoded Data")
        console.detail(
            client_dump.fields(opened.message, opened.plaintext, payload, sealing, decoded=True)
        )


def _bytes_sent(count: int) -> str:
    return f"send_spa_packet: bytes sent: {count}"
