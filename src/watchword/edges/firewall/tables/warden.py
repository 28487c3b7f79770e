"""The process that changes our chains in iptables, and ends openings on time.

In here: the one place where rules of openings are put in and taken out, on
somebody's word or because their time is up. Not in here: scripts (batches),
handing them over (standing), the conversation (warden_process).

It knows of a rule before the kernel does, so there is none that nobody ends.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Protocol

from watchword.edges.firewall.tables.batches import (
    Batch,
    Content,
    after,
    by_table,
    script,
    there,
    worth_knowing,
)
from watchword.edges.firewall.tables.holdings import Holdings
from watchword.edges.firewall.tables.listing import Listing
from watchword.edges.firewall.tables.messages import Entries
from watchword.edges.firewall.tables.standing import RefusedError, UncertainError
from watchword.edges.firewall.tables.watch import Watch
from watchword.errors import HostError

AGAIN = 0.25
"""Seconds until rules that could not be taken out are tried again."""

Home = tuple[int, str]


class Restore(Protocol):
    """What carries out scripts (standing)."""

    def start(self) -> int:
        """Have it stand ready; return its process number."""
        ...

    def carry_out(self, script: str) -> None: ...


class Warden:
    """Rules of openings, and when they end."""

    def __init__(
        self,
        homes: Collection[Home],
        restores: Mapping[int, Restore],
        listed: Callable[[int, str], Listing],
        watch: Watch,
        *,
        prepend: bool = False,
    ) -> None:
        """A warden of nothing yet.

        Args:
            homes: The tables with chains of ours.
            restores: By IP version.
            listed: What a table holds; may raise HostError.
            watch: Whether others changed something.
            prepend: Whether each new rule goes before all others.
        """
        self._homes = frozenset(homes)
        self.holdings = Holdings()
        self.disturbed = False
        """Others may have changed our chains, and nobody was told yet."""
        self._restores = restores
        self._listed = listed
        self._watch = watch
        self._prepend = prepend
        self._unreadable = False
        """The tables could not be listed, and nobody has seen to that yet."""
        self._makers: dict[int, int] = {}
        self._contents: dict[Home, Content] = {}
        """What the tables hold, as long as nobody else may have changed them."""

    def look(self) -> bool:
        """Whether others may have changed our chains since ``forget``."""
        if self._watch.stirred():
            self.disturbed = True
        if self.disturbed:
            self._contents.clear()
        return self.disturbed

    def forget(self) -> None:
        """Somebody has seen to what others did."""
        self._watch.forget()
        self.disturbed = self._unreadable = False
        self._contents.clear()

    def stand_ready(self, version: int) -> None:
        """Start what carries out scripts for an IP version, if it does not run. RefusedError."""
        self._makers[version] = self._restores[version].start()
        self._watch.ours(self._makers.values())

    def change(self, take: Collection[str], put: Entries) -> None:
        """Take openings out and put others in: everything, or nothing.

        What has gone already is no error. Raises HostError.
        """
        new = [line for _, lines in put.values() for line in lines]
        batches = by_table(self.holdings.lines(take), new)
        replaced = {name for name in put if name in self.holdings}
        # Before the kernel has them: whatever becomes of us, these are ended.
        self.holdings.hold(put)
        done: dict[Home, Batch] = {}
        try:
            for home, batch in batches.items():
                self._carry_out(home, batch)
                done[home] = batch
        except (RefusedError, HostError) as error:
            undone = [self._undo(home, batch) for home, batch in done.items()]
            if all(undone):  # else what was put in stays held, and is ended in its time
                self.holdings.drop(put.keys() - replaced)
            raise HostError(str(error)) from error
        except UncertainError as error:
            self._contents.clear()
            raise HostError(str(error)) from error  # and what was put in stays held
        self.holdings.drop(name for name in take if name not in put)

    def end(self, now: float) -> list[str]:
        """Take out what is over; return the names. What cannot be is tried again."""
        due = self.holdings.due(now)
        cleared: set[Home] = set()
        for home, batch in by_table(self.holdings.lines(due), ()).items():
            try:
                self._carry_out(home, batch)
                cleared.add(home)
            except (RefusedError, UncertainError, HostError):
                self._contents.clear()
        left = self.holdings.without(due, cleared)
        self.holdings.again(left, now + AGAIN)
        return [name for name in due if name not in self.holdings]

    def read_ahead(self) -> None:
        """Learn what the tables hold, for the day on which many openings end at once."""
        if self.look() or self._unreadable:
            return
        for home in self._homes - self._contents.keys():
            try:
                self._learn(home)
            except HostError:
                self._unreadable = True
                return

    def _learn(self, home: Home) -> Content:
        content = {chain: list(rules) for chain, rules in self._listed(*home).chains.items()}
        if not self._watch.stirred():
            self._contents[home] = content
        return content

    def _carry_out(self, home: Home, batch: Batch) -> None:
        """One table, whole or not at all. Raises RefusedError, UncertainError, HostError."""
        self.look()
        content = self._contents.get(home)
        if content is None and worth_knowing(batch) and not self.disturbed:
            content = self._learn(home)
        try:
            self._run(home, batch, content)
        except RefusedError:
            if not batch.take:
                raise
            # Something may have gone already: then the rest is taken out without it.
            present = there(batch, self._listed(*home).chains)
            if len(present.take) == len(batch.take):
                raise
            if present:
                self._run(home, present, None)

    def _run(self, home: Home, batch: Batch, content: Content | None) -> None:
        version, table = home
        text = script(table, batch, content, prepend=self._prepend)
        self.stand_ready(version)
        self._restores[version].carry_out(text)
        self._watch.made_by_us()
        if content is not None and home in self._contents:
            self._contents[home] = after(content, batch, prepend=self._prepend)
        else:
            self._contents.pop(home, None)

    def _undo(self, home: Home, batch: Batch) -> bool:
        """Another table refused: this one is to be as it was. Whether it is."""
        try:
            self._carry_out(home, batch.undone())
        except (RefusedError, UncertainError, HostError):
            self._contents.clear()
            return False
        return True
