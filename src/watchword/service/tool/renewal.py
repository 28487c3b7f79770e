"""Renews a grant before it ends.

In here: how often, and what becomes of a packet that cannot be sent.
Not in here: packets (approach), who waits (edges.takeover, tool_connect).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from watchword.errors import WatchwordError
from watchword.service.client.console import Console, first_line

if TYPE_CHECKING:
    from watchword.edges.takeover import Wait

_USUAL: Final = 30  # seconds; fwknopd's grant, unless either side says otherwise
_PART: Final = 2 / 3  # of a grant; the rest is for a packet that gets lost, and another one


def pause(asked_for: int | None) -> float:
    """Seconds between packets for a grant of so many; None or 0: the server decides."""
    return max(1.0, (asked_for or _USUAL) * _PART)


def renew(knock: Callable[[], None], seconds: float, wait: Wait, console: Console) -> None:
    """Knock every so many seconds until waiting says that it is over.

    A packet that cannot be sent is told of, and the next one is sent all the same: networks
    come back.
    """
    while wait(seconds):
        try:
            knock()
        except WatchwordError as error:
            console.warn(f"watchword: warning: the grant was not renewed: {first_line(error)}")
