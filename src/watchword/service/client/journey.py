"""Which of a packet's routes are taken, in which order, and what is said of them.

In here: lists of carriers that are tried until one is confirmed, several
addresses of one name.
Not in here: making and sending a packet (client_send), what confirms one
(edges.send).

A packet counts once, wherever it is seen, so each try has a new one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, Protocol

from watchword.edges import send
from watchword.edges.send.sent import NOT_SENT, UNKNOWN, Sent
from watchword.errors import HostError
from watchword.model.routes import Route
from watchword.record import replace
from watchword.service.client.console import Console

_FRAME: Final = re.compile(r"^send_spa_packet\w*: (?:Could not create socket: )?")


class Dispatch(Protocol):
    """Makes a new packet and sends it along a route; None: only shown, in test mode."""

    def __call__(self, route: Route, *, confirm: bool) -> Sent | None: ...


def travel(
    routes: Sequence[Route], dispatch: Dispatch, console: Console, *, listed: bool, spread: bool
) -> None:
    """Send along the routes.

    Args:
        listed: They are a list to be tried in order until one is confirmed, and each
            try is told of. A carrier that cannot be confirmed does not end it. If
            not, there is one, and nothing is said.
        spread: Send to each address of the server's name.

    Raises HostError: nothing went out at all.
    """
    tries = _Tries(dispatch, console)
    if not listed:
        [route] = routes
        tries.send(_addressed(route) if spread else [route], confirm=False)
        return
    for route in routes:
        if tries.send(_addressed(route) if spread else [route], confirm=True):
            return
    tries.sum_up()


class _Tries:
    """What has been tried so far."""

    def __init__(self, dispatch: Dispatch, console: Console) -> None:
        self._dispatch = dispatch
        self._console = console
        self._sent: list[Route] = []
        self._tested = False

    def send(self, routes: Sequence[Route], *, confirm: bool) -> bool:
        """Send along all of these; True if one of them is confirmed.

        Raises HostError if it is for the only try there is.
        """
        confirmed = False
        failed: HostError | None = None
        for route in routes:
            try:
                sent = self._dispatch(route, confirm=confirm)
            except HostError as error:
                failed = error
                if confirm or len(routes) > 1:
                    self._console.warn(f"[-] {route}: {_told(error)}")
                continue
            self._note(route, sent, tell=confirm)
            confirmed = confirmed or (sent is not None and sent.confirmed)
        if failed and not confirm and not self._sent and not self._tested:
            raise failed
        return confirmed

    def sum_up(self) -> None:
        """Say what the whole list came to; nothing of it was confirmed."""
        if self._tested:
            return
        if not self._sent:
            raise HostError(
                f"send_spa_packet: none of the ways in the list works\n{NOT_SENT}",
                hint="each is told of above; -v says more",
            )
        ways = ", ".join(str(route) for route in self._sent)
        self._console.notice(f"[*] sent by {ways}; nothing confirms that it arrived")

    def _note(self, route: Route, sent: Sent | None, *, tell: bool) -> None:
        if sent is None:
            self._tested = True
            return
        self._sent.append(route)
        if tell:
            mark, what = ("[+]", "confirmed") if sent.confirmed else ("[*]", "sent")
            self._console.notice(f"{mark} {route}: {what}: {sent.sign}")


def _addressed(route: Route) -> list[Route]:
    """The route, once for each address of its server. Raises HostError if it has none."""
    return [replace(route, address=address) for address in send.addresses(route)]


def _told(error: HostError) -> str:
    """An error in one line, without what fwknop puts around it."""
    lines = [line for line in str(error).splitlines() if line not in (NOT_SENT, UNKNOWN)]
    text = "; ".join(_FRAME.sub("", line) for line in lines)
    return f"{text} ({error.hint})" if error.hint else text
