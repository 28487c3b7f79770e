"""A running server: its parts, what they do at once, and the order in which they end.

In here: which tasks run, what is announced and told, stopping.
Not in here: how the parts come to be (start), changing over to other files
(reload), signals (daemon).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from watchword.dialects.fwknop.translate import Configuration
from watchword.model.daemon_events import Attached, Complained, KeyFile, Stopped, Waiting
from watchword.model.firewalls import Attach
from watchword.model.policy import Policy
from watchword.model.settings import Settings, SourceSettings, UdpPort
from watchword.ports import Clock
from watchword.service.daemon import assembly, leading
from watchword.service.daemon.commands import Commands
from watchword.service.daemon.control import Control
from watchword.service.daemon.cycles import Cycles
from watchword.service.daemon.doors import Doors, Prepared
from watchword.service.daemon.enforcer import Enforcer
from watchword.service.daemon.figures import Figures
from watchword.service.daemon.gates import Gates
from watchword.service.daemon.hearers import Hearers
from watchword.service.daemon.keeper import Keeper
from watchword.service.daemon.knocks import Knocks
from watchword.service.daemon.logbook import Logbook
from watchword.service.daemon.means import Means
from watchword.service.daemon.process import PidFile
from watchword.service.daemon.reception import Reception, tell_floods
from watchword.service.daemon.restraint import Restraint
from watchword.service.daemon.sources import HIT_SOURCES, Source, Sources, begun
from watchword.service.daemon.staying import Staying
from watchword.service.daemon.tasks import Tasks
from watchword.service.daemon.watching import Watching

CLOSING_PATIENCE = 20.0  # seconds for all closing commands at the end; a supervisor waits 90


@dataclass(slots=True)
class Running:
    """Everything that a started daemon consists of."""

    configuration: Configuration
    reporter: Logbook
    clock: Clock
    figures: Figures
    restraint: Restraint
    tasks: Tasks
    means: Means
    memory: assembly.Memory
    lock: PidFile | None
    """On the state directory; held until the process ends at the latest."""
    enforcer: Enforcer
    commands: Commands
    cycles: Cycles
    sources: Sources
    gates: Gates
    staying: Staying
    doors: Doors
    reception: Reception
    knocks: Knocks
    hearers: Hearers
    watching: Watching
    control: Control

    @property
    def settings(self) -> Settings:
        return self.configuration.settings

    def announce(self, adopted: int) -> None:
        """Say what is hidden. ``adopted``: connections that were there before."""
        firewall = self.settings.firewall
        if not firewall.needed:
            return
        guarding = firewall.attach is Attach.GUARD
        self.reporter.report(
            Attached(
                self.enforcer.firewall.name,
                assembly.way_of(firewall),
                hidden=firewall.guarded if guarding else (),
                everything=guarding and firewall.guard_all,
                public=firewall.public,
                adopted=adopted,
                jumps=tuple((each.caller, each.chain) for each in firewall.chains),
            )
        )

    def listen(self, fresh: Mapping[SourceSettings, Source]) -> None:
        """Narrow every source to what is of interest now; look at what comes to new ones."""
        self.sources.narrow(assembly.interest_of(self.configuration), self.settings.requests)
        self.reception.twins = self.sources.twins
        self.knocks.follow(self.gates.policy, self.sources.of_knocks)
        for wanted, source in fresh.items():
            if isinstance(source, HIT_SOURCES):
                self.tasks.run(f"receive {source.name}", self.knocks.receive(source))
            else:
                self.tasks.run(f"receive {source.name}", self.reception.receive(source))
            self.reporter.report(begun(wanted, source))
        self.means.awaiting(self.sources.awaited)
        if not all(isinstance(each, UdpPort) for each in self.settings.sources):
            self.reporter.report(Waiting())

    def listen_to_doors(self, prepared: Prepared, policy: Policy) -> None:
        """Go by these doors, and by this policy, from now on."""
        if self.doors.take_over(prepared, policy):
            self.tasks.run("doors", self.doors.listen())
        kernel = self.doors.kernel
        if kernel is not None and kernel is prepared.kernel:
            self.tasks.run("doors of the kernel", kernel.follow())

    def keep(self) -> None:
        """End what comes to its end, repair the firewall, forget packets: with the parts of now."""
        keeper = Keeper(
            self.enforcer,
            self.memory.store,
            self.memory.journal,
            reporter=self.reporter,
            clock=self.clock,
        )
        run = self.tasks.run
        run("end grants", keeper.end_grants())
        run("stay", self.staying.stay_forever())
        run("end cycles", self.cycles.end_forever())
        run("watch firewall", keeper.watch_firewall())
        run("look round", keeper.look_round())
        run("forget", keeper.forget())
        run("tell floods", tell_floods(self.restraint, self.reporter, self.clock))

    async def stop(self) -> None:
        """End it all, each after those that need it."""
        await self.control.close()
        await self.watching.aclose()
        await self.sources.aclose()
        self.knocks.close()
        await self._end_packets()
        await self._end_commands()
        firewall = self.settings.firewall
        if firewall.flush_at_exit:
            # As the packaged server does. A guard stays: it hides.
            await self.enforcer.end_all(dismantle=firewall.in_iptables or firewall.in_dated_rules)
        await self.enforcer.close_books()
        await self.memory.aclose()
        guarding = firewall.attach is Attach.GUARD
        hidden = firewall.guarded if guarding else ()
        self.reporter.report(Stopped(hidden, guarding and firewall.guard_all))
        await self.hearers.aclose()
        if self.lock is not None:
            self.lock.close()

    async def _end_packets(self) -> None:
        self.means.programs.gpg.end()
        await self.gates.finish()
        await self.tasks.cancel()
        await self.gates.finish()

    async def _end_commands(self) -> None:
        await self.doors.stop(CLOSING_PATIENCE)
        self.means.programs.commands.end()
        await self.commands.ended()
        await self.cycles.stop(patience=CLOSING_PATIENCE)
        self.means.programs.closing.end()


def complain(configuration: Configuration, reporter: Logbook) -> None:
    """Say what was doubtful in the files, and what they want of this machine that it has not."""
    for path in configuration.key_files:
        reporter.report(KeyFile(path))
    for complaint in (*configuration.complaints, *leading.doubts(configuration.policy)):
        reporter.report(Complained(complaint))
