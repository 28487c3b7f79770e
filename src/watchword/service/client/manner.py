"""How a packet is made and spoken of, where the clients 2.6 and 1.9 differ.

In here: the manner of 2.6, and which of the two a run has.
Not in here: the manner of 1.9 (client_perl), what both do (client_send).
"""

from __future__ import annotations

from watchword.dialects.fwknop.client_options import CommandLine
from watchword.dialects.fwknop.client_perl import NO_PERL
from watchword.dialects.fwknop.client_request import Style, Wanted
from watchword.dialects.fwknop.client_settings import Given
from watchword.edges.send.sent import Sent
from watchword.model.routes import Route
from watchword.service.client.console import Console
from watchword.service.client.seal import Seal, seal_of
from watchword.wire.spa.message import Message

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


class Manner:
    """Everything as fwknop 2.6 does it."""

    limit: int | None = None
    """Bytes that a packet may have; None: as many as its form allows."""
    dumps_in_test = True
    """Whether -T shows the packet without -v."""

    def __init__(self, line: CommandLine, environment: Mapping[str, str], console: Console) -> None:
        self.line = line
        self.environment = environment
        self.console = console

    def settle(self, settings: Given) -> Given:
        """Settings in which every name that the packet has to carry is an address."""
        return settings

    def style(self) -> Style:
        """What the fields of the message look like."""
        return Style()

    def compose(self, message: Message) -> bytes:
        """The plaintext. Raises SpaError."""
        from watchword.wire.spa.composing import compose  # noqa: PLC0415  (after the checks)

        return compose(message)

    def seal(self, settings: Given) -> Seal:
        """Take the keys, or ask for them."""
        return seal_of(self.line, settings, self.environment, self.console)

    def packet_file(self) -> str | None:
        """Where a copy of the packet goes."""
        return self.line.packet_file

    def tell_port(self, found: Wanted) -> None:
        """Say which NAT port was drawn."""
        message = found.message
        self.console.say(
            f"[+] Randomly assigned port '{found.random_nat_port}' on: '{message.text}' "
            f"will grant access to: '{message.nat}'"
        )

    def tell_packet(self, message: Message, plaintext: bytes) -> None:
        """Show what was made, unasked."""

    def tell_sending(self, octets: int, sent: Sent, route: Route) -> None:
        """Say that it went out."""


def manner_of(
    line: CommandLine, settings: Given, environment: Mapping[str, str], console: Console
) -> Manner:
    """The manner of 2.6, unless something of the perl client is in play."""
    if not (line.as_perl or line.packet_version or line.perl != NO_PERL):
        return Manner(line, environment, console)
    from watchword.service.client.perl import PerlManner  # noqa: PLC0415  (few runs need it)

    return PerlManner(line, settings, environment, console)
