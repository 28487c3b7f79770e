"""A running server: start, signals, reload, stop.

In here: the order of these, and which tasks run meanwhile.
Not in here: packets (gate), grants (enforcer, keeper), the process (process),
what a configuration file says (dialects).
"""

from __future__ import annotations

import asyncio
import gc
import signal
from collections.abc import Callable, Coroutine, Mapping
from functools import partial
from typing import Any

from watchword import __version__
from watchword.dialects.fwknop.translate import Configuration
from watchword.edges.gpg import Gpg, gpg_programs
from watchword.edges.programs import SystemPrograms
from watchword.edges.report.lines import LineReporter
from watchword.errors import Complaint, HostError, OperatorError
from watchword.model.outcomes import (
    Attached,
    Complained,
    HostTrouble,
    LimitReached,
    ReloadRefused,
    Remembering,
    Starting,
    Stopped,
    Stopping,
    Waiting,
)
from watchword.model.policy import Policy
from watchword.model.settings import Attach, Settings, SourceSettings, UdpPort
from watchword.ports import Clock
from watchword.recognise.spa import SpaRecogniser
from watchword.service import asking
from watchword.service.daemon import assembly, status
from watchword.service.daemon.alerts import Alerts
from watchword.service.daemon.answers import GrantAnswers
from watchword.service.daemon.audit import Audit
from watchword.service.daemon.block_changes import BlockChanges
from watchword.service.daemon.blocks import Blocks
from watchword.service.daemon.changes import GrantChanges
from watchword.service.daemon.closer import Closer
from watchword.service.daemon.commands import Commands
from watchword.service.daemon.control import Control, Question, Rights
from watchword.service.daemon.cycles import Cycles
from watchword.service.daemon.enforcer import Enforcer
from watchword.service.daemon.figures import Figures
from watchword.service.daemon.gate import Gate
from watchword.service.daemon.hand import Hand, command_programs
from watchword.service.daemon.hand import close as close_by_command
from watchword.service.daemon.keeper import Keeper
from watchword.service.daemon.lobby import Lobby
from watchword.service.daemon.process import PidFile
from watchword.service.daemon.recent import Recent
from watchword.service.daemon.reception import Reception, tell_floods
from watchword.service.daemon.restraint import Restraint
from watchword.service.daemon.sources import Source, Sources, begun, close
from watchword.service.daemon.watching import Watching

