"""Tables of iptables in memory, changed by scripts as iptables-restore --noflush does it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator

from watchword.edges.firewall.tables.listing import Listing
from watchword.edges.firewall.tables.standing import RefusedError
from watchword.errors import HostError


class Tables:
    """For one IP version."""

    def __init__(self, **chains: list[str]) -> None:
        """Chains of the table filter."""
        self.tables: dict[str, dict[str, list[str]]] = {"filter": chains, "nat": {}}
        self.scripts: list[str] = []
        self.trouble: Callable[[str], None] = lambda _: None
        """Called with each script before it is carried out; what it raises is what happens."""
        self.listable = True

    def start(self) -> int:
        return 0

    def carry_out(self, script: str) -> None:
        self.scripts.append(script)
        self.trouble(script)
        name, *lines = script.splitlines()
        assert lines.pop() == "COMMIT"
        work = {chain: list(rules) for chain, rules in self.tables[name[1:]].items()}
        for line in lines:
            self._do(work, *line.split(" ", 2))
        self.tables[name[1:]] = work

    def listing(self, table: str) -> Listing:
        if not self.listable:
            raise HostError("there is no iptables-save any more")
        return Listing(self.tables[table])

    @staticmethod
    def _do(work: dict[str, list[str]], what: str, chain: str, rule: str = "") -> None:
        if chain not in work:
            raise RefusedError(f"no chain {chain}")
        rules = work[chain]
        match what:
            case "-A":
                rules.append(rule)
            case "-I":
                rules.insert(0, rule)
            case "-F":
                rules.clear()
            case "-D" if rule in rules:
                rules.remove(rule)
            case _:
                raise RefusedError(f"{what} {chain} {rule}: no such rule")

    def __iter__(self) -> Iterator[str]:
        """The rules in the chain of the tests."""
        return iter(self.tables["filter"]["OURS"])


class StillWatch:
    """Somebody else changes something only when the test says so."""

    def __init__(self) -> None:
        self.moved = False

    def stirred(self) -> bool:
        return self.moved

    def forget(self) -> None:
        self.moved = False

    def ours(self, makers: Collection[int]) -> None:
        pass

    def made_by_us(self) -> None:
        pass

    def close(self) -> None:
        pass
