"""The hand, as the gate sees it: what opens, runs and decrypts somewhere else.

In here: implementations of the ports, and of what service.daemon has for one process, that send
orders. Not in here: carrying them out (counter).
"""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import socket
import time
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

from watchword.edges.capture.openers import Openers
from watchword.edges.scrapes import Scrapes
from watchword.errors import Complaint, OperatorError
from watchword.grant.cycles import Values
from watchword.grant.ledger import Ledger
from watchword.model.commands import Closing
from watchword.model.openings import ChangeSet, Feature, Grant, Hole, Opening, Tag
from watchword.model.openpgp import Decrypted, Keyring
from watchword.model.orders import (
    Apply,
    CloseByCommand,
    Compile,
    Cut,
    Decrypt,
    Firewall,
    Mail,
    OpenByCommand,
    OpenControl,
    OpenWay,
    Plain,
    Prolong,
    Recognise,
    RunCommand,
    Through,
    Wanted,
    Way,
)
from watchword.model.policy import Policy
from watchword.model.settings import MailSettings, MetricsPlace, Settings
from watchword.ports import (
    Clock,
    Completed,
    FirewallBackend,
    ForbiddenError,
    OpenPgp,
    ProgramRunner,
)
from watchword.service.apart.line import Line
from watchword.service.daemon.assembly import DIGEST_CACHE_LIMIT
from watchword.service.daemon.control import WORK, Control, Rights
from watchword.service.daemon.enforcer import Enforcer
from watchword.service.daemon.hand import Blocked, Hand
from watchword.service.daemon.means import Means, Programs, Told
from watchword.wire.bpf import Program

_LOG_PAUSE: Final = 1.0  # seconds between two tries to reach a log that is not there


class FarFirewall:
    """A firewall that the hand holds. From the loop's thread only."""

    def __init__(
        self,
        line: Line,
        name: str,
        behind: Callable[[Hole], Grant | None],
        *,
        slow: bool,
        coming: bool,
    ) -> None:
        """``behind``: for whom something is opened. ``coming``: the firewall of the settings
        that were read last."""
        self._line = line
        self._behind = behind
        self._coming = coming
        self.name = name
        self.slow = slow

    def taken(self) -> None:
        """What was coming is there."""
        self._coming = False

    def probe(self) -> frozenset[Feature]:
        found: frozenset[Feature] = self._ask(Plain.PROBE)
        return found

    def prepare(self) -> int:
        adopted: int = self._ask(Plain.PREPARE)
        return adopted

    def installed(self) -> frozenset[Tag]:
        tags: frozenset[Tag] = self._ask(Plain.INSTALLED)
        return tags

    def apply(self, change: ChangeSet) -> None:
        """Raises UnwarrantedError: the hand's own reading of the policy forbids some of it."""
        wanted = tuple(map(self._wanted, change.add))
        self._line.ask(Apply(wanted, change.remove, self._coming))

    def cut(self, holes: Collection[Hole]) -> int:
        count: int = self._line.ask(Cut(tuple(holes), self._coming))
        return count

    def intact(self) -> bool:
        whole: bool = self._ask(Plain.INTACT)
        return whole

    def disturbances(self) -> AsyncIterator[None]:
        return self._wakings()

    async def _wakings(self) -> AsyncIterator[None]:
        while True:
            await self._line.disturbed.wait()
            self._line.disturbed.clear()
            yield

    def teardown(self) -> None:
        self._ask(Plain.TEARDOWN)

    def _ask(self, what: Plain) -> Any:
        return self._line.ask(Firewall(what, self._coming))

    def _wanted(self, opening: Opening) -> Wanted:
        grant = self._behind(opening.hole)
        if grant is None:  # nobody's; the hand will not have it
            return Wanted(opening, 0, opening.hole.who)
        return Wanted(opening, grant.stanza, grant.source)


class FarTaglessFirewall(FarFirewall):
    """One whose rules have no room for tags."""

    def recognise(self, openings: Iterable[Opening]) -> frozenset[Tag]:
        tags: frozenset[Tag] = self._line.ask(Recognise(tuple(openings), self._coming))
        return tags


