"""Which places in the ruleset one server keeps for itself.

In here: the claims on our table, on our pieces of the operator's tables, on his sets.
Not in here: what a claim is (tables.claim), what stands in those places (layout).

Two servers in one place would take each other's openings for strays, and take them out.
"""

from __future__ import annotations

from collections.abc import Iterator

from watchword.edges.firewall.nft.layout import Home, Structure
from watchword.edges.firewall.tables.claim import Claim
from watchword.errors import HostError


def claimed(structure: Structure) -> list[Claim]:
    """All of them, or none. Raises HostError: another server has one."""
    held: list[Claim] = []
    try:
        for place, hint in _places(structure):
            held.append(Claim(place, hint))
    except HostError:
        for each in held:
            each.close()
        raise
    return held


def _places(structure: Structure) -> Iterator[tuple[str, str]]:
    """In words, and how to have another."""
    theirs = {str(home) for home in structure.homes if home.names}
    for home in structure.tables:
        if home == structure.own:
            yield f"the table {home}", "give this one a table of its own with NFT_TABLE"
        elif str(home) not in theirs:
            yield _chains_in(home), "give this one another table, or the guard"
    for home in structure.homes:
        for _, _, name in home.names:
            yield f"the set {home} {name}", "give this one sets of its own"


def _chains_in(home: Home) -> str:
    return f"chains in the table {home}"


def is_free(home: Home) -> bool:
    """Whether no other server keeps chains in a table of the operator's."""
    try:
        Claim(_chains_in(home), "").close()
    except HostError:
        return False
    return True
