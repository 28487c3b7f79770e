"""What is different in fwknop.conf, the server's file of fwknop 1.9.

In here: how such a file is told from one of 2.6, which of several values counts in it,
``$NAME`` anywhere in a value, and what counts instead of variables that do nothing here.
Not in here: the variables that do something (fwknopd_conf_table, translate).

Source: fwknopd server, 12.3; legacy port knocking, 8.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Final

from watchword.dialects.fwknop.lines import Entry, shown, shown_name
from watchword.dialects.fwknop.server_complaints import Complaints
from watchword.record import replace

_ROUNDS: Final = 20
_LONGEST: Final = 4096  # characters of a value with everything in place
_VARIABLE: Final = re.compile(r"\$([A-Za-z0-9_]+)")
_FILES: Final = re.compile(r"[A-Z0-9_]+_(FILE|DIR|SOCK|FIFO)|[a-z0-9_]+Cmd")
_COMMANDS: Final = ("EXTERNAL_CMD_OPEN", "EXTERNAL_CMD_CLOSE")
_MOST_NAMED: Final = 40  # of one group, in one remark

_OTHERS: Final = "one daemon does all; SYSLOG_IDENTITY and SYSLOG_FACILITY count for it"
_INTERFACES: Final = "interfaces that go and come back are noticed at once"
_PROGRAMS: Final = "no such program is run"
_FORMAT: Final = "the format's own limits count"
_KNOCKS: Final = "it is for port knocking (AUTH_MODE KNOCK)"
_CONNECTIONS: Final = "established connections go on in any case"
_KERNEL: Final = "forwarding in the kernel is left as it is"
_RESTARTS: Final = "there is no need to start afresh"

INSTEAD: Final[Mapping[str, str]] = {
    **dict.fromkeys(("shCmd", "ifconfigCmd", "mknodCmd"), _PROGRAMS),
    **dict.fromkeys(
        ("fwknopdCmd", "fwknop_servCmd", "knopmdCmd", "knoptmCmd", "knopwatchdCmd",
         "KNOPTM_SYSLOG_IDENTITY", "KNOPTM_SYSLOG_FACILITY", "KNOPTM_SYSLOG_PRIORITY",
         "FWSERV_SYSLOG_IDENTITY", "FWSERV_SYSLOG_FACILITY", "FWSERV_SYSLOG_PRIORITY",
         "KNOPTM_IP_TIMEOUT_SOCK",
         "FWKNOP_SERV_SOCK"),
        _OTHERS,
    ),
    **dict.fromkeys(("SYSLOG_PRIORITY", "SYSLOG_DAEMON"), "each line has the priority that fits"),
    "ENABLE_COOKED_INTF": "the kernel says what kind an interface is",
    "ENABLE_DIGEST_INCLUDE_SRC": "the replay memory keeps sources in any case",
    **dict.fromkeys(("ENABLE_PROC_IP_FORWARD", "PROC_IP_FORWARD_FILE"), _KERNEL),
    **dict.fromkeys(("ENABLE_VOLUNTARY_EXITS", "EXIT_INTERVAL"), _RESTARTS),
    **dict.fromkeys(
        ("ENABLE_INTF_CHECKS", "INTF_CHECKS_INTERVAL", "ENABLE_INTF_EXISTS_CHECK",
         "ENABLE_INTF_RUNNING_CHECK", "ENABLE_INTF_BYTES_CHECK"),
        _INTERFACES,
    ),
    **dict.fromkeys(("CONNTRACK_ESTAB_PORTS", "IPT_CONNTRACK_FILE"), _CONNECTIONS),
    **dict.fromkeys(("MIN_SPA_PKT_LEN", "MIN_GNUPG_MSG_SIZE", "ENABLE_FKO_MODULE"), _FORMAT),
    "SLEEP_INTERVAL": "lines of logs are read as they come",
}  # fmt: skip
"""What counts, where a variable of 1.9 changes nothing."""

_IPFW: Final = frozenset({"ipfwCmd", "IPFW_RULE_NUM", "IPFW_SET_NUM", "IPFW_DYNAMIC_INTERVAL"})
_PACE: Final = frozenset({
    "IPT_CMD_ALARM", "IPT_EXEC_STYLE", "IPT_EXEC_SLEEP", "IPT_EXEC_TRIES",
})  # fmt: skip
_OF_KNOCKS: Final = frozenset({
    "ENABLE_SYSLOG_FILE", "IPT_SYSLOG_FILE", "KNOPMD_FIFO", "FW_SEARCH_ALL", "FW_MSG_SEARCH",
    "P0F_FILE", "MAX_HOPS",
})  # fmt: skip
SIGNS: Final = (
    INSTEAD.keys() | _OF_KNOCKS | _PACE | _IPFW | {"FIREWALL_TYPE", "gpgCmd", "iptablesCmd"}
)
"""A file that sets one of them is one of 1.9. AUTH_MODE is taken in any file."""

_WITHOUT_ROLE: Final = "no such file, directory or program is used"


def is_perl(entries: Sequence[Entry]) -> bool:
    names = {entry.name for entry in entries}
    signs = SIGNS - _OF_KNOCKS if "KNOCK_SOURCE" in names else SIGNS
    return bool(names & signs)


def as_modern(
    entries: Sequence[Entry], given: Mapping[str, str], known: Collection[str],
    complaints: Complaints,
) -> list[Entry]:  # fmt: skip
    """The lines of a file of 1.9 as 2.6 would have them: each name once, and no ``$NAME`` left.

    Args:
        entries: Of one file.
        given: What other files set, under all names.
        known: Every name that is known; others that are names of files are passed over.
        complaints: Told of names that are set twice, and of what has no effect.
    """
    first = _first_of_each(entries, complaints)
    texts = {**given, **{name: entry.value for name, entry in first.items()}}
    others = [name for name in first if name not in known and _FILES.fullmatch(name)]
    _remark(first, others, complaints)
    return [
        _expanded(entry, texts, complaints)
        for name, entry in first.items()
        if name not in others
    ] + [entry for entry in entries if not entry.value]  # fmt: skip


def _first_of_each(entries: Sequence[Entry], complaints: Complaints) -> dict[str, Entry]:
    """1.9 keeps the first value of a name; 2.6 the last."""
    first: dict[str, Entry] = {}
    for entry in entries:
        if not entry.value:
            continue
        earlier = first.setdefault(entry.name, entry)
        if earlier is not entry and earlier.value != entry.value:
            complaints.remark(
                f"{shown_name(entry.name)} is set on line {earlier.place.line} already, and in a "
                "file of fwknop 1.9 the first value counts",
                entry.place,
                "remove one of the two lines",
            )
    return first


def _expanded(entry: Entry, texts: Mapping[str, str], complaints: Complaints) -> Entry:
    """With every variable in place that is one; ``$SRC`` of a command stays as it is."""
    text = entry.value
    for _ in range(_ROUNDS):
        filled = _VARIABLE.sub(lambda found: texts.get(found[1], found[0]), text)
        if filled == text:
            _remark_unset(entry, text, complaints)
            return replace(entry, value=text)
        if len(filled) > _LONGEST:
            break
        text = filled
    complaints.refuse(
        f"the variables in {entry.name} never come to an end: '{shown(entry.value)}'",
        entry.place,
        "look for variables that name each other",
    )
    return replace(entry, value=entry.value.replace("$", ""))


def _remark_unset(entry: Entry, text: str, complaints: Complaints) -> None:
    """A path with a variable in it that nobody sets is none. Commands have theirs from packets."""
    unset = _VARIABLE.search(text)
    if unset is not None and not text.startswith("$") and entry.name not in _COMMANDS:
        complaints.remark(
            f"[*] Invalid embedded variable in: '{shown(text)}'",
            entry.place,
            f"set {shown_name(unset[1])}, or write out what is meant",
        )


def _remark(first: Mapping[str, Entry], others: Sequence[str], complaints: Complaints) -> None:
    for why, names in _groups(first, others):
        named = ", ".join(names[:_MOST_NAMED])
        rest = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
        verb = "has" if len(names) == 1 else "have"
        complaints.remark(
            f"{named}{rest} of fwknop 1.9 {verb} no effect: {why}", first[names[0]].place
        )


def _groups(
    first: Mapping[str, Entry], others: Sequence[str]
) -> Iterator[tuple[str, Sequence[str]]]:
    groups: dict[str, list[str]] = {}
    mode = first.get("AUTH_MODE")
    knocks = "KNOCK_SOURCE" in first or (mode is not None and mode.value == "KNOCK")
    for name in first:
        if name in INSTEAD:
            groups.setdefault(INSTEAD[name], []).append(name)
        elif name in _OF_KNOCKS and not knocks:
            groups.setdefault(_KNOCKS, []).append(name)
    yield from groups.items()
    if others:
        yield _WITHOUT_ROLE, others
