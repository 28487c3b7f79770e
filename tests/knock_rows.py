"""The scenarios of knockd's specification, section 10: doors, what is sent, what is told.

In here: the rows as data, and reading their notation. Not in here: playing them to
our engine (unit/test_door_rows) or to both daemons (interop/test_knockd).

Notation: ``S7000`` a SYN to a port, ``A`` ACK, ``SA`` both, ``F`` FIN, ``SF`` SYN and
FIN, ``R`` RST, ``P`` PSH, ``G`` URG, ``N`` no flags, ``U53`` a datagram, ``+2.5`` seconds
that pass; a packet of another sender than c1 has its name in front (``c2:S7000``), and
one to another address behind that (``c1>t:S22``). Times are shorter than in the
specification, so that a run is over soon.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from watchword.model.doors import Flag

FLAGS = {
    "S": Flag.SYN,
    "A": Flag.ACK,
    "F": Flag.FIN,
    "R": Flag.RST,
    "N": Flag(0),
    "P": Flag.PSH,
    "G": Flag.URG,
    "SA": Flag.SYN | Flag.ACK,
    "SF": Flag.SYN | Flag.FIN,
}
_WORD = re.compile(r"(?:(\w+)(?:>(\w+))?:)?(U|[SAFRNPG]+)(\d+)")
SENDERS = {
    "c1": "10.77.{}.11",
    "c2": "10.77.{}.12",
    "x": "198.51.100.{}",
    "s1": "fd77:{}::11",
    "k1": "fe80::11",
}
"""Addresses, where the number of the row is put in. ``x`` is from nowhere near."""
PLACES = {
    "here": "10.77.{}.1",
    "too": "10.77.{}.2",
    "t": "10.78.{}.20",
    "six": "fd77:{}::1",
    "l": "fe80::1",
}
"""Where packets go: ``t`` is another host's address, the others are of the interface."""
_OF_SENDER = {"s1": "six", "k1": "l"}


@dataclass(frozen=True, slots=True)
class Hit:
    """One packet."""

    sender: str
    place: str
    udp: bool
    port: int
    flags: Flag


@dataclass(frozen=True, slots=True)
class Pause:
    seconds: float


def played(text: str) -> list[Hit | Pause]:
    """The steps of a scenario."""
    steps: list[Hit | Pause] = []
    for word in text.split():
        if word.startswith("+"):
            steps.append(Pause(float(word[1:])))
            continue
        found = _WORD.fullmatch(word)
        assert found is not None, word
        sender, place, kind, port = found.groups()
        sender = sender or "c1"
        udp = kind == "U"
        flags = Flag(0) if udp else FLAGS[kind]
        place = place or _OF_SENDER.get(sender, "here")
        steps.append(Hit(sender, place, udp, int(port), flags))
    return steps


@dataclass(frozen=True, slots=True)
class Row:
    number: str
    """Of the specification; a letter where a row has several inputs."""
    doors: str
    """Text of knockd.conf."""
    sent: str
    told: tuple[str, ...]
    """What we say, each as ``sender door what``; ``1`` is Stage 1, ``OS`` OPEN SESAME, ``T1`` a
    sequence timeout at stage 1, ``CT`` a command timeout."""
    packaged: tuple[str, ...] | None = None
    """What the original says, where that is something else."""
    options: tuple[str, ...] = ()
    """Of the command line."""

    def text(self, number: int) -> str:
        """The doors, as they stand in the file of this row."""
        return self.doors.replace("@t", PLACES["t"].format(number))


def door(name: str, sequence: str, flags: str = "syn", timeout: int = 5) -> str:
    lines = [f"[{name}]", f"sequence = {sequence}", f"seq_timeout = {timeout}"]
    if flags:
        lines.append(f"tcpflags = {flags}")
    lines.append("command = /bin/true %IP%")
    return "\n".join(lines) + "\n"


