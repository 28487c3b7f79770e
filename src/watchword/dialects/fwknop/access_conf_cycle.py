"""Reads a stanza's command cycle: what opens, what closes, after how long.

In here: CMD_CYCLE_OPEN, CMD_CYCLE_CLOSE, CMD_CYCLE_TIMER, and our own CMD_CYCLE_PORTS and
CMD_CYCLE_RENEW.
Not in here: command messages (access_conf_commands), filling templates in (grant.cycles).

Source: access.conf, 4.6. Differences: a template that cannot be split into words
is refused; the lists of ports and MAX_FW_TIMEOUT hold; without a time from
anywhere FW_ACCESS_TIMEOUT counts, where the original says 0.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from watchword.dialects.fwknop.access_conf import Stanza
from watchword.dialects.fwknop.access_conf_commands import is_on
from watchword.dialects.fwknop.fwknopd_conf import leading_number
from watchword.dialects.fwknop.lines import Entry, data_error, shown
from watchword.dialects.fwknop.server_complaints import Complaints
from watchword.dialects.fwknop.templates import NAMES, template, unknown_variables
from watchword.model.commands import CycleTerms
from watchword.model.templates import Template

_LONGEST: Final = 255  # characters of a template
_MOST_SECONDS: Final = 8388608
_NOTHING: Final = "NONE"


def has_cycle(stanza: Stanza) -> bool:
    """Whether commands stand in for the firewall, or are meant to."""
    return bool({"CMD_CYCLE_OPEN", "CMD_CYCLE_CLOSE"} & stanza.given.keys())


def timer(stanza: Stanza) -> int | None:
    """CMD_CYCLE_TIMER of a stanza with a cycle, if it can be used; ``cycle_terms`` complains."""
    line = stanza.given.get("CMD_CYCLE_TIMER")
    number = leading_number(line.value) if line and has_cycle(stanza) else 0
    return number if 1 <= number <= _MOST_SECONDS else None


def cycle_terms(stanza: Stanza, seconds: float, complaints: Complaints) -> CycleTerms | None:
    """The stanza's cycle; None: it has none. After a fatal complaint it is not to be used.

    ``seconds``: how long each command may take.
    """
    if not has_cycle(stanza):
        return None
    reader = _Reader(stanza, complaints)
    pair = reader.pair()
    if pair is None:
        return None
    opening, closing = pair
    reader.check_timer(closes=closing is not None)
    reader.check_rest(closes=closing is not None)
    return CycleTerms(
        opening=opening,
        closing=closing,
        shell=is_on(stanza, "CMD_SHELL"),
        first_only=reader.first_only(),
        renews=is_on(stanza, "CMD_CYCLE_RENEW"),
        seconds=seconds,
    )


class _Reader:
    def __init__(self, stanza: Stanza, complaints: Complaints) -> None:
        self._stanza = stanza
        self._complaints = complaints
        self._label = shown(stanza.source.value)

    def pair(self) -> tuple[Template, Template | None] | None:
        """None: it was complained about."""
        opening = self._stanza.given.get("CMD_CYCLE_OPEN")
        closing = self._stanza.given.get("CMD_CYCLE_CLOSE")
        if closing is None or opening is None:
            there, missing = ("OPEN", "CLOSE") if opening else ("CLOSE", "OPEN")
            said = f"[*] Cannot set CMD_CYCLE_{there} without also setting CMD_CYCLE_{missing}"
            self._complaints.refuse(
                data_error(f"{said}: '{self._label}'", self._stanza.source.place.file),
                self._stanza.given[f"CMD_CYCLE_{there}"].place,
                "add the command that undoes it, or CMD_CYCLE_CLOSE NONE if it ends by itself"
                if opening
                else "add the command that it undoes",
            )
            return None
        opens = self._template(opening)
        if closing.value.startswith(_NOTHING):
            return (opens, None) if opens else None
        closes = self._template(closing)
        return (opens, closes) if opens and closes else None

    def check_timer(self, *, closes: bool) -> None:
        line = self._stanza.given.get("CMD_CYCLE_TIMER")
        if line is None and closes:
            said = "[*] Must set the CMD_CYCLE_TIMER for command cycle functionality"
            self._complaints.refuse(
                data_error(f"{said}: '{self._label}'", self._stanza.source.place.file),
                self._stanza.given["CMD_CYCLE_CLOSE"].place,
                "add CMD_CYCLE_TIMER and the number of seconds after which it is closed",
            )
        elif line is not None and timer(self._stanza) is None:
            self._complaints.refuse(
                f"[*] CMD_CYCLE_TIMER value not in range [1,{_MOST_SECONDS}].",
                line.place,
                "write a number of seconds",
            )

    def check_rest(self, *, closes: bool) -> None:
        """What stands beside the cycle and means nothing there."""
        if is_on(self._stanza, "DISABLE_FW_ACCESS"):
            self._complaints.remark(
                "DISABLE_FW_ACCESS refuses every request that CMD_CYCLE_OPEN is for",
                self._stanza.given["DISABLE_FW_ACCESS"].place,
                "remove one of the two",
            )
        for name, why in self._idle(closes):
            if is_on(self._stanza, name):
                self._complaints.remark(
                    f"{name} has no effect: {why}", self._stanza.given[name].place, "remove it"
                )

    def _idle(self, closes: bool) -> Iterator[tuple[str, str]]:
        yield "ENABLE_CMD_EXEC", "a stanza with CMD_CYCLE_OPEN takes requests for ports only"
        if not closes:
            yield "CMD_CYCLE_RENEW", "with CMD_CYCLE_CLOSE NONE there is nothing to put off"

    def first_only(self) -> bool:
        line = self._stanza.given.get("CMD_CYCLE_PORTS")
        if line is None or line.value.upper() == "ALL":
            return False
        if line.value.upper() != "FIRST":
            self._complaints.refuse(
                f"CMD_CYCLE_PORTS is '{shown(line.value)}', neither ALL nor FIRST",
                line.place,
                "remove the line, which means ALL",
            )
        return True

    def _template(self, line: Entry) -> Template | None:
        name = line.name.removesuffix(":")
        if len(line.value) > _LONGEST:
            self._complaints.refuse(
                data_error(
                    f"[*] {name} command is too long: '{self._label}'",
                    self._stanza.source.place.file,
                ),
                line.place,
                f"put it into a script of your own: {_LONGEST} characters are the most",
            )
        try:
            found = template(line.value)
        except ValueError as error:
            self._complaints.refuse(
                f"{name} cannot be split into words: {error}", line.place, "close every quote"
            )
            return None
        for unknown in unknown_variables(line.value):
            self._complaints.remark(
                f"{name} has ${shown(unknown)}, which stands for nothing: "
                "the dollar sign is dropped",
                line.place,
                "the variables are " + " ".join(f"${each}" for each in NAMES),
            )
        return found
