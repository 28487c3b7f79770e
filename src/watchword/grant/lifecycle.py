"""The life of a grant, as one table."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class State(StrEnum):
    WANTED = "wanted"  # decided, not yet in the firewall
    OPEN = "open"
    GONE = "gone"


class Turn(StrEnum):
    """What can happen to a grant."""

    INSTALLED = "installed"
    FAILED = "failed"  # the firewall, or the journal before it, refused
    EXPIRED = "expired"
    REVOKED = "revoked"


TRANSITIONS: Final = {
    (State.WANTED, Turn.INSTALLED): State.OPEN,
    (State.WANTED, Turn.FAILED): State.GONE,
    (State.WANTED, Turn.EXPIRED): State.GONE,
    (State.WANTED, Turn.REVOKED): State.GONE,
    (State.OPEN, Turn.EXPIRED): State.GONE,
    (State.OPEN, Turn.REVOKED): State.GONE,
}


def step(state: State, turn: Turn) -> State:
    """The state after a turn. KeyError is a bug in the caller."""
    return TRANSITIONS[state, turn]
