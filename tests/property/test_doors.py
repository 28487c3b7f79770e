"""Knocks, whatever comes: the engine does what a plain reading of the rules does, and ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from hypothesis import example, given, settings
from hypothesis import strategies as st

from watchword.dialects.knockd import conf
from watchword.dialects.knockd.one_time import next_sequence, place_of_mark
from watchword.edges.capture.knocks import compiled
from watchword.errors import OperatorError, Place
from watchword.lab import knock_frames
from watchword.model.doors import TCP, UDP, Door, Flag, FlagRule, Knock, Progress, Step
from watchword.model.services import Proto, Service
from watchword.recognise.doors import DoorRecogniser
from watchword.wire import bpf
from watchword.wire.knocks import knock_of

HERE, THERE = bytes((10, 0, 0, 1)), bytes((10, 0, 0, 2))
PLACE = Place("knockd.conf", 1)
flags = st.sampled_from([Flag(0), Flag.SYN, Flag.ACK, Flag.SYN | Flag.ACK])
services = st.builds(Service, st.sampled_from(Proto), st.integers(1, 4))
doors = st.lists(
    st.builds(
        Door,
        number=st.just(0),
        place=st.just(PLACE),
        name=st.just("d"),
        sequence=st.lists(services, min_size=1, max_size=4).map(tuple),
        seq_timeout=st.integers(0, 4),
        flags=st.builds(FlagRule, flags, flags),
        target=st.none(),
    ),
    min_size=1,
    max_size=4,
).map(lambda found: [_numbered(door, at) for at, door in enumerate(found, start=1)])
knocks = st.builds(
    Knock,
    source=st.sampled_from([b"\1aaa", b"\2aaa", b"\3aaa"]),
    destination=st.sampled_from([HERE, HERE, HERE, THERE]),
    protocol=st.sampled_from([TCP, UDP]),
    port=st.integers(1, 5),
    flags=flags.map(int),
).map(lambda knock: knock if knock.protocol == TCP else knock._replace(flags=0))
steps = st.lists(st.tuples(st.integers(0, 2), knocks), max_size=40)


def _numbered(door: Door, number: int) -> Door:
    return Door(number, PLACE, f"d{number}", door.sequence, door.seq_timeout, door.flags)


@dataclass
class Plain:
    """The rules of the specification, section 5, one after the other; attempts in a list."""

    doors: Sequence[Door]
    attempts: list[tuple[bytes, Door, int, float]] = field(default_factory=list)

    def told(self, knock: Knock, now: float) -> set[tuple[Step, str, int]]:
        found = {
            (Step.TIMED_OUT, door.name, stage)
            for _, door, stage, began in self.attempts
            if now - began >= door.seq_timeout
        }
        self.attempts = [each for each in self.attempts if now - each[3] < each[1].seq_timeout]
        asked = (knock.protocol, knock.port)
        if knock.destination != HERE or not any(
            asked in _spots(door) and _flags(door, knock) for door in self.doors
        ):
            return found
        mine = [each for each in self.attempts if each[0] == knock.source]
        if not mine:
            mine = [
                (knock.source, door, 0, now)
                for door in self.doors
                if _spots(door)[0] == asked and _flags(door, knock)
            ]
            self.attempts += mine
        for each in mine:
            source, door, stage, began = each
            if not _flags(door, knock):
                continue
            self.attempts.remove(each)
            if _spots(door)[stage] != asked:
                found.add((Step.SPOILT, door.name, stage))
                continue
            found.add((Step.ADVANCED, door.name, stage + 1))
            if stage + 1 < len(door.sequence):
                self.attempts.append((source, door, stage + 1, began))
        return found


def _spots(door: Door) -> list[tuple[int, int]]:
    return [(each.proto.number, each.port) for each in door.sequence]


def _flags(door: Door, knock: Knock) -> bool:
    return knock.protocol == UDP or door.flags.admits(knock.flags)


def _plainly(told: Sequence[Progress]) -> set[tuple[Step, str, int]]:
    return {(each.step, each.door.name, each.stage) for each in told}


@given(doors, steps)
def test_it_does_what_a_plain_reading_of_the_rules_does(
    found: list[Door], played: list[tuple[int, Knock]]
) -> None:
    engine, plain, now = DoorRecogniser(found, {HERE}), Plain(found), 0.0
    for pause, knock in played:
        now += pause
        assert _plainly(engine.observe(knock, now)) == plain.told(knock, now)
    assert len(engine) == len(plain.attempts)


@given(doors, steps)
def test_every_attempt_ends_and_nothing_is_left_of_it(
    found: list[Door], played: list[tuple[int, Knock]]
) -> None:
    engine, now = DoorRecogniser(found, {HERE}), 0.0
    for pause, knock in played:
        now += pause
        engine.observe(knock, now)
    while (deadline := engine.next_deadline()) is not None:
        engine.expire(deadline)
    assert len(engine) == 0
    assert not engine._attempts


@given(doors, st.lists(knocks, max_size=60))
def test_attempts_never_get_more_than_their_number(found: list[Door], played: list[Knock]) -> None:
    engine = DoorRecogniser(found, {HERE}, most=3)
    for knock in played:
        engine.observe(knock, 0.0)
        assert len(engine) <= 3
        assert sum(map(len, engine._attempts.values())) == len(engine)


@settings(max_examples=40)
@given(doors, knocks)
def test_the_kernels_filter_keeps_nothing_away_that_counts(found: list[Door], knock: Knock) -> None:
    engine = DoorRecogniser(found, {HERE})
    content = (
        knock_frames.segment(knock.port, knock.flags)
        if knock.protocol == TCP
        else knock_frames.datagram(knock.port)
    )
    source, there = (".".join(map(str, each)) for each in (knock.source, knock.destination))
    packet = knock_frames.packet(source, there, knock.protocol, content)
    assert knock_of(packet) == knock
    passes = bpf.run(compiled(engine.hearing()), packet, 0x0800)
    if engine.observe(knock, 0.0):
        assert passes
    if not any((knock.protocol, knock.port) in _spots(door) for door in found):
        assert not passes


@given(st.binary(max_size=200))
@example(b"")
@example(b"\x45")
@example(b"\x4f" + bytes(70))
@example(b"\x60" + bytes(200))
def test_any_bytes_are_a_knock_or_none(octets: bytes) -> None:
    found = knock_of(octets)
    assert found is None or (0 <= found.port <= 65535 and len(found.source) in (4, 16))


@given(st.text(max_size=300) | st.lists(st.sampled_from([
    "[options]", "[d]", "[", "]", "sequence = 7000,8000", "sequence = 1:udp", "open = tcp/22",
    "tcpflags = syn", "tcpflags = !", "cmd_timeout = -1", "command = a %IP%", "UseSyslog", "=",
    "target = ::1", "Interface = a,b", "# x", "\0", "seq_timeout = 9", "JumpFrom = inet a b",
])).map("\n".join))  # fmt: skip
def test_any_text_is_a_configuration_or_an_operators_error(text: str) -> None:
    refused: OperatorError | None = None
    found: Sequence[Door] = ()
    try:
        found = conf.read(text, "knockd.conf").doors
    except OperatorError as error:
        refused = error
    assert all(door.sequence or door.one_time for door in found)
    assert refused is None or all(each.hint for each in refused.complaints)


lines = st.lists(
    st.sampled_from([b" 1,2", b"#1,2", b" 3:udp", b"", b" x", b"1,2", b"  # 9", b" 70000"]),
    max_size=8,
)


@given(lines, st.booleans())
def test_using_up_a_sheet_marks_one_line_after_the_other_and_nothing_else(
    found: list[bytes], ended: bool
) -> None:
    content = b"\n".join(found) + (b"\n" if ended else b"")
    for _ in range(len(found) + 1):
        sequence = next_sequence(content).sequence
        if not sequence:
            break
        place = place_of_mark(content, sequence)
        assert place is not None
        changed = content[:place] + b"#" + content[place + 1 :]
        assert len(changed) == len(content)
        before, after = content.split(b"\n"), changed.split(b"\n")
        [line] = [
            at for at, (one, other) in enumerate(zip(before, after, strict=True)) if one != other
        ]
        assert not before[line].strip().startswith(b"#")
        content = changed
    assert next_sequence(content).sequence == ()