class FarConnections:
    """See ``ports.ConnectionTable``."""

    def __init__(self, line: Line) -> None:
        self._line = line

    def through(self, holes: Collection[Hole]) -> frozenset[Hole]:
        used: frozenset[Hole] = self._line.call(Through(tuple(holes)))
        return used


class FarHand(Hand):
    """What runs commands, by the policy that was the last one when this was made.

    What is blocked since is known here, and not there.
    """

    def __init__(self, line: Line, policy: Policy, blocked: Blocked) -> None:
        self._line = line
        self._number = line.policy
        self._policy = policy
        self._blocked = blocked

    def command(self, stanza: int, command: str, started: Callable[[], None]) -> Completed:
        self._ask_again(self._policy.terms(stanza))
        done: Completed = self._line.call(RunCommand(stanza, command, self._number), started)
        return done

    def open(self, stanza: int, values: Values) -> Completed:
        self._ask_again(self._policy.terms(stanza))
        order = OpenByCommand(
            stanza,
            values.who,
            values.source,
            values.destination,
            values.service,
            values.ends,
            values.seconds,
            self._number,
        )
        done: Completed = self._line.call(order)
        return done


class FarPrograms:
    """What the hand runs, of one kind."""

    def __init__(self, line: Line, ending: Plain) -> None:
        self._line = line
        self._ending = ending

    def end(self) -> None:
        self._line.ask(self._ending)


class FarOpenPgp:
    """See ``ports.OpenPgp``."""

    def __init__(self, line: Line) -> None:
        self._line = line

    def decrypt(self, keyring: Keyring, message: bytes) -> Decrypted:
        found: Decrypted = self._line.call(Decrypt(keyring.name, message))
        return found


def openers(line: Line) -> Openers:
    """What opens sockets and files that this process may not open itself."""

    def opened(order: OpenWay) -> int:
        _, [descriptor] = line.ask_for_files(order)
        return descriptor

    def bound(way: Way) -> Callable[[int, int], socket.socket]:
        def bind(family: int, port: int) -> socket.socket:
            version = 6 if family == socket.AF_INET6 else 4
            return socket.socket(fileno=opened(OpenWay(way, version, port)))

        return bind

    def packets(every: bool) -> socket.socket:
        return socket.socket(fileno=opened(OpenWay(Way.PACKETS, int(every))))

    def capture(path: Path) -> int:
        _, found = line.ask_for_files(OpenWay(Way.CAPTURE, path=str(path)))
        if not found:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        return found[0]

    def compiled(text: str, _: str) -> Program:
        program: Program = line.ask(Compile(text))
        return program

    return Openers(bound(Way.UDP), bound(Way.TCP), packets, capture, compiled, queues=False)


def far_log(line: Line) -> Callable[[str], socket.socket]:
    """What connects to the system's log. While that is away it is not asked for all the time."""
    failed = -_LOG_PAUSE

    def connect(_: str) -> socket.socket:
        nonlocal failed
        if time.monotonic() - failed < _LOG_PAUSE:
            raise OSError(errno.EAGAIN, "the log was not there a moment ago")
        try:
            _, [descriptor] = line.ask_for_files(OpenWay(Way.LOG))
        except OSError:
            failed = time.monotonic()
            raise
        return socket.socket(fileno=descriptor)

    return connect


class FarControl(Control):
    """The control socket lies with the hand, which passes questions on."""

    def __init__(self, line: Line, control: Control) -> None:
        self._line = line
        self._questions = control.questions

    async def open(self) -> Sequence[Complaint]:
        answers, changes = self._questions
        self._line.handlers = {**answers, **changes}
        mended: Sequence[Complaint] = self._line.ask(OpenControl(tuple(answers), tuple(changes)))
        return mended

    def admit(self, rights: Rights) -> Sequence[Complaint]:
        mended: Sequence[Complaint] = self._line.ask(Plain.ADMIT)
        return mended

    async def close(self) -> None:
        self._line.ask(Plain.SHUT)
        await self._line.replied(WORK)


