"""Keeps grants, firewall and journal in step.

In here: the one order in which they change - firewall, journal, report - for
new grants, ends, restarts, and when other hands or failures have put the
firewall out of step. Nobody waits for the journal: it is written in the
background, in order, and what a crash keeps out of it is closed at the next
start.
Not in here: packets (gate), the timing of it all (keeper).

One lock makes each change whole. Whatever goes wrong with the firewall, the way
back is the same: read back what it has, work out the difference, apply it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence

from watchword.errors import HostError
from watchword.grant.decide import Permit
from watchword.grant.ledger import Ledger
from watchword.grant.lifecycle import State, Turn
from watchword.model.openings import Ending, Grant
from watchword.model.outcomes import Disowned, GrantEnded, HostTrouble, Restored
from watchword.ports import Clock, FirewallBackend, Journal, Reporter

_CHANGED = "other hands had changed the firewall"


class Enforcer:
    """Everything that may change what is open goes through here."""

    def __init__(
        self, firewall: FirewallBackend, journal: Journal, reporter: Reporter, clock: Clock
    ) -> None:
        self.ledger = Ledger()
        self.firewall = firewall
        self.in_doubt = False
        """True: the firewall may not have what the ledger says."""
        self.stirred = asyncio.Event()
        """Set when the keeper has to look again: an earlier end, or doubt."""
        self._journal = journal
        self._reporter = reporter
        self._clock = clock
        self._lock = asyncio.Lock()
        self._writing: asyncio.Future[None] | None = None

    async def resume(self, *, flush: bool) -> None:
        """Take up the grants of an earlier run, or end them, and make the firewall agree.

        What is open and was never noted is closed: it was opened in the moment
        before a crash, and its packet is spent.

        Raises HostError: the firewall could not be brought into step.
        """
        async with self._lock:
            now = self._clock.now()
            kept, over = [], []
            for grant in await self._journal.unfinished(now):
                if grant.cycle is not None:
                    continue  # commands close those (service.cycles)
                if grant.until <= now.steady:
                    over.append((grant, Ending.EXPIRED))
                elif flush:
                    over.append((grant, Ending.REVOKED))
                else:
                    kept.append(grant)
            for grant in kept:
                self.ledger.resume(grant, State.OPEN)
            disowned = self._realign()
            self._note_ends(over)
        if kept:
            self._reporter.report(Restored(len(kept), "they were open before this start"))
        if disowned and not flush:
            self._reporter.report(Disowned(disowned))

    async def grant(self, permits: Sequence[Permit]) -> list[Grant]:
        """Open what was permitted, all or nothing.

        Returns the grants, in order; each is in the firewall now, and is on
        its way into the journal.
        Raises HostError: nothing was opened, and nothing is remembered of it.
        """
        async with self._lock:
            await self.written()  # so that never more than one batch is on its way
            now = self._clock.now()
            grants = [self.ledger.admit(permit, now) for permit in permits]
            try:
                self._apply()
            except HostError:
                for grant in grants:
                    self.ledger.withdraw(grant.id, Turn.FAILED)
                self.in_doubt = True
                self.stirred.set()
                raise
            self._note(self._journal.granted(grants))
        self.stirred.set()
        return grants

    async def expire(self) -> None:
        """End what has come to its end."""
        async with self._lock:
            over = self.ledger.expire(self._clock.now())
            if not over:
                return
            try:
                self._apply()
            except HostError as error:
                self._doubt(error)
            self._note_ends([(grant, Ending.EXPIRED) for grant in over])

    async def heal(self, *, thoroughly: bool = False) -> None:
        """Bring the firewall back into step if it is not. Reports what could not be done.

        ``thoroughly``: let it clean up as well, even if nothing is wrong.
        """
        async with self._lock:
            try:
                doubted = self.in_doubt
                if not doubted and self.firewall.intact():
                    if thoroughly:
                        self.firewall.prepare()
                    return
                self._realign()
            except HostError as error:
                self._doubt(error)
                return
        why = "the firewall works again" if doubted else _CHANGED
        self._reporter.report(Restored(len(self.ledger), why))

    async def replace_firewall(self, firewall: FirewallBackend, *, elsewhere: bool) -> None:
        """Move everything that is open over to another backend.

        ``elsewhere``: it hangs in another place than the old one, which is
        then removed. Raises HostError: the new one cannot be used, and the
        old one goes on.
        """
        async with self._lock:
            old, self.firewall = self.firewall, firewall
            try:
                self._realign()
            except HostError:
                self.firewall = old
                self.in_doubt = True
                self.stirred.set()
                raise
            if elsewhere:
                old.teardown()

    async def end_all(self) -> None:
        """End every grant now."""
        async with self._lock:
            names = [grant.id for grant in self.ledger.grants()]
            over = [self.ledger.withdraw(name, Turn.REVOKED) for name in names]
            try:
                self._realign()
            except HostError as error:
                self._doubt(error)
            self._note_ends([(grant, Ending.REVOKED) for grant in over])

    def _apply(self) -> None:
        """Make the change; if the firewall is not what we thought, start from what it is."""
        try:
            self.firewall.apply(self.ledger.change())
        except HostError:
            self._realign()
            self._reporter.report(Restored(len(self.ledger), _CHANGED))
        else:
            self.ledger.settled()

    def _realign(self) -> int:
        """Start from what the firewall has; return how many openings had to go."""
        self.firewall.prepare()
        change = self.ledger.full_change(self.firewall.installed())
        self.firewall.apply(change)
        self.ledger.settled()
        self.in_doubt = False
        return len(change.remove)

    def _doubt(self, error: HostError) -> None:
        self.in_doubt = True
        self.stirred.set()
        self._reporter.report(HostTrouble("firewall", str(error), error.hint))

    def _note_ends(self, over: Sequence[tuple[Grant, Ending]]) -> None:
        if not over:
            return
        wall = self._clock.now().wall
        self._note(self._journal.ended([(grant.id, ending) for grant, ending in over], wall))
        for grant, ending in over:
            self._reporter.report(GrantEnded(grant, ending, wall))

    def _note(self, writing: Awaitable[None]) -> None:
        """Have something written down after all that is being written down already."""
        self._writing = asyncio.ensure_future(self._write(self._writing, writing))

    async def _write(self, before: Awaitable[None] | None, writing: Awaitable[None]) -> None:
        """A journal that cannot be written to is trouble, and does not undo what holds."""
        if before is not None:
            await before
        try:
            await writing
        except HostError as error:
            self._reporter.report(HostTrouble("journal", str(error), error.hint))

    async def written(self) -> None:
        """Wait until everything is in the journal, or was reported as trouble."""
        if self._writing is not None:
            await self._writing
