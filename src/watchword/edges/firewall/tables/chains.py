"""Our chains in tables of iptables, and the rules of others' chains that call them.

In here: what has to be done to what stands, as text for ``iptables-restore
--noflush``. Not in here: running it (tools), what stands (listing), rules of
openings (rules). No I/O.

Rules are added and removed by what they say, never by their number. What others
put into a chain of ours stays until the chain itself goes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from watchword.edges.firewall.tables.listing import Listing
from watchword.model.firewalls import ChainUse
from watchword.record import record


@record
class Branch:
    """One chain of ours for one IP version."""

    version: int
    use: ChainUse
    rules: tuple[str, ...] = ()
    """What it has to hold, beside the rules of openings, as iptables-save prints it."""

    @property
    def table(self) -> tuple[int, str]:
        return self.version, self.use.table

    def stands(self, found: Listing) -> bool:
        here = found.rules(self.use.chain)
        return (
            self.use.chain in found
            and found.calls(self.use.caller, self.use.chain) > 0
            and all(rule in here for rule in self.rules)
        )


Tables = Mapping[tuple[int, str], Listing]
"""What stands, by IP version and table."""


def building(branches: Collection[Branch], found: Listing) -> str:
    """A script that makes these chains of one table stand; empty if they do."""
    lines = []
    for branch in branches:
        use = branch.use
        if use.chain not in found:
            lines.append(f"-N {use.chain}")
        here = found.rules(use.chain)
        lines += [f"-A {use.chain} {rule}" for rule in branch.rules if rule not in here]
        if not found.calls(use.caller, use.chain):
            lines.append(f"-I {use.caller} {_place(use, found)} -j {use.chain}")
    return script(branches, lines)


def _place(use: ChainUse, found: Listing) -> int:
    """Where the call goes: the first free place if there are fewer rules than asked for."""
    return min(max(use.position, 1), len(found.rules(use.caller)) + 1)


def removal(branches: Collection[Branch], found: Listing) -> str:
    """A script that removes these chains of one table and every call of them; may be empty."""
    lines = []
    there = [each.use for each in branches if each.use.chain in found]
    for use in there:
        for caller in found.chains:
            lines += [f"-D {caller} -j {use.chain}"] * found.calls(caller, use.chain)
        lines.append(f"-F {use.chain}")
    lines += [f"-X {use.chain}" for use in there]
    return script(branches, lines)


def script(branches: Collection[Branch], lines: Iterable[str]) -> str:
    """One transaction in the table of these branches; empty without lines."""
    body = "".join(f"{line}\n" for line in lines)
    if not body:
        return ""
    (table,) = {each.use.table for each in branches}
    return f"*{table}\n{body}COMMIT\n"
