"""The ways of letting in one of many who share an address, as an operator would write them.

In here: what stands in a stanza, and with which program its owner knocks. Not in here: what comes
of it (docs/shared-addresses.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Mode:
    """One way."""

    name: str
    title: str
    stanza: Mapping[str, str] = field(default_factory=dict)
    """What stands in access.conf beside keys and ports."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """What stands in fwknopd.conf."""
    client: Mapping[str, str] = field(default_factory=dict)
    """What stands in the client's rc file."""
    ports: tuple[int, int] | None = None
    """Where neighbours try, first and last; None: at the service's own port."""
    front: int | None = None
    """The port of ``watchword front``, which is then where everybody goes; None: there is none."""
    connects: bool = False
    """Whether owners come with ``watchword connect``; else with ``fwknop``, and by themselves."""


_SECRET = (40000, 59999)
_RANGE = "{}-{}".format(*_SECRET)

MODES = (
    Mode("plain", "a grant for the address, as with fwknop"),
    Mode("short", "a door that is open for 3 seconds", {"DOOR_TIMEOUT": "3"}),
    Mode(
        "counted",
        "one connection, and then shut",
        {"COUNT_CONNECTIONS": "Y"},
        connects=True,
    ),
    Mode(
        "counted-plain",
        "the same for clients of fwknop",
        {"COUNT_CONNECTIONS": "Y"},
    ),
    Mode(
        "secret",
        "a port of its own for each grant",
        {"SECRET_PORTS": _RANGE},
        client={"SECRET_PORTS": _RANGE},
        connects=True,
        ports=_SECRET,
    ),
    Mode(
        "secret-counted",
        "the same, for one connection",
        {"SECRET_PORTS": _RANGE, "COUNT_CONNECTIONS": "Y"},
        client={"SECRET_PORTS": _RANGE},
        connects=True,
        ports=_SECRET,
    ),
    Mode(
        "bound",
        "a grant for one source port",
        {"BIND_SOURCE_PORT": "required"},
        client={"BIND_SOURCE_PORT": "only"},
        connects=True,
    ),
    Mode(
        "lease",
        "one at a time, for 2 seconds; others wait",
        {"EXCLUSIVE_LEASE": "queue", "FW_ACCESS_TIMEOUT": "2"},
    ),
    Mode(
        "quota",
        "at most 30 identities at once",
        {"MAX_IDENTITIES_PER_ADDRESS": "30"},
    ),
    Mode(
        "proof",
        "proof in the first bytes",
        {"PROVE": "Y"},
        client={"PROVE": "Y"},
        connects=True,
        front=2222,
    ),
)
"""In the order of the table."""
