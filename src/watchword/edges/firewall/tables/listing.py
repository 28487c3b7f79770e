"""What stands in the tables of iptables, as ``iptables-save`` prints it.

In here: text into chains and rules. Not in here: running the program (tools),
what should stand there (chains).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple


class Line(NamedTuple):
    """One rule in one chain."""

    version: int
    """4 or 6."""
    table: str
    chain: str
    rule: str

    @property
    def home(self) -> tuple[int, str]:
        return self.version, self.table


@dataclass(frozen=True, slots=True)
class Listing:
    """The chains of one table, with their rules as text, in order."""

    chains: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Rules without ``-A CHAIN`` in front."""
    policies: Mapping[str, str] = field(default_factory=dict)
    """Of chains that the kernel calls: ``ACCEPT`` or ``DROP``."""

    def __contains__(self, chain: str) -> bool:
        return chain in self.chains

    def rules(self, chain: str) -> Sequence[str]:
        """None of a chain that is not there."""
        return self.chains.get(chain, ())

    def calls(self, caller: str, chain: str) -> int:
        """How many rules of a chain do nothing but call another."""
        return sum(rule == f"-j {chain}" for rule in self.rules(caller))


def parse(text: str) -> Listing:
    """Read what ``iptables-save -t TABLE`` prints; comments and COMMIT are passed over."""
    chains: dict[str, list[str]] = {}
    policies: dict[str, str] = {}
    for line in text.splitlines():
        if line.startswith(":"):
            name, policy, *_ = f"{line[1:]} -".split(" ")
            chains.setdefault(name, [])
            if policy != "-":
                policies[name] = policy
        elif line.startswith("-A "):
            chain, _, rule = line[3:].partition(" ")
            chains.setdefault(chain, []).append(rule)
    return Listing(chains, policies)
