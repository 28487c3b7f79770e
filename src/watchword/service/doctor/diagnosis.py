"""Says in one sentence what keeps a knock from working, from what could be seen of it.

In here: what can be seen (``Seen``), what is the matter (``Trouble``), in words with a
remedy. Nothing here looks at anything: the same sight has the same diagnosis.
Not in here: looking (service.doctor.examination), options and printing (service.tool.doctor).

What is certain comes before what is likely, and what cannot be told from the client is
said to be so.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from watchword.dialects.fwknop.client_values import OFFSET_LIMIT
from watchword.edges.dial import Heard
from watchword.edges.path import Objection, Passage
from watchword.record import record

TOLERANCE: Final = 120.0  # seconds that a time stamp may be off, unless the server says otherwise
_REPLAY: Final = "while it is fresh, whoever has its text could send it before the server sees it"


class Trouble(Enum):
    """What is the matter, with the exit status of ``watchword doctor``."""

    NONE = 0
    UNSEEN = 1
    """Key, policy, or a packet that got lost in silence: cannot be told from here."""
    FILE = 2
    NAME = 3
    CLOCK = 4
    PATH = 5
    SERVICE = 6
    UNPROTECTED = 7

    @property
    def word(self) -> str:
        return self.name.lower()


@record
class Seen:
    """What was seen of one knock."""

    host: str
    server: str
    """Whom the packet goes to, as written."""
    carrier: str
    server_port: int
    address: str = ""
    """The server's address that was taken."""
    port: int | None = None
    """The TCP port that is to open; None: there is none to look at."""
    before: Heard | None = None
    """What the port said before the knock."""
    after: Heard | None = None
    passage: Passage | None = None
    """What was said about the packet; None: it did not go out, or its carrier is not UDP."""
    not_sent: str = ""
    """Why no packet went out; empty: one did."""
    clock: float | None = None
    """Seconds by which the other clock is ahead; None: nobody told."""
    clock_of: str = ""
    moved: int = 0
    """Seconds that were added to the time in the packet (TIME_OFFSET)."""
    packet: str = ""
    digest: str = ""


@record
class Diagnosis:
    trouble: Trouble
    sentence: str
    remedy: str = ""


def diagnose(seen: Seen) -> Diagnosis:
    """What is the matter. The first that applies is said."""
    for judge in (_unsent, _open_before, _opened, _objected, _refused, _clock):
        if (found := judge(seen)) is not None:
            return found
    return _unseen(seen)


def _unsent(seen: Seen) -> Diagnosis | None:
    if seen.not_sent:
        return Diagnosis(
            Trouble.PATH,
            f"no packet could be sent to {seen.server}: {seen.not_sent}",
            "see that this machine has a network of that family (ip route), "
            "or choose the other one with -4 or -6",
        )
    if seen.passage is not None and seen.passage.objection is Objection.NOT_LET_OUT:
        return Diagnosis(
            Trouble.PATH,
            f"this machine does not let the packet out to {seen.address}: {seen.passage.by}",
            "look at its own firewall and routes",
        )
    return None


def _open_before(seen: Seen) -> Diagnosis | None:
    if seen.before is Heard.ANSWER:
        return Diagnosis(
            Trouble.UNPROTECTED,
            f"{_port(seen)} answers without a knock: it is not hidden from this machine, "
            "or a grant of before is still in force",
            "try again after the grant's time; if it still answers, watchword check on the "
            "server says what is hidden",
        )
    if seen.before is Heard.REFUSAL and seen.after is Heard.REFUSAL:
        return Diagnosis(
            Trouble.SERVICE,
            f"{_port(seen)} refuses connections before the knock and after it: nothing listens "
            "there, and nothing hides it",
            "start the service on the server, and have watchword check say what is hidden",
        )
    return None


def _opened(seen: Seen) -> Diagnosis | None:
    if seen.after is not Heard.ANSWER:
        return None
    sentence = f"all is well: {_port(seen)} was closed, and answers after the knock"
    if not _off(seen):
        return Diagnosis(Trouble.NONE, sentence)
    return Diagnosis(
        Trouble.NONE,
        f"{sentence}, although {_clocks(seen)}",
        "set the clocks: other servers are stricter",
    )


