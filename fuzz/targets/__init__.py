"""What is fuzzed, in the order in which it is run.

A new reader of foreign bytes gets a module here and a line in ``ALL``; the
ordinary tests, ``make fuzz`` and the seeds follow from that.
"""

from __future__ import annotations

from typing import Final

from fuzz.target import Target
from fuzz.targets import (
    admits,
    carriers,
    clocks,
    files,
    frames,
    grants,
    knocks,
    libfko,
    old_knocks,
    openpgp,
    packets,
    plaintexts,
    relays,
    stanzas,
    whereabouts,
)

ALL: Final[tuple[Target, ...]] = (
    packets.TARGET,
    plaintexts.TARGET,
    grants.TARGET,
    admits.TARGET,
    libfko.PACKETS,
    libfko.PLAINTEXTS,
    openpgp.PACKETS,
    openpgp.TEXTS,
    openpgp.STATUS,
    carriers.REQUESTS,
    carriers.STREAMS,
    relays.RELAYS,
    relays.STATUSES,
    relays.LOSSES,
    frames.FRAMES,
    frames.CAPTURES,
    files.SERVER,
    files.RC,
    files.DIGESTS,
    stanzas.TARGET,
    whereabouts.STUN,
    whereabouts.WEB,
    clocks.TIMES,
    clocks.DATES,
    knocks.KNOCKS,
    knocks.DOORS,
    knocks.SHEETS,
    old_knocks.HITS,
    old_knocks.LOG_LINES,
    old_knocks.KNOCK_MESSAGES,
    old_knocks.SIGNATURES,
)


def named(name: str) -> Target:
    """Raises KeyError for a name that no target has."""
    return {target.name: target for target in ALL}[name]
