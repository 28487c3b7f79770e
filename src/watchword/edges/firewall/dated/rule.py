"""Rules that say when they end, and what each of these firewalls has to be able to do.

In here: the rule, whatever the firewall, and the interface of its tool.
Not in here: the tools (ipfw, pf, ipf, netsh), openings (backend).
"""

from __future__ import annotations

import re
import socket
from collections.abc import Collection, Sequence
from ipaddress import ip_address
from typing import Final, NamedTuple, Protocol

from watchword.errors import HostError
from watchword.model.addresses import Address
from watchword.model.openings import Feature, Hole
from watchword.model.services import Proto

DATED: Final = re.compile(r"_exp_([0-9]{1,12})")
"""How a rule says when it ends."""


_ON_HOSTS: Final = frozenset({Feature.IPV4, Feature.IPV6, Feature.DESTINATION, Feature.SELF_EXPIRY})
"""What rules of a host's own firewall can do."""


class Rule(NamedTuple):
    """One rule: who may reach what, and until when."""

    hole: Hole
    """Without a lead."""
    ends: int
    """Unix seconds."""


class SlowerError(HostError):
    """Whoever has the rules wants to be asked less often: what is there is not known."""


class Tool(Protocol):
    """One kind of firewall, driven by its program. All methods raise HostError."""

    features: frozenset[Feature] = _ON_HOSTS
    """What its rules can do."""
    look_every: float = 1.0
    """Seconds between two looks whether others changed something; a look runs one program."""
    look_seldom: float = 0.0
    """The same for whoever ends rules after the server, if more than that one's own."""

    def check(self) -> None:
        """See if it can be used. Changes nothing."""
        ...

    def prepare(self) -> None:
        """Make what rules hang on, and leave the rules there are."""
        ...

    def stands(self) -> bool:
        """Whether what rules hang on is there."""
        ...

    def read(self) -> Sequence[Rule]:
        """The rules that are in force, in order."""
        ...

    def due(self, *, live: bool) -> bool:
        """Whether it is time for a look. ``live``: there is something that has yet to end."""
        return True

    def look(self) -> Sequence[Rule]:
        """The same as ``read``, to see if others changed something. Raises SlowerError as well."""
        return self.read()

    def change(self, take: Collection[Rule], put: Collection[Rule]) -> None:
        """Take rules out and put others in: everything, or nothing.

        No rule is in both. What is there already is not put in again; what is gone is no error.
        """
        ...

    def tidy(self, now: float) -> None:
        """Look after what rules leave behind when they are taken out, at these steady seconds."""
        ...

    def line(self, rule: Rule) -> str:
        """The rule as a person is to see it."""
        ...

    def shown(self, *, everything: bool) -> str:
        """What a person is to see: our rules, or all, as the program prints them."""
        ...

    def remove(self) -> None:
        """Take out everything that is ours."""
        ...


def address(text: str) -> Address | None:
    """An address as a listing has it; None: it is none."""
    try:
        return ip_address(text)
    except ValueError:
        return None


def port_of(text: str, proto: Proto) -> int | None:
    """A port as a listing has it, which may be by its name; None: it is none."""
    try:
        port = int(text) if text.isdecimal() else socket.getservbyname(text, proto)
    except OSError:
        return None
    return port if 1 <= port <= 65535 else None
