"""What knocks bring about has bounds, and that is told now and then."""

from __future__ import annotations

from watchword.edges.clock import FakeClock
from watchword.model.door_events import DoorEvent, Trouble
from watchword.service.knock.limits import Limit


def test_what_is_beyond_the_bound_is_left_out_and_told_once_a_second() -> None:
    clock, told = FakeClock(), list[DoorEvent]()
    limit = Limit(2, "openings", told.append, clock)
    assert [limit.admits(count) for count in (0, 1, 2, 3, 9)] == [True, True, False, False, False]
    clock.advance(1.0)
    assert not limit.admits(2)
    assert [each.message for each in told if isinstance(each, Trouble)] == [
        "2 openings are under way: 1 more were left out",
        "2 openings are under way: 3 more were left out",
    ]
