"""What stands in iptables, in the words in which the doctor reads rulesets.

In here: the tables filter and nat of both IP versions, as chains of edges.firewall.ruleset;
which of the kernel's old tables there are.
Not in here: what it means (service.doctor). As there, a rule is understood as far as ports
and verdicts go.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from watchword.edges.firewall.ruleset import Chain, Rule
from watchword.edges.firewall.tables.listing import Listing
from watchword.edges.firewall.tables.tools import Tools
from watchword.errors import HostError
from watchword.model.services import Proto, Service

_VERDICTS = {"ACCEPT": "accept", "DROP": "drop", "REJECT": "reject", "RETURN": "return"}
_TRANSLATES = ("DNAT", "REDIRECT")
_FAMILIES = {4: "ip", 6: "ip6"}
_QUIET = ("LOG", "NFLOG", "ULOG")
_OLD = {
    "iptables-legacy": Path("/proc/net/ip_tables_names"),
    "ip6tables-legacy": Path("/proc/net/ip6_tables_names"),
}
"""Where the kernel names its old tables, once somebody has used them. For root to read."""


def chains(tools: Tools, table: str) -> list[Chain]:
    """Chains of a table, and of nat where that is. Raises HostError: they cannot be listed."""
    found: list[Chain] = []
    for version in tools.versions(table):
        found += read(_FAMILIES[version], table, tools.table(version, table))
        with contextlib.suppress(HostError):  # a kernel without address translation
            found += read(_FAMILIES[version], "nat", tools.table(version, "nat"))
    return found


def old_tables() -> dict[str, list[str]]:
    """The kernel's old tables that are in use, by the program that lists them."""
    found = {}
    for program, names in _OLD.items():
        with contextlib.suppress(OSError):  # a kernel that has none
            found[program] = sorted(names.read_text("ascii").split())
    return {program: names for program, names in found.items() if names}


def read(family: str, table: str, listing: Listing) -> Iterator[Chain]:
    for name, rules in listing.chains.items():
        policy = listing.policies.get(name, "")
        yield Chain(
            family, table, name, tuple(map(_rule, rules)),
            hook=name.lower() if policy else "", policy=policy.lower(),
        )  # fmt: skip


def _rule(text: str) -> Rule:
    """``-p tcp -m tcp --dport 22 -j ACCEPT`` is for a port; what asks more is conditional."""
    matches, _, action = f" {text}".partition(" -j ")
    target = action.split(" ", 1)[0]
    service = _service(matches.split())
    translates = target in _TRANSLATES
    verdict = _VERDICTS.get(target, "")
    if target and not verdict and not translates and target not in _QUIET:
        verdict = "jump"
    return Rule(
        verdict,
        None if service is None else frozenset({service}),
        conditional=bool(matches.split()) and service is None,
        translates=translates,
        target=target if verdict == "jump" else "",
    )


def _service(words: Sequence[str]) -> Service | None:
    """The port that a rule is for, if it asks for nothing else."""
    if len(words) != 6 or words[0] != "-p" or words[2:5] != ["-m", words[1], "--dport"]:
        return None
    if words[1] not in list(Proto) or not words[5].isdecimal():
        return None
    return Service(Proto(words[1]), int(words[5]))
