"""Listens to knocks for one set of doors, until it is closed.

In here: capture, this host's addresses, following attempts, what has to be looked at later.
Not in here: which knocks count (recognise.doors), what a completed sequence leads to (whoever
is told), the daemons that listen (daemon, service.daemon.doors).
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Sequence
from typing import Final

from watchword.edges.capture.addresses import AddressNews, addresses
from watchword.edges.capture.knocks import KnockSource
from watchword.edges.capture.links import index_of
from watchword.edges.capture.tap import deaf_socket
from watchword.errors import HostError
from watchword.model.addresses import Address
from watchword.model.door_events import DoorEvent, Seen, SequencesUsedUp, Told, Trouble
from watchword.model.doors import Door, Knock, Progress, address_of
from watchword.model.knocking import EVERY_INTERFACE
from watchword.ports import Clock
from watchword.recognise.doors import DoorRecogniser
from watchword.record import record
from watchword.service.knock.alarm import Alarm

_LONGEST_TURN: Final = 30.0


@record
class Duties:
    """Whom a listener tells, and asks."""

    tell: Callable[[DoorEvent], None]
    opened: Callable[[Progress, Address], None]
    """A sequence was completed; with the address that the last knock was sent to."""
    use_up: Callable[[Door], tuple[bool, Door]]
    """Marks the sequence of a one-time door: whether it may open, and as it waits now."""
    awaiting: Callable[[Sequence[str]], None] = lambda what: None
    """Told where no knock can be heard now, for people, each time that this changes."""


class Listener:
    """Sockets on some interfaces, and the attempts that are heard there."""

    def __init__(
        self,
        interfaces: Sequence[str],
        duties: Duties,
        clock: Clock,
        *,
        only_ipv4: bool = False,
        debugging: bool = False,
        made: Callable[[bool], socket.socket] = deaf_socket,
    ) -> None:
        """Begin to capture, nothing yet. ``made``: the sockets, as ``deaf_socket`` makes them.

        Raises HostError: capturing is not allowed, or an interface is not there or not up.
        """
        self._interfaces = () if EVERY_INTERFACE in interfaces else tuple(interfaces)
        self._duties = duties
        self._tell = duties.tell
        self._clock = clock
        self._only_ipv4 = only_ipv4
        self._debugging = debugging
        self._source = KnockSource(self._interfaces, None, clock, made)
        self._source.news = lambda: duties.awaiting(self._source.awaited)
        self._recogniser = DoorRecogniser((), ())
        self._alarm = Alarm(self._source.wake)
        self._turning: asyncio.TimerHandle | None = None
        try:
            self._news = AddressNews()
        except HostError:
            self._source.close()
            raise

    def take_up(self, doors: Sequence[Door]) -> None:
        """Follow attempts at these doors from now on; those of before are forgotten.

        Raises HostError: the kernel refuses.
        """
        ours = [each for each in doors if not each.kernel]
        self._recogniser = DoorRecogniser(ours, self._local())
        self._turn()
        self._narrow()
        for door in doors:
            if not door.sequence and door.rotation is None:
                self._tell(SequencesUsedUp(door.name))

    def forget(self) -> None:
        """Begin now: what came before has been heard by somebody else."""
        self._source.forget()

    @property
    def local(self) -> list[Address]:
        """This host's addresses, as far as they are listened to."""
        return self._recogniser.local

    @property
    def attempts(self) -> int:
        """How many are under way."""
        return len(self._recogniser)

    @property
    def dropped(self) -> int:
        """Packets that found no room in the kernel."""
        return self._source.dropped

    def _local(self) -> set[bytes]:
        """Addresses that knocks may be sent to."""
        named = self._interfaces
        found = [addresses(index_of(each)) for each in named] if named else [addresses()]
        most = 4 if self._only_ipv4 else 16
        return {each for group in found for each in group if len(each) <= most}

    # --- what changes by itself -------------------------------------------------

    def _turn(self) -> None:
        """Take the sequences that rotations have now, and see to it that the next ones are."""
        if self._turning is not None:
            self._turning.cancel()
            self._turning = None
        wall = self._clock.now().wall
        after = self._recogniser.turn(wall)
        if after is not None:
            pause = min(max(after - wall, 0.05), _LONGEST_TURN)  # the wall clock may be set
            self._turning = asyncio.get_running_loop().call_later(pause, self._turn_and_narrow)

    def _turn_and_narrow(self) -> None:
        self._turn()
        self._narrow_again()

    def _narrow(self) -> None:
        """Have the kernel let through what is of interest now. Raises HostError."""
        self._source.narrow(self._recogniser.hearing())

    def _narrow_again(self) -> None:
        """The same while it runs: if the kernel refuses, what passed before still does."""
        try:
            self._narrow()
        except HostError as error:
            self._tell(Trouble(str(error), error.hint))

    def _hear_of_addresses(self) -> None:
        self._news.hear()
        try:
            self._recogniser.take_addresses(self._local())
        except HostError as error:
            self._tell(Trouble(str(error), error.hint))
        self._narrow_again()

    # --- knocks -----------------------------------------------------------------

    async def listen(self) -> None:
        """Until cancelled. Raises InterfaceGoneError: one of them is there no more."""
        loop = asyncio.get_running_loop()
        loop.add_reader(self._news.sock, self._hear_of_addresses)
        try:
            async for heard in self._source.batches():
                knocks = heard.knocks
                if self._only_ipv4 or self._debugging:
                    knocks = self._looked_at(knocks)
                observe = self._recogniser.observe
                for at, knock in knocks:
                    if told := observe(knock, at):
                        self._heed_all(told, knock)
                self._heed_all(self._recogniser.expire(heard.until), None)
                self._alarm.set(self._recogniser.next_deadline(), heard.until)
        finally:
            loop.remove_reader(self._news.sock)

    def _looked_at(self, knocks: Sequence[tuple[float, Knock]]) -> list[tuple[float, Knock]]:
        """What -4 leaves of them; told where debugging was asked for."""
        families = (4,) if self._only_ipv4 else (4, 16)
        kept = [each for each in knocks if len(each[1].source) in families]
        if self._debugging:
            for _, knock in kept:
                self._tell(Seen(knock))
        return kept

    def _heed_all(self, told: Sequence[Progress], knock: Knock | None) -> None:
        for progress in told:
            self._tell(Told(progress))
            if progress.opened and knock is not None:
                self._open(progress, knock)

    def _open(self, progress: Progress, knock: Knock) -> None:
        door = progress.door
        if door.one_time is not None:
            opens, waiting = self._duties.use_up(door)
            self._recogniser.take_sequence(door.number, waiting)
            self._narrow_again()
            if not opens:
                return
        if progress.window is not None:
            self._recogniser.spend(door.number, progress.window)
            self._narrow_again()
        self._duties.opened(progress, address_of(knock.destination))

    def close(self) -> None:
        """Hear nothing any more."""
        self._alarm.cancel()
        if self._turning is not None:
            self._turning.cancel()
        self._source.close()
        self._news.close()
