"""Counting the programs that a process tree starts."""

from __future__ import annotations

import struct

from bench.births import Became, Born, Count, follow, parse


def message(what: int, *numbers: int) -> bytes:
    padded = (*numbers, 0, 0, 0, 0)[:4]
    return bytes(36) + struct.pack("=IIQ4I", what, 0, 12345, *padded) + bytes(8)


def test_a_fork_names_the_processes_and_not_their_threads() -> None:
    # parent thread 101 of process 100 makes process 200
    assert parse(message(0x1, 101, 100, 200, 200)) == Born(100, 200, is_thread=False)


def test_a_thread_is_told_from_a_process() -> None:
    assert parse(message(0x1, 100, 100, 201, 200)) == Born(100, 200, is_thread=True)


def test_starting_a_program_names_the_process() -> None:
    assert parse(message(0x2, 201, 200)) == Became(200)


def test_other_events_and_scraps_mean_nothing() -> None:
    assert parse(message(0x80000000, 1, 1, 0, 0)) is None
    assert parse(b"") is None
    assert parse(bytes(40)) is None


def test_descendants_count_and_strangers_do_not() -> None:
    events: list[Born | Became] = [
        Born(10, 11, is_thread=False),
        Became(11),
        Born(11, 12, is_thread=False),
        Became(12),
        Born(90, 91, is_thread=False),
        Became(91),
        Born(10, 10, is_thread=True),
    ]
    assert follow([10], events) == Count(forks=2, programs=2)
    assert follow([90], events) == Count(forks=1, programs=1)
    assert follow([], events) == Count(0, 0)
