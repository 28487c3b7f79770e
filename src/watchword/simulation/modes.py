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
    connects: bool = False
    """Whether owners come with ``watchword connect``; else with ``fwknop``, and by themselves."""


MODES = (
    Mode("plain", "a grant for the address, as with fwknop"),
    Mode(
        "bound",
        "a grant for one source port",
        {"BIND_SOURCE_PORT": "required"},
        client={"BIND_SOURCE_PORT": "only"},
        connects=True,
    ),
)
"""In the order of the table."""
