"""The time that a web server says its answer is of (RFC 9110, 5.6.7).

In here: the head of an answer to a time.
Not in here: asking (edges.other_clocks), whole answers (whereabouts.web_answer).
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

from watchword.errors import PeerError

_MONTHS: Final = (
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
)  # fmt: skip
_DATE: Final = re.compile(
    rb"(?i:\ndate):[ \t]*[A-Z][a-z]{2}, ([0-9]{2}) ([A-Z][a-z]{2}) ([0-9]{4}) "
    rb"([0-9]{2}):([0-9]{2}):([0-9]{2}) GMT[ \t]*\r?\n"
)


def date(head: bytes) -> float:
    """Unix seconds of the first date in the head of an answer; only the form of today is read.

    Raises PeerError: there is none, or no such time.
    """
    found = _DATE.search(head.partition(b"\r\n\r\n")[0] + b"\n")
    if found is None:
        raise PeerError("the answer has no date")
    day, month, year, hour, minute, second = (each.decode("ascii") for each in found.groups())
    try:
        when = datetime(
            int(year), _MONTHS.index(month) + 1, int(day), int(hour), int(minute), int(second),
            tzinfo=UTC,
        )  # fmt: skip
    except ValueError:
        raise PeerError("the answer has a date that is none") from None
    return when.timestamp()
