"""The backend for firewalld in front of one in memory, whose rules somebody ends on time."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import ClassVar, NamedTuple

from tests.contract.firewall import World
from tests.firewalld_emulator import EmulatedFirewalld, NoHeir
from watchword.edges.clock import FakeClock
from watchword.edges.firewall.firewalld.backend import FirewalldFirewall
from watchword.edges.firewall.firewalld.kernel import KernelRules
from watchword.edges.firewall.firewalld.rules import Rule
from watchword.edges.firewall.firewalld.talk import NotRunningError
from watchword.edges.firewall.slipped import Slipped
from watchword.edges.firewall.tables.claim import Claim
from watchword.edges.programs import SystemPrograms
from watchword.errors import HostError
from watchword.model.firewalls import FirewalldSettings, FirewallSettings
from watchword.model.openings import Hole


class Tables(KernelRules):
    """What was taken out of the kernel, for want of a firewalld."""

    def __init__(self) -> None:
        super().__init__(SystemPrograms())
        self.flushed = False
        self.taken: list[tuple[str, Rule]] = []
        self.swept: list[tuple[set[Hole], Mapping[str, Sequence[Hole]]]] = []

    def stands(self, zones: Collection[str]) -> bool:
        return not self.flushed

    def take(self, zones: Collection[str], rule: Rule) -> None:
        self.taken += [(zone, rule) for zone in zones]

    def sweep(self, holes: Collection[Hole], there: Mapping[str, Sequence[Hole]]) -> None:
        self.swept.append((set(holes), there))


class Claims(Claim):
    """In memory: other tests may run beside this one."""

    taken: ClassVar[set[str]] = set()
    """By another server."""
    held: ClassVar[set[str]] = set()

    def __init__(self, place: str, hint: str) -> None:
        if place in self.taken:
            raise HostError(f"another fwknopd keeps its grants in {place}", hint=hint)
        self.place = place
        self.held.add(place)

    def close(self) -> None:
        self.held.remove(self.place)


class Scene(NamedTuple):
    world: World
    firewalld: EmulatedFirewalld
    heir: NoHeir
    tables: Tables

    @property
    def backend(self) -> FirewalldFirewall:
        assert isinstance(self.world.backend, FirewalldFirewall)
        return self.world.backend


def scene(
    zones: Mapping[str, Iterable[str]] | None = None,
    named: tuple[str, ...] = (),
    slipped: Slipped | None = None,
) -> Scene:
    """``zones``: those that are active, with rules of others; ``named``: by FIREWALLD_ZONES."""
    clock, heir, tables = FakeClock(), NoHeir(), Tables()
    firewalld = EmulatedFirewalld(clock, {"public": ()} if zones is None else zones, ("work",))
    settings = FirewallSettings(backend="firewalld", firewalld=FirewalldSettings(zones=named))
    backend = FirewalldFirewall(
        settings,
        firewalld,
        tables,
        clock=clock,
        heir=lambda exe: heir,
        claim=Claims,
        slipped=slipped,
    )

    def wait(seconds: float) -> None:
        clock.advance(seconds)
        for will in [each for each in heir.wills.values() if each.until <= clock.steady]:
            try:
                firewalld.end(will)
            except NotRunningError:
                continue
            heir.tell(drop=[will.rule])

    return Scene(World(backend, clock, wait, firewalld.reload), firewalld, heir, tables)
