"""What every follower of knocks does: the ordinary one, and the kernel's sets and chains.

A follower is given a file of doors and packets, and tells of each step: the door's number, the
sender, and how many knocks were right, 0 for a wrong one that ended an attempt. That a sequence has
taken too long is no step; it shows in what comes after it.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol, TypeAlias

import pytest

from tests.knockd_scene import CALLER, CALLER_6, HERE, HERE_6
from watchword.dialects.knockd import conf
from watchword.model.doors import Flag
from watchword.model.services import Proto

Steps: TypeAlias = list[tuple[int, str, int]]
SYN, ACK, FIN, NONE = int(Flag.SYN), int(Flag.ACK), int(Flag.FIN), 0
OTHER, OTHER_6 = "10.77.0.12", "fd77::12"
THERE = "10.77.1.20"
"""Not one of the addresses of the host with the doors, and reached through it."""


class Sent(NamedTuple):
    """A packet; ``flags`` None: a datagram."""

    port: int
    flags: int | None = SYN
    source: str = CALLER
    to: str = HERE
    pause: float = 0.0
    """Seconds before it."""


class Follower(Protocol):
    def told(self, doors: str, packets: Sequence[Sent]) -> Steps: ...


def opens(rest: str = "", *, name: str = "d") -> str:
    return f"[{name}]\nkernel = yes\nopen = tcp/10001\nseq_timeout = 5\n{rest}\n"


PLAIN = opens("sequence = 7000,8000,9000\ntcpflags = syn")
TWO = PLAIN + opens("sequence = 9000,8000,7000\ntcpflags = syn", name="e")
SHARED = (
    opens("sequence = 7000,8000")
    + opens("sequence = 7000,8000,9000", name="e")
    + opens("sequence = 7000,8001", name="f")
)
MIXED = opens("sequence = 2222:udp,3333:tcp,4444:udp\ntcpflags = syn,!ack")
STRICT = opens("sequence = 7000,9000:udp,8000\ntcpflags = syn\nstrict = yes\nbesides = tcp/443")
PATIENT = opens("sequence = 7000,7000,8000\ntcpflags = syn\nignore_repeats = yes")
TARGET = opens(f"sequence = 22,23\ntarget = {THERE}") + opens("sequence = 22,24", name="own")
SINGLE = opens("sequence = 5555") + opens("sequence = 5555,6666", name="e")
QUICK = opens("sequence = 7000,8000,9000\nseq_timeout = 1")
STEPS = opens("sequence = 7000,8000,9000\nstep_timeout = 1")
LONG = opens("sequence = " + ",".join(str(1000 + n) for n in range(32)))
EVERY = (PLAIN, TWO, SHARED, MIXED, STRICT, STRICT + TWO, PATIENT, TARGET, SINGLE)


def syn(*ports: int, source: str = CALLER) -> list[Sent]:
    return [Sent(port, source=source) for port in ports]


def stages(*numbers: int, door: int = 1, source: str = CALLER) -> Steps:
    return [(door, source, number) for number in numbers]


SCENES: dict[str, tuple[str, list[Sent], Steps]] = {
    "the whole sequence opens": (PLAIN, syn(7000, 8000, 9000), stages(1, 2, 3)),
    "a wrong knock ends it, and is spent": (
        PLAIN, syn(7000, 9000, 7000, 8000, 9000), stages(1, 0, 1, 2, 3),
    ),
    "a duplicate ends it": (PLAIN, syn(7000, 7000, 8000, 9000), stages(1, 0)),
    "three duplicates begin it anew": (
        PLAIN, syn(7000, 7000, 7000, 8000, 9000), stages(1, 0, 1, 2, 3),
    ),
    "ports of no door do no harm": (
        PLAIN, syn(7000, 1111, 8000, 2222, 9000), stages(1, 2, 3),
    ),
    "other flags are overlooked": (
        PLAIN,
        [Sent(7000), Sent(7000, ACK), Sent(8000), Sent(9000, 4), Sent(9000)],
        stages(1, 2, 3),
    ),
    "more flags than wanted are none too many": (
        PLAIN, [Sent(7000, SYN | ACK), Sent(8000, SYN | FIN), Sent(9000)], stages(1, 2, 3),
    ),
    "datagrams to a TCP door are nothing": (
        PLAIN, [Sent(7000), Sent(8000, None), Sent(8000), Sent(9000)], stages(1, 2, 3),
    ),
    "without flags any segment counts": (
        opens("sequence = 7000,8000,9000"),
        [Sent(7000, FIN), Sent(8000, ACK), Sent(9000, NONE)],
        stages(1, 2, 3),
    ),
    "without flags an ACK to an open port spoils it": (
        opens("sequence = 7000,8000"), [Sent(7000), Sent(7000, ACK), Sent(8000)], stages(1, 0),
    ),
    "an excluded flag is overlooked": (
        opens("sequence = 7000,8000\ntcpflags = syn,!ack"),
        [Sent(7000), Sent(8000, SYN | ACK), Sent(8000)],
        stages(1, 2),
    ),
    "a door may want a flag away": (
        opens("sequence = 7000,8000,9000\ntcpflags = !syn"),
        [Sent(7000, ACK), Sent(7000), Sent(8000, NONE), Sent(9000, FIN)],
        stages(1, 2, 3),
    ),
    "both protocols in one sequence": (
        MIXED, [Sent(2222, None), Sent(3333), Sent(4444, None)], stages(1, 2, 3),
    ),
    "a datagram is never excused by flags": (
        opens("sequence = 7000,8000\ntcpflags = syn")
        + opens("sequence = 9000:udp,9001:udp", name="e"),
        [Sent(7000), Sent(9000, None), Sent(8000)],
        stages(1, 0),
    ),
    "a knock for another door ends it, and begins no other": (
        TWO, syn(7000, 9000, 8000, 7000), [*stages(1, 0), *stages(1)],
    ),
    "the close door after the open one": (
        TWO, syn(7000, 8000, 9000, 9000, 8000, 7000), [*stages(1, 2, 3), *stages(1, 2, 3, door=2)],
    ),
    "doors with one beginning go together": (
        SHARED,
        syn(7000, 8000, 9000),
        [
            *stages(1), *stages(1, door=2), *stages(1, door=3), *stages(2),
            *stages(2, door=2), *stages(0, door=3), *stages(3, door=2),
        ],
    ),
    "senders do not help or harm each other": (
        PLAIN,
        [*syn(7000), *syn(7000, 9000, source=OTHER), *syn(8000, 9000)],
        [*stages(1), *stages(1, 0, source=OTHER), *stages(2, 3)],
    ),
    "one knock is a sequence": (SINGLE, syn(5555, 5555), [
        *stages(1), *stages(1, door=2), *stages(0, door=2),
    ]),
    "a port twice in a sequence, and overlooked repeats": (
        PATIENT, syn(7000, 7000, 7000, 8000), stages(1, 2, 3),
    ),
    "repeats of the knock before do no harm where that is asked for": (
        opens("sequence = 7000,8000,9000\nignore_repeats = yes"),
        syn(7000, 7000, 8000, 8000, 7000, 9000),
        stages(1, 2, 0),
    ),
    "strict doors mind every beginning": (STRICT, syn(7000, 1234), stages(1, 0)),
    "strict doors mind no answers": (
        STRICT, [Sent(7000), Sent(1234, ACK), Sent(9000, None), Sent(8000)], stages(1, 2, 3),
    ),
    "strict doors overlook what is used besides": (
        STRICT, [Sent(7000), Sent(443), Sent(9000, None), Sent(8000)], stages(1, 2, 3),
    ),
    "strict doors mind datagrams where some are knocks": (
        STRICT, [Sent(7000), Sent(53, None)], stages(1, 0),
    ),
    "a target is knocked at, and this host is not": (
        TARGET,
        [Sent(22, to=THERE), Sent(23, to=THERE), Sent(22), Sent(24)],
        [*stages(1, 2), *stages(1, 2, door=2)],
    ),
    "IPv6": (
        PLAIN,
        [Sent(port, source=CALLER_6, to=HERE_6) for port in (7000, 8000, 9000)],
        stages(1, 2, 3, source=CALLER_6),
    ),
    "the two families are different senders": (
        PLAIN, [Sent(7000), Sent(8000, source=CALLER_6, to=HERE_6), Sent(8000)], stages(1, 2),
    ),
    "thirty-two knocks": (LONG, syn(*range(1000, 1032)), stages(*range(1, 33))),
    "the time counts from the first knock": (
        QUICK,
        [Sent(7000), Sent(8000, pause=0.6), Sent(9000, pause=0.6), *syn(7000, 8000, 9000)],
        stages(1, 2, 1, 2, 3),
    ),
    "each knock has its time where that is asked for": (
        STEPS,
        [
            Sent(7000), Sent(8000, pause=0.7), Sent(9000, pause=0.7),
            Sent(7000), Sent(8000, pause=1.3), *syn(7000, 8000, 9000),
        ],
        stages(1, 2, 3, 1, 1, 2, 3),
    ),
}  # fmt: skip


class DoorContract:
    """For a class with a fixture ``follower``."""

    @pytest.mark.parametrize("scene", SCENES)
    def test_a_scene(self, follower: Follower, scene: str) -> None:
        doors, packets, steps = SCENES[scene]
        assert follower.told(doors, packets) == steps


def noise(text: str, seed: int, count: int) -> Iterator[Sent]:
    """Packets of which many are knocks, of some senders, with no pauses."""
    chance = random.Random(seed)
    sequences = [each.sequence for each in conf.read(text, "f").doors]
    ports = [each.port for sequence in sequences for each in sequence] + [443, 1234, 53]
    flags = [SYN] * 6 + [None] * 3 + [ACK, SYN | ACK, FIN, NONE]
    for _ in range(count):
        six = chance.random() < 0.3
        senders, place = ((CALLER_6, OTHER_6), HERE_6) if six else ((CALLER, OTHER), HERE)
        to = THERE if not six and chance.random() < 0.5 and "target" in text else place
        if chance.random() < 0.6:  # a run of knocks that are right, if nothing comes between
            sequence = chance.choice(sequences)
            for each in sequence[: chance.randint(1, len(sequence))]:
                right = SYN if each.proto is Proto.TCP else None
                yield Sent(each.port, right, chance.choice(senders[:1] * 3 + senders), to)
        yield Sent(chance.choice(ports), chance.choice(flags), chance.choice(senders), to)
