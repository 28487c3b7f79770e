"""What a grant costs in each of the modes for shared addresses: processor time of the server.

The same burst in each: every caller has an address of his own, and a grant of his own comes of
each packet. All of it is in the figure: decryption, replay memory, journal, firewall, log.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Final, NamedTuple

from bench import packets
from bench.figures import Goal, Unit
from bench.sending import from_strangers, send_tried, settle
from bench.servers import Ours, Server
from bench.table import Effort, Line, Round, Rounds, Row
from bench.waiting import NotMeasuredError

_PATIENCE: Final = 60.0  # seconds
_PLAIN: Final = "modes.plain"


class _Mode(NamedTuple):
    key: str
    title: str
    lines: str = ""
    """Of the stanza."""
    admit: str = ""
    """What each packet says; empty: an ordinary one."""


_MODES: Final = (
    _Mode(_PLAIN, "CPU for each grant to an address"),
    _Mode("modes.bound", "... bound to a source port", "BIND_SOURCE_PORT required\n", "port 40123"),
    _Mode("modes.prefix", "... to a prefix", "PREFIXES_IPV4 31\n", "prefix 31"),
    _Mode(
        "modes.first",
        "... to the first of a prefix that connects",
        "PREFIXES_IPV4 31\nFIRST_CONNECTS_ONLY Y\n",
        "prefix 31",
    ),
    _Mode("modes.several", "... to two addresses", "MORE_ADDRESSES 1\n", "also 192.0.2.1"),
    _Mode("modes.proved", "... with a connection to be proved", "PROVE Y\n"),
    _Mode("modes.counted", "... for one connection", "COUNT_CONNECTIONS Y\n"),
    _Mode("modes.counted-5", "... for five connections", "MAX_CONNECTIONS 5\n"),
    _Mode("modes.door", "... with a short door", "DOOR_TIMEOUT 5\n"),
    _Mode("modes.secret", "... with a secret port", "SECRET_PORTS 40000-59999\n"),
    _Mode("modes.lease", "... that holds its address", "EXCLUSIVE_LEASE refuse\n"),
    _Mode(
        "modes.quota",
        "... where so many may share an address",
        "MAX_IDENTITIES_PER_ADDRESS 9\nMAX_GRANTS_PER_ADDRESS 9\n",
    ),
)


def _measure(server: Server, effort: Effort, *, mode: _Mode) -> Round:
    if not isinstance(server, Ours):
        raise NotMeasuredError(f"{server.name} has no such modes")
    server.clear()
    server.lines = mode.lines
    server.start()
    number = effort.of(4_000, 1_000)
    # of two neighbours in a prefix only one calls, so that each grant is another one
    callers = packets.fresh_addresses(2 * number)[::2]
    cost = _cost(server, [packets.sealed(each, admit=mode.admit) for each in callers])
    granted = server.verdicts().get("granted", 0)
    if granted != number:
        raise NotMeasuredError(f"{granted} of {number} packets were granted something")
    return Round({mode.key: cost}, raw={"grants": number})


def _cost(server: Server, burst: Sequence[bytes]) -> float:
    """Processor seconds for each packet of a burst."""
    settle(server)
    before = server.account.processor_seconds()
    send_tried(server, from_strangers(burst), limit=_PATIENCE)
    return (server.account.processor_seconds() - before) / len(burst)


def _row(mode: _Mode) -> Row:
    goal = None if mode.key == _PLAIN else Goal(against=_PLAIN, share=2.0)
    line = Line(mode.key, mode.title, Unit.TIME, goal)
    return Row(mode.key, (line,), Rounds(3, 1), partial(_measure, mode=mode))


ROWS = tuple(map(_row, _MODES))
