"""Doors that knocks open, in the server: its own ledger, journal and log are theirs.

In here: when they are listened to, changing over to others, what they have open by commands.
Not in here: knocks (service.knock.listener), what a completed sequence leads to (sesame), the
firewall (enforcer), the file (dialects.fwknop.translate_doors).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from watchword.dialects.fwknop.translate import Configuration
from watchword.edges.capture.door_log import DoorLog
from watchword.edges.capture.openers import Openers
from watchword.edges.firewall.nft.one_door import group
from watchword.errors import HostError
from watchword.grant import warrants
from watchword.model.addresses import Address
from watchword.model.door_events import DoorEvent, ListeningOn, Noise, Remark, Trouble
from watchword.model.doors import Door, Progress
from watchword.model.firewalls import FirewallSettings
from watchword.model.knocking import EVERY_INTERFACE, Knocking
from watchword.model.openings import Grant
from watchword.model.outcomes import Knocked
from watchword.model.policy import Policy
from watchword.ports import Clock, Journal, ReplayStore, Reporter
from watchword.record import record
from watchword.service.daemon.enforcer import Enforcer
from watchword.service.daemon.means import Means
from watchword.service.knock.door_grants import DoorGrants
from watchword.service.knock.kernel import KernelDoors
from watchword.service.knock.listener import Duties, Listener
from watchword.service.knock.runs import Runs
from watchword.service.knock.sesame import Sesame
from watchword.service.knock.sparing import SECOND, Sparing, concerns_debuggers

COMMANDS_AT_ONCE: Final = 32
"""Of those that open, and of those that close."""
_AS_READ: Final[Mapping[int, Door]] = {}
_AGAIN: Final = 1.0  # seconds between two looks for an interface that is gone


@record
class Prepared:
    """What may be listened to from now on."""

    knocking: Knocking | None
    listener: Listener | None
    """None: there are no doors, or the listener of now goes on."""
    kernel: KernelDoors | None = None
    """None: the kernel follows none, or what hears of them goes on."""
    followed: tuple[Door, ...] = ()
    """By the kernel."""
    group: int = 0
    """Of the kernel's log, that is heard of them."""

    def give_up(self) -> None:
        if self.listener is not None:
            self.listener.close()
        if self.kernel is not None:
            self.kernel.close()


