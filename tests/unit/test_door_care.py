"""What doors can ask for beyond knockd's rules, told the time."""

from __future__ import annotations

from dataclasses import replace

import pytest

from watchword.dialects.knockd import conf
from watchword.dialects.knockd.weakness import ascending, random_scan, weaknesses
from watchword.edges.capture.knocks import compiled
from watchword.errors import OperatorError
from watchword.lab import knock_frames
from watchword.model.crypto import Secret
from watchword.model.doors import TCP, UDP, Flag, Knock, Progress, Step
from watchword.model.services import Service
from watchword.recognise import watches
from watchword.recognise.doors import DoorRecogniser
from watchword.wire import bpf, rotating

HERE, ALICE, MALLORY = bytes((10, 0, 0, 1)), bytes((192, 0, 2, 7)), bytes((203, 0, 113, 9))
SYN, ACK = int(Flag.SYN), int(Flag.ACK)
DOOR = "[d]\nsequence = 7000,9000,8000\ntcpflags = syn\nseq_timeout = 60\n"
KEY = "bm90IGEgc2VjcmV0LCBtYWtlIHlvdXIgb3duIQ=="
MOVING = f"[d]\nsecret = {KEY}\ntcpflags = syn\n"


def engine(text: str) -> DoorRecogniser:
    return DoorRecogniser(conf.read(text, "knockd.conf").doors, {HERE})


def hit(port: int, flags: int = SYN, *, udp: bool = False, source: bytes = ALICE) -> Knock:
    return Knock(source, HERE, UDP if udp else TCP, port, 0 if udp else flags)


def play(tracker: DoorRecogniser, *knocks: Knock, now: float = 0.0) -> list[Progress]:
    return [each for knock in knocks for each in tracker.observe(knock, now)]


def opens(tracker: DoorRecogniser, *knocks: Knock, now: float = 0.0) -> bool:
    return any(each.opened for each in play(tracker, *knocks, now=now))


HONEST = (hit(7000), hit(9000), hit(8000))


@pytest.mark.parametrize("strict", [False, True])
def test_only_a_strict_door_minds_ports_of_no_door(strict: bool) -> None:
    tracker = engine(DOOR + ("strict = yes\n" if strict else ""))
    assert opens(tracker, hit(7000), hit(1234), hit(9000), hit(8000)) is not strict
    assert opens(tracker, *HONEST)


def test_a_strict_door_minds_beginnings_and_nothing_else() -> None:
    tracker = engine(f"{DOOR}strict = yes\nbesides = tcp/443\n")
    harmless = (hit(1234, ACK), hit(1234, SYN | ACK), hit(53, udp=True), hit(443))
    assert opens(tracker, hit(7000), *harmless, hit(9000), *harmless, hit(8000))
    assert opens(tracker, hit(7000), hit(1, source=MALLORY), hit(9000), hit(8000))


def test_a_strict_door_with_datagrams_minds_datagrams() -> None:
    text = "[d]\nsequence = 7000:udp,9000\nstrict = yes\n"
    first, last = hit(7000, udp=True), hit(9000)
    assert opens(engine(text), first, last)
    assert not opens(engine(text), first, hit(53, udp=True), last)


def test_a_scan_in_the_right_order_opens_a_plain_door_and_no_strict_one() -> None:
    plain = DOOR.replace("7000,9000,8000", "7000,8000,9000")
    scan = [hit(port) for port in range(6990, 9010)]
    assert opens(engine(plain), *scan)
    assert not opens(engine(f"{plain}strict = yes\n"), *scan)


@pytest.mark.parametrize("ignored", [False, True])
def test_a_knock_that_comes_again_does_no_harm_where_that_is_asked_for(ignored: bool) -> None:
    tracker = engine(DOOR + ("ignore_repeats = yes\n" if ignored else ""))
    knocks = (hit(7000), hit(7000), hit(9000), hit(9000), hit(9000), hit(8000))
    assert opens(tracker, *knocks) is ignored
    assert not opens(tracker, hit(7000), hit(9000), hit(7000), hit(8000))


def test_each_step_may_have_a_time_of_its_own() -> None:
    tracker = engine(f"{DOOR}step_timeout = 2\n")
    play(tracker, hit(7000), now=0.0)
    play(tracker, hit(9000), now=1.9)
    assert tracker.next_deadline() is not None
    assert opens(tracker, hit(8000), now=3.8)
    play(tracker, hit(7000), now=10.0)
    [late] = tracker.expire(12.0)
    assert (late.step, late.stage) == (Step.TIMED_OUT, 1)


def test_the_time_of_the_whole_counts_beside_that_of_a_step() -> None:
    tracker = engine(DOOR.replace("60", "5") + "step_timeout = 3\n")
    play(tracker, hit(7000), now=0.0)
    play(tracker, hit(9000), now=2.9)
    assert not tracker.expire(4.9)
    assert [each.stage for each in tracker.expire(5.0)] == [2]
    assert len(tracker) == 0


