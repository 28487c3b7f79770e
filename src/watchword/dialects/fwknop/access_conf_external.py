"""Reads the external commands of fwknop 1.9 as a command cycle.

In here: EXTERNAL_CMD_OPEN, EXTERNAL_CMD_CLOSE, EXTERNAL_CMD_ALARM and ENABLE_EXTERNAL_CMDS,
of a stanza or for all of them, and variables of the stanza within them.
Not in here: the cycle of 2.6 (access_conf_cycle), which wins where a stanza has both.

Source: fwknopd server, 12.4; access.conf, 11. Differences: the lists of ports
hold; commands that name the port run once for each; there is no shell unless
CMD_SHELL says so; a key is never put into a command.
"""

from __future__ import annotations

import re
from typing import Final

from watchword.dialects.fwknop.access_conf import Stanza
from watchword.dialects.fwknop.access_conf_table import SECRETS
from watchword.dialects.fwknop.lines import Entry, shown
from watchword.dialects.fwknop.server_complaints import Complaints
from watchword.dialects.fwknop.templates import template
from watchword.model.commands import CycleTerms
from watchword.model.templates import Blank, Template
from watchword.record import record

OPEN: Final = "EXTERNAL_CMD_OPEN"
CLOSE: Final = "EXTERNAL_CMD_CLOSE"
ALARM: Final = "EXTERNAL_CMD_ALARM"
ENABLE: Final = "ENABLE_EXTERNAL_CMDS"
_UNSET: Final = ("__NONE__", "NONE")
_FROM_PACKETS: Final = {"SRC": Blank.WHO, "PORT": Blank.PORT, "PROTO": Blank.PROTO_NAME}
_SHELL: Final = re.compile(r"[|&;<>`*?(){}~]|\$\(")


@record
class External:
    """What fwknopd.conf says about external commands."""

    enabled: bool | None = None
    """ENABLE_EXTERNAL_CMDS; None: not given."""
    opening: Entry | None = None
    closing: Entry | None = None
    seconds: float = 30.0
    """How long each command may take."""
    prefix: str = ""
    """What stands before the names of variables."""


def external_pair(stanza: Stanza, everywhere: External) -> tuple[Entry | None, Entry | None]:
    """The lines that count for a stanza: its own, or those for all; nothing if switched off."""
    own = tuple(_given(stanza.given.get(name)) for name in (OPEN, CLOSE))
    line = stanza.given.get(ENABLE)
    enabled = everywhere.enabled if line is None else line.value[:1] in ("y", "Y")
    if any(own):
        return (None, None) if enabled is False else (own[0], own[1])
    if enabled is True:
        return _given(everywhere.opening), _given(everywhere.closing)
    return None, None


def external_terms(
    stanza: Stanza, everywhere: External, complaints: Complaints, *, shell: bool
) -> CycleTerms | None:
    """The stanza's external commands; None: none are in use, or they were complained about."""
    reader = _Reader(stanza, everywhere, complaints)
    opening, closing = external_pair(stanza, everywhere)
    if opening is None and closing is None:
        reader.remark_ignored()
        return None
    if opening is None or closing is None:
        reader.refuse_half(opening, closing)
        return None
    opens, closes = (reader.template(each, shell=shell) for each in (opening, closing))
    if opens is None or closes is None:
        return None
    by_port = any(each.names(Blank.PORT, Blank.PROTO_NAME) for each in (opens, closes))
    return CycleTerms(opens, closes, shell=shell, first_only=not by_port, seconds=reader.seconds())


def _given(line: Entry | None) -> Entry | None:
    return None if line is None or line.value in _UNSET else line


class _Reader:
    def __init__(self, stanza: Stanza, everywhere: External, complaints: Complaints) -> None:
        self._stanza = stanza
        self._everywhere = everywhere
        self._complaints = complaints

    def remark_ignored(self) -> None:
        line = self._stanza.given.get(OPEN) or self._stanza.given.get(CLOSE)
        if _given(line) is not None and line is not None:
            self._complaints.remark(
                f"{line.name.removesuffix(':')} is not used: {ENABLE} is N",
                line.place,
                f"write {ENABLE} Y; as it is, the firewall opens what is asked for",
            )

    def refuse_half(self, opening: Entry | None, closing: Entry | None) -> None:
        line = opening or closing
        missing = CLOSE if opening else OPEN
        place = line.place if line else self._stanza.source.place
        self._complaints.refuse(
            f"{missing} is missing beside {OPEN if opening else CLOSE}", place, f"add {missing}"
        )

    def seconds(self) -> float:
        line = self._stanza.given.get(ALARM)
        if line is None:
            return self._everywhere.seconds
        if not (line.value.isdecimal() and 1 <= int(line.value[:8]) <= 8388608):
            self._complaints.refuse(
                f"{ALARM} is '{shown(line.value)}', which is no number of seconds",
                line.place,
                "write how many seconds a command may take",
            )
            return self._everywhere.seconds
        return float(line.value)

    def template(self, line: Entry, *, shell: bool) -> Template | None:
        text = self._with_stanza(line)
        if text is None:
            return None
        if not shell and (found := _SHELL.search(text)):
            self._complaints.remark(
                f"{line.name} has {found[0]}, which means nothing: there is no shell",
                line.place,
                "put it into a script, or write CMD_SHELL Y into the stanza",
            )
        names = {f"{self._everywhere.prefix}{name}": blank for name, blank in _FROM_PACKETS.items()}
        try:
            return template(text, names)
        except ValueError as error:
            self._complaints.refuse(
                f"{line.name} cannot be split into words: {error}", line.place, "close every quote"
            )
            return None

    def _with_stanza(self, line: Entry) -> str | None:
        """The text with the stanza's own variables in it; None: one is a secret."""
        given = {**self._stanza.given, "SOURCE": self._stanza.source}
        text = line.value
        for name in sorted(given, key=len, reverse=True):
            written = f"${self._everywhere.prefix}{name}"
            if written not in text:
                continue
            if name in SECRETS:
                self._complaints.refuse(
                    f"{line.name} has {written}, and everybody can read the words of a command",
                    line.place,
                    "have the program read the key from a file",
                )
                return None
            text = text.replace(written, given[name].value)
        return text
