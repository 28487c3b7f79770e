"""From verified settings to a packet on its way: steps 8 to 10 of client, section 1.

In here: what is asked of whom in which order, the dumps, sending.
Not in here: everything before the packet (client), keys and encryption
(client_seal, client_gpg).
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from watchword.dialects.fwknop import client_request, client_values
from watchword.dialects.fwknop.client_option_table import Family
from watchword.dialects.fwknop.client_options import CommandLine
from watchword.dialects.fwknop.client_request import Wanted
from watchword.dialects.fwknop.client_settings import (
    DEFAULT_PORT,
    AllowKind,
    Given,
)
from watchword.edges import randomness, send, send_file
from watchword.edges.login import login_name
from watchword.errors import HostError
from watchword.record import record, replace
from watchword.service.client_console import Console
from watchword.service.client_seal import Seal, seal_of
from watchword.wire.spa.composing import compose
from watchword.wire.spa.errors import SpaError
from watchword.wire.spa.message import Message

if TYPE_CHECKING:
    from watchword.dialects.fwknop.client_dump import Sealing


@record
class Packet:
    """A sealed message with everything that a dump shows of it."""

    message: Message
    plaintext: bytes
    payload: bytes


def knock(
    line: CommandLine, settings: Given, environment: Mapping[str, str], console: Console
) -> int:
    """Build the packet, show and keep it as asked, send it. Raises OperatorError, HostError."""
    Knocker(line, settings, environment, console).knock()
    return 0


class Knocker:
    """Verified settings with which to knock, once or again and again."""

    def __init__(
        self,
        line: CommandLine,
        settings: Given,
        environment: Mapping[str, str],
        console: Console,
    ) -> None:
        self.line = line
        self.settings = settings
        self._environment = environment
        self._console = console
        self._seal: Seal | None = None
        self._located: dict[Family, Given] = {}

    def knock(self, address: str | None = None) -> Packet:
        """Send a new packet; keys are asked for before the first.

        Args:
            address: The one of the server's addresses that it goes to, or, where the carrier
                finds its own way, whose family it is to take; None: the first that there is
                a way to.

        Raises OperatorError, HostError: nothing was sent.
        """
        line, console = self.line, self._console
        if address is not None:
            line = replace(line, family=Family.SIX if ":" in address else Family.FOUR)
        settings = self._located_settings(line)
        verbose = bool(settings.verbose)
        message = _message(line, settings, self._environment, console)
        plaintext = _compose(message)
        seal = self._seal or seal_of(line, settings, self._environment, console)
        packet = Packet(message, plaintext, seal.seal(message, plaintext))
        if verbose or line.test:
            console.say(_dump(packet, seal.sealing(), decoded=False))
        _keep(line, packet.payload, console)
        _transmit(line, settings, packet.payload, console, address)
        if line.test:
            _show_decoded(seal, packet, console, verbose=verbose)
        elif self._seal is None and (verbose or console.attended):
            # The original says nothing of it, and what scripts see stays as it is.
            for each in seal.remarks():
                console.remark(each)
        self._seal = seal
        return packet

    def _located_settings(self, line: CommandLine) -> Given:
        """The settings with our address in them, which is found out once for each family."""
        allow = self.settings.allow
        if allow is None or allow.kind is not AllowKind.RESOLVE:
            return self.settings
        from watchword.service.client_whereabouts import located  # noqa: PLC0415  (few runs)

        if line.family not in self._located:
            # What cannot be asked for is said before anybody hears of us.
            _wanted(line, self.settings, self._environment)
            self._located[line.family] = located(line, self.settings, self._console)
        return self._located[line.family]


def _message(
    line: CommandLine, settings: Given, environment: Mapping[str, str], console: Console
) -> Message:
    found = _wanted(line, settings, environment)
    message = found.message
    allow = settings.allow
    if allow is not None and allow.kind is AllowKind.ADDRESS and ":" in allow.text:
        console.warn(
            "[-] WARNING: an IPv6 allow address is understood by Watchword servers only; "
            "fwknopd refuses the packet."
        )
    if found.random_nat_port is not None:
        console.say(
            f"[+] Randomly assigned port '{found.random_nat_port}' on: '{message.text}' "
            f"will grant access to: '{message.nat}'"
        )
    return message


def _wanted(line: CommandLine, settings: Given, environment: Mapping[str, str]) -> Wanted:
    draw = client_request.Draw(
        randomness.digits(16), client_request.random_port(randomness.digits(16))
    )
    person = client_request.Person(environment, login_name())
    return client_request.wanted(settings, line.command, person, time.time(), draw)


def _compose(message: Message) -> bytes:
    """The plaintext. Everything wrong with a field is said here, before anybody is asked a key."""
    try:
        return compose(message)
    except SpaError as error:
        raise client_request.library_complaint(error, message) from None


def _dump(packet: Packet, sealing: Sealing, *, decoded: bool) -> str:
    from watchword.dialects.fwknop import client_dump  # noqa: PLC0415  (few runs dump)

    return client_dump.fields(
        packet.message, packet.plaintext, packet.payload, sealing, decoded=decoded
    )


def _keep(line: CommandLine, payload: bytes, console: Console) -> None:
    """Write the packet to the file of -B; that this fails is said and does no more."""
    if line.packet_file is None:
        return
    write = send_file.append_private if line.append else send_file.write_private
    try:
        write(Path(line.packet_file), payload + b"\n")
    except HostError as error:
        console.warn(f"write_spa_packet_data: {error}")


def _transmit(
    line: CommandLine,
    settings: Given,
    payload: bytes,
    console: Console,
    address: str | None = None,
) -> None:
    host = address or client_values.server(settings.server).host if settings.server else ""
    port = destination_port(line, settings)
    verbose = bool(settings.verbose)
    if verbose:
        _tell_transmission(settings, port, host, console)
    octets = 0
    if line.test:
        console.say("test mode enabled, SPA packet not actually sent.")
    else:
        sent = send.send_udp(
            payload, host, port, family=_family(line, settings),
            source_port=settings.source_port or 0,
        )  # fmt: skip
        octets = sent.octets
        if verbose:
            _tell_address(sent.address, console)
    if verbose:
        console.say(f"send_spa_packet: bytes sent: {octets}")


def _tell_transmission(settings: Given, port: int, host: str, console: Console) -> None:
    from watchword.dialects.fwknop import client_dump  # noqa: PLC0415  (few runs dump)

    block = client_dump.transmission("udp", settings.source_port, port, host or "<NULL>")
    console.say(block.removesuffix("\n"))


def _tell_address(address: str, console: Console) -> None:
    from watchword.dialects.fwknop import client_dump  # noqa: PLC0415  (few runs dump)

    console.say(client_dump.address(address).removesuffix("\n"))


def destination_port(line: CommandLine, settings: Given) -> int:
    """Where the packet goes: a port beside the server's name is nearer to it than another."""
    if settings.rand_port:
        return client_request.random_port(randomness.digits(16))
    if line.given.server_port is not None:
        return line.given.server_port
    written = client_values.server(settings.server).port if settings.server else None
    return written or (DEFAULT_PORT if settings.server_port is None else settings.server_port)


def _family(line: CommandLine, settings: Given) -> int | None:
    if line.family is Family.ANY:
        return 4 if settings.only_ipv4 else None
    return 4 if line.family is Family.FOUR else 6


def _show_decoded(seal: Seal, packet: Packet, console: Console, *, verbose: bool) -> None:
    """Open the packet again, as its server will."""
    opened, sealing = seal.open(packet.payload)
    if verbose:
        again = Packet(opened.message, opened.plaintext, packet.payload)
        console.say("\nDump of the Decoded Data")
        console.say(_dump(again, sealing, decoded=True))
