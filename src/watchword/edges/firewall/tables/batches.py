"""Scripts that take rules out of a table and put others in, as one step.

In here: which script does it soonest, and what the chains hold then. Not in
here: sending it (standing), which rules (warden). No I/O.

To delete a rule, iptables looks for it from the front of its chain. Where many
go at once, writing down what stays is sooner done than looking for each of
them; that needs to know everything that is in the chain, rules of others
included.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from watchword.edges.firewall.tables.listing import Line
from watchword.record import record

_MANY = 16
"""Rules to delete from which on it can be worth it to write down the rest."""
_WORTH = 8
"""How many rules can be written in the time in which one is looked for, at the least."""

Content = dict[str, list[str]]
"""What our chains of one table hold: rules by chain, in order."""


@record
class Batch:
    """What happens to one table."""

    take: Sequence[Line] = ()
    put: Sequence[Line] = ()

    def __bool__(self) -> bool:
        return bool(self.take or self.put)

    def undone(self) -> Batch:
        return Batch(self.put, self.take)


def by_table(take: Sequence[Line], put: Sequence[Line]) -> dict[tuple[int, str], Batch]:
    """Sorted by IP version and table; what would be taken out and put in again is left alone."""
    kept = Counter(take) & Counter(put) if take and put else Counter()
    batches: dict[tuple[int, str], tuple[list[Line], list[Line]]] = {}
    for at, rules in enumerate((take, put)):
        spare = kept.copy()
        for line in rules:
            if spare[line]:
                spare[line] -= 1
            else:
                batches.setdefault(line.home, ([], []))[at].append(line)
    return {home: Batch(*both) for home, both in batches.items()}


def worth_knowing(batch: Batch) -> bool:
    """Whether it would help to know what the chains hold."""
    return len(batch.take) >= _MANY


def script(table: str, batch: Batch, content: Content | None, *, prepend: bool) -> str:
    """One transaction. ``content``: what the chains hold now; None: not known for sure."""
    lines: list[str] = []
    taken: dict[str, list[str]] = {}
    for line in batch.take:
        taken.setdefault(line.chain, []).append(line.rule)
    for chain, rules in taken.items():
        stays = None if content is None else left(content.get(chain, []), rules)
        if stays is not None and _sooner(len(rules), len(stays)):
            lines.append(f"-F {chain}")
            lines += [f"-A {chain} {rule}" for rule in stays]
        else:
            lines += [f"-D {chain} {rule}" for rule in rules]
    how = "-I" if prepend else "-A"
    lines += [f"{how} {line.chain} {line.rule}" for line in batch.put]
    return "\n".join([f"*{table}", *lines, "COMMIT", ""])


def _sooner(deletions: int, staying: int) -> bool:
    return deletions >= _MANY and deletions * _WORTH >= staying


def after(content: Content, batch: Batch, *, prepend: bool) -> Content:
    """What the chains hold when a batch has been carried out."""
    chains = dict(content)
    for chain in {line.chain for line in batch.take}:
        rules = [line.rule for line in batch.take if line.chain == chain]
        chains[chain] = left(chains.get(chain, []), rules)
    for line in batch.put:
        chains.setdefault(line.chain, [])
        chains[line.chain].insert(0 if prepend else len(chains[line.chain]), line.rule)
    return chains


def left(rules: Sequence[str], taken: Sequence[str]) -> list[str]:
    """What stays in a chain: of equal rules, as iptables does, the first goes."""
    going = Counter(taken)
    stays = []
    for rule in rules:
        if going[rule]:
            going[rule] -= 1
        else:
            stays.append(rule)
    return stays


def there(batch: Batch, rules: Mapping[str, Sequence[str]]) -> Batch:
    """The same, taking out only what is in the chains as they were listed."""
    present = Counter(Line(*line[:3], rule) for line in _heads(batch) for rule in
                      rules.get(line.chain, ()))  # fmt: skip
    take = []
    for line in batch.take:
        if present[line]:
            present[line] -= 1
            take.append(line)
    return Batch(take, batch.put)


def _heads(batch: Batch) -> list[Line]:
    """One line of each chain that something is taken out of."""
    return list({line.chain: line for line in batch.take}.values())
