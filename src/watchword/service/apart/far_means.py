"""What a gate is given to serve with: everything that needs rights is done by the hand.

In here: putting together what is far away. Not in here: each of these (far, far_ways), the same
for a single process (service.daemon.means).
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Final

from watchword.edges.scrapes import Scrapes
from watchword.errors import HostError
from watchword.grant.ledger import Ledger
from watchword.model.commands import Closing
from watchword.model.door_events import SequenceNotMarked
from watchword.model.doors import Door
from watchword.model.openings import Grant, Hole, Opening
from watchword.model.orders import (
    Awaiting,
    CloseByCommand,
    Firewall,
    Mail,
    OpenDoor,
    Order,
    Plain,
    Prolong,
    Recognise,
    UseUp,
)
from watchword.model.policy import Policy
from watchword.model.settings import MailSettings, Settings
from watchword.ports import (
    Clock,
    Completed,
    FirewallBackend,
    ProgramRunner,
)
from watchword.service.apart.far import (
    FarConnections,
    FarControl,
    FarFirewall,
    FarHand,
    FarOpenPgp,
    FarPrograms,
    FarTaglessFirewall,
)
from watchword.service.apart.far_ways import FarWays
from watchword.service.apart.line import Line
from watchword.service.daemon.doors import COMMANDS_AT_ONCE
from watchword.service.daemon.enforcer import Enforcer
from watchword.service.daemon.firewall_news import Told
from watchword.service.daemon.hand import Blocked
from watchword.service.daemon.means import Means, Programs, Tell
from watchword.service.daemon.numbering import Numbering
from watchword.service.knock.runs import Errand

_MOST_AWAITED: Final = 100  # names of what is waited for


def _given(_path: Path, _group: int | None) -> None:
    """The hand has let the group in, together with that of the control socket."""


class FarMeans:
    """All of it, for one gate. ``means`` is what a server is given."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._ledger: Ledger | None = None
        self._now: FarFirewall | None = None
        self._coming: FarFirewall | None = None
        self._numbers: Numbering | None = None
        self._coming_numbers: Numbering | None = None
        self._door_threads = ThreadPoolExecutor(2 * COMMANDS_AT_ONCE, thread_name_prefix="door")
        """They are made as they are needed."""

    def means(self) -> Means:
        line, ways = self._line, FarWays(self._line)
        return Means(
            programs=Programs(
                FarPrograms(line, Plain.END_GPG),
                FarPrograms(line, Plain.END_COMMANDS),
                FarPrograms(line, Plain.END_CLOSING),
            ),
            openpgp=FarOpenPgp(line),
            hand=self._hand,
            close=self._close,
            catch=self._catch,
            firewall=self._firewall,
            openers=ways.openers(),
            connections=lambda settings: FarConnections(line),
            digests=ways.digests,
            lock=lambda settings: None,  # the hand holds it
            control=lambda control: FarControl(line, control),
            scrapes=partial(Scrapes, bound=ways.metrics, give=_given),
            send=self._send,
            end_mails=FarPrograms(line, Plain.END_MAIL).end,
            enforce=self._enforce,
            prolonged=self._prolonged,
            taken=self._taken,
            refused=self._refused,
            awaiting=self._awaiting,
            door_command=self._door_command,
            use_up=self._use_up,
            door_log=ways.door_log,
            policy=lambda: line.policy,
        )

    def _catch(self, signalled: Callable[[signal.Signals], None]) -> None:
        """What the operator sends goes to the hand; of what is sent to us only TERM counts."""
        self._line.signalled = lambda name: signalled(signal.Signals[name])
        self._line.begin()
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, signalled, signal.SIGTERM)

    def _firewall(self, _settings: Settings, _clock: Clock, _told: Told) -> FirewallBackend:
        """The hand has its own settings, and tells of programs by itself."""
        coming = self._now is not None
        name, slow, tagless = self._line.ask(Firewall(Plain.NAME, coming))
        kind = FarTaglessFirewall if tagless else FarFirewall
        made = kind(self._line, name, self._behind, slow=slow, coming=coming)
        if self._now is None:
            self._now = made
        else:
            self._coming = made
        return made

    def _hand(self, policy: Policy, blocked: Blocked) -> FarHand:
        self._coming_numbers = Numbering(policy)
        if self._numbers is None:
            self._numbers = self._coming_numbers
        return FarHand(self._line, policy, blocked)

    def _behind(self, hole: Hole) -> Grant | None:
        """With the number that its stanza has since the last reload; 0: it has none any more."""
        grant = None if self._ledger is None else self._ledger.behind(hole)
        if grant is None or self._numbers is None:
            return grant
        number = self._numbers.now(grant)
        return grant if number == grant.stanza else replace(grant, stanza=number or 0)

    def _enforce(self, enforcer: Enforcer) -> None:
        self._ledger = enforcer.ledger
        enforcer.resumed = self._resumed

    def _resumed(self, openings: Iterable[Opening]) -> None:
        self._line.ask(Recognise(tuple(openings)))

    def _taken(self) -> None:
        self._line.policy = self._line.ask(Plain.TAKEN)
        self._numbers = self._coming_numbers
        if self._coming is not None:
            self._coming.taken()
            self._now, self._coming = self._coming, None

    def _refused(self) -> None:
        self._coming = None
        self._line.ask(Plain.REFUSED)

    def _awaiting(self, what: Sequence[str]) -> None:
        """Answered, so that the hand has it before it hears that we are ready."""
        printable = ("".join(c if c.isprintable() else "?" for c in each) for each in what)
        self._line.ask(Awaiting(tuple(islice(printable, _MOST_AWAITED))))

    def _close(self, closing: Closing) -> Completed:
        """Raises NotOwedError: the hand never opened what this closes."""
        done: Completed = self._line.call(CloseByCommand(closing.argv))
        return done

    async def _door_command(self, errand: Errand) -> int:
        """What it is, the hand knows by itself. Raises HostError."""
        order: Order = OpenDoor(errand.door, errand.who, errand.policy)
        if errand.closes:
            order = CloseByCommand(errand.argv)
        loop = asyncio.get_running_loop()
        done: Completed = await loop.run_in_executor(self._door_threads, self._line.call, order)
        return done.status

    def _use_up(self, door: Door, tell: Tell) -> tuple[bool, Door]:
        """The hand has the file."""
        if not door.sequence:
            return False, door
        order = UseUp(door.number, door.sequence, self._line.policy)
        try:
            opens, waiting, events = self._line.ask(order)
        except HostError as error:
            tell(SequenceNotMarked(door.name, str(error)))
            return False, replace(door, sequence=())
        for each in events:
            tell(each)
        return opens, replace(door, sequence=waiting)

    def _prolonged(self, grant: Grant) -> None:
        for closing in grant.cycle.closings if grant.cycle else ():
            self._line.say(Prolong(closing.argv, grant.until, grant.id))

    def _send(self, _: MailSettings, subject: str, _programs: ProgramRunner) -> None:
        """Whom it goes to is what the hand has read."""
        self._line.call(Mail(subject))
