"""Starts a server: the order in which its parts come to be.

In here: what is opened after what, and that all is closed again if one of them
cannot be opened.
Not in here: which edges the settings ask for (assembly), what the parts do
once they are there (running).
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack

from watchword import __version__
from watchword.dialects.fwknop.translate import Configuration
from watchword.model.daemon_events import Complained, Remembering, Starting
from watchword.model.policy import Policy
from watchword.ports import Clock
from watchword.recognise.spa import SpaRecogniser
from watchword.record import record
from watchword.service.daemon import assembly
from watchword.service.daemon.blocks import Blocks
from watchword.service.daemon.closer import Closer
from watchword.service.daemon.commands import Commands
from watchword.service.daemon.control import Control
from watchword.service.daemon.cycles import Cycles
from watchword.service.daemon.desk import control_socket
from watchword.service.daemon.doors import Doors
from watchword.service.daemon.enforcer import Enforcer
from watchword.service.daemon.figures import Figures
from watchword.service.daemon.firewall_news import reporting
from watchword.service.daemon.gates import Gates, Lasting
from watchword.service.daemon.hearers import Hearers
from watchword.service.daemon.knocks import Knocks
from watchword.service.daemon.lobby import Lobby
from watchword.service.daemon.logbook import Logbook
from watchword.service.daemon.means import Means
from watchword.service.daemon.process import PidFile
from watchword.service.daemon.proofs import Proofs
from watchword.service.daemon.reception import Reception
from watchword.service.daemon.restraint import Restraint
from watchword.service.daemon.rotation import rotate
from watchword.service.daemon.running import Running, complain
from watchword.service.daemon.sources import Sources, close
from watchword.service.daemon.status import Account
from watchword.service.daemon.staying import Staying
from watchword.service.daemon.tasks import Tasks
from watchword.service.daemon.watching import Watching


async def start(
    configuration: Configuration,
    reporter: Logbook,
    clock: Clock,
    reached: Callable[[], None],
    means: Means,
) -> Running:
    """Everything up to looking at packets. ``reached``: called once as many came as were wanted;
    ``means``: how is done what one needs rights for.

    Raises OperatorError or HostError: it could not be started, and nothing is
    left open. What was hidden by then stays hidden.
    """
    async with AsyncExitStack() as undo:
        running = await _Start(configuration, reporter, clock, undo, means).run(reached)
        undo.pop_all()
    return running


@record
class _Engine:
    """What decides and opens, once it is there."""

    memory: assembly.Memory
    lock: PidFile | None
    policy: Policy
    """Limited to what the firewall can open."""
    blocks: Blocks
    enforcer: Enforcer
    cycles: Cycles
    adopted: int
    """Connections that were there before something was hidden."""


class _Start:
    """One attempt. ``undo`` closes what has been opened by then."""

    def __init__(
        self,
        configuration: Configuration,
        reporter: Logbook,
        clock: Clock,
        undo: AsyncExitStack,
        means: Means,
    ) -> None:
        self._means = means
        self._configuration = configuration
        self._settings = configuration.settings
        self._reporter = reporter
        self._clock = clock
        self._undo = undo
        self._figures = Figures(clock.now().wall)
        self._restraint = Restraint()
        self._lobby = Lobby()
        self._tasks = Tasks()
        self._commands = Commands(reporter, clock, self._figures)
        self._hearers = Hearers(self._settings, reporter, clock, means.send, means.end_mails)
        self._sources = Sources(self._settings.requests, reporter.report, means.openers, clock)
        self._sources.news = lambda: means.awaiting(self._sources.awaited)

    async def run(self, reached: Callable[[], None]) -> Running:
        self._reporter.report(Starting(__version__))
        complain(self._configuration, self._reporter)
        fresh = await self._sources.open(self._settings.sources)
        self._undo.push_async_callback(close, fresh.values())
        engine = await self._attach(*await self._remember())
        gates = Gates(self._lasting(engine), self._tasks)
        staying = self._staying(engine)
        doors = self._doors(engine)
        await doors.resume()
        prepared = doors.prepare(self._configuration)
        self._undo.callback(prepared.give_up)
        watching, control = await self._answer(engine, gates, staying, doors)

        # nothing from here on waits, so the control socket answers once all is there
        self._undo.push_async_callback(self._tasks.cancel)
        gates.open(self._settings, engine.policy, SpaRecogniser(engine.policy))
        staying.follow(gates.policy)
        self._sources.take_over(self._settings.sources, fresh)
        reception = self._reception(gates, reached)
        gates.opened = reception.turn_to
        running = self._running(
            engine,
            gates,
            staying,
            doors,
            reception=reception,
            watching=watching,
            control=control,
        )
        running.announce(engine.adopted)
        running.listen_to_doors(prepared, engine.policy)
        running.listen(fresh)
        running.keep()
        await watching.take_over()
        return running

    def _running(
        self,
        engine: _Engine,
        gates: Gates,
        staying: Staying,
        doors: Doors,
        *,
        reception: Reception,
        watching: Watching,
        control: Control,
    ) -> Running:
        return Running(
            configuration=self._configuration,
            reporter=self._reporter,
            clock=self._clock,
            figures=self._figures,
            restraint=self._restraint,
            tasks=self._tasks,
            means=self._means,
            memory=engine.memory,
            lock=engine.lock,
            enforcer=engine.enforcer,
            commands=self._commands,
            cycles=engine.cycles,
            sources=self._sources,
            gates=gates,
            staying=staying,
            doors=doors,
            reception=reception,
            knocks=Knocks(lambda: gates.gate, self._reporter.report, self._clock),
            hearers=self._hearers,
            watching=watching,
            control=control,
        )

    async def _remember(self) -> tuple[assembly.Memory, PidFile | None]:
        """What was remembered before, and who writes down what comes now."""
        settings = self._settings
        memory, complaints = await assembly.open_memory(settings, self._means.digests)
        self._undo.push_async_callback(memory.aclose)
        lock = self._means.lock(settings)
        self._undo.push_async_callback(self._hearers.aclose)
        self._hearers.open()
        for complaint in complaints:
            self._reporter.report(Complained(complaint))
        if settings.rotate and memory.keys is not None:
            max_age = self._configuration.policy.max_age
            wall = self._clock.now().wall
            self._reporter.report(await rotate(settings, max_age, memory.keys, wall))
        if settings.log.verbosity and self._configuration.policy.remember:
            place = str(settings.state_dir) if not settings.dry_run else "memory"
            self._reporter.report(Remembering(place, await memory.remembered()))
        return memory, lock

    async def _attach(self, memory: assembly.Memory, lock: PidFile | None) -> _Engine:
        """Hide what is to be hidden, and take up what an earlier run had open."""
        settings = self._settings
        firewall = self._means.firewall(settings, self._clock, reporting(self._reporter))
        assembly.check_hmacs(self._configuration.policy)
        blocks = Blocks.for_daemon(settings.state_dir, dry_run=settings.dry_run)
        able = firewall.probe()
        assembly.check_hidden(settings.firewall, firewall.name, able)
        policy = assembly.fitted(self._configuration.policy, firewall.name, able)
        adopted = firewall.prepare()
        enforcer = Enforcer(firewall, memory.journal, self._reporter, self._clock)
        self._means.enforce(enforcer)
        await enforcer.resume(flush=settings.firewall.flush_at_start)
        cycles = self._command_cycles(memory, enforcer)
        await cycles.resume(flush=settings.firewall.flush_at_start)
        self._commands.blocked = cycles.blocked = blocks.has
        return _Engine(memory, lock, policy, blocks, enforcer, cycles, adopted)

    def _command_cycles(self, memory: assembly.Memory, enforcer: Enforcer) -> Cycles:
        closer = Closer(memory.journal, self._means.close, self._reporter, self._clock)
        found = Cycles(memory.journal, closer, self._reporter, self._clock, self._figures)
        found.prolonged = self._means.prolonged
        grants = enforcer.ledger  # both are in one journal, by their names
        grants.taken_elsewhere = found.has
        found.taken_elsewhere = lambda name: grants.grant(name) is not None
        return found

    def _lasting(self, engine: _Engine) -> Lasting:
        return Lasting(
            store=engine.memory.store,
            enforcer=engine.enforcer,
            reporter=self._reporter,
            clock=self._clock,
            figures=self._figures,
            restraint=self._restraint,
            lobby=self._lobby,
            openpgp=self._means.openpgp,
            commands=self._commands,
            cycles=engine.cycles,
            blocks=engine.blocks,
            hand=lambda policy: self._means.hand(policy, engine.blocks.has),
        )

    def _staying(self, engine: _Engine) -> Staying:
        connections = self._means.connections(self._settings)
        return Staying(engine.enforcer, connections, self._reporter, self._clock)

    def _doors(self, engine: _Engine) -> Doors:
        return Doors(
            self._reporter,
            self._clock,
            self._means,
            engine.enforcer,
            journal=engine.memory.journal,
            keys=engine.memory.store,
            dry_run=self._settings.dry_run,
            debugging=lambda: self._reporter.verbosity > 0,
        )

    async def _answer(
        self, engine: _Engine, gates: Gates, staying: Staying, doors: Doors
    ) -> tuple[Watching, Control]:
        """Let people ask: at the control socket, and for metrics."""
        account = Account(
            figures=self._figures,
            sources=self._sources,
            lobby=self._lobby,
            gates=gates,
            enforcer=engine.enforcer,
            commands=self._commands,
            cycles=engine.cycles,
            blocks=engine.blocks,
            clock=self._clock,
            doors=doors.told,
        )
        watching = Watching(account.told, self._means.scrapes)
        self._undo.push_async_callback(watching.aclose)
        await watching.prepare(self._settings)
        proofs = Proofs(engine.enforcer.ledger, lambda: gates.policy, self._clock)
        self._reporter.also.append(proofs.hear)
        control = control_socket(
            self._settings,
            self._clock,
            enforcer=engine.enforcer,
            cycles=engine.cycles,
            blocks=engine.blocks,
            gates=gates,
            staying=staying,
            doors=doors,
            recent=self._hearers.recent,
            proofs=proofs,
            told=account.told,
        )
        control = self._means.control(control)
        for mended in await control.open():
            self._reporter.report(Complained(mended))
        self._undo.push_async_callback(control.close)
        return watching, control

    def _reception(self, gates: Gates, reached: Callable[[], None]) -> Reception:
        return Reception(
            gates.gate,
            self._lobby,
            self._clock,
            limit=self._settings.packet_limit,
            reached=reached,
        )
