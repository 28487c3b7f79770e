"""The two ways of attaching, each with the steps that make it stand.

In here: what to do about what a survey found, in which order.
Not in here: the text (guard, jump), running nft (script), the judgement on
connections (known, passes).
"""

from __future__ import annotations

from collections.abc import Container
from typing import Protocol

from watchword.edges.firewall.nft import guard, jump
from watchword.edges.firewall.nft.layout import Structure
from watchword.edges.firewall.nft.netlink import Netlink
from watchword.edges.firewall.nft.passes import Passes
from watchword.edges.firewall.nft.script import run
from watchword.edges.firewall.nft.survey import Survey
from watchword.errors import HostError
from watchword.model.openings import Hole
from watchword.model.settings import Attach, FirewallSettings
from watchword.ports import ProgramRunner


class Attachment(Protocol):
    """How openings hang into the packet path."""

    structure: Structure
    passes: Passes | None
    """Exceptions for single connections; None: whoever attached us sees to those."""
    way: str

    def check(self, found: Survey) -> None:
        """Raises HostError if the structure cannot stand here, with a remedy."""
        ...

    def build(
        self, netlink: Netlink, found: Survey, stood: Survey | None, holes: Container[Hole]
    ) -> int:
        """Make the structure stand; return how many connections were taken over.

        Args:
            found: What is there.
            stood: What was there when we last looked; None: never before in this run.
            holes: What is open as far as we know.
        """
        ...

    def removal(self, found: Survey) -> str:
        """A script that removes what is ours of what was found; may be empty."""
        ...


def attachment(settings: FirewallSettings, programs: ProgramRunner) -> Attachment:
    if settings.attach is Attach.GUARD:
        return Guarding(settings, programs)
    return Jumping(settings, programs)


class Guarding:
    """Our own table, which hides services itself."""

    def __init__(self, settings: FirewallSettings, programs: ProgramRunner) -> None:
        self.structure = guard.structure(settings)
        home = guard.home(settings)
        self.passes: Passes | None = Passes(settings, home)
        self.way = f"guard {home}"
        self._own_passes = self.passes
        self._settings = settings
        self._programs = programs

    def check(self, found: Survey) -> None:
        (table,) = found.tables
        if table is not None and table.comment != self.structure.table_comment:
            raise HostError(
                f"there is a table inet {self._settings.table} that is not ours",
                hint="name another with NFT_TABLE, or remove that one",
            )

    def build(
        self, netlink: Netlink, found: Survey, stood: Survey | None, holes: Container[Hole]
    ) -> int:
        self.check(found)
        taken = 0
        if stood is None:
            self._own_passes.read_back(netlink)
        if not found.fits(self.structure):
            taken += self._consider(netlink, stood, holes)
            self._write(found)
            # Whoever came in between that look and the closing of the door.
            taken += self._consider(netlink, stood, holes)
        elif stood is not None and found != stood:  # somebody took it away and put it back
            self._consider(netlink, stood, holes)
        self._own_passes.tend(netlink)
        return taken

    def removal(self, found: Survey) -> str:
        (table,) = found.tables
        if table is None or table.comment != self.structure.table_comment:
            return ""
        return guard.removal(self._settings)

    def _consider(self, netlink: Netlink, stood: Survey | None, holes: Container[Hole]) -> int:
        if stood is None:
            return self._own_passes.adopt_all()
        self._own_passes.judge(netlink, holes)
        return 0

    def _write(self, found: Survey) -> None:
        script = guard.script(self._settings, self._own_passes.adopted, self._own_passes.cut)
        try:
            run(self._programs, script)
        except HostError:
            if found.tables == (None,):
                raise
            # What is there has another shape than ours: an older version's, or bent by hand.
            run(self._programs, guard.removal(self._settings) + script)


class Jumping:
    """A chain of ours in the operator's tables, called from chains of theirs."""

    passes: Passes | None = None

    def __init__(self, settings: FirewallSettings, programs: ProgramRunner) -> None:
        self.structure = jump.structure(settings)
        self.way = "jump " + ", ".join(
            f"{each.family} {each.table} {each.chain}" for each in self.structure.jumps
        )
        self._settings = settings
        self._programs = programs

    def check(self, found: Survey) -> None:
        if not self.structure.jumps:
            raise HostError(
                "no chain is named that is to call ours",
                hint="name one with NFT_JUMP_FROM, for example: inet filter input",
            )
        for caller, handles in zip(self.structure.jumps, found.jumps, strict=True):
            if handles is None:
                raise HostError(
                    f"there is no chain {caller.family} {caller.table} {caller.chain}",
                    hint="create it, or name another with NFT_JUMP_FROM",
                )

    def build(
        self,
        netlink: Netlink,
        found: Survey,
        stood: Survey | None,
        holes: Container[Hole],
    ) -> int:
        self.check(found)
        if found.fits(self.structure):
            return 0
        calls = zip(self.structure.jumps, found.jumps, strict=True)
        try:
            run(
                self._programs,
                jump.script(self._settings, [each for each, handles in calls if not handles]),
            )
        except HostError:
            removal = self.removal(found)
            if not removal:
                raise
            run(self._programs, removal + jump.script(self._settings, self.structure.jumps))
        return 0

    def removal(self, found: Survey) -> str:
        return jump.removal(
            [
                (caller, handle)
                for caller, handles in zip(self.structure.jumps, found.jumps, strict=True)
                for handle in handles or ()
            ],
            [
                expected.home
                for expected, chain in zip(self.structure.chains, found.chains, strict=True)
                if chain is not None
            ],
            [
                each
                for each, handle in zip(self.structure.sets, found.sets, strict=True)
                if handle is not None
            ],
        )