def test_who_fails_too_often_is_not_followed_for_a_while() -> None:
    tracker = engine(f"{DOOR}max_failures = 2/60\n")
    told = play(tracker, *(hit(7000), hit(8000)) * 2)
    assert [each.step for each in told].count(Step.SHUT_OUT) == 1
    assert not opens(tracker, *HONEST, now=59.9)
    assert opens(tracker, *(knock._replace(source=MALLORY) for knock in HONEST), now=59.9)
    assert opens(tracker, *HONEST, now=60.0)


def test_failures_are_counted_from_the_first_on() -> None:
    tracker = engine(f"{DOOR}max_failures = 2/60\n")
    play(tracker, hit(7000), hit(8000), now=0.0)
    play(tracker, hit(7000), hit(8000), now=61.0)
    assert opens(tracker, *HONEST, now=62.0)


SECRET = Secret(b"not a secret, make your own!")


def sequence(window: int) -> tuple[Knock, ...]:
    return tuple(hit(each.port) for each in rotating.sequence_of(SECRET, window, 4))


def test_the_sequence_of_a_window_is_a_matter_of_record() -> None:
    """Both sides and all versions have to agree; computed by hand with openssl."""
    ports = [each.port for each in rotating.sequence_of(Secret(b"0123456789abcdef"), 7, 16)]
    assert ports == RECORDED


def test_no_sequence_has_a_port_twice_or_one_of_the_system() -> None:
    for window in range(500):
        ports = [each.port for each in rotating.sequence_of(SECRET, window, 16)]
        assert len(set(ports)) == 16
        assert min(ports) >= 1024


def test_a_moving_door_takes_the_sequences_of_now_and_of_the_windows_beside_it() -> None:
    tracker = engine(MOVING)
    assert tracker.turn(3000.0) == 3030.0
    for window in (99, 100, 101):
        assert opens(tracker, *sequence(window))
    for window in (97, 98, 102, 103):
        assert not opens(tracker, *sequence(window))
    tracker.turn(3030.0)
    assert opens(tracker, *sequence(102))
    assert not opens(tracker, *sequence(98))


def test_an_attempt_goes_on_over_a_turn_while_its_sequence_counts() -> None:
    tracker = engine(MOVING)
    tracker.turn(3000.0)
    play(tracker, *sequence(100)[:2])
    play(tracker, *(each._replace(source=MALLORY) for each in sequence(99)[:2]))
    tracker.turn(3030.0)
    assert len(tracker) == 1
    assert opens(tracker, *sequence(100)[2:])


def test_a_sequence_that_was_spent_opens_no_more() -> None:
    tracker = engine(MOVING)
    tracker.turn(3000.0)
    play(tracker, sequence(100)[0]._replace(source=MALLORY))
    [last] = [each for each in play(tracker, *sequence(100)) if each.opened]
    assert last.window == 100
    tracker.spend(1, 100)
    assert len(tracker) == 0
    assert not opens(tracker, *sequence(100))
    tracker.turn(3030.0)
    assert not opens(tracker, *sequence(100))
    assert opens(tracker, *sequence(101))


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("strict = maybe", "'maybe' is neither yes nor no"),
        ("besides = 443", "'443' is not of the form proto/port"),
        ("step_timeout = 0", "Step_Timeout is no time"),
        ("max_failures = 3", "'3' is no limit"),
        ("max_failures = 0/5", "'0/5' is no limit"),
        (f"secret = {KEY}", "Secret and other sequences cannot stand in one door"),
        ("secret = c2hvcnQ=", "the secret has 5 bytes, and needs 16"),
        ("secret = §", "the secret is no base64"),
        ("knocks = 2", "2 is out of range"),
        ("every = 4", "4 is out of range"),
    ],
)
def test_what_makes_no_sense_is_refused(line: str, told: str) -> None:
    with pytest.raises(OperatorError) as caught:
        conf.read(f"{DOOR}{line}\n", "knockd.conf")
    [complaint] = caught.value.complaints
    assert complaint.message.endswith(told)
    assert complaint.hint


def test_a_secret_is_in_no_message_and_no_picture_of_a_door() -> None:
    door = conf.read(MOVING, "knockd.conf").doors[0]
    assert KEY not in repr(door)
    assert "make your own" not in repr(door)
    with pytest.raises(OperatorError) as caught:
        conf.read(MOVING.replace("==", "=!"), "knockd.conf")
    assert KEY[:10] not in str(caught.value)


def remarks(sequence: str, more: str = "") -> list[str]:
    doors = conf.read(f"[d]\nsequence = {sequence}\n{more}", "knockd.conf").doors
    return [each.message.removeprefix("[d]: ") for each in weaknesses(doors)]


ASCENDING = "a scan of all ports in ascending order opens it"