def _objected(seen: Seen) -> Diagnosis | None:
    passage = seen.passage
    if passage is None or passage.objection is Objection.NONE:
        return None
    way = f"UDP to port {seen.server_port} of {seen.address}"
    address = seen.address.partition("%")[0]
    itself = passage.by in ("", address)
    if passage.objection is Objection.NOBODY and itself:
        return Diagnosis(
            Trouble.SERVICE,
            f"fwknopd does not listen: {seen.address} says that no program has UDP port "
            f"{seen.server_port}",
            "start fwknopd on the server, or compare UDPSERV_PORT there with SPA_SERVER_PORT here; "
            "one that sniffs has no port, and then its log knows more than this",
        )
    who = "the server's own host" if passage.by == address else passage.by or "somebody"
    what = "does not allow" if passage.objection is Objection.PROHIBITED else "finds no way for"
    return Diagnosis(
        Trouble.PATH,
        f"the packet does not get there: {who} {what} {way}",
        "send it another way, if the server listens there: fwknop --via tcp,https",
    )


def _refused(seen: Seen) -> Diagnosis | None:
    if seen.after is not Heard.REFUSAL:
        return None
    return Diagnosis(
        Trouble.SERVICE,
        f"the firewall has opened, and the service is down: nothing listens on {_port(seen)}",
        "start the service on the server",
    )


def _clock(seen: Seen) -> Diagnosis | None:
    if not _off(seen):
        return None
    return Diagnosis(
        Trouble.CLOCK,
        f"{_clocks(seen)}, and the server refuses packets more than {TOLERANCE:g} seconds off "
        "unless it is told otherwise",
        _set_right(seen.clock or 0.0),
    )


def _set_right(ahead: float) -> str:
    """The remedy, by an option where one can say it."""
    if abs(ahead) <= TOLERANCE:
        return "leave the time offset out (TIME_OFFSET)"
    clock = "set the clock of the one that is wrong (NTP)"
    seconds, minutes = round(abs(ahead)), round(abs(ahead) / 60)
    if minutes > OFFSET_LIMIT:
        return clock
    offset = f"{seconds}" if seconds <= OFFSET_LIMIT else f"{minutes}min"
    return f"{clock}, or send with fwknop --time-offset-{'plus' if ahead > 0 else 'minus'} {offset}"


def _unseen(seen: Seen) -> Diagnosis:
    ask = f"on the server, ask: watchword explain -s YOUR-ADDRESS {seen.packet}"
    if seen.port is None:
        return Diagnosis(
            Trouble.NONE,
            f"a packet went to {seen.address or seen.server}, and nobody objected; no TCP port "
            "is asked for that could show whether it was accepted",
            ask,
        )
    clocks = "" if seen.clock is not None else f", or the clocks, which nobody told{_moved(seen)}"
    return Diagnosis(
        Trouble.UNSEEN,
        f"{_port(seen)} did not open, and why cannot be seen from here: the packet got lost in "
        f"silence, or key or policy refuse it{clocks}",
        f"{ask} (its SHA-256 is {seen.digest}; {_REPLAY}); if the server has never seen it, send "
        "it another way: fwknop --via tcp,https",
    )


def _port(seen: Seen) -> str:
    return f"TCP port {seen.port} of {seen.host}"


def _off(seen: Seen) -> bool:
    return seen.clock is not None and abs(seen.clock - seen.moved) > TOLERANCE


def _clocks(seen: Seen) -> str:
    ahead = seen.clock or 0.0
    return (
        f"the clock of {seen.clock_of} is {abs(ahead):.0f} seconds "
        f"{'ahead of' if ahead > 0 else 'behind'} ours{_moved(seen)}"
    )


def _moved(seen: Seen) -> str:
    return f", with {seen.moved:+} seconds added in the packet" if seen.moved else ""
