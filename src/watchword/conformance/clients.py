"""Holds a client program against recorded command lines, without a network.

In here: what the packet of each command line has to say, which command lines
have to be refused, and that no two packets are alike.
Not in here: running a program (runs), what goes over the wire (carriers).

A client has to take fwknop's options, of them ``--test`` (make the packet, send
nothing) and ``-B FILE`` (save it). Its packet is opened with the keys of the
vector and compared field by field.
"""

from __future__ import annotations

import re
import time
from base64 import b64decode
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from watchword.conformance import golden
from watchword.conformance.findings import Finding, Verdict
from watchword.conformance.golden import Vector
from watchword.conformance.runs import run
from watchword.model.crypto import Credential
from watchword.spa import Lock, Message, SpaError, seal, unseal

SAVE: Final = ("-B", "{packet}")
FIELDS: Final = ("user", "version", "type", "text", "nat", "server_auth", "seconds", "digest")
"""Fields of a message that a command line decides."""
TIME_OFFSETS: Final = {"cli-time-plus": 7200, "cli-time-minus": -1800}
"""Seconds by which the time stamp of these vectors differs from the clock."""
CLOCK_SLACK: Final = 2
"""Seconds that a time stamp may be off: those of the run are added."""
RANDOM_PORTS: Final = range(1024, 65536)
_RANDOM = re.compile(r"[0-9]{16}")


@dataclass(frozen=True, slots=True)
class Sealed:
    """A packet with what is new in each."""

    message: Message
    salt: bytes


def judge(program: Sequence[str]) -> Iterator[Finding]:
    """One finding for each command line, and two over all packets together.

    Those of OpenPGP packets are in openpgp_lines.
    """
    yield from command_lines(program, golden.load("client"))
    for vector in golden.load("client_errors"):
        yield refused(program, vector)


def command_lines(program: Sequence[str], vectors: Iterable[Vector]) -> Iterator[Finding]:
    """Run each command line; at last, compare what has to be new in every packet."""
    made: list[Sealed] = []
    for vector in vectors:
        yield _command_line(program, vector, made)
    yield all_new("random values", [each.message.random for each in made])
    yield all_new("salts", [each.salt.hex() for each in made])


def _command_line(program: Sequence[str], vector: Vector, made: list[Sealed]) -> Finding:
    began = int(time.time())
    ran = run(program, [*vector["argv"][1:], *SAVE], vector.get("environment"))
    ended = int(time.time())
    if not ran.ended_well or not ran.packet:
        why = str(ran) if not ran.ended_well else "it saves no packet"
        return Finding("command line", vector["id"], Verdict.FAIL, why)
    credential = golden.credential_of(vector["encryption"], vector["hmac"])
    try:
        sealed = open_sealed(ran.packet, credential)
    except SpaError as error:
        why = f"the packet cannot be opened: {error.code.label}"
        return Finding("command line", vector["id"], Verdict.FAIL, why)
    made.append(sealed)
    offset = TIME_OFFSETS.get(vector["id"], 0)
    wrong = [
        *differences(
            golden.message_of(vector), sealed.message, "--nat-rand-port" in vector["argv"]
        ),
        *time_amiss(sealed.message.sent_at - offset, began, ended),
        *_form_amiss(ran.packet, sealed, credential),
    ]
    verdict = Verdict.FAIL if wrong else Verdict.PASS
    return Finding("command line", vector["id"], verdict, "; ".join(wrong))


def open_sealed(packet: bytes, credential: Credential) -> Sealed:
    """Raises SpaError for whatever no server could read."""
    message = unseal(packet, Lock(credential)).message
    return Sealed(message, b64decode(b"U2FsdGVkX1" + packet[:14])[8:16])


def differences(wanted: Message, got: Message, random_port: bool = False) -> Iterator[str]:
    """Every field that is not as recorded; a port drawn at random only has to be one."""
    for name in FIELDS:
        expected, found = getattr(wanted, name), getattr(got, name)
        if name == "text" and random_port:
            expected, (found, _, port) = expected.rpartition("/")[0], found.rpartition("/")
            if not (port.isdecimal() and int(port) in RANDOM_PORTS):
                yield f"{port} is no random port"
        if found != expected:
            yield f"{name} is {found!r} instead of {expected!r}"


def time_amiss(sent_at: int, began: int, ended: int) -> Iterator[str]:
    """A time stamp that is not of the run, which began and ended at these seconds."""
    if not began - CLOCK_SLACK <= sent_at <= ended + CLOCK_SLACK:
        yield f"the time stamp is off by {sent_at - began} seconds"


def random_amiss(message: Message) -> Iterator[str]:
    if not _RANDOM.fullmatch(message.random):
        yield "the random value is not 16 digits"


def _form_amiss(packet: bytes, sealed: Sealed, credential: Credential) -> Iterator[str]:
    yield from random_amiss(sealed.message)
    if seal(sealed.message, credential, salt=sealed.salt) != packet:
        yield "the packet has another form than the C programs give it"


def all_new(what: str, values: Sequence[str]) -> Finding:
    """Whether none of these comes twice."""
    repeated = [value for value, times in Counter(values).items() if times > 1]
    if not values:
        return Finding("freshness", what, Verdict.SKIP, "there are no packets to compare")
    if repeated:
        return Finding("freshness", what, Verdict.FAIL, f"{len(repeated)} of them come twice")
    return Finding("freshness", what, Verdict.PASS, f"{len(values)} packets, all different")


def refused(program: Sequence[str], vector: Vector) -> Finding:
    """A command line that no packet may come of.

    For one of them the recorded client saves a packet that it then cannot
    read itself; it may be saved or not.
    """
    ran = run(program, [*vector["argv"][1:], *SAVE])
    wrong = []
    if ran.status != vector["exit_status"]:
        wrong.append(f"exit status {vector['exit_status']} was to come: {ran}")
    if ran.packet is not None and not vector["packet_written"]:
        wrong.append("it saves a packet")
    verdict = Verdict.FAIL if wrong else Verdict.PASS
    return Finding("refused command line", vector["id"], verdict, "; ".join(wrong))