CLOSING_PATIENCE = 20.0  # seconds for all closing commands at the end; a supervisor waits 90
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Daemon:
    """One server from its start to its end."""

    def __init__(
        self,
        configuration: Configuration,
        reconfigure: Callable[[], Configuration],
        reporter: LineReporter,
        clock: Clock,
    ) -> None:
        self._configuration = configuration
        self._reconfigure = reconfigure
        self._reporter = reporter
        self._clock = clock
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._signals: asyncio.Queue[signal.Signals | None] = asyncio.Queue()
        """None: as many packets came as were to be looked at."""
        self._memory: assembly.Memory
        self._lock: PidFile | None
        """On the state directory; held until the process ends at the latest."""
        self._enforcer: Enforcer
        self._sources = Sources(configuration.settings.requests, reporter.report)
        self._gate: Gate
        self._lobby = Lobby()
        self._programs = gpg_programs()
        """For gpg; ended with the daemon, whatever runs then."""
        self._command_programs = command_programs()
        self._closing_programs = command_programs()
        """For what closes: it outlives the others at the end."""
        self._cycles: Cycles
        self._blocks: Blocks
        self._policy: Policy
        """Without what is blocked."""
        self._restraint = Restraint()
        self._figures = Figures(clock.now().wall)
        self._commands = Commands(reporter, clock, self._figures)
        self._watching = Watching(self._told)
        self._control: Control
        self._audit = Audit(configuration.settings, reporter, clock)
        self._recent = Recent(lambda: clock.now().wall, configuration.settings.firewall.table)
        self._mail_programs = SystemPrograms()
        self._alerts = Alerts(configuration.settings, reporter, clock, self._mail_programs)
        reporter.also += [self._audit.hear, self._alerts.hear, self._recent.hear]
        self._reception: Reception

    @property
    def _settings(self) -> Settings:
        return self._configuration.settings

    async def run(self, ready: Callable[[], None]) -> None:
        """Serve until SIGTERM or SIGINT; ``ready`` is called once packets are looked at.

        Raises OperatorError or HostError: it could not be started. What was
        hidden by then stays hidden.
        """
        loop = asyncio.get_running_loop()
        for each in _SIGNALS:
            loop.add_signal_handler(each, self._signals.put_nowait, each)
        for each in (signal.SIGUSR1, signal.SIGUSR2):
            loop.add_signal_handler(each, lambda: None)
        await self._start()
        ready()
        try:
            await self._serve()
        finally:
            await self._stop()

    async def _start(self) -> None:
        settings = self._settings
        self._reporter.report(Starting(__version__))
        self._complain()
        fresh = await self._sources.open(settings.sources)
        memory = None
        try:
            memory, complaints = await assembly.open_memory(settings)
            self._memory = memory
            self._lock = assembly.keep_to_ourselves(settings)
            self._audit.open()
            self._alerts.open()
            for complaint in complaints:
                self._reporter.report(Complained(complaint))
            if settings.log.verbosity and self._configuration.policy.remember:
                place = str(settings.state_dir) if not settings.dry_run else "memory"
                self._reporter.report(Remembering(place, await memory.remembered()))
            firewall = assembly.firewall_for(settings, self._clock)
            assembly.check_hmacs(self._configuration.policy)
            self._blocks = Blocks.for_daemon(settings.state_dir, dry_run=settings.dry_run)
            policy = assembly.fitted(self._configuration.policy, firewall)
            adopted = firewall.prepare()
            self._enforcer = Enforcer(firewall, self._memory.journal, self._reporter, self._clock)
            await self._enforcer.resume(flush=settings.firewall.flush_at_start)
            self._cycles = self._command_cycles(memory)
            await self._cycles.resume(flush=settings.firewall.flush_at_start)
            await self._watching.prepare(settings)
            self._control = self._control_socket()
            await self._control.open()  # nothing below waits, so it answers once all is there
        except (HostError, OperatorError):
            await close(fresh.values())
            await self._watching.aclose()
            await self._alerts.aclose()
            await self._audit.aclose()
            if memory is not None:
                await memory.aclose()
            raise
        self._announce(adopted)
        self._open_gate(policy, SpaRecogniser(policy))
        self._reception = Reception(
            self._gate,
            self._lobby,
            self._clock,
            limit=settings.packet_limit,
            reached=lambda: self._signals.put_nowait(None),
        )
        self._sources.take_over(settings.sources, fresh)
        self._listen(fresh)
        self._keep()
        await self._watching.take_over()

    def _command_cycles(self, memory: assembly.Memory) -> Cycles:
        run = partial(close_by_command, self._closing_programs)
        closer = Closer(memory.journal, run, self._reporter, self._clock)
        found = Cycles(memory.journal, closer, self._reporter, self._clock, self._figures)
        grants = self._enforcer.ledger  # both are in one journal, by their names
        grants.taken_elsewhere = found.has
        found.taken_elsewhere = lambda name: grants.grant(name) is not None
        return found

    def _control_socket(self) -> Control:
        settings, clock = self._settings, self._clock

        def policy() -> Policy:
            return self._blocks.applied(self._policy)

        grants = GrantAnswers(self._enforcer, self._cycles, policy, clock)
        changes = GrantChanges(self._enforcer, self._cycles, policy, clock)
        blocks = BlockChanges(
            self._blocks,
            changes,
            self._cycles,
            clock,
            policy=lambda: self._policy,
            take_over=self._heed_blocks,
        )
        return Control(
            settings.run_dir / asking.NAME,
            Rights.of(settings.control),
            {
                "status": self._status,
                "grants": grants.grants,
                "keys": blocks.keys,
                "log": self._recent.log,
                "refusals": self._recent.refusals,
            },
            changes.handlers | blocks.handlers,
        )

    def _announce(self, adopted: int) -> None:
        firewall = self._settings.firewall
        if not firewall.needed:
            return
        guarding = firewall.attach is Attach.GUARD
        self._reporter.report(
            Attached(
                self._enforcer.firewall.name,
                assembly.way_of(firewall),
                hidden=firewall.guarded if guarding else (),
                everything=guarding and firewall.guard_all,
                public=firewall.public,
                adopted=adopted,
            )
        )

    async def _heed_blocks(self) -> None:
        """Have packets decided by what is blocked now."""
        await self._gate.take_policy(self._blocks.applied(self._policy))

    def _open_gate(self, policy: Policy, recogniser: SpaRecogniser) -> None:
        self._policy = policy
        policy = self._blocks.applied(policy)
        self._commands.at_once = self._settings.commands_at_once
        self._gate = Gate(
            policy,
            recogniser,
            store=self._memory.store,
            enforcer=self._enforcer,
            reporter=self._reporter,
            clock=self._clock,
            restraint=self._restraint,
            figures=self._figures,
            recognised=self._lobby.recognised,
            openpgp=Gpg(self._programs),
            hand=Hand(policy, self._command_programs),
            commands=self._commands,
            cycles=self._cycles,
            known=self._lobby.knows,
            dry_run=self._settings.dry_run,
        )
        self._run("settle", self._gate.settle_forever())
        self._run("open", self._gate.open_forever())

    def _listen(self, fresh: Mapping[SourceSettings, Source]) -> None:
        """Narrow every source to what is of interest now; look at what comes to new ones."""
        self._sources.narrow(assembly.interest_of(self._configuration), self._settings.requests)
        self._reception.twins = self._sources.twins
        for wanted, source in fresh.items():
            self._run(f"receive {source.name}", self._reception.receive(source))
            self._reporter.report(begun(wanted, source))
        if not all(isinstance(each, UdpPort) for each in self._settings.sources):
            self._reporter.report(Waiting())

    def _keep(self) -> None:
        memory = self._memory
        keeper = Keeper(
            self._enforcer,
            memory.store,
            memory.journal,
            reporter=self._reporter,
            clock=self._clock,
        )
        self._run("end grants", keeper.end_grants())
        self._run("end cycles", self._cycles.end_forever())
        self._run("watch firewall", keeper.watch_firewall())
        self._run("look round", keeper.look_round())
        self._run("forget", keeper.forget())
        self._run("tell floods", tell_floods(self._restraint, self._reporter, self._clock))

    def _run(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        if old := self._tasks.pop(name, None):
            old.cancel()
        self._tasks[name] = asyncio.get_running_loop().create_task(work, name=name)

    async def _serve(self) -> None:
        """Until a signal ends it, or a task fails, which is a bug and is let through."""
        while True:
            signalled = asyncio.ensure_future(self._signals.get())
            done, _ = await asyncio.wait(
                [signalled, *self._tasks.values()], return_when=asyncio.FIRST_COMPLETED
            )
            for task in done - {signalled}:
                self._look_at(task)
            self._tasks = {name: task for name, task in self._tasks.items() if not task.done()}
            if signalled not in done:
                signalled.cancel()
                continue
            number = signalled.result()
            if number is None:
                await self._gate.finish()
                self._reporter.report(LimitReached(self._settings.packet_limit))
                return
            self._reporter.report(Stopping(number.name))
            if number is not signal.SIGHUP:
                return
            await self._reload()

    def _look_at(self, ended: asyncio.Task[Any]) -> None:
        """Let through what a task failed of. A source may end it all, and the log has to say so."""
        try:
            ended.result()
        except HostError as error:
            self._reporter.report(HostTrouble("packets", str(error), error.hint))
            raise

    async def _reload(self) -> None:
        """Change over to what the files say now, whole or not at all."""
        try:
            await self._change_over(*await asyncio.to_thread(self._read_anew))
        except OperatorError as error:
            await self._refuse_reload(error.complaints)
        except HostError as error:
            await self._refuse_reload((Complaint(str(error), hint=error.hint),))
        else:
            self._figures.reloaded("taken", self._clock.now().wall)
        gc.collect()  # cancelled tasks hold the old gate in circles, and with it the old policy

    def _read_anew(self) -> tuple[Configuration, SpaRecogniser]:
        """What the files say now, ready for packets. Takes seconds for megabytes of stanzas, so a
        thread does it; it touches nothing that is in use."""
        configuration = self._reconfigure()
        assembly.check_hmacs(configuration.policy)
        return configuration, SpaRecogniser(configuration.policy)

    async def _refuse_reload(self, complaints: tuple[Complaint, ...]) -> None:
        await self._watching.give_up()
        self._figures.reloaded("refused", self._clock.now().wall)
        self._reporter.report(ReloadRefused(complaints))

    async def _change_over(self, configuration: Configuration, recogniser: SpaRecogniser) -> None:
        old, new = self._settings, configuration.settings
        moves = new.firewall != old.firewall
        firewall = self._enforcer.firewall
        if moves:
            firewall = assembly.firewall_for(new, self._clock)
        policy = assembly.fitted(configuration.policy, firewall)
        await self._watching.prepare(new)
        fresh = await self._sources.open(new.sources)
        if moves:
            try:
                elsewhere = assembly.place_of(old.firewall) != assembly.place_of(new.firewall)
                await self._enforcer.replace_firewall(firewall, elsewhere=elsewhere)
            except HostError:
                await close(fresh.values())
                raise
        await self._gate.finish()  # what waits was asked under the old policy
        before_gate = self._gate
        self._take_over(configuration, old)
        self._open_gate(policy, recogniser)
        self._reception.gate = self._gate
        self._gate.receive(before_gate.abandon())
        await asyncio.sleep(0)  # who found no room goes on now
        await before_gate.finish()
        if moves:
            self._announce(0)
            self._keep()
        try:
            await self._watching.take_over()
        except HostError as error:  # too late to refuse: packets are decided by the new policy
            self._reporter.report(HostTrouble("metrics", str(error), error.hint))
        over = self._sources.take_over(new.sources, fresh)
        self._listen(fresh)
        await close(over)

    def _take_over(self, configuration: Configuration, old: Settings) -> None:
        self._configuration = configuration
        self._reporter.verbosity = configuration.settings.log.verbosity
        self._alerts.take_over(configuration.settings)
        self._reporter.report(Starting(__version__, again=True))
        self._complain()
        for name in ("state_dir", "run_dir", "pid_file", "audit_log"):
            if getattr(old, name) != getattr(configuration.settings, name):
                text = f"{name.upper()} was changed; that is taken up at the next start only"
                self._reporter.report(Complained(Complaint(text, fatal=False)))
        try:
            self._control.admit(Rights.of(configuration.settings.control))
        except HostError as error:
            self._reporter.report(HostTrouble("control socket", str(error), error.hint))

    def _complain(self) -> None:
        for complaint in self._configuration.complaints:
            self._reporter.report(Complained(complaint))

    async def _status(self, _: Question) -> dict[str, object]:
        return self._told()

    def _told(self) -> dict[str, object]:
        now = self._clock.now()
        told = status.gather(
            self._figures, self._sources, self._lobby, self._gate, self._enforcer, now=now
        )
        return told | {
            "commands": status.commands(self._commands, self._cycles),
            "blocked": status.blocked(self._blocks),
        }

    async def _stop(self) -> None:
        await self._control.close()
        await self._watching.aclose()
        await self._sources.aclose()
        self._programs.end()
        await self._gate.finish()
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        await self._gate.finish()
        self._command_programs.end()
        await self._commands.ended()
        await self._cycles.stop(patience=CLOSING_PATIENCE)
        self._closing_programs.end()
        firewall = self._settings.firewall
        if firewall.flush_at_exit:
            await self._enforcer.end_all()
        await self._enforcer.written()
        await self._memory.aclose()
        guarding = firewall.attach is Attach.GUARD
        self._reporter.report(
            Stopped(firewall.guarded if guarding else (), guarding and firewall.guard_all)
        )
        await self._alerts.aclose()
        self._mail_programs.end()
        await self._audit.aclose()
        if self._lock is not None:
            self._lock.close()
