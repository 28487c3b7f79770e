"""What the soak takes for a leak, and what it does not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bench.flood import frames
from bench.soak import GROWTH, Look, Packets, faults

MIB = 1024**2
CALM = Look(0, 0, memory=50 * MIB, descriptors=16, threads=9, processes=1, zombies=0)


def looks(**last: int) -> list[Look]:
    """Ten looks while packets come and five while reloads do; the last one is as given."""
    found = [replace(CALM, packets=100_000 * (n + 1)) for n in range(10)]
    found += [replace(CALM, packets=1_000_000, reloads=200 * (n + 1)) for n in range(5)]
    found[-1] = replace(found[-1], **last)
    return found


def test_what_stays_as_it_is_passes_and_so_does_what_fills_while_it_gets_warm() -> None:
    assert faults(looks()) == []
    warming = looks()
    warming[0] = replace(warming[0], memory=30 * MIB, descriptors=12)
    assert faults(warming) == []


@pytest.mark.parametrize(
    ("last", "said"),
    [
        ({"memory": CALM.memory + int(GROWTH) + 1}, "memory grew by 8.0 MiB"),
        ({"descriptors": 17}, "descriptors: 16, then 17"),
        ({"zombies": 1}, "1 zombies"),
        ({"processes": 2}, "processes: 1, then 2"),
    ],
)
def test_what_piles_up_is_told(last: dict[str, int], said: str) -> None:
    assert faults(looks(**last)) == [said]
    while_packets_come = looks()
    while_packets_come[9] = replace(while_packets_come[9], **last)
    assert faults(while_packets_come) == [said]


def test_a_portion_holds_packets_of_every_kind_and_each_fits_in_a_frame() -> None:
    made = Packets().portion()
    kinds = {len(each) for each in made}
    assert len(kinds) > 1
    assert len(set(made)) < len(made), "some are sent again"
    for size in kinds:
        same = [each for each in made if len(each) == size]
        octets, length = frames(same, to_mac=bytes(6), from_mac=bytes(6), to="192.0.2.1")
        assert len(octets) == length * len(same)
