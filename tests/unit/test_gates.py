"""One gate after another: what is decided by which policy while they change."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from tests.sealing import sealed
from tests.unit.test_gate import verdict
from tests.values import NOW, packet, policy, terms
from watchword.edges.clock import FakeClock
from watchword.edges.firewall.memory import MemoryFirewall
from watchword.edges.gpg_memory import MemoryOpenPgp
from watchword.edges.programs import MemoryPrograms
from watchword.edges.replay.memory import MemoryJournal, MemoryReplayStore
from watchword.edges.report.lines import MemoryReporter
from watchword.model.outcomes import Judged
from watchword.model.requests import Claim, ReplayKey
from watchword.model.settings import Settings
from watchword.recognise.spa import SpaRecogniser
from watchword.service.daemon.blocks import Block, Blocks
from watchword.service.daemon.commands import Commands
from watchword.service.daemon.cycles import Cycles
from watchword.service.daemon.enforcer import Enforcer
from watchword.service.daemon.figures import Figures
from watchword.service.daemon.gates import Gates, Lasting
from watchword.service.daemon.hand import Hand
from watchword.service.daemon.lobby import Lobby
from watchword.service.daemon.restraint import Restraint
from watchword.service.daemon.tasks import Tasks


class SlowStore(MemoryReplayStore):
    """Claims when it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.asked, self.may_claim = asyncio.Event(), asyncio.Event()

    async def claim(self, keys: Sequence[ReplayKey]) -> Sequence[Claim]:
        self.asked.set()
        await self.may_claim.wait()
        return await super().claim(keys)


class Place:
    """A gate after another, with everything in memory."""

    def __init__(self, folder: Path) -> None:
        clock = FakeClock(*NOW)
        firewall, self.reporter = MemoryFirewall(clock), MemoryReporter()
        firewall.prepare()
        figures = Figures(NOW.wall)
        enforcer = Enforcer(firewall, MemoryJournal(), self.reporter, clock)
        self.blocks, self.store = Blocks.for_daemon(folder, dry_run=False), SlowStore()
        lasting = Lasting(
            store=self.store,
            enforcer=enforcer,
            reporter=self.reporter,
            clock=clock,
            figures=figures,
            restraint=Restraint(),
            lobby=Lobby(),
            openpgp=MemoryOpenPgp(),
            commands=Commands(self.reporter, clock, figures),
            cycles=Cycles.alone(self.reporter, clock, figures),
            blocks=self.blocks,
            hand=lambda found: Hand(found, MemoryPrograms()),
        )
        self.tasks = Tasks()
        self.gates = Gates(lasting, self.tasks)

    @property
    def verdicts(self) -> list[str]:
        return [verdict(each) for each in self.reporter.events if isinstance(each, Judged)]


def test_a_block_holds_for_what_the_gate_before_a_reload_has_not_decided_yet(
    tmp_path: Path,
) -> None:
    """What a key ring has opened may come back to it when the next one is there already."""
    found = policy(terms())

    async def scene() -> list[str]:
        place = Place(tmp_path)
        gates = place.gates
        gates.open(Settings(), found, SpaRecogniser(found))
        before = gates.gate
        gates.opened = lambda _: before.receive([packet(sealed())])
        changing = asyncio.ensure_future(gates.change(Settings(), found, SpaRecogniser(found)))
        await place.store.asked.wait()
        place.blocks.block(place.blocks.names(terms()), Block(NOW.wall, 0, "#1"))
        heeding = asyncio.ensure_future(gates.heed_blocks())
        await asyncio.sleep(0)
        assert not heeding.done()  # nobody is told of a block that does not hold yet
        place.store.may_claim.set()
        await asyncio.gather(changing, heeding)
        gates.gate.receive([packet(sealed())])
        await gates.finish()
        await place.tasks.cancel()
        return place.verdicts

    assert asyncio.run(scene()) == ["key-blocked"] * 2
