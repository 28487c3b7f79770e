"""Makes our chains stand, sees whether they do, and takes them away.

In here: the order of looking and changing, over both IP versions and all tables.
Not in here: the scripts (chains), the programs (tools).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence

from watchword.edges.firewall.tables.chains import Branch, Tables, building, removal
from watchword.edges.firewall.tables.listing import Listing
from watchword.edges.firewall.tables.tools import Tools
from watchword.errors import HostError

_TRIES = 3


class Structure:
    """All chains that a backend needs."""

    def __init__(self, branches: Iterable[Branch], tools: Tools) -> None:
        self.branches: Sequence[Branch] = tuple(branches)
        self._by_table: dict[tuple[int, str], list[Branch]] = {}
        for branch in self.branches:
            self._by_table.setdefault(branch.table, []).append(branch)
        self._tools = tools

    @property
    def chains(self) -> dict[tuple[int, str], set[str]]:
        """Ours and those that call them, by IP version and table."""
        return {
            table: {name for each in branches for name in (each.use.caller, each.use.chain)}
            for table, branches in self._by_table.items()
        }

    def read(self) -> Tables:
        """What is there now. Raises HostError."""
        return {table: self._tools.table(*table) for table in self._by_table}

    def stands(self, read: Tables | None = None) -> bool:
        """Whether all is there, or was in what was read. Raises HostError: it cannot be seen."""
        found = self.read() if read is None else read
        return all(each.stands(found[each.table]) for each in self.branches)

    def ours(self, read: Tables | None = None) -> dict[tuple[int, str], dict[str, Sequence[str]]]:
        """The rules in our chains, by IP version and table, then by chain. Raises HostError."""
        found = self.read() if read is None else read
        return {
            table: {each.use.chain: found[table].rules(each.use.chain) for each in branches}
            for table, branches in self._by_table.items()
        }

    def check(self) -> None:
        """Raises HostError: a chain that is to call ours is not there."""
        found = self.read()
        for branch in self.branches:
            use = branch.use
            if use.caller not in found[branch.table]:
                raise HostError(
                    f"there is no chain {use.caller} in the table {use.table} "
                    f"of {self._tools.program(branch.version)}",
                    hint="create it, or name another with the IPT_*_ACCESS variable that names it",
                )

    def build(self) -> None:
        """Make everything stand; what stands is left alone. Raises HostError."""
        self._change(building)

    def remove(self) -> None:
        """Raises HostError."""
        self._change(removal)

    def _change(self, scripted: Callable[[Collection[Branch], Listing], str]) -> None:
        """Others may change a table between our look and our change: then both are made again."""
        for (version, name), branches in self._by_table.items():
            for left in reversed(range(_TRIES)):
                text = scripted(branches, self._tools.table(version, name))
                try:
                    if text:
                        self._tools.restore(version, text)
                    break
                except HostError:
                    if not left:
                        raise
