"""Keeps grants, firewall and journal in step.

In here: the one order in which they change - firewall, journal, report - for
new grants, ends, restarts and another firewall. Nobody waits for the journal: it is written in the
background, in order, and what a crash keeps out of it is closed at the next
start.
Not in here: packets (gate), the timing of it all (keeper), the journal (books),
the change of the firewall itself and the way back where it fails (alignment).

One lock makes each change whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TypeAlias

from watchword.errors import HostError
from watchword.grant.crowd import Crowd, Wait
from watchword.grant.lifecycle import State, Turn
from watchword.grant.permits import Permit
from watchword.model.addresses import Address
from watchword.model.daemon_events import HostTrouble
from watchword.model.moments import Moment
from watchword.model.openings import Ending, Feature, Grant, Opening
from watchword.model.outcomes import (
    AddressShared,
    Change,
    Disowned,
    Refusal,
    Restored,
    Together,
)
from watchword.ports import (
    Clock,
    FirewallBackend,
    Journal,
    Reporter,
    UnwarrantedError,
)
from watchword.record import record
from watchword.service.daemon.alignment import Alignment
from watchword.service.daemon.books import Books
from watchword.service.daemon.extending import check_extension, extended, not_in_force
from watchword.service.daemon.whole import aside, whole

Answer: TypeAlias = Grant | Opening | Refusal | Wait
"""What becomes of a permit."""


@record
class Revoked:
    """What came of a revocation."""

    grants: tuple[Grant, ...]
    cut: int
    """Connections."""
    trouble: HostError | None = None
    """The firewall refused; the grants are over all the same, and it is tried again."""


class Enforcer(Alignment):
    """Everything that may change what is open goes through here."""

    def __init__(
        self, firewall: FirewallBackend, journal: Journal, reporter: Reporter, clock: Clock
    ) -> None:
        super().__init__(firewall, reporter)
        self.crowd = Crowd(self.ledger)
        self.resumed: Callable[[Iterable[Opening]], None] = lambda openings: None
        """Told what was open before this start, before the firewall is made to agree."""
        self.freed: Callable[[], None] = lambda: None
        """Called after grants have ended: an address may be free."""
        self.granted: Callable[[Grant], None] = lambda grant: None
        """Told of each grant that a packet got or renewed."""
        self._books = Books(journal, reporter, clock, self._freed)
        self._clock = clock

    async def resume(self, *, flush: bool) -> None:
        """Take up the grants of an earlier run, or end them, and make the firewall agree.

        What is open and was never noted is closed: it was opened in the moment
        before a crash, and its packet is spent.

        Raises HostError: the firewall could not be brought into step.
        """
        async with self._lock:
            now = self._clock.now()
            kept, over = [], []
            for grant in await self._books.unfinished(now):
                if grant.cycle is not None:
                    continue  # commands close those (service.daemon.cycles)
                if grant.until <= now.steady:
                    over.append((grant, Ending.EXPIRED))
                elif flush:
                    over.append((grant, Ending.REVOKED))
                else:
                    kept.append(grant)
            for grant in kept:
                self.ledger.resume(grant, State.OPEN)
            over += await self._beyond(self.firewall)
            self.resumed(self.ledger.openings())
            try:
                disowned = await self._realign()
            except UnwarrantedError as error:
                over += self._disallowed(error)
                disowned = await self._realign()
            self._books.ended(over)
        lost = {grant.id for grant, _ in over}
        if left := sum(each.id not in lost for each in kept):
            self._reporter.report(Restored(left, "they were open before this start"))
        if disowned and not flush:
            self._reporter.report(Disowned(disowned))

    async def _beyond(self, firewall: FirewallBackend) -> list[tuple[Grant, Ending]]:
        """Take back what leads where this firewall leads nobody, as it is set up now, what is for
        a part of an address where it lets in whole ones, and what is for IPv6 where it has none.
        Answers are for it to let out then."""
        grants = self.ledger.grants()
        special = [each for each in grants if each.features or each.answers or _is_for_six(each)]
        if not special:
            return []
        able = await aside(firewall.probe)
        for each in special if Feature.OUTPUT not in able else ():
            if each.answers:
                self.ledger.withdraw(each.id, Turn.REVOKED)
                self.ledger.resume(replace(each, answers=False), State.OPEN)
        names = [
            each.id
            for each in special
            if each.features - able or (_is_for_six(each) and Feature.IPV6 not in able)
        ]
        return [(self.ledger.withdraw(name, Turn.REVOKED), Ending.REVOKED) for name in names]

    def _disallowed(self, error: UnwarrantedError) -> list[tuple[Grant, Ending]]:
        """Take back what the firewall has lost since, and the policy of now lets nobody have."""
        self._reporter.report(HostTrouble.of("grants", error))
        names = [each.id for each in self.ledger.grants() if error.holes.intersection(each.wanted)]
        return [(self.ledger.withdraw(name, Turn.REVOKED), Ending.REVOKED) for name in names]

    async def grant(self, permits: Sequence[Permit]) -> list[Answer]:
        """Open what was permitted, all or nothing.

        Returns the grants, in order; each is in the firewall now, and is on
        its way into the journal. In place of a grant there is an opening where that leads the
        caller elsewhere by the same port, a refusal where others at his address are in the way,
        and a wait where he is to come again when they are not: then nothing was granted.
        Raises HostError: nothing was opened, and nothing is remembered of it.
        """
        async with self._lock:
            await self.written()  # so that never more than one batch is on its way
            now = self._clock.now()
            before: list[Grant | None] = []
            told: list[AddressShared] = []
            answers = [self._admitted(asked, now, before, told) for asked in permits]
            grants = [each for each in answers if isinstance(each, Grant)]
            try:
                await self._apply()
            except HostError:
                self._take_back(grants, before)
                raise
            for each in told:
                self._reporter.report(each)
            latest = {grant.id: grant for grant in grants}  # one may be in it twice
            self._books.granted(list(latest.values()))
            for grant in latest.values():
                self.granted(grant)
        self.stirred.set()
        return answers

    def _admitted(
        self,
        asked: Permit,
        now: Moment,
        before: list[Grant | None],
        told: list[AddressShared],
    ) -> Answer:
        """Enter a permit in the ledger. Of each grant, what it renews goes into ``before``, and
        what is to be said of it into ``told``."""
        permit = self.crowd.judge(asked, now)
        if not isinstance(permit, Permit):
            return permit
        other = self.ledger.led_elsewhere(permit, now)
        if other is not None:
            return other
        told += self._beside_others(permit)
        before.append(self.ledger.standing(permit))
        grant = self.ledger.admit(permit, now)
        told += self._crowded(permit, grant, now)
        return grant

    def _freed(self) -> None:
        self.freed()

    def _beside_others(self, permit: Permit) -> list[AddressShared]:
        holder = self.crowd.company(permit)
        if holder is None:
            return []
        return [AddressShared(permit.who, Together.HELD, (permit.request.user,), holder)]

    def _crowded(self, permit: Permit, grant: Grant, now: Moment) -> list[AddressShared]:
        """Remember that somebody is there, and tell how many they are by now, if they are more."""
        self.crowd.admitted(permit, grant, now)
        if not permit.identity:  # a door of knocks: nobody knows who it was
            return []
        people = self.crowd.seen(permit, now)
        if people is None:
            return []
        who, how = permit.who, Together.COUNT
        return [AddressShared(who, how, people.names, number=people.number)]

    def _take_back(self, grants: Sequence[Grant], before: Sequence[Grant | None]) -> None:
        """Nothing was granted; what was there before is to be as it was."""
        for grant, earlier in reversed(list(zip(grants, before, strict=True))):
            if earlier is None:
                self.ledger.withdraw(grant.id, Turn.FAILED)
            else:
                self.ledger.set_end(earlier, earlier.ends, earlier.until)
        self.in_doubt = True
        self.stirred.set()

    async def extend(self, name: str, seconds: float, most: float | None) -> Grant:
        """Move the end of a grant by some seconds, and return it.

        Its openings are replaced in one transaction. ``most``: seconds that
        may remain then; None: any.
        Raises OperatorError: it is not in force, or too much would remain.
        Raises HostError: the firewall refused, and the end is where it was.
        """
        async with self._lock:
            now = self._clock.now()
            before = self.ledger.grant(name)
            if before is None or before.until <= now.steady:
                raise not_in_force(name)
            check_extension(before, seconds, most, now)
            longer = extended(before, seconds)
            grant = self.ledger.set_end(before, longer.ends, longer.until)
            try:
                await self._apply()
            except HostError:
                self._take_back([grant], [before])
                raise
            self._books.granted([grant])
        self.stirred.set()
        return grant

    async def prolong(self, ends: Mapping[str, float]) -> Sequence[Grant]:
        """Move ends later, to these steady seconds; return the grants that end later now.

        What is over, or ends later already, is left as it is, and so is what may not end later.
        Raises HostError: the firewall refused, and every end is where it was.
        """
        async with self._lock:
            await self.written()
            now, before, longer = self._clock.now(), [], []
            for name, until in ends.items():
                grant = self.ledger.grant(name)
                if grant is not None and now.steady < grant.until < until:
                    before.append(grant)
                    later = grant.ends + (until - grant.until)
                    longer.append(self.ledger.set_end(grant, later, until))
            try:
                longer = await self._allowed(longer, before)
            except HostError:
                self._take_back(longer, before)
                raise
            if longer:
                self._books.granted(longer)
        self.stirred.set()
        return longer

    async def _allowed(self, longer: list[Grant], before: Sequence[Grant]) -> list[Grant]:
        """Have them end later, without those that may not; return which do. Raises HostError."""
        if not longer:
            return longer
        try:
            await self._apply()
        except UnwarrantedError as error:
            refused = {each.id for each in longer if error.holes.intersection(each.wanted)}
            if not refused:
                raise
            for each in before:
                if each.id in refused:
                    self.ledger.set_end(each, each.ends, each.until)
            await self._apply()
            return [each for each in longer if each.id not in refused]
        return longer

    async def close(self, who: Address, wanted: Callable[[Grant], bool]) -> tuple[Grant, ...]:
        """End those grants of a caller's that he wants to end; his connections go on."""
        async with self._lock:
            names = [each.id for each in self.ledger.grants_for(who) if wanted(each)]
            over = tuple(self.ledger.withdraw(name, Turn.REVOKED) for name in names)
            try:
                if over:
                    await self._apply()
            except HostError as error:
                self._doubt(error)
            self._books.ended([(grant, Ending.CLOSED) for grant in over])
        self.stirred.set()
        return over

    async def revoke(self, wanted: Callable[[Grant], bool], *, cut: bool) -> Revoked:
        """End the grants that are wanted to end; ``cut``: and the connections that they let in.

        Connections go on where another grant lets their caller in as well.
        """
        async with self._lock:
            names = [grant.id for grant in self.ledger.grants() if wanted(grant)]
            over = [self.ledger.withdraw(name, Turn.REVOKED) for name in names]
            trouble, count = None, 0
            try:
                if over:
                    await self._apply()
                if cut:
                    holes = {hole for grant in over for hole in grant.holes}
                    shut = [hole for hole in holes if self.ledger.opening(hole) is None]
                    count = await aside(partial(self.firewall.cut, shut))
            except HostError as error:
                self._doubt(error)
                trouble = error
            self._books.ended([(grant, Ending.REVOKED) for grant in over])
        self.stirred.set()
        return Revoked(tuple(over), count, trouble)

    def record(self, change: Change) -> None:
        """Note and tell what somebody had us do."""
        self._books.changed(change)

    @whole
    async def expire(self) -> None:
        """End what has come to its end."""
        async with self._lock:
            over = self.ledger.expire(self._clock.now())
            if not over:
                return
            try:
                await self._apply()
            except HostError as error:
                self._doubt(error)
            self._books.ended([(grant, Ending.EXPIRED) for grant in over])

    async def replace_firewall(self, firewall: FirewallBackend, *, elsewhere: bool) -> None:
        """Move everything that is open over to another backend.

        ``elsewhere``: it hangs in another place than the old one, which is
        then removed. Raises HostError: the new one cannot be used, and the
        old one goes on.
        """
        async with self._lock:
            old, self.firewall = self.firewall, firewall
            try:
                self._books.ended(await self._beyond(firewall))
                await self._realign()
            except HostError:
                self.firewall = old
                self.in_doubt = True
                self.stirred.set()
                raise
            if elsewhere:
                await self._take_down(old)

    async def _take_down(self, old: FirewallBackend) -> None:
        """The new one has everything: what cannot be removed of the old one is told, and stays."""
        try:
            await aside(old.teardown)
            if not self.firewall.intact():  # a chain that both of them call theirs
                await self._realign()
        except HostError as error:
            self._doubt(error)

    async def end_all(self, *, dismantle: bool = False) -> None:
        """End every grant now; ``dismantle``: and take away what they hang on."""
        async with self._lock:
            names = [grant.id for grant in self.ledger.grants()]
            over = [self.ledger.withdraw(name, Turn.REVOKED) for name in names]
            try:
                await self._realign()
                if dismantle:
                    await aside(self.firewall.teardown)
            except HostError as error:
                self._doubt(error)
            self._books.ended([(grant, Ending.REVOKED) for grant in over])

    async def written(self) -> None:
        """Wait until everything is in the journal, or was reported as trouble."""
        await self._books.written()

    async def close_books(self) -> None:
        """The same at the end, with one more try of what could not be written down."""
        await self._books.close()


def _is_for_six(grant: Grant) -> bool:
    return any(each.who.version == 6 for each in grant.callers)
