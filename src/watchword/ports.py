"""The interfaces that the outside has to implement.

Each has an implementation in memory, beside the real ones, and one suite of
tests in ``tests/contract`` that all of its implementations pass. What an
implementation raises when the machine refuses is HostError and nothing else.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Protocol, runtime_checkable

from watchword.errors import HostError, PeerError
from watchword.model.addresses import Address
from watchword.model.commands import Account
from watchword.model.doors import KernelOpening
from watchword.model.filters import Filter
from watchword.model.hits import Hit
from watchword.model.moments import Moment
from watchword.model.openings import ChangeSet, Ending, Feature, Grant, Hole, Opening, Tag
from watchword.model.openpgp import Decrypted, Keyring
from watchword.model.outcomes import Change, Event, Finding, Refusal
from watchword.model.packets import Packet
from watchword.model.requests import Claim, ReplayKey, Request, Sealed, Sighting
from watchword.record import record


class Clock(Protocol):
    """Tells the time."""

    def now(self) -> Moment: ...


@record
class Interest:
    """What a packet has to look like to be worth waking up for; for filters in the kernel."""

    shortest: int
    """Bytes of payload."""
    longest: int
    first: bytes
    """The bytes that a payload may begin with; empty: any."""
    base64: bool = False
    """Whether everything after the first byte is of the base64 alphabet."""
    requests: bool = False
    """Whether payloads that begin like HTTP requests are of interest as well."""


class PacketSource(Protocol):
    """Somewhere packets come from."""

    name: str

    def batches(self) -> AsyncIterator[Sequence[Packet]]:
        """What each wake-up drained: at least one packet, a bounded number, already sieved."""
        ...

    def narrow(self, interest: Interest) -> None:
        """Ask for a filter in the kernel. May be ignored; never changes what is right."""
        ...

    def dropped(self) -> Mapping[str, int]:
        """What was thrown away since the start, by why, in words for a person."""
        ...

    async def aclose(self) -> None: ...


class HitSource(Protocol):
    """Somewhere hits of old knocks come from."""

    name: str

    def batches(self) -> AsyncIterator[Sequence[tuple[float, Hit]]]:
        """What each wake-up drained: at least one hit, a bounded number, each with the steady time
        at which it came."""
        ...

    def hear(self, wanted: Filter | None) -> None:
        """Let through what passes from now on, if the kernel can be asked; None: nothing is of
        interest. Raises HostError."""
        ...

    def narrow(self, interest: Interest) -> None:
        """As for packets; it changes nothing here."""
        ...

    @property
    def awaited(self) -> tuple[str, ...]:
        """What hits cannot come from now, for people."""
        ...

    def dropped(self) -> Mapping[str, int]:
        """As for packets."""
        ...

    async def aclose(self) -> None: ...


class Recogniser(Protocol):
    """Turns packets into findings. Pure: is told the time, touches nothing."""

    def observe(self, packet: Packet, now: Moment) -> Iterator[Finding]:
        """What each stanza has to say, in order; the next is tried only when asked for."""
        ...

    def unsealed(
        self, sealed: Sealed, opened: Decrypted | PeerError, now: Moment
    ) -> Request | Refusal:
        """What a finding that had to wait for a key ring comes to, given what came out."""
        ...

    def expect(self, request: Request) -> None:
        """Learn from a request that was authentic and never seen before; changes no answer."""
        ...

    def expire(self, now: Moment) -> None:
        """Forget what has taken too long."""
        ...

    def next_deadline(self) -> float | None:
        """Steady seconds at which ``expire`` next has something to do."""
        ...


class ReplayStore(Protocol):
    """Remembers packets. A key that was claimed once is never FIRST again, forgotten or not."""

    async def claim(self, keys: Sequence[ReplayKey]) -> Sequence[Claim]:
        """Claim each key, in order, in one durable transaction.

        FIRST for the first claim of a key ever: neither its packet digest nor
        its plaintext digest was seen before with its time stamp, in the store
        or earlier in the same call. (What is equal has equal stamps.)
        BEYOND_MEMORY for what is not remembered, and whose stamp is not newer
        than the newest of those that were ever forgotten; it is not claimed.
        When this returns, the answer survives power loss.

        Raises HostError: nothing was claimed, and every packet of the batch
        has to be refused.
        """
        ...

    async def first_sighting(self, key: ReplayKey) -> Sighting | None:
        """How a claimed key arrived the first time; None if it never did."""
        ...

    async def forget(self, before: float) -> int:
        """Drop keys whose ``until`` lies before these Unix seconds; return how many.

        The newest time stamp among them is kept for good, in the same
        transaction: what is not newer is BEYOND_MEMORY from then on.
        """
        ...

    async def aclose(self) -> None: ...


class Journal(Protocol):
    """Who got what, when and why it ended. Survives a crash of the daemon."""

    async def granted(self, grants: Sequence[Grant]) -> None:
        """Note grants that the firewall has."""
        ...

    async def ended(self, endings: Sequence[tuple[str, Ending]], at: float) -> None:
        """Note ends, at these Unix seconds."""
        ...

    async def changed(self, change: Change) -> None:
        """Note what somebody had the daemon do."""
        ...

    async def unfinished(self, now: Moment) -> Sequence[Grant]:
        """Grants without an end.

        ``until`` counts on this boot's steady clock: for grants of an earlier
        boot it is worked out from the wall clock, and never lies further
        ahead than the grant was long.
        """
        ...

    async def prune(self, before: float) -> int:
        """Drop grants that ended, and changes, before these Unix seconds; return how many."""
        ...

    async def aclose(self) -> None: ...


class FirewallBackend(Protocol):
    """The one kind of object that changes packet filtering.

    Methods block, and are called one at a time, but not all from one thread:
    ``probe``, ``prepare`` and ``teardown`` may start programs and take seconds.
    The others take no longer than a packet may wait, unless the backend is slow.
    """

    name: str
    slow: bool
    """Whether changes start programs, or wait for a process that does. They may hang."""

    def probe(self) -> frozenset[Feature]:
        """Find out what this machine supports, changing nothing."""
        ...

    def prepare(self) -> int:
        """Create what every opening hangs on. Safe to call again, cuts no live connection.

        Returns how many connections that were there before were taken over.
        """
        ...

    def installed(self) -> frozenset[Tag]:
        """Read back the openings that are ours and in force now."""
        ...

    def apply(self, change: ChangeSet) -> None:
        """Make the whole change, or none of it.

        Removing what is gone is no error, nor is an opening whose end has
        passed: it is left out.
        """
        ...

    def cut(self, holes: Collection[Hole]) -> int:
        """End the connections that came in through these holes; return how many.

        For holes that are shut. Needs the feature CUT; HostError without it, also for no holes.
        """
        ...

    def intact(self) -> bool:
        """Whether everything that ``prepare`` and ``apply`` made is still there."""
        ...

    def disturbances(self) -> AsyncIterator[None]:
        """Yields whenever other hands may have changed what is ours; may yield for nothing."""
        ...

    def teardown(self) -> None:
        """Remove everything that is ours, and nothing else."""
        ...


class ConnectionTable(Protocol):
    """Knows who is connected to this host, or through it. Methods block."""

    def through(self, holes: Collection[Hole]) -> frozenset[Hole]:
        """Those of the holes that somebody is connected through now. Raises HostError."""
        ...


@runtime_checkable
class FollowsKnocks(Protocol):
    """A firewall backend whose kernel follows knocks (feature KERNEL_DOORS). Methods block."""

    def knocked(self) -> Sequence[KernelOpening]:
        """Whom it let in by itself since they were settled last. Raises HostError."""
        ...

    def settle(self, taken: Collection[KernelOpening]) -> None:
        """Forget these: they are openings like others by now. Raises HostError.

        What is gone already is no error.
        """
        ...

    def rest(self) -> None:
        """Follow no knocks until ``prepare`` is called again. Raises HostError."""
        ...


@runtime_checkable
class KeepsNoTags(Protocol):
    """A firewall backend whose rules have no room for tags."""

    def recognise(self, openings: Iterable[Opening]) -> frozenset[Tag]:
        """As ``installed``, told which openings there may be of an earlier run."""
        ...


@runtime_checkable
class WorksElsewhere(Protocol):
    """A firewall backend whose work another process does."""

    elsewhere: bool
    """True. It may be asked from any thread, one call at a time."""


@runtime_checkable
class CountsConnections(Protocol):
    """A firewall backend that lets in a number of connections."""

    def unused(self, holes: Collection[Hole]) -> Mapping[Hole, int]:
        """How many of these tickets nobody has taken yet; none: left out. Raises HostError."""
        ...


@record
class Completed:
    """How a program ended."""

    status: int
    """Exit status; negative: the signal that ended it."""
    stdout: bytes
    stderr: bytes


class NotStartedError(HostError):
    """There is no such program, or it may not be run: nothing of it has happened."""


class NotOwedError(NotStartedError):
    """What it would close was never opened, as far as the one knows who would have to run it."""


class ForbiddenError(NotStartedError):
    """Who would have to do it may not, or does not want to: nothing of it has happened."""


class UnwarrantedError(ForbiddenError):
    """Who holds the firewall reads the policy otherwise: nothing of the change was made."""

    def __init__(self, message: str, *, hint: str = "", holes: Collection[Hole] = ()) -> None:
        super().__init__(message, hint=hint)
        self.holes = frozenset(holes)
        """What may not be opened."""


class ProgramRunner(Protocol):
    """Runs programs, never through a shell."""

    def run(
        self,
        argv: Sequence[str],
        *,
        stdin: bytes = b"",
        seconds: float = 10.0,
        account: Account | None = None,
    ) -> Completed:
        """Run to the end, as somebody else if there is an account.

        Raises NotStartedError if it cannot be started, HostError if it takes
        too long (it is killed).
        """
        ...


class OpenPgp(Protocol):
    """Opens OpenPGP messages. Methods block, and may be called from several threads at once."""

    def decrypt(self, keyring: Keyring, message: bytes) -> Decrypted:
        """Decrypt a binary message, and say who signed it.

        Raises PeerError: the message is not for this key ring, or damaged.
        Raises HostError: it could not be tried, or took too long.
        """
        ...


class HostNames(Protocol):
    """Knows which addresses hosts have."""

    def addresses(self, host: str) -> Sequence[Address]:
        """In the order in which they should be used. Blocks, in several threads at once.

        Raises HostError: there is no such host, or nobody could say.
        """
        ...


class Reporter(Protocol):
    """Tells people and machines what happened. Never raises, never waits."""

    def report(self, event: Event) -> None: ...

    def close(self) -> None: ...
