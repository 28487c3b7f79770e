"""From verified settings to a packet on its way: steps 8 to 10 of client, section 1.

In here: what is asked of whom in which order, sending.
Not in here: everything before the packet (client), keys and encryption
(client_seal, client_gpg), what is shown of a packet (client_shown).
"""

from __future__ import annotations

import time

from watchword.dialects.fwknop import client_request, client_routes
from watchword.dialects.fwknop.client_options import CommandLine
from watchword.dialects.fwknop.client_request import Wanted
from watchword.dialects.fwknop.client_settings import AllowKind, Given
from watchword.edges import randomness, send
from watchword.edges.login import login_name
from watchword.edges.send.sent import Sent
from watchword.errors import HostError, OperatorError
from watchword.model.routes import Route
from watchword.record import record, replace
from watchword.service.client.console import Console
from watchword.service.client.manner import Manner, manner_of
from watchword.service.client.seal import Seal
from watchword.wire.spa.errors import SpaError
from watchword.wire.spa.message import Message

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Final

    from watchword.model.crypto import Secret

_OCTETS: Final = 4  # times -v: the bytes of the packet are shown


@record
class Packet:
    """A sealed message with everything that a dump shows of it."""

    message: Message
    plaintext: bytes
    payload: bytes
    secret: int = 0
    """The port that leads to what it asks for; 0: none does (SECRET_PORTS)."""


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
        self._manner = manner_of(line, settings, environment, console)
        self._seal: Seal | None = None
        self._kept = line.append
        self._nat_port = _random_port()
        self._last: Packet
        self._located: dict[int | None, Given] = {}
        self._also: dict[int | None, tuple[str, ...]] = {}
        self.from_port = 0
        """Of this machine's, that connections come from, for grants that are to be for just that
        port; 0: from any."""

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
            from watchword.service.client.journey import travel  # noqa: PLC0415  (few runs)

            listed = settings.via is not None
            travel(routes, self._dispatch, self._console, listed=listed, spread=spread)
        else:
            self._dispatch(routes[0], confirm=False)
        return self._last

    @property
    def mac_key(self) -> Secret | None:
        """The HMAC key of the packets that were sent; None: they have none."""
        return self._seal.mac_key if self._seal is not None else None

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
        message = self._message(settings, self._own(route.family), tell=first)
        plaintext = _compose(manner, message)
        seal = self._seal or manner.seal(settings)
        self._seal = seal
        secret = _secret_port(settings, message, plaintext)
        packet = Packet(message, plaintext, seal.seal(message, plaintext), secret)
        manner.tell_packet(message, plaintext)
        self._show(packet, seal)
        _check_size(manner, packet.payload)
        self._last = packet
        self._keep(packet.payload)
        if line.test:
            self._rehearse(packet, seal, route)
            return None
        sent = self._transmit(packet.payload, route, confirm=confirm)
        manner.tell_sending(len(packet.payload), sent, route)
        if secret:
            from watchword.dialects.fwknop.client_secret import told  # noqa: PLC0415  (few runs)

            console.say(told(message, secret))
        if first and (verbose or (console.attended and not console.quiet)):
            # The original says nothing of it, and what scripts see stays as it is.
            for each in seal.remarks():
                console.remark(each)
        return sent

    def _show(self, packet: Packet, seal: Seal) -> None:
        level = self.settings.verbose or 0
        if level or (self.line.test and self._manner.dumps_in_test):
            from watchword.service.client import shown as client_shown  # noqa: PLC0415  (few runs show it)

            octets = level >= _OCTETS
            client_shown.show(packet, seal.sealing(), self._console, octets=octets)

    def _rehearse(self, packet: Packet, seal: Seal, route: Route) -> None:
        """What -T does instead of sending."""
        from watchword.service.client import shown as client_shown  # noqa: PLC0415  (few runs need it)

        verbose = bool(self.settings.verbose)
        client_shown.rehearse(packet.payload, route, self._console, verbose=verbose)
        client_shown.show_opened(packet.payload, seal, self._console, verbose=verbose)

    def _transmit(self, payload: bytes, route: Route, *, confirm: bool) -> Sent:
        console = self._console
        if self.settings.verbose:
            from watchword.service.client import shown as client_shown  # noqa: PLC0415  (few runs show it)

            client_shown.show_way(route, console)
        sent = self._carry(payload, route, confirm=confirm)
        if sent.sign and not (sent.confirmed or confirm or console.quiet):
            console.warn(f"[*] {sent.sign}; whether the packet arrived is not known")
        if self.settings.verbose:
            client_shown.show_sent(sent, console)
        return sent

    def _settled(self, family: int | None) -> Given:
        """The settings with our address in them, which is found out once for each family."""
        allow = self.settings.allow
        if allow is None or allow.kind is not AllowKind.RESOLVE:
            return self.settings
        if family not in self._located:
            from watchword.service.client.whereabouts import located  # noqa: PLC0415  (few runs)

            self._wanted(self.settings)  # what is wrong is said before anybody hears of us
            self._located[family] = located(self.line, self.settings, family, self._console)
        return self._located[family]

    def _wanted(self, settings: Given, own: client_request.Own = client_request.ANYWHERE) -> Wanted:
        # One port for all tries, so that the one which is announced is the one which opens.
        draw = client_request.Draw(randomness.digits(16), self._nat_port)
        person = client_request.Person(self._environment, login_name())
        if self.line.perl.spoofed:
            person = client_request.Person({}, "root")  # who else could send such a packet?
        style = self._manner.style()
        return client_request.wanted(
            settings, self.line.command, person, time.time(), draw, style=style, own=own
        )

    def _own(self, family: int | None) -> client_request.Own:
        """Where we connect from. What that is is found out once for each IP version."""
        also: tuple[str, ...] = ()
        if "ALSO_ALLOW" in self.settings.elsewhere:
            if family not in self._also:
                from watchword.service.client.also import addresses  # noqa: PLC0415  (few runs)

                self._also[family] = addresses(self.settings, family, self._console)
            also = self._also[family]
        return client_request.Own(self.from_port, also)

    def _message(self, settings: Given, own: client_request.Own, *, tell: bool) -> Message:
        """A new message. What the user has to know of it is said if ``tell``."""
        found = self._wanted(settings, own)
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
        from watchword.edges import send_file  # noqa: PLC0415  (few runs need it)

        write = send_file.append_private if self._kept else send_file.write_private
        self._kept = True
        try:
            write(path, payload + b"\n")
        except HostError as error:
            self._console.warn(f"write_spa_packet_data: {error}")


def _secret_port(settings: Given, message: Message, plaintext: bytes) -> int:
    if "SECRET_PORTS" not in settings.elsewhere:
        return 0
    from watchword.dialects.fwknop import client_secret  # noqa: PLC0415  (few runs have them)

    return client_secret.port(settings, message, plaintext)


def _random_port() -> int:
    return client_request.random_port(randomness.digits(16))


def _pinned(route: Route, address: str) -> Route:
    """The route to one address. A relay finds its own way."""
    if route.relay is not None:
        return route
    return replace(route, address=address, family=6 if ":" in address else 4)


def _compose(manner: Manner, message: Message) -> bytes:
    """The plaintext. Everything wrong with a field is said here, before anybody is asked a key."""
    try:
        return manner.compose(message)
    except SpaError as error:
        raise client_request.library_complaint(error) from None


def _check_size(manner: Manner, payload: bytes) -> None:
    if manner.limit is not None and len(payload) > manner.limit:
        raise OperatorError(
            f"The packet has {len(payload)} bytes, and --Max-packet-size is {manner.limit}: "
            "it was not sent.",
            hint="ask for less in one packet, or allow more",
        )
