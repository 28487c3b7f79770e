"""Reads how long a stanza grants, how long that may go on, and until when it is in use.

In here: FW_ACCESS_TIMEOUT, MAX_FW_TIMEOUT, MAX_KEEP_TIME, ACCESS_EXPIRE, ACCESS_EXPIRE_EPOCH.
Not in here: the timer of a cycle (access_conf_cycle), those of old knocks (access_conf_knock).

Source: access.conf, sections 4 and 8. Differences: MAX_FW_TIMEOUT caps every
grant, also one whose packet names no time; a FW_ACCESS_TIMEOUT above 300 with
no MAX_FW_TIMEOUT beside it raises the cap, where the original warns and grants
it all the same; what is no date or number is refused where taking it as nothing
would allow more.
"""

from __future__ import annotations

import re
from datetime import datetime

from watchword.dialects.fwknop.access_conf import Stanza
from watchword.dialects.fwknop.access_conf_commands import is_on
from watchword.dialects.fwknop.access_conf_cycle import timer
from watchword.dialects.fwknop.fwknopd_conf import leading_number
from watchword.dialects.fwknop.lines import Entry, shown
from watchword.dialects.fwknop.server_complaints import Complaints

DEFAULT_SECONDS = 30
MAX_SECONDS = 300
KEEP_SECONDS = 43_200
_LONGEST = 8388608  # seconds; the original's limit for both
_DATE = re.compile(r"([0-9]{1,2})/([0-9]{1,2})/([0-9]{1,4})")


class Times:
    """Of one stanza, and where to complain."""

    def __init__(self, stanza: Stanza, complaints: Complaints) -> None:
        self._stanza = stanza
        self._complaints = complaints

    def seconds(self) -> tuple[int, int]:
        """Default and longest duration of a grant."""
        default = timer(self._stanza) or self._number("FW_ACCESS_TIMEOUT") or DEFAULT_SECONDS
        most = self._number("MAX_FW_TIMEOUT")
        if most is None:
            return default, max(default, MAX_SECONDS)
        most = most or MAX_SECONDS
        if most < default:
            self._complaints.remark(
                "Warning: MAX_FW_TIMEOUT < FW_ACCESS_TIMEOUT, honoring MAX_FW_TIMEOUT "
                f"for stanza source: '{shown(self._stanza.source.value)}' (#{self._stanza.number})",
                self._stanza.given["MAX_FW_TIMEOUT"].place,
                f"write {'CMD_CYCLE_TIMER' if timer(self._stanza) else 'FW_ACCESS_TIMEOUT'} {most}",
            )
        return min(default, most), most

    def keep_seconds(self, *, by_commands: bool) -> int | None:
        """How long a grant may stay while somebody is connected; None: it does not."""
        on = is_on(self._stanza, "KEEP_WHILE_CONNECTED")
        most = self._number("MAX_KEEP_TIME")
        if most is not None and not on:
            self._complaints.remark(
                "MAX_KEEP_TIME has no effect without KEEP_WHILE_CONNECTED Y",
                self._stanza.given["MAX_KEEP_TIME"].place,
                "add it, or remove the line",
            )
        if on and by_commands:
            self._complaints.remark(
                "KEEP_WHILE_CONNECTED has no effect: commands open and close this stanza",
                self._stanza.given["KEEP_WHILE_CONNECTED"].place,
                "remove the line",
            )
            return None
        return (most or KEEP_SECONDS) if on else None

    def expires(self) -> float | None:
        """Unix seconds; a date counts from midnight of the local time zone."""
        line = self._stanza.last_of("ACCESS_EXPIRE", "ACCESS_EXPIRE_EPOCH")
        if line is None:
            return None
        if line.name.removesuffix(":") == "ACCESS_EXPIRE":
            return self._midnight(line)
        if line.value.isascii() and line.value.isdecimal() and len(line.value) <= 12:
            return float(line.value) or None
        self._complaints.refuse(
            f"ACCESS_EXPIRE_EPOCH is '{shown(line.value)}', which is no number of seconds",
            line.place,
            "write the output of date +%s, or use ACCESS_EXPIRE MM/DD/YYYY",
        )
        return None

    def _midnight(self, line: Entry) -> float | None:
        seconds = _local_midnight(line.value)
        if seconds is None:
            self._complaints.refuse(
                f"[*] Fatal: invalid date value '{shown(line.value)}' (need MM/DD/YYYY) "
                "for access stanza expiration time",
                line.place,
                "write a date such as 12/31/2030",
            )
        return seconds

    def _number(self, name: str) -> int | None:
        line = self._stanza.given.get(name)
        if line is None:
            return None
        number = leading_number(line.value)
        if not 0 <= number <= _LONGEST:
            self._complaints.refuse(
                f"[*] {name} value not in range.",
                line.place,
                f"write {name} and a number of seconds from 0 to {_LONGEST}",
            )
        elif not line.value.isdecimal():
            self._complaints.remark(
                f"{name} is '{shown(line.value)}', taken as {number}",
                line.place,
                f"write {name} {number}" if number else f"write {name} and seconds, in digits",
            )
        return number


def _local_midnight(text: str) -> float | None:
    found = _DATE.fullmatch(text)
    if found is None:
        return None
    month, day, year = (int(each) for each in found.groups())
    try:
        # The original means the host's own time zone, and so does this.
        return datetime(year + (2000 if year < 100 else 0), month, day).timestamp()  # noqa: DTZ001
    except (ValueError, OverflowError):
        return None