@pytest.mark.parametrize(
    ("sequence", "told"),
    [
        ("7000,8000,9000", "its sequence is one that manuals print"),
        ("7123,8123,9123,9124", ASCENDING),
        ("9123,7123,8123", "one of 6 scans of all ports in random order opens it"),
        ("9123", "every scan of all ports in random order opens it"),
        ("9123,7123,8123,7", "one of 24 scans of all ports in random order opens it"),
        ("9123,7123", "whoever watches its knocks once can knock for ever"),
    ],
)
def test_weak_sequences_are_remarked_on(sequence: str, told: str) -> None:
    assert told in remarks(sequence)


def test_what_no_scan_opens_is_not_said_to_be_opened_by_one() -> None:
    for sequence in ("7000,8000:udp,9000", "7000,7000,8000"):
        assert not any("scan" in each for each in remarks(sequence))
    assert not any("scan" in each for each in remarks("7123,8123", "strict = yes\n"))


def test_the_odds_of_a_scan_are_those_of_the_order() -> None:
    def services(*ports: int) -> tuple[Service, ...]:
        return tuple(Service.parse(f"tcp/{port}") for port in ports)

    assert random_scan(services(3, 1, 2)) == pytest.approx(1 / 6)
    assert random_scan(services(3, 1, 3)) == 0
    assert ascending(services(1, 2, 3))
    assert not ascending(services(1, 3, 2))


RECORDED = [
    64175,
    13589,
    12085,
    51366,
    28945,
    23194,
    13298,
    4067,
    37498,
    62456,
    41262,
    63266,
    41118,
    17424,
    25821,
    45410,
]


def test_attempts_at_a_sequence_that_was_replaced_are_forgotten() -> None:
    tracker = engine(DOOR)
    play(tracker, hit(7000), hit(9000))
    door = conf.read(DOOR, "knockd.conf").doors[0]
    tracker.take_sequence(1, replace(door, sequence=door.sequence[::-1]))
    assert len(tracker) == 0
    assert not tracker.expire(1000.0)
    assert not opens(tracker, hit(8000), now=1.0)
    assert opens(tracker, hit(9000), hit(7000), now=1.0)


def test_packets_that_come_out_of_order_count_from_the_latest_on() -> None:
    tracker = engine(DOOR)
    play(tracker, hit(7000), now=10.0)
    play(tracker, hit(7000, source=MALLORY), now=9.0)
    assert [str(each.source) for each in tracker.expire(70.0)] == ["192.0.2.7", "203.0.113.9"]


def passes(text: str, knock: Knock) -> bool:
    """Whether the kernel's filter lets a packet through."""
    content = knock_frames.datagram(knock.port)
    if knock.protocol == TCP:
        content = knock_frames.segment(knock.port, knock.flags)
    packet = knock_frames.packet("192.0.2.7", "10.0.0.1", knock.protocol, content)
    return bool(bpf.run(compiled(engine(text).hearing()), packet, 0x0800))


def test_the_kernel_lets_through_what_strict_doors_mind_and_no_more() -> None:
    strict = f"{DOOR}strict = yes\n"
    assert passes(strict, hit(1234))
    assert not passes(DOOR, hit(1234))
    assert not passes(strict, hit(1234, ACK))
    assert not passes(strict, hit(53, udp=True))
    assert passes("[d]\nsequence = 7000:udp,9\nstrict = yes\n", hit(53, udp=True))


def test_a_spent_sequence_stays_spent_over_every_turn() -> None:
    tracker = engine(MOVING)
    tracker.turn(3000.0)
    tracker.spend(1, 100)
    for wall in (3001.0, 3002.0, 3030.0, 3031.0):
        tracker.turn(wall)
        assert not opens(tracker, *sequence(100))


def test_a_failure_after_the_time_of_the_first_is_a_first_one_again() -> None:
    tracker = engine(f"{DOOR}max_failures = 2/60\n")
    play(tracker, hit(7000), hit(8000), now=0.0)
    play(tracker, hit(7000), now=59.0)
    told = play(tracker, hit(8000), now=61.0)
    assert [each.step for each in told] == [Step.SPOILT]
    assert opens(tracker, *HONEST, now=62.0)


def test_failures_of_so_many_senders_are_counted_and_no_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(watches, "MOST_FAILURES", 2)
    tracker = engine(f"{DOOR}max_failures = 1/60\n")
    senders = [bytes((192, 0, 2, each)) for each in range(3)]
    for source in senders:
        play(tracker, hit(7000, source=source), hit(8000, source=source))
    opened = [
        opens(tracker, *(knock._replace(source=each) for knock in HONEST)) for each in senders
    ]
    assert opened == [True, False, False]


def test_what_ends_first_is_told_first_whoever_made_the_last_step() -> None:
    tracker = engine(f"{DOOR}step_timeout = 2\n")
    play(tracker, hit(7000), now=0.0)
    play(tracker, hit(7000, source=MALLORY), now=1.0)
    play(tracker, hit(9000), now=1.5)
    assert [str(each.source) for each in tracker.expire(3.0)] == ["203.0.113.9"]
    assert [str(each.source) for each in tracker.expire(3.5)] == ["192.0.2.7"]