D1 = door("open", "7000,8000,9000")
OC = D1 + door("close", "9000,8000,7000")
SHORT = door("open", "7000,8000,9000", timeout=2)
BRIEF = door("open", "7000,8000", timeout=2)
BARE = door("open", "7000,8000,9000", flags="")
UDPD = door("u", "2222:udp,3333:tcp,4444:udp")
SIX = """\
[v]
sequence = 7000,8000:udp,9000
tcpflags = syn
command = /bin/true four %IP%
stop_command = /bin/true stop %IP%
cmd_timeout = 1
"""
WAKE = """\
[wake]
sequence = 22
tcpflags = syn
target = @t
command = /bin/true wake %IP%
"""
CT = """\
[d]
sequence = 7000,8000
tcpflags = syn
command = /bin/true start %IP%
stop_command = /bin/true stop %IP%
cmd_timeout = 1
"""
FAILING = """\
[e]
sequence = 7001
command = exit 7
[k]
sequence = 7002
command = kill -9 $$
[u]
sequence = 7003
command = /no/such/program %IP%
[p]
sequence = 7004
command = /etc/passwd
[s]
sequence = 7005
command = test %IP% = 192.0.2.1 || (exit 3)
[long]
sequence = 7006
command = /bin/true {0}
[stop]
sequence = 7007
command = /bin/true
stop_command = {0}
""".format("%IP%" * 600)
_LETTERS = {"fin": "F", "syn": "S", "rst": "R", "psh": "P", "ack": "A", "urg": "G"}
EACH_FLAG = "".join(
    f"[{name}]\nsequence = {7100 + at}\ntcpflags = {name}\ncommand = /bin/true\n"
    f"[no{name}]\nsequence = {7200 + at}\ntcpflags = !{name}\ncommand = /bin/true\n"
    for at, name in enumerate(_LETTERS)
)
A, B, C = door("a", "7000,8000"), door("b", "7000,8000,9000"), door("c", "7000,8001")
TWINS = door("a", "7000,7001,7002") + door("b", "8000,8001,8002")
FLAGGED = door("a", "7000,8000") + door("b", "9000,9001", flags="")
MIXED = door("a", "7000,8000") + door("b", "9000:udp,9001:udp")


def _opened(name: str, sender: str = "c1", stages: int = 3) -> tuple[str, ...]:
    return (*(f"{sender} {name} {stage}" for stage in range(1, stages + 1)), f"{sender} {name} OS")