class Doors:
    """All of them, for one server. Without KNOCKD_CONF there are none."""

    def __init__(
        self,
        reporter: Reporter,
        clock: Clock,
        means: Means,
        enforcer: Enforcer,
        *,
        journal: Journal,
        keys: ReplayStore,
        dry_run: bool,
        debugging: Callable[[], bool] = lambda: False,
    ) -> None:
        """``debugging``: whether somebody wants to hear of attempts that were spoilt."""
        self._debugging = debugging
        self._reporter = reporter
        self._clock = clock
        self._means = means
        self._dry_run = dry_run
        self._policy = Policy(())
        self._knocking: Knocking | None = None
        self._waiting: dict[int, Door] = {}
        """Doors whose one-time sequence was used up since they were read, as they wait now."""
        self._listener: Listener | None = None
        self._kernel: KernelDoors | None = None
        self._group = 0
        """Of the kernel's log, that is heard."""
        self._sparing = Sparing(lambda: clock.now().steady)
        self._flushing: asyncio.TimerHandle | None = None
        self._journal = journal
        self._runs = Runs(
            self._tell, clock, means.door_command, at_once=COMMANDS_AT_ONCE, numbered=False
        )
        self._runs.journal = journal
        self._sesame = Sesame(self._runs, self._tell, clock)
        self._sesame.keys = keys
        self._enforcer = enforcer
        self._grants = DoorGrants(enforcer, self._tell, clock, numbered=False)
        self._sesame.grants = self._grants

    async def resume(self) -> None:
        """Take up what an earlier run left to close. Raises HostError: that cannot be read."""
        self._runs.resume(await self._journal.unfinished(self._clock.now()))

    def prepare(self, configuration: Configuration) -> Prepared:
        """Have what these doors need, and change nothing yet.

        Raises HostError: it cannot be had.
        """
        knocking, firewall = configuration.knocking, configuration.settings.firewall
        followed = () if self._dry_run else firewall.doors
        kernel = None
        if followed and (self._kernel is None or self._group != group(firewall)):
            kernel = self._heard(firewall)
        heard = group(firewall)
        if knocking is None or knocking == self._knocking:
            return Prepared(knocking, None, kernel, followed, heard)
        try:
            return Prepared(knocking, self._opened(knocking), kernel, followed, heard)
        except HostError:
            if kernel is not None:
                kernel.close()
            raise

    def _heard(self, firewall: FirewallSettings) -> KernelDoors:
        """What hears of the kernel's doors from now on."""
        log = DoorLog(self._means.door_log(firewall))
        return KernelDoors(
            log,
            self._enforcer,
            self._grants,
            self._tell,
            clock=self._clock,
            barred=self._barred,
        )

    def _barred(self, who: Address) -> str:
        return warrants.against_caller(self._policy, who)

    def _opened(self, knocking: Knocking, waiting: Mapping[int, Door] = _AS_READ) -> Listener:
        """``waiting``: doors as they wait by now, by their numbers, where that has changed."""
        duties = Duties(self._tell, self._completed, self._used_up)
        openers = self._means.openers or Openers()
        listener = Listener(_interfaces(knocking), duties, self._clock, made=openers.packets)
        try:
            listener.take_up([waiting.get(each.number, each) for each in knocking.doors])
        except HostError:
            listener.close()
            raise
        return listener

    def take_over(self, prepared: Prepared, policy: Policy) -> bool:
        """Go by these doors from now on; whether ``listen`` has to be called again.

        ``policy``: limited to what the firewall can open.
        """
        before, self._knocking, self._policy = self._knocking, prepared.knocking, policy
        self._runs.policy = self._means.policy()
        self._grants.families = policy.families
        self._grants.to_one_destination = policy.destination_rule
        self._grants.answers = policy.door_answers
        self._take_over_kernel(prepared)
        if prepared.knocking is not None and prepared.listener is None:
            return False
        old, self._listener = self._listener, prepared.listener
        self._waiting.clear()
        if old is not None:
            old.close()
        if self._listener is not None:
            self._listener.forget()  # the old one has heard it
        if prepared.knocking is not None:
            self._tell(ListeningOn(",".join(_interfaces(prepared.knocking))))
            return True
        return before is not None

    def _take_over_kernel(self, prepared: Prepared) -> None:
        if prepared.kernel is not None or not prepared.followed:
            if self._kernel is not None:
                self._kernel.close()
            self._kernel, self._group = prepared.kernel, prepared.group
        if self._kernel is not None:
            self._kernel.take_up(prepared.followed)

    @property
    def kernel(self) -> KernelDoors | None:
        """What hears of the doors that the kernel follows; None: it follows none."""
        return self._kernel

    async def listen(self) -> None:
        """Until cancelled. An interface that goes is waited for; packets are not our affair."""
        while self._listener is not None:
            try:
                await self._listener.listen()
            except HostError as error:
                self._tell(Trouble(str(error), "doors are heard again once it is back"))
                self._listener.close()
                self._listener = await self._reopened()
        await asyncio.Event().wait()

    async def _reopened(self) -> Listener:
        while True:
            await asyncio.sleep(_AGAIN)
            if self._knocking is None:
                continue
            try:
                listener = self._opened(self._knocking, self._waiting)
            except HostError:
                continue
            self._tell(ListeningOn(",".join(_interfaces(self._knocking))))
            return listener

    def _completed(self, progress: Progress, destination: Address) -> None:
        door, source = progress.door, progress.source
        if why := warrants.against_caller(self._policy, source):
            self._tell(Remark(f"{door.name}: not opened: {why}"))
        elif self._dry_run:
            self._tell(Remark(f"{door.name}: would be opened for {source} (--test)"))
        else:
            self._sesame.open(progress, destination)

    def _used_up(self, door: Door) -> tuple[bool, Door]:
        if self._dry_run:
            return True, door
        opens, self._waiting[door.number] = self._means.use_up(door, self._tell)
        return opens, self._waiting[door.number]

    # --- the log ------------------------------------------------------------------

    def _tell(self, event: DoorEvent) -> None:
        if concerns_debuggers(event) and not self._debugging():
            return
        if self._sparing.admits(event):
            self._reporter.report(Knocked(event, self._clock.now().wall))
        elif self._flushing is None:
            self._flushing = asyncio.get_running_loop().call_later(SECOND, self._flush_noise)

    def _flush_noise(self) -> None:
        self._flushing = None
        if count := self._sparing.taken():
            self._tell(Noise(count))

    # --- what is told, and ended --------------------------------------------------

    @property
    def by_commands(self) -> Sequence[Grant]:
        """What commands opened, and other commands close at their time."""
        return self._runs.grants

    def end(self, wanted: Callable[[Grant], bool]) -> list[Grant]:
        """Have closed now what commands opened and is wanted to be closed."""
        return self._runs.end(wanted)

    def told(self) -> dict[str, object] | None:
        """Figures; None: there are no doors."""
        if self._knocking is None:
            return None
        return {
            "doors": len(self._knocking.doors),
            "listening_on": list(_interfaces(self._knocking)),
            "attempts": 0 if self._listener is None else self._listener.attempts,
            "opened": self._sesame.opened + (self._kernel.opened if self._kernel else 0),
            "open_by_commands": self._runs.waiting,
        }

    async def stop(self, patience: float) -> None:
        """Listen no more; wait for what runs, and for what is closed soon."""
        if self._listener is not None:
            self._listener.close()
        if self._kernel is not None:
            await self._kernel.take_over()
            self._kernel.close()
            await self._enforcer.rest()
        if self._flushing is not None:
            self._flushing.cancel()
            self._flush_noise()
        await self._sesame.finish(patience)
        at_once = self._knocking is not None and self._knocking.settings.close_at_exit
        await self._runs.finish(patience, at_once=at_once)


def _interfaces(knocking: Knocking) -> Sequence[str]:
    return knocking.settings.interfaces or (EVERY_INTERFACE,)
