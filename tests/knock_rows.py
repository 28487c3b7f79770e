"""The scenarios of knockd's specification, section 10: doors, what is sent, what is told.

In here: the rows as data, and reading their notation. Not in here: playing them to
our engine (unit/test_door_rows) or to both daemons (interop/test_knockd).

Notation: ``S7000`` a SYN to a port, ``A`` ACK, ``SA`` both, ``F`` FIN, ``SF`` SYN and
FIN, ``R`` RST, ``N`` no flags, ``U53`` a datagram, ``+2.5`` seconds that pass; a packet
of another sender than the first has its name in front (``c2:S7000``). Times are shorter
than in the specification, so that a run is over soon.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from watchword.model.doors import Flag

FLAGS = {
    "S": Flag.SYN,
    "A": Flag.ACK,
    "F": Flag.FIN,
    "R": Flag.RST,
    "N": Flag(0),
    "SA": Flag.SYN | Flag.ACK,
    "SF": Flag.SYN | Flag.FIN,
}
_WORD = re.compile(r"(?:(c[12]):)?(U|[SAFRN]+)(\d+)")


@dataclass(frozen=True, slots=True)
class Hit:
    """One packet."""

    sender: str
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
        udp = found[2] == "U"
        flags = Flag(0) if udp else FLAGS[found[2]]
        steps.append(Hit(found[1] or "c1", udp, int(found[3]), flags))
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
    sequence timeout at stage 1."""
    packaged: tuple[str, ...] | None = None
    """What the original says, where that is something else."""


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
    Row("39", door("a", "7000,8000", flags="!syn"), "A7000 S7000 N8000", _opened("a", stages=2)),
    Row("40a", FLAGGED, "S7000 A9000 S8000", _opened("a", stages=2)),
    Row("40b", FLAGGED, "S7000 S9000 S8000", ("c1 a 1",)),
    Row("41", MIXED, "S7000 U9000 S8000", ("c1 a 1",)),
    Row("67", door("a", "7000"), "S7000 S7000 S7000", _opened("a", stages=1) * 3),
    Row("82", door("a", "7000,7000,8000"), "S7000 S7000 S8000", _opened("a")),
)
