"""Runs for the gate what has to be run: commands, what closes, gpg, mails.

In here: holding each order against the policy, a bounded number of each kind at once, each in a
thread; what is owed (edges.debts) and run though nobody asks for it.
Not in here: the firewall (counter), what a command is (service.daemon.hand), running
(edges.programs).
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

from watchword.edges import mail
from watchword.edges.debts import Debt, Debts
from watchword.edges.gpg import Gpg
from watchword.edges.programs import SystemPrograms
from watchword.errors import HostError
from watchword.grant import cycles, warrants
from watchword.grant.cycles import Values
from watchword.model.addresses import Address
from watchword.model.commands import DEFAULT_SECONDS, Closing
from watchword.model.daemon_events import HostTrouble
from watchword.model.doors import RunCommands
from watchword.model.moments import Moment
from watchword.model.orders import (
    CloseByCommand,
    Decrypt,
    Mail,
    OpenByCommand,
    OpenDoor,
    Order,
    Plain,
    Prolong,
    RunCommand,
    Through,
)
from watchword.ports import (
    Clock,
    Completed,
    ForbiddenError,
    NotOwedError,
    NotStartedError,
    Reporter,
)
from watchword.service.apart.answers import Answer, Begun, failure
from watchword.service.apart.licences import CLOSINGS, Licences
from watchword.service.apart.rulebook import Rulebook, Rules
from watchword.service.daemon import assembly, closer, vault
from watchword.service.daemon import cycles as cycling
from watchword.service.daemon.doors import COMMANDS_AT_ONCE
from watchword.service.knock import spelling

GRACE: Final = 60.0  # seconds that a closing command may be late before it is run unasked
AFTER_START: Final = 5.0  # the same for those of an earlier run: a new gate asks for them at once
_FINE: Final = 1.0  # seconds by which putting off something is worth being written down
_SAID: Final = 1024  # bytes of what a command complains of
_EACH: Final = {
    OpenByCommand: cycling.AT_ONCE,
    OpenDoor: COMMANDS_AT_ONCE,
    CloseByCommand: closer.AT_ONCE + COMMANDS_AT_ONCE,
    Decrypt: vault.AT_ONCE_ALTOGETHER,
    Mail: 2,
    Through: 2,
    Plain: 1,
}
"""How many of a kind may be under way; of commands as many as the settings say."""


@dataclass(frozen=True, slots=True)
class Tools:
    """What runs programs."""

    commands: SystemPrograms
    closing: SystemPrograms
    gpg: SystemPrograms
    mail: SystemPrograms

    def end(self) -> None:
        for each in (self.commands, self.closing, self.gpg, self.mail):
            each.end()


class Workshop:
    """Everything that runs beside the firewall."""

    def __init__(
        self,
        book: Rulebook,
        debts: Debts | None,
        tools: Tools,
        reporter: Reporter,
        clock: Clock,
        *,
        answer: Callable[[Answer | Begun], None],
        licences: Licences,
    ) -> None:
        """``answer`` is called from threads. ``licences``: root's word for later ends."""
        self._book = book
        self._debts = debts
        self._tools = tools
        self._reporter = reporter
        self._clock = clock
        self._answer = answer
        self._licences = licences
        self._closes_for: dict[tuple[str, ...], tuple[Address, Address]] = {}
        """Whom what is owed in this life is for, by what closes it."""
        self._gpg = Gpg(tools.gpg)
        self._connections = assembly.connections_for(book.now.settings)
        self._threads = ThreadPoolExecutor(2048, thread_name_prefix="hand")
        """They are made as they are needed; what bounds them is how many of a kind there may be."""
        self._began = clock.now().steady
        self._under_way: Counter[type] = Counter()
        self._guard = threading.Lock()
        self._owing = threading.Condition()
        """For ``debts``; notified when one of them is busy no more."""
        self._stopped = False

    def take(self, number: int, order: Order) -> None:
        """Begin, and answer when it is done. Does not wait."""
        kind = type(order) if not isinstance(order, Plain) else Plain
        most = _EACH.get(kind, self._book.now.settings.commands_at_once * 2)
        with self._guard:
            busy = self._under_way[kind] >= most
            self._under_way[kind] += not busy
        if busy:
            error = NotStartedError(f"{most} of that kind are under way already")
            self._answer(failure(number, error))
            return
        self._threads.submit(self._see_to, number, order, kind)

    def _see_to(self, number: int, order: Order, kind: type) -> None:
        try:
            answer = Answer(number, self._done(number, order))
        except NotOwedError as error:  # or its opener never began: no offence
            self._reporter.report(HostTrouble("what closes", str(error), error.hint))
            answer = failure(number, error)
        except ForbiddenError as error:
            self._reporter.report(HostTrouble("gate", f"it asked for what may not be: {error}"))
            answer = failure(number, error)
        except Exception as error:  # whatever it is, somebody waits for the answer
            answer = failure(number, error)
        finally:
            with self._guard:
                self._under_way[kind] -= 1
        self._answer(answer)

    def _done(self, number: int, order: Order) -> Any:
        match order:
            case RunCommand():
                return self._command(number, order)
            case OpenByCommand():
                return self._open(order)
            case OpenDoor():
                return self._open_door(order)
            case CloseByCommand(argv):
                return self._close(argv)
            case Plain.REREAD:
                return self._book.reread()
            case _:
                return self._look_or_send(order)

    def _look_or_send(self, order: Order) -> Any:
        match order:
            case Decrypt(name, message):
                return self._decrypt(name, message)
            case Mail(subject):
                return self._mail(subject)
            case Through(holes):
                return self._connections.through(holes)
            case _:
                raise ForbiddenError(f"{type(order).__name__} is nothing that is run")

    def _rules(self, number: int) -> Rules:
        rules = self._book.of(number)
        if rules is None:
            raise NotStartedError("the policy changed meanwhile")
        return rules

    def _command(self, number: int, order: RunCommand) -> Completed:
        rules = self._rules(order.policy)
        try:
            terms = rules.policy.terms(order.stanza)
        except IndexError:
            raise ForbiddenError(f"there is no stanza #{order.stanza}") from None
        if terms.commands is None and not terms.actions:
            raise ForbiddenError(f"stanza #{order.stanza} runs no commands")
        if terms.expired(self._clock.now().wall):
            raise ForbiddenError(f"stanza #{order.stanza} has expired")
        begun = Begun(number)
        done = rules.hand.command(order.stanza, order.command, lambda: self._answer(begun))
        return _short(done)

    def _open(self, order: OpenByCommand) -> Completed:
        """Note what will close, then run what opens."""
        rules, now = self._rules(order.policy), self._clock.now()
        values = Values(
            order.who, order.source, order.destination, order.service, order.ends, order.seconds
        )
        if why := warrants.against_command(rules.policy, order.stanza, values, now):
            raise ForbiddenError(f"{order.service} for {order.who}: {why}")
        terms = rules.policy.terms(order.stanza)
        closing = cycles.closing(terms.cycle, values) if terms.cycle is not None else None
        until = now.steady + order.seconds
        debt = self._owe(closing, until, float(terms.max_seconds), now) if closing else None
        if closing is not None:
            self._note_whose(closing, order, until)
        try:
            return _short(rules.hand.open(order.stanza, values))
        except NotStartedError:
            if debt is not None:
                self._pay(debt)
            raise
        finally:
            if debt is not None:
                self._free(debt)

    def _note_whose(self, closing: Closing, order: OpenByCommand, until: float) -> None:
        whose = (order.who, order.source)
        with self._owing:
            self._licences.know(order.grant, whose, until)
            self._closes_for[closing.argv] = whose

    def _open_door(self, order: OpenDoor) -> Completed:
        """As for a stanza: what closes is noted first. Both are what our own reading says."""
        rules, now = self._rules(order.policy), self._clock.now()
        door = rules.policy.door(order.door)
        if door is None or not isinstance(door.action, RunCommands):
            raise ForbiddenError(f"door {order.door} runs no commands")
        if why := warrants.against_caller(rules.policy, order.who):
            raise ForbiddenError(f"door {door.name}: {why}")
        try:
            opening, stop = spelling.spelled(door.action, order.who)
        except spelling.TooLongError:
            opening = None
        if opening is None:
            raise ForbiddenError(f"door {door.name} runs nothing for {order.who}")
        seconds = float(door.action.seconds or 0)
        closing = stop.closing(DEFAULT_SECONDS) if stop is not None else None
        debt = self._owe(closing, now.steady + seconds, seconds, now) if closing else None
        try:
            return _short(self._tools.commands.run(opening.argv, seconds=DEFAULT_SECONDS))
        except NotStartedError:
            if debt is not None:
                self._pay(debt)
            raise
        finally:
            if debt is not None:
                self._free(debt)

    def _owe(self, closing: Closing, until: float, most: float, now: Moment) -> Debt | None:
        """It is busy until it is open: to close it before would leave it open."""
        if self._debts is None:
            return None
        with self._owing:
            debt = self._debts.owe(closing, until, most, now)
            debt.busy = True
        return debt

    def _free(self, debt: Debt) -> None:
        with self._owing:
            debt.busy = False
            self._owing.notify_all()

    def _close(self, argv: tuple[str, ...]) -> Completed:
        """Behind what opens it, and behind who is closing it already."""
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
            done = self._tools.closing.run(debt.closing.argv, seconds=debt.closing.seconds)
            debt.tried = bool(done.status)
            if not debt.tried:
                self._pay(debt)
        except HostError:
            debt.tried = True
            raise
        finally:
            self._free(debt)
        return _short(done)

    def _pay(self, debt: Debt) -> None:
        """If that cannot be written down, it is run again after a restart: better than never."""
        with self._owing:
            self._closes_for.pop(debt.closing.argv, None)
            try:
                if self._debts is not None:
                    self._debts.pay(debt)
            except HostError as error:
                self._reporter.report(HostTrouble("what is owed", str(error), error.hint))

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

    def close_what_is_overdue(self) -> None:
        """Run what nobody asked to be run in time. Does not wait."""
        if self._debts is None:
            return
        now = self._clock.now().steady
        with self._owing:
            late = self._debts.overdue(now - GRACE)
            if now - self._began > AFTER_START:
                late += [each for each in self._debts.overdue(now) if each.inherited]
            late = list({each.number: each for each in late}.values())
            for debt in late:
                debt.busy = True
        for debt in late:
            self._threads.submit(self._close_unasked, debt)

    def _close_unasked(self, debt: Debt) -> None:
        said = f"{debt.closing.text}: it is run late, for nobody asked for it"
        self._reporter.report(HostTrouble("what closes", said))
        try:
            self._run(debt)
        except HostError as error:
            self._reporter.report(HostTrouble("what closes", str(error), error.hint))

    def _decrypt(self, name: bytes, message: bytes) -> Any:
        for rules in (self._book.now, self._book.coming, self._book.of(self._book.number - 1)):
            for terms in rules.policy.stanzas if rules is not None else ():
                if terms.openpgp is not None and terms.openpgp.keyring.name == name:
                    return self._gpg.decrypt(terms.openpgp.keyring, message)
        raise ForbiddenError("no stanza has such a key ring")

    def _mail(self, subject: str) -> None:
        settings = self._book.now.settings.mail
        if settings is None:
            raise ForbiddenError("no mail goes to anybody")
        mail.send(settings, subject, self._tools.mail)

    def end(self, what: Plain) -> None:
        """Kill what runs of one kind, and run nothing of it any more."""
        tools = {
            Plain.END_GPG: self._tools.gpg,
            Plain.END_COMMANDS: self._tools.commands,
            Plain.END_CLOSING: self._tools.closing,
            Plain.END_MAIL: self._tools.mail,
        }
        tools[what].end()

    def stop(self) -> None:
        """End what runs."""
        with self._owing:
            self._stopped = True
            self._owing.notify_all()
        self._tools.end()
        self._threads.shutdown(wait=False, cancel_futures=True)


def _short(done: Completed) -> Completed:
    """What the gate needs of it: how it ended, and the beginning of its complaints. More might
    fill what is between the two while the gate waits for something else."""
    return Completed(done.status, b"", done.stderr[:_SAID])
