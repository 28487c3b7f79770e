"""Knocks until a port answers.

In here: which address is knocked at and connected to, when a new packet is sent,
what is said when nothing helps.
Not in here: stanzas (caller), packets (client_send), sockets (edges.dial).

The knock and the connection take the same address of the server, for a grant is
for the address that the packet came from, and a machine has one of each family.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Sequence
from itertools import chain, repeat
from typing import Final

from watchword.dialects.fwknop import client_ports
from watchword.dialects.fwknop.client_option_table import Family
from watchword.edges import dial
from watchword.edges.dial import Answer, Heard
from watchword.errors import HostError, OperatorError
from watchword.record import record
from watchword.service.client.console import Console, first_line
from watchword.service.client.send import Knocker, Packet
from watchword.service.tool import bound, proving, renewal
from watchword.service.tool.bound import Binding
from watchword.service.tool.caller import Called

_ROUNDS: Final = (2.0, 3.0)  # seconds that a packet has before another one is sent; then the last
_PAUSES: Final = (0.25, 0.5, 1.0, 2.0)  # seconds after a front has hung up; then the last
_STUBBORN: Final = 1.0  # seconds after a packet in which a refusal is taken for a firewall's
_AT_ONCE: Final = 0.3  # seconds for a port that may be open already


@record
class Reached:
    connection: socket.socket
    address: str
    port: int


class Approach:
    """A stanza, and a port behind it to get to."""

    def __init__(
        self,
        called: Called,
        knocker: Knocker,
        console: Console,
        target: str,
        port: int | None,
        *,
        binds: bool = False,
    ) -> None:
        """``called`` is verified and asks for ``port``; ``target`` is whom to connect to.

        Without a port only ``knock`` makes sense. ``binds``: it is this connection that counts, so
        a grant may be bound to it where the stanza says so, and it may have to prove itself.
        """
        self._called = called
        self._knocker = knocker
        self._console = console
        self._target = target
        self._port = port or 0
        self._proves = binds and called.proves
        self._binding: Binding | None = None
        if binds and called.is_bound:
            self._binding = Binding(knocker, console, only=called.only_bound)

    @property
    def renewal_pause(self) -> float:
        """Seconds after which the grant had better be renewed."""
        return renewal.pause(self._called.settings.seconds)

    def without_knocking(self) -> Reached | None:
        """The connection, if the port answers at once."""
        for address in self.addresses():
            answer = dial.dial(address, self._port, _AT_ONCE)
            if answer.connection is not None:
                return self._reached(answer.connection, address, self._port)
        return None

    def knock(self, address: str | None = None) -> None:
        """Send a packet and wait for nothing.

        Args:
            address: The one of the target's that the grant is for; None: whichever there
                is a way to.

        Raises OperatorError, HostError: nothing was sent.
        """
        self._knocker.knock(None if address is None else self.place_of_knock(address))

    def knock_and_connect(self, seconds: float) -> Reached:
        """Knock, and again with a new packet while nobody answers.

        Raises OperatorError, HostError: nothing was sent, or no answer came in time.
        """
        end = time.monotonic() + seconds
        addresses = list(self.addresses())
        heard: dict[str, Answer] = {}
        pauses = chain(_PAUSES, repeat(_PAUSES[-1]))
        for patience in chain(_ROUNDS, repeat(_ROUNDS[-1])):
            for address in list(addresses):
                left = end - time.monotonic()
                if left <= 0:
                    raise self._failure(heard, seconds)
                answer, port = self._round(address, min(patience, left))
                if answer.connection is not None:
                    return self._reached(answer.connection, address, port)
                heard[address] = answer
                if answer.heard in (Heard.NO_WAY, Heard.REFUSAL):
                    addresses.remove(address)
                elif answer.reason == proving.HUNG_UP:
                    time.sleep(max(0.0, min(next(pauses), end - time.monotonic())))
            if not addresses:
                break
        raise self._failure(heard, seconds)

    def _round(self, address: str, seconds: float) -> tuple[Answer, int]:
        """One packet, and what comes of it."""
        if self._binding is not None and self._binding.is_due(address):
            return self._bound_round(self._binding, address, seconds), self._port
        if self._binding is not None:
            self._binding.passed_over(address)
        try:
            packet = self._knocker.knock(self.place_of_knock(address))
        except HostError as error:  # of one family, as a rule; the other may do
            return Answer(Heard.NO_WAY, reason=first_line(error)), self._port
        port = packet.secret or client_ports.outer_port(packet.message, self._port)
        self._say(f"knocked; trying {address} port {port}")
        answer = dial.dial(address, port, seconds, stubborn=_STUBBORN)
        return self._proved(answer, packet), port

    def _bound_round(self, binding: Binding, address: str, seconds: float) -> Answer:
        place = self.place_of_knock(address)

        def knock() -> Packet:
            packet = self._knocker.knock(place)
            port = self._knocker.from_port
            self._say(f"knocked; trying {address} port {self._port} from port {port}")
            return packet

        answer, packet = binding.round(
            address, self._port, seconds, stubborn=_STUBBORN, knock=knock
        )
        if packet is None:
            return answer
        proved = self._proved(answer, packet)
        if proved.reason == proving.HUNG_UP:
            binding.unproved(address)
        return proved

    def _proved(self, answer: Answer, packet: Packet) -> Answer:
        """The connection with its first bytes said, where the stanza wants that."""
        if not self._proves or answer.connection is None:
            return answer
        return proving.prove(answer, self._knocker, packet)

    def addresses(self) -> Sequence[str]:
        """Those of the target that a grant can be for, in the system's order.

        Raises OperatorError: there can be none; HostError: there is none.
        """
        wanted = {Family.FOUR: 4, Family.SIX: 6}.get(self._called.line.family)
        if wanted is None and self._called.settings.only_ipv4:
            wanted = 4
        granted = client_ports.family(self._called.settings)
        if wanted and granted and wanted != granted:
            raise OperatorError(
                f"IPv{wanted} is to be used, and {self._called.title} has an IPv{granted} "
                "address let in",
                hint="let in -s (the packet's own source), or change the one or the other",
            )
        return dial.addresses(self._target, wanted or granted)

    def place_of_knock(self, address: str) -> str | None:
        """Where the packet for a connection to ``address`` goes; None: wherever there is a way.

        That is so where a relay finds the way, and where the packet says who is to be let
        in, so that it does not matter where it comes from.
        """
        if self._called.settings.relay is not None:
            return None
        host = self._called.server
        if host.lower() == self._target.lower():
            return address
        if client_ports.family(self._called.settings) is not None:
            return None
        return dial.addresses(host, 6 if ":" in address else 4)[0]

    def _reached(self, connection: socket.socket, address: str, port: int) -> Reached:
        self._say(f"connected to {address} port {port}")
        return Reached(connection, address, port)

    def _say(self, text: str) -> None:
        if self._called.settings.verbose:
            self._console.say(text)

    def _failure(self, heard: dict[str, Answer], seconds: float) -> HostError:
        tried = ", ".join(heard) or "no address"
        kinds = {each.heard for each in heard.values()}
        what = f"{self._target} port {self._port}"
        doctor = (
            f"watchword doctor {self._called.stanza or self._target} {self._port} looks for why"
        )
        if self._called.only_bound:
            doctor = f"{bound.FAILED}; {doctor}"
        if self._proves and any(each.reason == proving.HUNG_UP for each in heard.values()):
            return HostError(
                f"{what} {proving.HUNG_UP} to the proof ({tried})",
                hint="on the server, the stanza needs PROVE Y, and watchword front to be there",
            )
        if Heard.REFUSAL in kinds:
            return HostError(
                f"{what} refuses connections ({tried})",
                hint="nothing listens there, or a firewall resets what it does not let through",
            )
        if kinds == {Heard.NO_WAY}:
            why = "; ".join(dict.fromkeys(each.reason for each in heard.values()))
            return HostError(f"there is no way from here to {what} ({tried}): {why}", hint=doctor)
        return HostError(
            f"{what} did not answer within {seconds:g} seconds of knocking ({tried})", hint=doctor
        )
