"""The gate that packets go to, and the one that follows it.

In here: what a gate is made of, changing over from one to the next, having
packets decided by what is blocked now.
Not in here: what a gate does (gate), what comes to it (reception), reading
files anew (reload).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from watchword.grant.knock_limits import KnockLimits
from watchword.model.policy import Policy
from watchword.model.settings import Settings
from watchword.ports import Clock, OpenPgp, Recogniser, ReplayStore, Reporter
from watchword.service.daemon.blocks import Blocks
from watchword.service.daemon.commands import Commands
from watchword.service.daemon.cycles import Cycles
from watchword.service.daemon.enforcer import Enforcer
from watchword.service.daemon.figures import Figures
from watchword.service.daemon.gate import Gate
from watchword.service.daemon.hand import Hand
from watchword.service.daemon.lobby import Lobby
from watchword.service.daemon.names import Names
from watchword.service.daemon.restraint import Restraint
from watchword.service.daemon.tasks import Tasks


@dataclass(frozen=True, slots=True)
class Lasting:
    """What a gate works with, and leaves to the next one."""

    store: ReplayStore
    enforcer: Enforcer
    reporter: Reporter
    clock: Clock
    figures: Figures
    restraint: Restraint
    lobby: Lobby
    openpgp: OpenPgp
    commands: Commands
    cycles: Cycles
    blocks: Blocks
    hand: Callable[[Policy], Hand]
    names: Names = field(default_factory=Names)
    knock_limits: KnockLimits = field(default_factory=KnockLimits)


class Gates:
    """One gate at a time."""

    def __init__(self, lasting: Lasting, tasks: Tasks) -> None:
        self.gate: Gate
        """Not before ``open``."""
        self.opened: Callable[[Gate], None] = lambda gate: None
        """Told of each gate that takes the place of another, before that one ends."""
        self._lasting = lasting
        self._tasks = tasks
        self._policy: Policy
        """Of the gate that is open, without what is blocked."""
        self._applied: Policy
        """With it. Worked out once: names of keys are hashes, and there may be many stanzas."""
        self._leaving: tuple[Gate, Policy] | None = None
        """A gate that still decides what has come to it, and what its files said."""

    @property
    def configured(self) -> Policy:
        """What the files say."""
        return self._policy

    @property
    def policy(self) -> Policy:
        """What packets are decided by: what the files say, and what is blocked."""
        return self._applied

    def open(self, settings: Settings, policy: Policy, recogniser: Recogniser) -> None:
        """From now on packets are decided by this policy, except for what is blocked."""
        lasting = self._lasting
        self._policy, self._applied = policy, lasting.blocks.applied(policy)
        lasting.commands.at_once = settings.commands_at_once
        self.gate = Gate(
            self.policy,
            recogniser,
            store=lasting.store,
            enforcer=lasting.enforcer,
            reporter=lasting.reporter,
            clock=lasting.clock,
            restraint=lasting.restraint,
            figures=lasting.figures,
            recognised=lasting.lobby.recognised,
            openpgp=lasting.openpgp,
            hand=lasting.hand(self.policy),
            commands=lasting.commands,
            cycles=lasting.cycles,
            names=lasting.names,
            knock_limits=lasting.knock_limits,
            known=lasting.lobby.knows,
            dry_run=settings.dry_run,
        )
        self._tasks.run("settle", self.gate.settle_forever())
        self._tasks.run("open", self.gate.open_forever())

    async def finish(self) -> None:
        """Settle everything that waits: it was asked under the policy of now."""
        await self.gate.finish()

    async def change(self, settings: Settings, policy: Policy, recogniser: Recogniser) -> None:
        """Open another gate in the place of this one, and let this one end."""
        before, configured = self.gate, self._policy
        self._leaving = (before, configured)
        self.open(settings, policy, recogniser)
        self.opened(self.gate)
        self.gate.receive(before.abandon())
        await asyncio.sleep(0)  # who found no room goes on now
        await before.finish()
        self._leaving = None

    async def heed_blocks(self) -> None:
        """Have packets decided by what is blocked now."""
        blocks = self._lasting.blocks
        self._applied = blocks.applied(self._policy)
        if self._leaving is not None:
            gate, configured = self._leaving
            await gate.take_policy(blocks.applied(configured))
        await self.gate.take_policy(self._applied)
