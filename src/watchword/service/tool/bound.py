"""A connection that its grant is bound to: by the port that it comes from.

In here: the port, the packet that declares it, and how often that is tried before something wider
is asked for.
Not in here: connections from a port (edges.own_port), rounds without one (approach).

What a server does with a packet it does not say. That somebody on the way gives connections another
port is seen by nobody answering, and so is a packet that was lost. So a second port is tried before
anything is given up: whoever can make us lose one packet shall not have us ask for more than we
need. Where a front hangs up, the packet may not have been taken, though the port is open by what
somebody else was granted: that counts the same. From then on both are asked for in turn, because a
server that wants a port may only have been slow.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from watchword.edges.dial import Answer, Heard
from watchword.edges.own_port import OwnPort
from watchword.errors import HostError
from watchword.service.client.console import Console, first_line
from watchword.service.client.send import Knocker, Packet

ROUNDS: Final = 2
"""Ports that are tried before a grant for the whole address is asked for."""
PATIENCE: Final = 1.5
"""Seconds for each: the kernel tries again after one."""


class Binding:
    """How one connection asks for a grant that is bound to it."""

    def __init__(self, knocker: Knocker, console: Console, *, only: bool) -> None:
        """``only``: nothing wider is ever asked for."""
        self._knocker = knocker
        self._console = console
        self._only = only
        self._tried: dict[str, int] = {}
        self._wider: dict[str, int] = {}

    def is_due(self, address: str) -> bool:
        """Whether the next round for an address is bound to a port."""
        return self._only or self._tried.get(address, 0) < ROUNDS + self._wider.get(address, 0)

    def passed_over(self, address: str) -> None:
        """A round was not bound: the next one is."""
        self._wider[address] = self._wider.get(address, 0) + 1

    def round(
        self,
        address: str,
        port: int,
        seconds: float,
        *,
        stubborn: float,
        knock: Callable[[], Packet],
    ) -> tuple[Answer, Packet | None]:
        """One packet that declares a port, and what comes of connections from there.

        No packet: it could not be sent.
        """
        try:
            own = OwnPort(address, port)
        except HostError as error:
            return Answer(Heard.NO_WAY, reason=first_line(error)), None
        early = own.announce()
        self._knocker.from_port = own.number
        try:
            packet = knock()
        except HostError as error:
            own.close()
            return Answer(Heard.NO_WAY, reason=first_line(error)), None
        finally:
            self._knocker.from_port = 0
        if early is not None and early.connection is not None:  # it is open to everybody here
            return early, packet
        answer = own.dial(min(seconds, PATIENCE), stubborn=stubborn)
        if answer.connection is None:
            self._failed(
                address,
                f"connections from port {own.number} of this machine are not answered: a "
                "translator on the way may change the port, or the server binds no grants",
            )
        return answer, packet

    def unproved(self, address: str) -> None:
        """The port was open, and the front did not take the packet that declared ours."""
        self._failed(
            address,
            "a grant to one port of this machine is not proved: the server may bind no grants, or "
            "be slow",
        )

    def _failed(self, address: str, why: str) -> None:
        self._tried[address] = tried = self._tried.get(address, 0) + 1
        if not self._only and tried == ROUNDS:
            self._console.warn(
                f"watchword: {why}; asking for a grant to the whole address "
                "(BIND_SOURCE_PORT first)"
            )


FAILED: Final = (
    "BIND_SOURCE_PORT only asks for nothing wider: if a translator on the way changes the port "
    "that you connect from, it has to be BIND_SOURCE_PORT first"
)