def _given(_path: Path, _group: int | None) -> None:
    """The hand has let the group in, together with that of the control socket."""


class FarMeans:
    """All of it, for one gate. ``means`` is what a server is given."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._ledger: Ledger | None = None
        self._now: FarFirewall | None = None
        self._coming: FarFirewall | None = None

    def means(self) -> Means:
        line = self._line
        return Means(
            programs=Programs(
                FarPrograms(line, Plain.END_GPG),
                FarPrograms(line, Plain.END_COMMANDS),
                FarPrograms(line, Plain.END_CLOSING),
            ),
            openpgp=FarOpenPgp(line),
            hand=lambda policy, blocked: FarHand(line, policy, blocked),
            close=self._close,
            catch=self._catch,
            firewall=self._firewall,
            openers=openers(line),
            connections=lambda settings: FarConnections(line),
            digests=self._digests,
            lock=lambda settings: None,  # the hand holds it
            control=lambda control: FarControl(line, control),
            scrapes=partial(Scrapes, bound=self._bound, give=_given),
            send=self._send,
            end_mails=FarPrograms(line, Plain.END_MAIL).end,
            enforce=self._enforce,
            prolonged=self._prolonged,
            taken=self._taken,
            refused=self._refused,
        )

    def _catch(self, signalled: Callable[[signal.Signals], None]) -> None:
        """What the operator sends goes to the hand; of what is sent to us only TERM counts."""
        self._line.signalled = lambda name: signalled(signal.Signals[name])
        self._line.begin()
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, signalled, signal.SIGTERM)

    def _firewall(self, _settings: Settings, _clock: Clock, _told: Told | None) -> FirewallBackend:
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

    def _behind(self, hole: Hole) -> Grant | None:
        return None if self._ledger is None else self._ledger.behind(hole)

    def _enforce(self, enforcer: Enforcer) -> None:
        self._ledger = enforcer.ledger
        enforcer.resumed = self._resumed

    def _resumed(self, openings: Iterable[Opening]) -> None:
        self._line.ask(Recognise(tuple(openings)))

    def _taken(self) -> None:
        self._line.policy = self._line.ask(Plain.TAKEN)
        if self._coming is not None:
            self._coming.taken()
            self._now, self._coming = self._coming, None

    def _refused(self) -> None:
        self._coming = None
        self._line.ask(Plain.REFUSED)

    def _close(self, closing: Closing) -> Completed:
        """What the hand does not owe anybody needs no closing: it was never opened, or is shut."""
        try:
            done: Completed = self._line.call(CloseByCommand(closing.argv))
        except ForbiddenError:
            return Completed(0, b"", b"")
        return done

    def _prolonged(self, grant: Grant) -> None:
        for closing in grant.cycle.closings if grant.cycle else ():
            self._line.say(Prolong(closing.argv, grant.until))

    def _send(self, _: MailSettings, subject: str, _programs: ProgramRunner) -> None:
        """Whom it goes to is what the hand has read."""
        self._line.call(Mail(subject))

    def _bound(self, _place: MetricsPlace, _group: int | None) -> socket.socket:
        """Where metrics are served is what the hand has read."""
        _, [descriptor] = self._line.ask_for_files(OpenWay(Way.METRICS))
        return socket.socket(fileno=descriptor)

    def _digests(self, settings: Settings) -> str | None:
        _, found = self._line.ask_for_files(OpenWay(Way.DIGESTS))
        if not found:
            return None
        with os.fdopen(found[0], "rb") as file:
            octets = file.read(DIGEST_CACHE_LIMIT + 1)
        if len(octets) > DIGEST_CACHE_LIMIT:
            raise OperatorError(
                f"{settings.digest_file} is larger than {DIGEST_CACHE_LIMIT} bytes",
                hint="export what is needed of it by fwknopd itself",
            )
        return octets.decode("utf-8", "surrogateescape")


_: tuple[type[FirewallBackend], type[OpenPgp]] = (FarFirewall, FarOpenPgp)
