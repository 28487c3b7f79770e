"""Looks at everything about a knock that can be seen from the client.

In here: the name, the clocks, the port before and after, the packet on its way.
Not in here: what it means (diagnosis), the rc file (tool_doctor).

The packet is an ordinary one. Nobody but the server is asked anything, unless the
caller names somebody who knows the time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, NamedTuple

from watchword.dialects.fwknop import client_ports
from watchword.edges import dial, send
from watchword.edges.dial import Answer, Heard
from watchword.edges.path import Sending
from watchword.edges.send import datagram
from watchword.edges.send.sent import Sent
from watchword.errors import HostError, OperatorError
from watchword.model.routes import Carrier, Route
from watchword.service.client.console import Console, first_line
from watchword.service.doctor.diagnosis import Seen
from watchword.service.tool.approach import Approach
from watchword.service.tool.caller import Called

_GLANCE: Final = 1.0  # seconds for what answers at once or not at all
_STUBBORN: Final = 1.0  # seconds after the packet in which a refusal is taken for a firewall's


class _Knock(NamedTuple):
    """What became of the packet."""

    port: int | None
    """That is to open."""
    packet: bytes = b""
    after: Answer | None = None
    """At that port; None: it was not tried."""
    not_sent: str = ""
    """Why; empty: it was sent."""


class Examination:
    """One knock, and everything that can be seen of it."""

    def __init__(
        self, called: Called, console: Console, host: str, port: int | None, clock: str | None
    ) -> None:
        """``called`` is verified and asks for ``port``; ``clock`` is who else knows the time."""
        self._called = called
        self._host = host
        self._port = port
        self._clock = clock
        self._route: Route | None = None
        self._sending: Sending | None = None
        self._knocker = called.knocker(console, carry=self._carry)
        self._approach = Approach(called, self._knocker, console, called.target(host), port)

    def look(self, seconds: float) -> tuple[Seen, Sequence[str]]:
        """Knock once, and wait so long for the port. Also returns the target's addresses.

        Raises HostError: the name has no address. Raises OperatorError: nothing can be sent,
        or there is nobody to compare clocks with.
        """
        compare = self._comparison()
        addresses = self._approach.addresses()
        address, before = addresses[0], None
        with ThreadPoolExecutor(1) as beside:
            clock = beside.submit(compare, address)
            if self._port is not None:
                address, before = self._first_that_has_a_way(addresses, self._port)
        knock = self._knock(address, seconds)
        # Where the port was waited for, objections have come by now.
        wait = _GLANCE if knock.after is None else 0.0
        passage = self._sending.passage(wait) if self._sending else None
        route = self._route
        seen = Seen(
            host=self._host,
            server=self._called.server,
            carrier=str(route.carrier) if route else "",
            server_port=route.port if route else 0,
            address=address,
            port=knock.port,
            before=before.heard if before else None,
            after=knock.after.heard if knock.after else None,
            passage=passage,
            not_sent=knock.not_sent,
            clock=clock.result(),
            clock_of=self._clock or self._called.server,
            moved=self._called.settings.time_offset or 0,
            packet=knock.packet.decode("ascii", "replace"),
            digest=hashlib.sha256(knock.packet).hexdigest() if knock.packet else "",
        )
        return seen, addresses

    def _knock(self, address: str, seconds: float) -> _Knock:
        """Send the packet, and wait so long for the port."""
        try:
            knocked = self._knocker.knock(self._approach.place_of_knock(address))
        except HostError as error:
            return _Knock(self._port, not_sent=first_line(error))
        kept = self._sending is not None and self._sending.kept
        if self._port is None or kept:
            return _Knock(self._port, knocked.payload)
        port = knocked.secret or client_ports.outer_port(knocked.message, self._port)
        after = dial.dial(address, port, seconds, stubborn=_STUBBORN)
        _hang_up(after)
        return _Knock(port, knocked.payload, after)

    def _first_that_has_a_way(self, addresses: Sequence[str], port: int) -> tuple[str, Answer]:
        answer = Answer(Heard.NO_WAY)
        for address in addresses:
            answer = dial.dial(address, port, _GLANCE)
            _hang_up(answer)
            if answer.heard is not Heard.NO_WAY:
                return address, answer
        return addresses[0], answer

    def _comparison(self) -> Callable[[str], float | None]:
        """What says how far the other clock is ahead, given the server's address."""
        from watchword.edges import other_clocks  # noqa: PLC0415  (loads slowly)

        if self._clock is None:
            return self._by_server
        if "://" in self._clock:
            server = other_clocks.web_server(self._clock)
            return lambda _: other_clocks.by_web(server, 3 * _GLANCE)
        try:
            other = dial.addresses(self._clock)[0]
        except HostError as error:
            raise OperatorError(f"--clock: {error}", hint=error.hint) from None
        return lambda _: other_clocks.by_sntp(other, 3 * _GLANCE)

    def _by_server(self, address: str) -> float | None:
        from watchword.edges import other_clocks  # noqa: PLC0415  (loads slowly)

        ahead = other_clocks.by_sntp(address, _GLANCE)
        if ahead is None:
            ahead = other_clocks.by_web_of(address, 80, self._called.server, _GLANCE)
        return ahead

    def _carry(self, payload: bytes, route: Route, *, confirm: bool) -> Sent:
        """As the client sends, but listening for objections where that is possible."""
        self._route = route
        if route.carrier is not Carrier.UDP or not route.address:
            return send.send(payload, route, confirm=confirm)
        self._sending = Sending(payload, route.address, route.port, route.source_port)
        sign = datagram.NOTHING if confirm else ""
        return Sent(route.address, route.port, len(payload), sign=sign)


def _hang_up(answer: Answer) -> None:
    if answer.connection is not None:
        answer.connection.close()
