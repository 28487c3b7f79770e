"""Points in time, on the two clocks that matter here."""

from __future__ import annotations

from typing import NamedTuple


class Moment(NamedTuple):
    """One instant, read from both clocks together.

    Times that people and packets name are on the wall clock, which can be
    stepped. Everything that has to end is counted on the steady clock, which
    cannot, so that an hour's step neither ends nor prolongs a grant.
    """

    wall: float
    """Unix seconds."""
    steady: float
    """Seconds since the machine started, time asleep included."""