OPENED = _opened("open")
FIRST = ("c1 open 1",)
ROWS = (
    Row("1", D1, "S7000 S8000 S9000", OPENED),
    Row("2", D1, "S7000 S9000 S8000", FIRST),
    Row("3", D1, "S7000 S9000 S7000 S8000 S9000", FIRST + OPENED),
    Row("4", D1, "S7000 S7000 S8000 S9000", FIRST),
    Row("5", D1, "S7000 S7000 S7000 S8000 S9000", FIRST + OPENED),
    Row("6", D1, "S7000 S8000 S8000 S9000", ("c1 open 1", "c1 open 2")),
    Row("7", D1, "S7000 S1111 S8000 S2222 S9000", OPENED),
    Row("8", D1, "S7000 U8000 S8000 S9000", OPENED),
    Row("9", D1, "S7000 A7000 S8000 R9000 S9000", OPENED),
    Row("10", D1, "S7000 S8000 S9000 S7000 S8000 S9000", OPENED * 2),
    Row("11", SHORT, "S7000 S8000 +2.2 S9000", ("c1 open 1", "c1 open 2", "c1 open T2")),
    Row(
        "12",
        SHORT,
        "S7000 S8000 +2.2 S7000 S8000 S9000",
        ("c1 open 1", "c1 open 2", "c1 open T2", *OPENED),
    ),
    Row("13a", BRIEF, "S7000 +0.8 S8000", _opened("open", stages=2)),
    Row("13b", BRIEF, "S7000 +2.6 S8000", ("c1 open 1", "c1 open T1")),
    Row(
        "14",
        BRIEF,
        "+0.85 S7000 +1.2 S8000",
        _opened("open", stages=2),
        packaged=("c1 open 1", "c1 open T1"),
    ),
    Row("15", door("open", "7000,8000", timeout=0), "S7000 S8000", ("c1 open 1", "c1 open T1")),
    Row(
        "16",
        door("open", "7000,8000", timeout=1),
        "S7000 +2.5",
        ("c1 open 1", "c1 open T1"),
        packaged=("c1 open 1",),
    ),
    Row(
        "17",
        D1,
        "c1:S7000 c2:S7000 c1:S8000 c2:S8000 c1:S9000 c2:S9000",
        OPENED + _opened("open", "c2"),
        packaged=(*OPENED, "c2 open 1", "c2 open 2"),
    ),
    Row(
        "18",
        D1,
        "c1:S7000 c2:S7000 c1:S8000 c2:S8000 c2:S9000 c1:S9000",
        OPENED + _opened("open", "c2"),
    ),
    Row(
        "19",
        D1,
        "c1:S7000 c2:S7000 c1:S9000 c2:S8000 c2:S9000",
        ("c1 open 1", *_opened("open", "c2")),
        packaged=("c1 open 1", "c2 open 1"),
    ),
    Row("20", D1, "c1:S7000 c2:S7000 c2:S9000 c1:S8000 c1:S9000", (*OPENED, "c2 open 1")),
    Row(
        "21",
        SHORT,
        "c1:S7000 +1.2 c2:S7000 +1.0 c2:S8000 c2:S9000",
        ("c1 open 1", "c1 open T1", *_opened("open", "c2")),
        packaged=("c1 open 1", "c1 open T1", "c2 open 1"),
    ),
    Row(
        "22",
        OC,
        "S7000 S8000 S9000 S9000 S8000 S7000",
        OPENED + _opened("close"),
    ),
    Row("23", OC, "S7000 S8000 S9000 S8000 S7000", OPENED + FIRST),
    Row("24", OC, "S7000 S9000 S8000 S7000", FIRST * 2),
    Row("25", OC, "S7000 S9000 S9000 S8000 S7000", FIRST + _opened("close")),
    Row(
        "26",
        A + B + C,
        "S7000 S8000 S9000",
        (*_opened("a", stages=2), *_opened("b"), "c1 c 1"),
        packaged=(*_opened("a", stages=2), "c1 b 1", "c1 b 2", "c1 c 1"),
    ),
    Row("27", B + A, "S7000 S8000 S9000", _opened("a", stages=2) + _opened("b")),
    Row("28", A + B + C, "S7000 S8001", ("c1 a 1", "c1 b 1", *_opened("c", stages=2))),
    Row("29", TWINS, "S7000 S8000 S7001 S8001 S7002 S8002", ("c1 a 1",)),
    Row("30", BARE, "S7000 A7000 S8000 S9000", FIRST),
    Row("31", BARE, "F7000 A8000 N9000", OPENED),
    Row("34", UDPD, "U2222 S3333 U4444", _opened("u")),
    Row("35a", door("u", "53:udp,54:udp"), "U53 U53 U54", ("c1 u 1",)),
    Row("35b", door("u", "53:udp,54:udp"), "U53 U54", _opened("u", stages=2)),
    Row("36", door("a", "7000,8000"), "SA7000 SF8000", _opened("a", stages=2)),
    Row("37a", door("a", "7000,8000", flags="syn,ack"), "S7000 S8000", ()),
    Row("37b", door("a", "7000,8000", flags="syn,ack"), "SA7000 SA8000", _opened("a", stages=2)),
    Row(
        "38", door("a", "7000,8000", flags="syn,!ack"), "S7000 SA8000 S8000", _opened("a", stages=2)
    ),
    Row(
        "each flag",
        EACH_FLAG,
        # Without the flag, then with it; and the other way round.
        " ".join(
            f"N{7100 + at} {flag}{7100 + at} {flag}{7200 + at} N{7200 + at}"
            for at, flag in enumerate(_LETTERS.values())
        ),
        tuple(
            line
            for name in _LETTERS
            for line in (*_opened(name, stages=1), *_opened(f"no{name}", stages=1))
        ),
    ),
    Row("39", door("a", "7000,8000", flags="!syn"), "A7000 S7000 N8000", _opened("a", stages=2)),
    Row("40a", FLAGGED, "S7000 A9000 S8000", _opened("a", stages=2)),
    Row("40b", FLAGGED, "S7000 S9000 S8000", ("c1 a 1",)),
    Row("41", MIXED, "S7000 U9000 S8000", ("c1 a 1",)),
    Row(
        "42",
        SIX + "command_6 = /bin/true six %IP%\n",
        "s1:S7000 s1:U8000 s1:S9000",
        (*_opened("v", "s1"), "s1 v CT"),
    ),
    Row("43", SIX + "command_6 =\n", "s1:S7000 s1:U8000 s1:S9000", _opened("v", "s1")),
    Row(
        "44",
        SIX + "stop_command_6 =\n",
        "s1:S7000 s1:U8000 s1:S9000",
        _opened("v", "s1"),
        packaged=(*_opened("v", "s1"), "s1 v CT"),
    ),
    Row("45", SIX, "s1:S7000 s1:U8000 s1:S9000", (), options=("-4",)),
    Row("46", D1, "s1:S7000 c1:S8000 s1:S9000", ("s1 open 1",)),
    Row("47", D1, "k1:S7000 k1:S8000 k1:S9000", _opened("open", "k1")),
    Row("48", WAKE, "c1:S22 c1>t:S22", _opened("wake", stages=1)),
    Row(
        "49",
        WAKE + door("own", "22,23"),
        "S22 S23 c1>t:S22",
        _opened("own", stages=2) + _opened("wake", stages=1),
    ),
    Row("50", D1, "S7000 c1>too:S8000 S9000", OPENED),
    Row("52", CT, "S7000 S8000", (*_opened("d", stages=2), "c1 d CT")),
    Row(
        "53",
        CT,
        "S7000 S8000 +0.5 S7000 S8000",
        (*_opened("d", stages=2) * 2, "c1 d CT", "c1 d CT"),
    ),
    Row(
        "66",
        FAILING,
        "S7001 S7002 S7003 S7004 S7005 S7006 S7007",
        tuple(
            line
            for name in ("e", "k", "u", "p", "s", "long", "stop")
            for line in _opened(name, stages=1)
        ),
    ),
    Row("67", door("a", "7000"), "S7000 S7000 S7000", _opened("a", stages=1) * 3),
    Row("68", D1, "x:S7000 x:S8000 x:S9000", _opened("open", "x")),
    Row("69", D1, "c1:S7000 c1:S8000 c1:S9000", OPENED),  # who forged the first makes no odds
    Row("70", D1, "S7000 S8000 S8000 S9000", ("c1 open 1", "c1 open 2")),
    Row("75", D1, "S7000 S7000 S8000 S8000 S9000 S9000", FIRST),
    Row("76", D1, "S7000 +1.0 S7000 S8000 +1.0 S8000 S9000 +1.0 S9000", FIRST),
    Row("82", door("a", "7000,7000,8000"), "S7000 S7000 S8000", _opened("a")),
)


