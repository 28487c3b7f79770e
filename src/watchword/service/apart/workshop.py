"""Runs for the gate what has to be run: commands, what closes, gpg, mails.

In here: holding each order against the policy, a bounded number of each kind at once, each in a
thread.
Not in here: what is owed for what was opened (owing), the firewall (counter), what a command is
(service.daemon.hand), running (edges.programs).
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from watchword.edges import mail
from watchword.edges.debts import Debts
from watchword.edges.gpg import Gpg
from watchword.edges.programs import SystemPrograms
from watchword.grant import cycles, warrants
from watchword.grant.cycles import Values
from watchword.model.commands import DEFAULT_SECONDS
from watchword.model.daemon_events import HostTrouble
from watchword.model.doors import RunCommands
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
from watchword.record import record
from watchword.service.apart.answers import Answer, Begun, failure
from watchword.service.apart.licences import Licences
from watchword.service.apart.owing import Owing
from watchword.service.apart.rulebook import Rulebook, Rules
from watchword.service.daemon import assembly, closer, opener, vault
from watchword.service.daemon.doors import COMMANDS_AT_ONCE
from watchword.service.knock import spelling

_SAID: Final = 1024  # bytes of what a command complains of
_EACH: Final = {
    OpenByCommand: opener.AT_ONCE,
    OpenDoor: COMMANDS_AT_ONCE,
    CloseByCommand: closer.AT_ONCE + COMMANDS_AT_ONCE,
    Decrypt: vault.AT_ONCE_ALTOGETHER,
    Mail: 2,
    Through: 2,
    Plain: 1,
}
"""How many of a kind may be under way; of commands as many as the settings say."""
_ACTS: Final = (RunCommand, OpenByCommand, OpenDoor, CloseByCommand, Mail)
"""What a dry run has nothing of."""


@record
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
        self._tools = tools
        self._reporter = reporter
        self._clock = clock
        self._answer = answer
        self._owing = Owing(debts, tools.closing, reporter, clock, licences)
        self._gpg = Gpg(tools.gpg)
        self._connections = assembly.connections_for(book.now.settings)
        self._threads = ThreadPoolExecutor(2048, thread_name_prefix="hand")
        """They are made as they are needed; what bounds them is how many of a kind there may be."""
        self._under_way: Counter[type] = Counter()
        self._guard = threading.Lock()

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
        if self._book.now.settings.dry_run and isinstance(order, _ACTS):
            raise ForbiddenError("nothing is run in a dry run")
        match order:
            case RunCommand():
                return self._command(number, order)
            case OpenByCommand():
                return self._open(order)
            case OpenDoor():
                return self._open_door(order)
            case CloseByCommand(argv):
                return _short(self._owing.close(argv))
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
        """What closes is noted first."""
        rules, now = self._rules(order.policy), self._clock.now()
        values = Values(
            order.who, order.source, order.destination, order.service, order.ends, order.seconds
        )
        if why := warrants.against_command(rules.policy, order.stanza, values, now):
            raise ForbiddenError(f"{order.service} for {order.who}: {why}")
        terms = rules.policy.terms(order.stanza)
        closing = cycles.closing(terms.cycle, values) if terms.cycle is not None else None
        until = now.steady + order.seconds
        with self._owing.opening(closing, until, float(terms.max_seconds), now):
            if closing is not None:
                self._owing.note_whose(closing, order.grant, (order.who, order.source), until)
            return _short(rules.hand.open(order.stanza, values))

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
        with self._owing.opening(closing, now.steady + seconds, seconds, now):
            return _short(self._tools.commands.run(opening.argv, seconds=DEFAULT_SECONDS))

    def prolong(self, order: Prolong) -> None:
        """Close something later, within what its stanza allows."""
        self._owing.prolong(order)

    def close_what_is_overdue(self) -> None:
        """Run what nobody asked to be run in time. Does not wait."""
        for debt in self._owing.overdue():
            self._threads.submit(self._owing.close_unasked, debt)

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
        self._owing.stop()
        self._tools.end()
        self._threads.shutdown(wait=False, cancel_futures=True)


def _short(done: Completed) -> Completed:
    """What the gate needs of it: how it ended, and the beginning of its complaints. More might
    fill what is between the two while the gate waits for something else."""
    return Completed(done.status, b"", done.stderr[:_SAID])
