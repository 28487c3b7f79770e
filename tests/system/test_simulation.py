"""A short play of a building on a real kernel, and what it shows."""

from __future__ import annotations

from pathlib import Path

import pytest

from watchword.simulation.cast import Play
from watchword.simulation.modes import MODES
from watchword.simulation.stage import Stage

pytestmark = pytest.mark.system
PLAY = Play(owners=20, neighbours=5, minutes=0.2, visits=400, stay=1.0, patience=6.0)


@pytest.mark.requirement("2.23", partial=True)
def test_neighbours_get_in_beside_a_plain_grant_and_no_owner_is_shut_out(tmp_path: Path) -> None:
    plain = Stage(PLAY, MODES[0], tmp_path).run()
    assert plain.visits >= 3
    assert plain.shut_out == ()
    assert plain.knocks >= plain.visits
    assert 100 < plain.admitted <= plain.tries
