"""Turns a stanza of fwknop 1.9 into one of 2.6 that means the same.

In here: which stanzas are of 1.9, what their lines mean that mean something
else in 2.6, and what is said about lines that have no counterpart.
Not in here: the names (access_conf_perl_table), external commands
(access_conf_external), which both kinds of stanzas may have.

A stanza is one of 1.9 if it begins with ``SOURCE:`` and a semicolon ends that line,
unless it has keys that only 2.x knows. Source: access.conf, 11; legacy port
knocking, 7. Differences: nothing stays open for ever, grants last 300 seconds
where no time is given, as 1.9's manual says; a stanza for port knocking is out
of use, and the others are not.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from watchword.dialects.fwknop.access_conf import Stanza
from watchword.dialects.fwknop.access_conf_lists import UnfitError, networks
from watchword.dialects.fwknop.access_conf_perl_table import (
    FLAGS,
    IDLE,
    KNOCKING,
    LATER,
    TEXTS,
    is_sign,
)
from watchword.dialects.fwknop.fwknopd_conf import leading_number
from watchword.dialects.fwknop.lines import Entry, shown
from watchword.dialects.fwknop.server_complaints import Complaints

SECONDS: Final = 300
_FILLED_UP: Final = 16  # bytes; shorter keys get zeros (digits) at their end
_WORDS: Final = ("y", "n", "yes", "no")
_COLLECTED: Final = ("PCAP", "FILE_PCAP", "ULOG_PCAP")


def translate(stanza: Stanza, complaints: Complaints, *, hears: bool = False) -> None:
    """Rewrite a stanza's lines in place, if it is one of 1.9.

    ``hears``: whether anybody listens for knocks (translate_knocks).
    """
    _mark_if_knocking(stanza, hears=hears)
    _remark_idle(stanza, complaints)
    if not is_sign(stanza.source) or LATER & stanza.given.keys():
        return
    stanza.perl = True
    if not stanza.knocks:
        complaints.remark(
            f"access stanza #{stanza.number} is read as one of fwknop 1.9: a KEY of less than "
            f"{_FILLED_UP} characters is filled up with zeros, and packets that ask for a time "
            "count only with PERMIT_CLIENT_TIMEOUT Y",
            stanza.source.place,
            "if it is for clients of 2.x, write SOURCE without the colon",
        )
    for step in (_texts, _flags, _key, _time, _ports, _may_be_source, _collected):
        step(stanza, complaints)


def any_port(stanza: Stanza) -> bool:
    """Whether callers may ask for any port, whatever OPEN_PORTS says (1.9 only)."""
    return stanza.perl and _is(stanza, "PERMIT_CLIENT_PORTS", "Y")


def is_off(stanza: Stanza, name: str) -> bool:
    """Whether a line says no; one that is not there says nothing."""
    return name in stanza.given and not _is(stanza, name, "Y")


def _is(stanza: Stanza, name: str, letter: str) -> bool:
    line = stanza.given.get(name)
    return line is not None and line.value[:1].upper() == letter


def _add(stanza: Stanza, name: str, value: str) -> None:
    stanza.note(name, Entry(name, value, stanza.source.place))


def _texts(stanza: Stanza, complaints: Complaints) -> None:
    for name in TEXTS & stanza.given.keys():
        line = stanza.given[name]
        text = line.line.rpartition(";")[0].split(maxsplit=1)
        whole = text[1].strip() if len(text) > 1 else line.value
        if not line.line or whole == line.value:
            continue
        stanza.given[name] = replace(line, value=whole)
        complaints.remark(
            f"{name} goes on to the last semicolon of its line, as in fwknop 1.9",
            line.place,
            "move what is a comment to a line of its own",
        )


def _flags(stanza: Stanza, complaints: Complaints) -> None:
    for name in FLAGS & stanza.given.keys():
        line = stanza.given[name]
        if line.value.lower() in _WORDS or _is_list(name, line.value):
            continue
        taken = "Y" if "y" in line.value.lower() else "N"
        stanza.given[name] = replace(line, value=taken)
        complaints.remark(
            f"{name} is '{shown(line.value)}', taken as {taken}",
            line.place,
            f"write {name}: Y; or {name}: N;",
        )


def _is_list(name: str, value: str) -> bool:
    return name == "REQUIRE_SOURCE_ADDRESS" and "y" not in value.lower()


def _key(stanza: Stanza, complaints: Complaints) -> None:
    line = stanza.given.get("KEY")
    if line is not None and len(line.value.encode("utf-8", "surrogateescape")) < _FILLED_UP:
        _add(stanza, "ENCRYPTION_MODE", "legacy")


def _time(stanza: Stanza, complaints: Complaints) -> None:
    if "PERMIT_CLIENT_TIMEOUT" not in stanza.given:
        _add(stanza, "PERMIT_CLIENT_TIMEOUT", "N")
    line = stanza.given.get("FW_ACCESS_TIMEOUT")
    if line is not None and leading_number(line.value) == 0:
        complaints.remark(
            f"{line.name.removesuffix(':')} {shown(line.value)} meant for ever: here grants last "
            f"{SECONDS} seconds",
            line.place,
            "write how many seconds, at most 8388608",
        )
        line = None
    if line is None:
        _add(stanza, "FW_ACCESS_TIMEOUT", str(SECONDS))


def _ports(stanza: Stanza, complaints: Complaints) -> None:
    """Without PERMIT_CLIENT_PORTS there has to be a list (access_conf_stanza sees to it)."""
    if "PERMIT_CLIENT_PORTS" not in stanza.given:
        _add(stanza, "PERMIT_CLIENT_PORTS", "N")
    line = stanza.given.get("OPEN_PORTS")
    if line is None:
        return
    entries = [each.strip() for each in line.value.split(",")]
    kept = [each for each in entries if each.lower().partition("/")[0] != "icmp"]
    if kept == entries or not kept:
        return
    stanza.given["OPEN_PORTS"] = replace(line, value=",".join(kept))
    complaints.remark(
        "OPEN_PORTS has icmp, and only tcp and udp are opened",
        line.place,
        "remove it from the list",
    )


def _may_be_source(stanza: Stanza, complaints: Complaints) -> None:
    """REQUIRE_SOURCE_ADDRESS with a list: of those who need not name an address."""
    line = stanza.given.get("REQUIRE_SOURCE_ADDRESS")
    if line is None or line.value.lower() in _WORDS:
        return
    try:
        stanza.source_optional_from = networks(line.value)
    except UnfitError as unfit:
        complaints.refuse(
            f"REQUIRE_SOURCE_ADDRESS is '{shown(line.value)}', neither Y nor N nor a list of "
            "networks",
            line.place,
            shown(unfit.hint),
        )
    stanza.given["REQUIRE_SOURCE_ADDRESS"] = replace(line, value="Y")


def _collected(stanza: Stanza, complaints: Complaints) -> None:
    line = stanza.given.get("DATA_COLLECT_MODE")
    if line is None or line.value in (*KNOCKING, "PCAP"):
        return
    known = line.value in _COLLECTED
    complaints.remark(
        f"DATA_COLLECT_MODE {shown(line.value)} "
        + ("has no effect" if known else "is none that fwknop 1.9 knew"),
        line.place,
        IDLE["FILE_PCAP"],
    )


def _mark_if_knocking(stanza: Stanza, *, hears: bool) -> None:
    """No packet may stand in for what has to be knocked, also where nobody listens for that."""
    collected = stanza.given.get("DATA_COLLECT_MODE")
    mode = collected.value if collected else ""
    named = [name for name in KNOCKING if name in stanza.given and not is_no(stanza.given[name])]
    if not named and mode not in KNOCKING:
        return
    stanza.knocks = True
    if not hears:
        name = named[0] if named else f"DATA_COLLECT_MODE {mode}"
        stanza.dead = stanza.dead or f"it is for port knocking ({name})"


def is_no(line: Entry) -> bool:
    return line.value.lower() in ("n", "no")


def _remark_idle(stanza: Stanza, complaints: Complaints) -> None:
    for name in IDLE.keys() & stanza.given.keys():
        line = stanza.given[name]
        if not is_no(line):
            complaints.remark(f"{name} has no effect: {IDLE[name]}", line.place, "remove the line")
