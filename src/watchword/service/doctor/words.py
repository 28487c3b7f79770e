"""How the client's doctor speaks: what was seen line by line, then the diagnosis.

In here: the words, and the same as values for JSON; a console that collects remarks.
Not in here: looking and judging (examination, diagnosis).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from watchword.edges.dial import Heard
from watchword.edges.path import Objection
from watchword.errors import Complaint
from watchword.service.client.console import Console
from watchword.service.doctor.diagnosis import Diagnosis, Seen

_WIDTH = 10  # of what stands before each line


class Remarks(Console):
    """Collects what the client would warn of; what it would answer goes to standard error."""

    def __init__(self) -> None:
        super().__init__(aside=True)
        self.complaints: list[Complaint] = []

    @property
    def attended(self) -> bool:
        return True

    def remark(self, complaint: Complaint) -> None:
        self.complaints.append(complaint)

    def warn(self, text: str) -> None:
        self.complaints.append(Complaint(text, fatal=False))


def in_words(
    found: Diagnosis, seen: Seen | None, addresses: Sequence[str], complaints: Sequence[Complaint]
) -> Iterator[str]:
    """Lines for a person; the diagnosis is the last but one, the remedy the last."""
    for each in complaints:
        yield _line("remark", str(each))
    if seen is not None:
        yield from _sight(seen, addresses)
    yield _line("diagnosis", found.sentence)
    if found.remedy:
        yield _line("remedy", found.remedy)


def _sight(seen: Seen, addresses: Sequence[str]) -> Iterator[str]:
    yield _line("name", f"{seen.host}: {', '.join(addresses)}; {seen.address} is used")
    yield _line("clock", _clock(seen))
    if seen.before is not None:
        yield _line("before", f"TCP port {seen.port}: {seen.before.value}")
    yield _line("packet", seen.not_sent or _packet(seen))
    if seen.after is not None:
        yield _line("after", f"TCP port {seen.port}: {seen.after.value}")


def _clock(seen: Seen) -> str:
    if seen.clock is None:
        return (
            f"cannot be compared from here: {seen.clock_of} does not tell the time "
            "(--clock names another time server)"
        )
    if abs(seen.clock) < 1:
        return f"that of {seen.clock_of} agrees with ours within a second"
    ahead = "ahead of" if seen.clock > 0 else "behind"
    return f"that of {seen.clock_of} is {abs(seen.clock):.0f} seconds {ahead} ours"


def _packet(seen: Seen) -> str:
    text = f"{len(seen.packet)} bytes over {seen.carrier} to port {seen.server_port}"
    passage = seen.passage
    if passage is None:
        return text
    if passage.objection is Objection.NONE:
        return f"{text} from {passage.source}; nobody objected"
    return f"{text}: {passage.objection.value}" + (f", says {passage.by}" if passage.by else "")


def _line(topic: str, text: str) -> str:
    return f"{topic:<{_WIDTH}} {text}"


def as_json(
    found: Diagnosis, seen: Seen | None, addresses: Sequence[str], complaints: Sequence[Complaint]
) -> dict[str, Any]:
    """The same as values; what was not looked at is null."""
    return {
        "diagnosis": {
            "trouble": found.trouble.word,
            "sentence": found.sentence,
            "remedy": found.remedy,
        },
        "remarks": [
            {"message": each.message, "remedy": each.hint, "fatal": each.fatal}
            for each in complaints
        ],
        "seen": None if seen is None else _as_values(seen, addresses),
    }


def _as_values(seen: Seen, addresses: Sequence[str]) -> dict[str, Any]:
    passage = seen.passage
    return {
        "host": seen.host,
        "addresses": list(addresses),
        "address": seen.address,
        "clock": None
        if seen.clock is None
        else {"ahead": round(seen.clock, 3), "of": seen.clock_of},
        "moved": seen.moved,
        "port": seen.port,
        "before": _word(seen.before),
        "after": _word(seen.after),
        "carrier": seen.carrier,
        "server_port": seen.server_port,
        "objection": None
        if passage is None
        else {"kind": passage.objection.name.lower(), "by": passage.by or None},
        "not_sent": seen.not_sent or None,
        "packet": seen.packet or None,
        "digest": seen.digest or None,
    }


def _word(heard: Heard | None) -> str | None:
    return None if heard is None else heard.name.lower()
