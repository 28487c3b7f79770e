"""What a stranger can make us say: a little, and then one line a second."""

from __future__ import annotations

import asyncio

import pytest

from watchword.model.outcomes import Flooded
from watchword.model.reasons import Reason
from watchword.service.daemon.restraint import CHEAP, RARE, Restraint


def told(restraint: Restraint, count: int, reason: Reason, at: float) -> int:
    return sum(restraint.tells(reason, "192.0.2.66", at) for _ in range(count))


@pytest.mark.parametrize("reason", [each for each in Reason if each in CHEAP])
def test_rare_refusals_are_told_one_by_one_and_floods_are_counted(reason: Reason) -> None:
    restraint = Restraint()
    assert told(restraint, 1000, reason, 0.0) == RARE
    [flood] = restraint.close_second(1.0, 100.0)
    assert flood == Flooded(reason, 1000 - RARE, 1.0, "192.0.2.66", 100.0)


def test_while_a_flood_goes_on_there_is_one_line_a_second_and_nothing_else() -> None:
    restraint = Restraint()
    told(restraint, 1000, Reason.MAC_MISMATCH, 0.0)
    restraint.close_second(1.0, 0.0)
    for second in (1.0, 2.0, 3.0):
        assert told(restraint, 500, Reason.MAC_MISMATCH, second) == 0
        [flood] = restraint.close_second(second + 1, 0.0)
        assert flood.count == 500


def test_a_flood_of_datagrams_hides_nobody_who_connected() -> None:
    restraint = Restraint()
    told(restraint, 1000, Reason.MAC_MISMATCH, 0.0)
    assert restraint.tells(Reason.MAC_MISMATCH, "192.0.2.66", 0.5, connected=True)
    for _ in range(1000):
        restraint.tells(Reason.MAC_MISMATCH, "192.0.2.67", 0.5, connected=True)
    floods = restraint.close_second(1.5, 0.0)
    assert [(flood.count, flood.last_peer) for flood in floods] == [
        (1000 - RARE, "192.0.2.66"),
        (1001 - RARE, "192.0.2.67"),
    ]


def test_after_a_quiet_second_refusals_are_told_one_by_one_again() -> None:
    restraint = Restraint()
    told(restraint, 1000, Reason.MAC_MISMATCH, 0.0)
    restraint.close_second(1.0, 0.0)
    assert told(restraint, 3, Reason.MAC_MISMATCH, 1.5) == 0
    [flood] = restraint.close_second(2.5, 0.0)
    assert flood.count == 3
    assert told(restraint, 3, Reason.MAC_MISMATCH, 2.6) == 3


def test_one_kind_of_flood_does_not_silence_another_kind() -> None:
    restraint = Restraint()
    told(restraint, 1000, Reason.MAC_MISMATCH, 0.0)
    assert told(restraint, 2, Reason.REPLAYED, 0.0) == 2


def test_what_needs_a_key_is_always_told() -> None:
    restraint = Restraint()
    for reason in set(Reason) - CHEAP:
        assert told(restraint, 100, reason, 0.0) == 100


def test_it_rests_when_nothing_happened() -> None:
    async def scene() -> None:
        restraint = Restraint()
        assert not restraint.stirred.is_set()
        told(restraint, 1, Reason.MAC_MISMATCH, 0.0)
        assert restraint.stirred.is_set()
        assert restraint.close_second(1.0, 0.0) == []
        assert not restraint.stirred.is_set()

    asyncio.run(scene())