def by_door(lines: Sequence[str]) -> dict[str, list[str]]:
    """What was told of each sender at each door, in its order."""
    found: dict[str, list[str]] = {}
    for line in lines:
        who, what = line.rsplit(" ", 1)
        found.setdefault(who, []).append(what)
    return found


ELSEWHERE: Mapping[int, str] = {
    32: "interop/test_knockd_life.py::test_knocks_at_open_ports_need_the_flag_syn",
    33: "interop/test_knockd_life.py::test_knocks_at_open_ports_need_the_flag_syn",
    51: "interop/test_knockd_life.py::test_an_address_that_is_added_later_counts",
    54: "interop/test_knockd_life.py::test_an_end_waits_for_the_stop_command_and_says_so_last",
    55: "interop/test_knockd_life.py::test_an_end_waits_for_every_stop_command",
    56: "interop/test_knockd_life.py::test_what_was_to_be_closed_is_closed_after_a_crash",
    57: "interop/test_knockd_life.py::test_a_child_that_is_killed_takes_no_stop_command_with_it",
    58: "interop/test_knockd_life.py::"
    "test_a_reload_takes_new_doors_and_forgets_attempts_but_no_stop_command",
    59: "interop/test_knockd_life.py::"
    "test_a_reload_takes_new_doors_and_forgets_attempts_but_no_stop_command",
    60: "interop/test_knockd_life.py::test_a_reload_of_a_wrong_file_leaves_the_doors_as_they_were",
    61: "interop/test_knockd_life.py::test_each_sequence_of_a_sheet_opens_once_and_is_marked",
    62: "interop/test_knockd_life.py::test_a_used_sequence_lends_nothing_to_the_next_one",
    63: "interop/test_knockd_life.py::test_a_line_that_is_no_sequence_is_passed_over",
    64: "interop/test_knockd_life.py::test_a_used_sequence_lends_nothing_to_the_next_one",
    65: "interop/test_knockd_life.py::"
    "test_a_door_whose_sheet_is_used_up_is_shut_and_the_others_are_not",
    71: "system/test_doors_with_care.py::test_scans_open_what_they_open_for_the_original_too",
    72: "system/test_doors_with_care.py::test_scans_open_what_they_open_for_the_original_too",
    73: "unit/test_door_care.py::test_the_odds_of_a_scan_are_those_of_the_order",
    74: "system/test_doors_with_care.py::test_scans_open_what_they_open_for_the_original_too",
    77: "interop/test_knockd_life.py::test_the_loopback_interface_can_be_listened_on",
    78: "interop/test_knockd_life.py::test_every_interface_or_several_can_be_listened_on",
    79: "interop/test_knockd_life.py::"
    "test_an_interface_that_is_removed_ends_the_daemon_with_an_error",
    80: "interop/test_knockd_life.py::test_an_interface_that_goes_down_and_up_is_listened_on_again",
    81: "interop/test_knockd_life.py::test_names_of_callers_are_looked_up_if_that_is_asked_for",
}
"""Rows about more than packets, and the tests that play them."""
DIFFERENT: Mapping[int, str] = {
    14: "A sequence times out", 16: "A sequence times out",
    17: "One caller's attempt fails", 19: "One caller's attempt fails",
    21: "One caller's attempt fails", 26: "A shorter door of the same beginning completes",
    44: "An empty `Stop_Command_6`", 51: "Addresses that the interface gets after the start",
    55: "Stop commands when the daemon ends", 56: "Stop commands after a crash",
    57: "Stop commands after a crash", 60: "Reload with a mistake in the file",
    61: "One-time sequences: the last one", 62: "One-time sequences: the next one is longer",
    63: "One-time sequences: a line that is none", 64: "One-time sequences over IPv6",
    65: "One-time sequences: the last one", 78: "`-i any`", 79: "The interface is removed",
}  # fmt: skip
"""Rows that the specification marks as mended or as our choice, and the line of
docs/differences.md that says so."""
