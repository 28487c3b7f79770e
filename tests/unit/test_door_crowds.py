"""Strangers who make up senders: attempts have a cap, and honest knocks open all the same."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Iterator

from watchword.dialects.knockd import conf
from watchword.model.doors import TCP, Flag, Knock
from watchword.recognise.doors import MOST_ATTEMPTS, DoorRecogniser

HERE, HONEST = bytes((10, 0, 0, 1)), bytes((192, 0, 2, 7))
SYN = int(Flag.SYN)
DOORS = "[d]\nsequence = 7000,8000,9000\ntcpflags = syn\n"


def engine(most: int = MOST_ATTEMPTS) -> DoorRecogniser:
    return DoorRecogniser(conf.read(DOORS, "knockd.conf").doors, {HERE}, most)


def strangers(count: int, port: int = 7000) -> Iterator[Knock]:
    """Knocks of senders of whom no two are alike."""
    return (Knock((1 << 31 | each).to_bytes(4), HERE, TCP, port, SYN) for each in range(count))


def test_a_hundred_thousand_senders_are_followed_no_further_than_the_cap() -> None:
    tracker = engine()
    for knock in strangers(100_000):
        tracker.observe(knock, 0.0)
    assert len(tracker) == MOST_ATTEMPTS


def test_an_attempt_takes_less_than_eight_hundred_bytes() -> None:
    tracker = engine(most=4096)
    tracemalloc.start()
    for knock in strangers(6000):
        tracker.observe(knock, 0.0)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < 800 * 4096


def test_honest_knocks_open_in_the_middle_of_them() -> None:
    tracker, opened = engine(1000), 0
    crowd = strangers(100_000)
    for _ in range(60):
        for port in (7000, 8000, 9000):
            for _ in range(500):
                tracker.observe(next(crowd), 0.0)
            told = tracker.observe(Knock(HONEST, HERE, TCP, port, SYN), 0.0)
        opened += told[-1].opened
    assert opened == 60


def test_who_is_further_along_is_not_forgotten_for_newcomers() -> None:
    tracker = engine(1000)
    for port in (7000, 8000):
        tracker.observe(Knock(HONEST, HERE, TCP, port, SYN), 0.0)
    for knock in strangers(50_000):
        tracker.observe(knock, 0.0)
    assert tracker.observe(Knock(HONEST, HERE, TCP, 9000, SYN), 0.0)[-1].opened


def test_strangers_who_know_two_ports_keep_nobody_from_the_third() -> None:
    """They have made up more senders of two knocks than are followed, and go on with first ones."""
    tracker = engine(1000)
    for first, second in zip(strangers(1500), strangers(1500, 8000), strict=True):
        tracker.observe(first, 0.0)
        tracker.observe(second, 0.0)
    crowd = strangers(10_000)
    for port in (7000, 8000, 9000):
        told = tracker.observe(Knock(HONEST, HERE, TCP, port, SYN), 0.0)
        for _ in range(240):
            tracker.observe(next(crowd), 0.0)
    assert told[-1].opened
    assert len(tracker) == 1000


def test_strangers_spoil_their_own_knocks_only() -> None:
    """The original forgets every attempt that began after a spoilt one: none of sixty opened."""
    tracker, opened = engine(), 0
    for turn in range(60):
        at = turn * 1.0
        stranger = bytes((203, 0, 113, turn))
        tracker.observe(Knock(stranger, HERE, TCP, 7000, SYN), at)
        tracker.observe(Knock(HONEST, HERE, TCP, 7000, SYN), at)
        tracker.observe(Knock(stranger, HERE, TCP, 9000, SYN), at)
        tracker.observe(Knock(HONEST, HERE, TCP, 8000, SYN), at)
        opened += tracker.observe(Knock(HONEST, HERE, TCP, 9000, SYN), at)[-1].opened
    assert opened == 60


def test_what_a_packet_costs_does_not_grow_with_attempts() -> None:
    def cost(attempts: int) -> float:
        tracker = engine()
        for knock in strangers(attempts):
            tracker.observe(knock, 0.0)
        noise = list(strangers(20_000, port=8000))[10_000:]
        best = 1.0
        for _ in range(5):
            began = time.process_time()
            for knock in noise:
                tracker.observe(knock, 0.0)
            best = min(best, time.process_time() - began)
        return best

    assert cost(10_000) < 4 * cost(1)


def test_ends_of_a_crowd_are_told_once_each() -> None:
    tracker = engine(5000)
    for knock in strangers(5000):
        tracker.observe(knock, 0.0)
    assert len(tracker.expire(24.9)) == 0
    assert len(tracker.expire(25.0)) == 5000
    assert tracker.next_deadline() is None
