"""What the gate tells the hand of a grant: the number that its stanza has by now."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, Final

import pytest

from tests.values import policy, terms
from watchword.model.addresses import canonical
from watchword.model.openings import Grant, Hole
from watchword.model.policy import Policy
from watchword.model.services import Service
from watchword.service.apart.far_means import FarMeans

OURS, OTHER = terms(1, key_names=("ours",)), terms(1, key_names=("other",))
WHO: Final = canonical("198.51.100.2")
HOLE: Final = Hole(WHO, Service.parse("tcp/22"))


class Sight:
    """A gate's means with one grant of the stanza that was the first one."""

    def __init__(self) -> None:
        line: Any = SimpleNamespace(policy=1, ask=lambda order: 1)
        self._far = FarMeans(line)
        self._means = self._far.means()
        grant = Grant(
            "c017425b7a", 1, "alice", WHO, WHO, (Service.parse("tcp/22"),), None, 0.0, 60.0, 60.0,
            key="ours",
        )  # fmt: skip
        enforcer: Any = SimpleNamespace(
            ledger=SimpleNamespace(behind=lambda hole: grant if hole == HOLE else None)
        )
        self._means.hand(policy(OURS), lambda name: False)
        self._means.enforce(enforcer)

    def reload(self, found: Policy, *, taken: bool = True) -> None:
        self._means.hand(found, lambda name: False)
        if taken:
            self._means.taken()
        else:
            self._means.refused()

    @property
    def stanza(self) -> int:
        grant = self._far._behind(HOLE)
        assert grant is not None
        return grant.stanza


@pytest.mark.parametrize(
    ("found", "number"),
    [
        (policy(OURS), 1),
        (policy(OTHER, terms(2, key_names=("ours",))), 2),
        (policy(OTHER), 0),
    ],
    ids=["where it was", "another one before it", "gone"],
)
def test_after_a_reload_the_number_is_that_of_the_same_key(found: Policy, number: int) -> None:
    sight = Sight()
    assert sight.stanza == 1
    sight.reload(found)
    assert sight.stanza == number


def test_a_reload_that_is_refused_changes_no_number() -> None:
    sight = Sight()
    sight.reload(policy(OTHER, terms(2, key_names=("ours",))), taken=False)
    assert sight.stanza == 1
