"""Works out what to change in the firewall: what should be, less what is."""

from __future__ import annotations

from collections.abc import Iterable

from watchword.model.openings import ChangeSet, Opening, Tag


def reconcile(wanted: Iterable[Opening], installed: frozenset[Tag]) -> ChangeSet:
    """Compare everything by tag, so that nothing has to parse a rule back.

    For start, error and resync; in the steady state ``between`` compares the
    changed holes only.
    """
    by_tag = {opening.tag: opening for opening in wanted}
    return ChangeSet(
        add=tuple(opening for tag, opening in by_tag.items() if tag not in installed),
        remove=installed - by_tag.keys(),
    )


def between(changes: Iterable[tuple[Opening | None, Opening | None]]) -> ChangeSet:
    """The change that leads from before to after, for each (before, after) of one hole."""
    add: list[Opening] = []
    remove: set[Tag] = set()
    for before, after in changes:
        if before == after:
            continue
        if before is not None:
            remove.add(before.tag)
        if after is not None:
            add.append(after)
    return ChangeSet(tuple(add), frozenset(remove))
