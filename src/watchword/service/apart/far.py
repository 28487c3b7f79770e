"""The hand, as the gate sees it: the firewall, commands, gpg and control socket somewhere else.

In here: implementations of the ports, and of what service.daemon has for one process, that send
orders. Not in here: carrying them out (counter, workshop, relay), files and sockets that the hand
opens (far_ways), putting all of it together (far_means).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from watchword.errors import Complaint
from watchword.grant.cycles import Values
from watchword.model.doors import KernelOpening
from watchword.model.openings import ChangeSet, Feature, Grant, Hole, Opening, Tag
from watchword.model.openpgp import Decrypted, Keyring
from watchword.model.orders import (
    Apply,
    Cut,
    Decrypt,
    Firewall,
    OpenByCommand,
    OpenControl,
    Plain,
    Recognise,
    RunCommand,
    Settle,
    Through,
    Unused,
    Wanted,
)
from watchword.model.policy import Policy
from watchword.ports import (
    Completed,
    FirewallBackend,
    FollowsKnocks,
    OpenPgp,
)
from watchword.service.apart.line import Line
from watchword.service.daemon.control import WORK, Control, Rights
from watchword.service.daemon.hand import Blocked, Hand


class FarFirewall:
    """A firewall that the hand holds. One call after the other, whichever thread makes it."""

    elsewhere = True

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

    def knocked(self) -> Sequence[KernelOpening]:
        found: Sequence[KernelOpening] = self._ask(Plain.KNOCKED)
        return found

    def settle(self, taken: Collection[KernelOpening]) -> None:
        self._line.ask(Settle(tuple((each.door, each.who) for each in taken), self._coming))

    def rest(self) -> None:
        self._ask(Plain.REST)

    def cut(self, holes: Collection[Hole]) -> int:
        count: int = self._line.ask(Cut(tuple(holes), self._coming))
        return count

    def unused(self, holes: Collection[Hole]) -> Mapping[Hole, int]:
        left: Mapping[Hole, int] = self._line.ask(Unused(tuple(holes)))
        return left

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
        return Wanted(opening, grant.stanza, grant.source, grant.door, grant.id)


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
            values.grant,
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


_: tuple[type[FirewallBackend], type[FollowsKnocks], type[OpenPgp]] = (
    FarFirewall,
    FarFirewall,
    FarOpenPgp,
)
