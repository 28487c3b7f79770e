"""What is done, asked and said where options of the perl client are in play.

In here: the manner of fwknop1, and of fwknop where it is given a perl option
that 2.6 has nothing for: names that are looked up, the UNIX password, packets
of 1.9, the perl client's lines.
Not in here: the wording and the choice of the packet (dialects.fwknop.client_perl_packet).
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from ipaddress import IPv4Address
from typing import Final

from watchword.dialects.fwknop import client_keys, client_perl_packet, client_request, client_values
from watchword.dialects.fwknop.client_dump import Sealing
from watchword.dialects.fwknop.client_options import CommandLine
from watchword.dialects.fwknop.client_request import Style, Wanted
from watchword.dialects.fwknop.client_settings import Allow, AllowKind, Given
from watchword.dialects.fwknop.client_verify import uses_gpg
from watchword.edges import randomness
from watchword.edges.free_ports import free_udp_port
from watchword.edges.send.names import looked_up
from watchword.edges.send.sent import NOT_SENT, Sent
from watchword.errors import Complaint, HostError, OperatorError
from watchword.model.crypto import CipherMode, Credential, Secret
from watchword.model.routes import Route
from watchword.record import replace
from watchword.service.client.console import Console
from watchword.service.client.files import home
from watchword.service.client.manner import Manner
from watchword.service.client.seal import Seal, asker, octets
from watchword.wire.spa.errors import SpaError
from watchword.wire.spa.mac import GPG_PREFIX, PREFIX
from watchword.wire.spa.message import Message
from watchword.wire.spa.opened import Opened
from watchword.wire.spa.opening import Lock, unseal
from watchword.wire.spa.perl19 import PERL_VERSION, compose_as_perl, seal_as_perl

_DRAWN: Final = (None, "udp")
"""Carriers whose source port fwknop1 draws. Raw ones draw their own, and of TCP ports that
were used a moment ago many cannot be taken again: there the system chooses."""


class PerlManner(Manner):
    """As the perl client does it, as far as it was asked for."""

    def __init__(
        self, line: CommandLine, settings: Given, environment: Mapping[str, str], console: Console
    ) -> None:
        """Raises OperatorError for a packet that cannot be."""
        super().__init__(line, environment, console)
        self._old = client_perl_packet.is_old(line, settings)
        self._gpg = uses_gpg(settings)
        if self._gpg:
            client_perl_packet.check_signer(line, settings)
        self._style: Style | None = None
        self.limit = line.perl.max_packet
        if line.as_perl:
            self.limit = self.limit or client_perl_packet.MAX_PACKET
            self.dumps_in_test = False

    def settle(self, settings: Given) -> Given:
        if self.line.as_perl:
            self.console.notice(client_perl_packet.STARTING)
            settings = self._as_perl_sends(settings)
        return self.with_addresses(settings)

    def _as_perl_sends(self, settings: Given) -> Given:
        if settings.source_port is not None or settings.proto not in _DRAWN or self.line.test:
            return settings
        port = free_udp_port(lambda: client_request.random_port(randomness.digits(16)))
        return replace(settings, source_port=port or None)

    def with_addresses(self, settings: Given) -> Given:
        """With every name looked up that has to be an address. Raises HostError."""
        allow = settings.allow
        if allow is not None and allow.kind is AllowKind.NAME:
            settings = replace(
                settings, allow=Allow(AllowKind.ADDRESS, self._looked_up(allow.text))
            )
        if self._old and settings.nat_local and not settings.nat_access and settings.server:
            host = client_values.server(settings.server).host
            settings = replace(settings, nat_access=self._looked_up(host))
        return settings

    def _looked_up(self, host: str) -> str:
        """A packet of the perl client has addresses and no names. Raises HostError."""
        try:
            return str(IPv4Address(host))
        except ValueError:
            if self.line.as_perl:
                self.console.notice(f"[+] Resolving hostname: {client_values.printable(host)}")
            return _ipv4_of(host)

    def style(self) -> Style:
        if self._style is None:
            self._style = self._asked_style()
        return self._style

    def _asked_style(self) -> Style:
        auth = None
        if self.line.perl.server_auth:
            said = asker(self.line)(client_perl_packet.AUTH_QUESTION)
            if not said:
                raise OperatorError(
                    "The UNIX password is empty: no packet was sent.",
                    hint="type it, or leave --Server-auth out",
                )
            auth = f"crypt,{said.decode('utf-8', 'surrogateescape')}"
        if self._old:
            return Style(PERL_VERSION, perl=True, server_auth=auth)
        return Style(server_auth=auth)

    def compose(self, message: Message) -> bytes:
        return compose_as_perl(message) if self._old else super().compose(message)

    def seal(self, settings: Given) -> Seal:
        if not self._old or self._gpg:
            seal = super().seal(settings)
        else:
            seal = PerlSeal(self.key(settings))
        if self.line.as_perl:
            self.console.notice(client_perl_packet.BUILDING)
        perl = self.line.perl
        prefix, kept = (GPG_PREFIX, perl.gpg_prefix) if self._gpg else (PREFIX, perl.salted)
        return Unshortened(seal, prefix, kept, perl.equals) if kept or perl.equals else seal

    def key(self, settings: Given) -> bytes:
        """The encryption key, which is asked for if it was not given. Raises OperatorError."""

        def others() -> tuple[str, ...]:
            if not settings.server:
                return ()
            return (_ipv4_of(client_values.server(settings.server).host),)

        key = octets(
            settings.key, settings, self.console, first=self.line.as_perl,
            others=others if self.line.as_perl else tuple,
        )  # fmt: skip
        if key is None:
            key = self._ask_for_key()
        return client_keys.check_key(key, CipherMode.CBC)

    def _ask_for_key(self) -> bytes:
        if not self.line.as_perl:
            return asker(self.line)("Enter encryption key: ")
        self.console.notice(client_perl_packet.ASKING)
        return asker(self.line)(client_perl_packet.KEY_QUESTION)

    def packet_file(self) -> str | None:
        named = super().packet_file()
        if named is not None or not self.line.perl.save_packet:
            return named
        folder = home(self.line, self.environment)
        if folder is None:
            raise OperatorError(
                "There is no home folder to save the packet in.", hint="use --Save-packet-file"
            )
        return os.path.join(folder, f"fwknop_save_packet.{os.getpid()}")

    def tell_port(self, found: Wanted) -> None:
        if self.line.as_perl and found.random_nat_port is not None:
            port = found.random_nat_port
            self.console.say(client_perl_packet.nat_port(found.message, port, old=self._old))
        else:
            super().tell_port(found)

    def tell_packet(self, message: Message, plaintext: bytes) -> None:
        if self.line.as_perl:
            digest = plaintext.decode("ascii").rpartition(":")[2]
            self.console.notice(client_perl_packet.fields(message, digest))

    def tell_sending(self, octets: int, sent: Sent, route: Route) -> None:
        if self.line.as_perl:
            said = client_perl_packet.sending(octets, sent.address, route.carrier, route.port)
            self.console.notice(said)


def _ipv4_of(host: str) -> str:
    """The first IPv4 address of a name. Raises HostError."""
    place = next((place for _, place in looked_up(host, 0, 4)), None)
    if place is None:
        raise HostError(
            f"error in getaddrinfo: no IPv4 address\n{NOT_SENT}",
            hint="give an IPv4 address, or the name of a host that has one",
        )
    return place[0]


class PerlSeal:
    """A packet of 1.9 under a passphrase."""

    def __init__(self, key: bytes) -> None:
        self._key = Secret(key)

    def seal(self, message: Message, _plaintext: bytes) -> bytes:
        try:
            return seal_as_perl(message, self._key, salt=randomness.salt())
        except SpaError as error:
            raise client_request.library_complaint(error) from None

    def open(self, payload: bytes) -> tuple[Opened, Sealing]:
        lock = Lock(Credential(self._key, CipherMode.LEGACY))
        return unseal(payload, lock), self.sealing()

    def sealing(self) -> Sealing:
        return Sealing(CipherMode.LEGACY, None)

    @property
    def mac_key(self) -> Secret | None:
        return None

    def remarks(self) -> Iterable[Complaint]:
        return client_keys.remarks(CipherMode.LEGACY, self._key, None)


class Unshortened:
    """Packets that keep what newer clients cut off, for servers that expect it there."""

    def __init__(self, inner: Seal, prefix: bytes, kept: bool, equals: bool) -> None:
        """``kept``: the prefix stays on; ``equals``: the ``=`` at the end do."""
        self._inner = inner
        self._prefix = prefix
        self._kept = kept
        self._equals = equals

    def seal(self, message: Message, plaintext: bytes) -> bytes:
        text = self._prefix + self._inner.seal(message, plaintext)
        if self._equals:
            text += b"=" * (-len(text) % 4)
        return text if self._kept else text[len(self._prefix) :]

    def open(self, payload: bytes) -> tuple[Opened, Sealing]:
        return self._inner.open(payload.removeprefix(self._prefix).rstrip(b"="))

    def sealing(self) -> Sealing:
        return self._inner.sealing()

    @property
    def mac_key(self) -> Secret | None:
        return self._inner.mac_key

    def remarks(self) -> Iterable[Complaint]:
        return self._inner.remarks()
