"""From verified settings to a packet on its way: steps 8 to 10 of client, section 1.

In here: what is asked of whom in which order, the dumps, sending.
Not in here: everything before the packet (client), keys and encryption
(client_seal, client_gpg).
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from watchword.dialects.fwknop import client_request, client_routes
from watchword.dialects.fwknop.client_options import CommandLine
from watchword.dialects.fwknop.client_perl import NO_PERL
from watchword.dialects.fwknop.client_request import Wanted
from watchword.dialects.fwknop.client_settings import AllowKind, Given
from watchword.edges import randomness, send, send_file
from watchword.edges.login import login_name
from watchword.edges.send.sent import Sent
from watchword.errors import HostError, OperatorError
from watchword.model.routes import Route
from watchword.record import record, replace
from watchword.service.client_console import Console
from watchword.service.client_manner import Manner
from watchword.service.client_seal import Seal
from watchword.wire.spa.errors import SpaError
from watchword.wire.spa.message import Message

if TYPE_CHECKING:
    from watchword.dialects.fwknop.client_dump import Sealing


_OCTETS: Final = 4  # times -v: the bytes of the packet are shown


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
        *,
        carry: send.Carry | None = None,
    ) -> None:
        """``carry`` sends the packets; None: as the routes say."""
        self.line = line
        self.settings = settings
        self._environment = environment
        self._console = console
        self._carry = carry or send.send
        self._manner = _manner(line, settings, environment, console)
        self._seal: Seal | None = None
        self._kept = line.append
        self._nat_port = _random_port()
        self._last: Packet
        self._located: dict[int | None, Given] = {}

    def knock(self, address: str | None = None) -> Packet:
        """Send a new packet, or several where several ways are to be tried; return the last.

        Keys are asked for before the first.

        Args:
            address: The one of the server's addresses that it goes to, unless a relay
                finds the way; None: the first that there is a way to.

        Raises OperatorError, HostError: nothing was sent.
        """
        line = self.line
        settings = self._with_addresses()
        routes = client_routes.routes(line, settings, self._environment, _random_port)
        if address is not None:
            routes = tuple(_pinned(route, address) for route in routes)
        if not line.test:
            for route in routes:
                send.require(route)
        spread = bool(settings.every_address) and address is None and not line.test
        if spread or settings.via is not None:
            from watchword.service.client_journey import travel  # noqa: PLC0415  (few runs)

            listed = settings.via is not None
            travel(routes, self._dispatch, self._console, listed=listed, spread=spread)
        else:
            self._dispatch(routes[0], confirm=False)
        return self._last

    def _with_addresses(self) -> Given:
        """The settings with every name looked up that the packet has to carry as an address."""
        if self._seal is None:
            self.settings = self._manner.settle(self.settings)
        return self.settings

    def _dispatch(self, route: Route, *, confirm: bool) -> Sent | None:
        """Make a new packet and send it; in test mode, only show it and open it again."""
        line, console, manner = self.line, self._console, self._manner
        settings = self._settled(route.family)
        verbose = bool(settings.verbose)
        first = self._seal is None
        message = self._message(settings, tell=first)
        plaintext = _compose(manner, message)
        seal = self._seal or manner.seal(settings)
        self._seal = seal
        packet = Packet(message, plaintext, seal.seal(message, plaintext))
        manner.tell_packet(message, plaintext)
        if verbose or (line.test and manner.dumps_in_test):
            console.detail(_dump(packet, seal.sealing(), decoded=False))
        if (settings.verbose or 0) >= _OCTETS:
            console.detail(_octets_of(packet))
        _check_size(manner, packet.payload)
        self._last = packet
        self._keep(packet.payload)
        carry = None if line.test else self._carry
        sent = _transmit(route, packet.payload, console, verbose, confirm=confirm, carry=carry)
        if sent is not None:
            manner.tell_sending(len(packet.payload), sent, route)
        if line.test:
            _show_decoded(seal, packet, console, verbose=verbose)
        elif first and (verbose or (console.attended and not console.quiet)):
            # The original says nothing of it, and what scripts see stays as it is.
            for each in seal.remarks():
                console.remark(each)
        return sent

    def _settled(self, family: int | None) -> Given:
        """The settings with our address in them, which is found out once for each family."""
        allow = self.settings.allow
        if allow is None or allow.kind is not AllowKind.RESOLVE:
            return self.settings
        if family not in self._located:
            from watchword.service.client_whereabouts import located  # noqa: PLC0415  (few runs)

            self._wanted(self.settings)  # what is wrong is said before anybody hears of us
            self._located[family] = located(self.line, self.settings, family, self._console)
        return self._located[family]

    def _wanted(self, settings: Given) -> Wanted:
        # One port for all tries, so that the one which is announced is the one which opens.
        draw = client_request.Draw(randomness.digits(16), self._nat_port)
        person = client_request.Person(self._environment, login_name())
        if self.line.perl.spoofed:
            person = client_request.Person({}, "root")  # who else could send such a packet?
        style = self._manner.style()
        return client_request.wanted(
            settings, self.line.command, person, time.time(), draw, style=style
        )

    def _message(self, settings: Given, *, tell: bool) -> Message:
        """A new message. What the user has to know of it is said if ``tell``."""
        found = self._wanted(settings)
        allow = settings.allow
        if tell and allow is not None and allow.kind is AllowKind.ADDRESS and ":" in allow.text:
            self._console.warn(
                "[-] WARNING: an IPv6 allow address is understood by Watchword servers only; "
                "fwknopd refuses the packet."
            )
        if tell and found.random_nat_port is not None:
            self._manner.tell_port(found)
        return found.message

    def _keep(self, payload: bytes) -> None:
        """Write the packet to the file of -B; that this fails is said and does no more."""
        path = self._manner.packet_file()
        if path is None:
            return
        write = send_file.append_private if self._kept else send_file.write_private
        self._kept = True
        try:
            write(path, payload + b"\n")
        except HostError as error:
            self._console.warn(f"write_spa_packet_data: {error}")


def _random_port() -> int:
    return client_request.random_port(randomness.digits(16))


def _pinned(route: Route, address: str) -> Route:
    """The route to one address. A relay finds its own way."""
    if route.relay is not None:
        return route
    return replace(route, address=address, family=6 if ":" in address else 4)


def _manner(
    line: CommandLine, settings: Given, environment: Mapping[str, str], console: Console
) -> Manner:
    """The manner of 2.6, unless something of the perl client is in play."""
    if not (line.as_perl or line.packet_version or line.perl != NO_PERL):
        return Manner(line, environment, console)
    from watchword.service.client_perl import PerlManner  # noqa: PLC0415  (few runs need it)

    return PerlManner(line, settings, environment, console)


def _compose(manner: Manner, message: Message) -> bytes:
    """The plaintext. Everything wrong with a field is said here, before anybody is asked a key."""
    try:
        return manner.compose(message)
    except SpaError as error:
        raise client_request.library_complaint(error, message) from None


def _check_size(manner: Manner, payload: bytes) -> None:
    if manner.limit is not None and len(payload) > manner.limit:
        raise OperatorError(
            f"The packet has {len(payload)} bytes, and --Max-packet-size is {manner.limit}: "
            "it was not sent.",
            hint="ask for less in one packet, or allow more",
        )


def _dump(packet: Packet, sealing: Sealing, *, decoded: bool) -> str:
    from watchword.dialects.fwknop import client_dump  # noqa: PLC0415  (few runs dump)

    return client_dump.fields(
        packet.message, packet.plaintext, packet.payload, sealing, decoded=decoded
    )


def _transmit(
    route: Route,
    payload: bytes,
    console: Console,
    verbose: bool,
    *,
    confirm: bool,
    carry: send.Carry | None,
) -> Sent | None:
    """Send by ``carry``; without it only say what would be sent."""
    if verbose:
        _tell_transmission(route, console)
    sent = None
    if carry is not None:
        sent = carry(payload, route, confirm=confirm)
        if sent.sign and not (sent.confirmed or confirm or console.quiet):
            console.warn(f"[*] {sent.sign}; whether the packet arrived is not known")
    elif route.carrier.web:
        if verbose and route.host:
            from watchword.edges.send import web  # noqa: PLC0415  (few runs need it)

            console.say(web.shown(payload, route))
        console.say("Test mode enabled, SPA packet not actually sent.")
    else:
        console.say("test mode enabled, SPA packet not actually sent.")
    if verbose:
        if sent:
            _tell_address(sent.address, console)
        console.say(f"send_spa_packet: bytes sent: {sent.octets if sent else 0}")
    return sent


def _tell_transmission(route: Route, console: Console) -> None:
    from watchword.dialects.fwknop import client_dump  # noqa: PLC0415  (few runs dump)

    relay = str(route.relay) if route.relay else ""
    block = client_dump.transmission(
        route.carrier, route.source_port, route.port, route.host, relay
    )
    console.say(block.removesuffix("\n"))


def _tell_address(address: str, console: Console) -> None:
    from watchword.dialects.fwknop import client_dump  # noqa: PLC0415  (few runs dump)

    console.say(client_dump.address(address).removesuffix("\n"))


def _octets_of(packet: Packet) -> str:
    from watchword.dialects.fwknop import client_dump  # noqa: PLC0415  (few runs dump)

    return client_dump.octets(packet.payload)


def _show_decoded(seal: Seal, packet: Packet, console: Console, *, verbose: bool) -> None:
    """Open the packet again, as its server will."""
    opened, sealing = seal.open(packet.payload)
    if verbose:
        again = Packet(opened.message, opened.plaintext, packet.payload)
        console.detail("\nDump of the Decoded Data")
        console.detail(_dump(again, sealing, decoded=True))
