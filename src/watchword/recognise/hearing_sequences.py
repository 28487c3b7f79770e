"""Which packets change anything for old knocks, for a filter in the kernel.

In here: from stanzas to tests of packets. Not in here: programs for the kernel (edges.capture).

What it lets through is looked at again, so it may let through more.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from watchword.model.doors import Flag
from watchword.model.filters import All, Any, Direction, Filter, FlagsAre, PortIs, ProtocolIs
from watchword.model.old_knocks import PORTS
from watchword.recognise.collecting import EncryptedWatch, Watch

_TCP, _UDP, _ICMP, _ICMPV6 = 6, 17, 1, 58
_BEGINNING: Final = FlagsAre(int(Flag.SYN), int(Flag.ACK))
_EVERYTHING: Final = (
    _BEGINNING,
    ProtocolIs(frozenset({4, 6}), _UDP),
    ProtocolIs(frozenset({4}), _ICMP),
    ProtocolIs(frozenset({6}), _ICMPV6),
)
"""Whatever its sender hits counts for a shared sequence."""


def hearing(watches: Iterable[Watch]) -> Filter | None:
    """What is of interest; None: nothing is."""
    offsets: set[int] = set()
    for watch in watches:
        if not isinstance(watch, EncryptedWatch):
            return Any(_EVERYTHING)
        offsets.add(watch.knock.offset)
    tests = tuple(test for offset in sorted(offsets) for test in _ports(offset))
    return Any(tests) if tests else None


def _ports(offset: int) -> tuple[Filter, Filter]:
    last, to = offset + PORTS - 1, Direction.DESTINATION
    return (
        All((_BEGINNING, PortIs(offset, last, frozenset({_TCP}), direction=to))),
        PortIs(offset, last, frozenset({_UDP}), direction=to),
    )
