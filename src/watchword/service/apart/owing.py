"""Closes what the hand has opened: after it is open, once, until it has succeeded.

In here: what is owed (edges.debts) while threads open, close and put off; whom it is for, as far as
root's word goes; running it though nobody asks for it.
Not in here: what opens (workshop), what an earlier run left (service.daemon.owed).

The gate says when, and is not believed: it may have closed only what was opened, and put off only
as far as its stanza allows. Without debts (a dry run) nothing is noted, nor has to be closed.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from watchword.edges.debts import Debt, Debts
from watchword.errors import HostError
from watchword.grant import warrants
from watchword.model.addresses import Address
from watchword.model.commands import Closing
from watchword.model.daemon_events import HostTrouble
from watchword.model.moments import Moment
from watchword.model.orders import Prolong
from watchword.ports import Clock, Completed, NotOwedError, NotStartedError, ProgramRunner, Reporter
from watchword.service.apart.licences import CLOSINGS, Licences

GRACE: Final = 60.0  # seconds that a closing command may be late before it is run unasked
AFTER_START: Final = 5.0  # the same for those of an earlier run: a new gate asks for them at once
_FINE: Final = 1.0  # seconds by which putting off something is worth being written down


class Owing:
    """What is owed. Methods may be called from any thread, and block while something is run."""

    def __init__(
        self,
        debts: Debts | None,
        programs: ProgramRunner,
        reporter: Reporter,
        clock: Clock,
        licences: Licences,
    ) -> None:
        """``licences``: root's word for later ends."""
        self._debts = debts
        self._programs = programs
        self._reporter = reporter
        self._clock = clock
        self._licences = licences
        self._closes_for: dict[tuple[str, ...], tuple[Address, Address]] = {}
        """Whom what is owed in this life is for, by what closes it."""
        self._began = clock.now().steady
        self._owing = threading.Condition()
        """For ``debts``; notified when one of them is busy no more."""
        self._stopped = False

    @contextmanager
    def opening(
        self, closing: Closing | None, until: float, most: float, now: Moment
    ) -> Iterator[None]:
        """Something is opened meanwhile, which this is to close: that is noted first.

        It is busy until it is open: to close it before would leave it open. A NotStartedError says
        that nothing was opened. Raises HostError: it is not noted, and nothing is to be opened.
        """
        if self._debts is None or closing is None:
            yield
            return
        with self._owing:
            debt = self._debts.owe(closing, until, most, now)
            debt.busy = True
        try:
            yield
        except NotStartedError:
            self._pay(debt)
            raise
        finally:
            self._free(debt)

    def note_whose(
        self, closing: Closing, grant: str, whose: tuple[Address, Address], until: float
    ) -> None:
        """For whose grant this closes something."""
        with self._owing:
            self._licences.know(grant, whose, until)
            self._closes_for[closing.argv] = whose

    def close(self, argv: tuple[str, ...]) -> Completed:
        """Behind what opens it, and behind who is closing it already. Raises HostError."""
        debts = self._debts
        if debts is None:
            raise NotOwedError("nothing has to be closed in a dry run")
        with self._owing:
            debt = debts.of(argv)
            while debt is None and debts.busy(argv):
                if self._stopped:
                    raise NotStartedError(f"{argv[0]} is busy")
                self._owing.wait()
                debt = debts.of(argv)
            if debt is None and debts.paid(argv):
                return Completed(0, b"", b"")
            if debt is None:
                raise NotOwedError(f"nothing has to be closed by {argv[0]}: it was not opened")
            debt.busy = True
        return self._run(debt)

    def _run(self, debt: Debt) -> Completed:
        """Raises HostError. What has failed stays owed."""
        try:
            done = self._programs.run(debt.closing.argv, seconds=debt.closing.seconds)
            debt.tried = bool(done.status)
            if not debt.tried:
                self._pay(debt)
        except HostError:
            debt.tried = True
            raise
        finally:
            self._free(debt)
        return done

    def _pay(self, debt: Debt) -> None:
        """If that cannot be written down, it is run again after a restart: better than never."""
        with self._owing:
            self._closes_for.pop(debt.closing.argv, None)
            try:
                if self._debts is not None:
                    self._debts.pay(debt)
            except HostError as error:
                self._reporter.report(HostTrouble("what is owed", str(error), error.hint))

    def _free(self, debt: Debt) -> None:
        with self._owing:
            debt.busy = False
            self._owing.notify_all()

    def prolong(self, order: Prolong) -> None:
        """Close something later, within what its stanza allows."""
        now = self._clock.now()
        if self._debts is None:
            return
        with self._owing:
            debt = self._debts.of(order.argv)
            if debt is None or order.until < debt.until + _FINE:
                return
            allowed = order.until - now.steady <= debt.most + warrants.SLACK
            whose = self._closes_for.get(order.argv, CLOSINGS)
            if not allowed and not self._licences.covers(
                order.grant, whose, debt.until, order.until
            ):
                why = f"{order.argv[0]} is not put off beyond the time of its stanza"
                self._reporter.report(HostTrouble("gate", f"it asked for what may not be: {why}"))
                return
            try:
                self._debts.put_off(debt, order.until, now)
            except HostError as error:
                self._reporter.report(HostTrouble("what is owed", str(error), error.hint))

    def overdue(self) -> list[Debt]:
        """What nobody asked to be run in time, for ``close_unasked``; it is busy from now on."""
        if self._debts is None:
            return []
        now = self._clock.now().steady
        with self._owing:
            late = self._debts.overdue(now - GRACE)
            if now - self._began > AFTER_START:
                late += [each for each in self._debts.overdue(now) if each.inherited]
            late = list({each.number: each for each in late}.values())
            for debt in late:
                debt.busy = True
        return late

    def close_unasked(self, debt: Debt) -> None:
        """Run what is overdue, and tell."""
        said = f"{debt.closing.text}: it is run late, for nobody asked for it"
        self._reporter.report(HostTrouble("what closes", said))
        try:
            self._run(debt)
        except HostError as error:
            self._reporter.report(HostTrouble("what closes", str(error), error.hint))

    def stop(self) -> None:
        """Have nobody wait any more."""
        with self._owing:
            self._stopped = True
            self._owing.notify_all()
