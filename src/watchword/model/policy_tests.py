"""What an operator expects of the own policy: requests, and what has to come of them."""

from __future__ import annotations

from watchword.errors import Place
from watchword.model.addresses import Address
from watchword.model.reasons import Reason
from watchword.model.requests import AccessWish, CommandWish
from watchword.record import record


@record
class PolicyTest:
    """One request that may never come, and the answer that it would have to get."""

    place: Place
    granted: bool
    """What is expected."""
    source: Address
    """Where the packet comes from."""
    wish: AccessWish | CommandWish
    reason: Reason | None = None
    """Why it has to be refused; None: for whatever reason, or it is to be granted."""
    lasting: int | None = None
    """Seconds that the grant has to last; None: however long."""
    stanza: int | None = None
    """Whose key seals it; None: each stanza's in turn, as if the caller had all keys."""
    user: str | None = None
    """The name in the packet; None: one that the stanza wants."""
    allow: Address | None = None
    """Whom the packet names; None: "the address it came from"."""
    destination: Address | None = None
    """Which address of ours it is sent to; None: not known."""
    seconds: int = 0
    """Duration that is asked for; 0: none."""
    aged: int = 0
    """Seconds between its time stamp and its arrival; negative: from the future."""
    at: float | None = None
    """When it arrives, Unix seconds; None: at a time at which no stanza has expired."""
