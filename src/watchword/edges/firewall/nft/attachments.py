"""The ways of attaching, each with the steps that make it stand.

In here: what to do about what a survey found, in which order.
Not in here: the text (guard, marking, jump, adopting), running nft (script), the judgement
on connections (known, passes).

A way has up to two sides: a table of our own, and chains of ours that the operator's call.
Both are made in one transaction.
"""

from __future__ import annotations

from collections.abc import Container
from typing import Protocol

from watchword.edges.firewall.nft import adopting, guard, jump, leading, marking
from watchword.edges.firewall.nft.layout import Structure
from watchword.edges.firewall.nft.netlink import Netlink
from watchword.edges.firewall.nft.passes import Passes
from watchword.edges.firewall.nft.script import run
from watchword.edges.firewall.nft.survey import Survey
from watchword.errors import HostError
from watchword.model.firewalls import Attach, FirewallSettings
from watchword.model.openings import Hole
from watchword.ports import ProgramRunner


class Attachment(Protocol):
    """How openings hang into the packet path."""

    structure: Structure
    passes: Passes | None
    """Exceptions for single connections; None: whoever attached us sees to those."""

    def check(self, found: Survey) -> None:
        """Raises HostError if the structure cannot stand here, with a remedy."""
        ...

    def build(
        self,
        netlink: Netlink,
        found: Survey,
        stood: Survey | None,
        holes: Container[Hole],
        *,
        tampered: bool = False,
    ) -> int:
        """Make the structure stand; return how many connections were taken over.

        Args:
            found: What is there.
            stood: What was there when we last looked; None: never before in this run.
            holes: What is open as far as we know.
            tampered: Whether more was open, by somebody else's doing.
        """
        ...

    def removal(self, found: Survey) -> str:
        """A script that removes what is ours of what was found; may be empty."""
        ...


def attachment(settings: FirewallSettings, programs: ProgramRunner) -> Attachment:
    if settings.attach is Attach.GUARD:
        return Guarding(settings, programs)
    return Calling(settings, programs)


class _Sides:
    """What all ways share."""

    def __init__(self, settings: FirewallSettings, own: Structure | None, script: str) -> None:
        """``own``: of our own table, and ``script`` makes it; None: there is none."""
        called = jump.structure(settings)
        adopted = adopting.structure(settings)
        alien = ((guard.home(settings), leading.LEAD_ON),)
        none = Structure((), (), (), strange=alien)
        mine = own or none
        self.structure = Structure(
            homes=(*mine.homes, *called.homes, *adopted.homes),
            chains=(*mine.chains, *called.chains),
            sets=(*mine.sets, *called.sets, *adopted.sets),
            calls=called.calls,
            answers=called.answers,
            strange=mine.strange,
            families=mine.families,
            own=mine.own,
        )
        self._own_script = script
        self._called = called
        self._mine = mine
        self._settings = settings

    def check(self, found: Survey) -> None:
        if self._mine.own is not None:
            table = found.tables[0]
            if table is not None and table.comment != guard.MARK:
                raise HostError(
                    f"there is a table inet {self._settings.table} that is not ours",
                    hint="name another with NFT_TABLE, or remove that one",
                )
        for (caller, name), handles in zip(self._called.calls, found.jumps, strict=True):
            if handles is None:
                raise HostError(
                    f"there is no chain {caller.family} {caller.table} {caller.chain}",
                    hint=f"create it, or name another with {_VARIABLE[name]}",
                )

    def script(self, found: Survey) -> str:
        """Everything that is not the operator's."""
        calls = zip(self._called.calls, found.jumps, strict=True)
        missing = [call for call, handles in calls if not handles]
        return self._own_script + jump.script(self._settings, missing)

    def anew(self, found: Survey) -> str:
        """The same, where what is there has another shape than ours: an older version's."""
        return (
            self.removal(found) + self._own_script + jump.script(self._settings, self._called.calls)
        )

    def removal(self, found: Survey) -> str:
        table = found.tables[0] if self._mine.own is not None else None
        mine = table is not None and table.comment == guard.MARK
        mine = mine or (self._mine.own is None and any(found.strange))
        first_chain, first_set = len(self._mine.chains), len(self._mine.sets)
        last_set = first_set + len(self._called.sets)
        called = self._called
        return (guard.removal(self._settings) if mine else "") + jump.removal(
            [
                (call, handle)
                for call, handles in zip(called.calls, found.jumps, strict=True)
                for handle in handles or ()
            ],
            [
                (expected.home, expected.name)
                for expected, chain in zip(called.chains, found.chains[first_chain:], strict=True)
                if chain is not None
            ],
            [
                each
                for each, seen in zip(called.sets, found.sets[first_set:last_set], strict=True)
                if seen is not None
            ],
        )


_VARIABLE = {
    jump.CHAIN: "NFT_JUMP_FROM",
    jump.FORWARD: "NFT_FORWARD_FROM",
    jump.OUTPUT: "NFT_OUTPUT_FROM",
}


class Guarding:
    """Our own table, which hides services itself."""

    def __init__(self, settings: FirewallSettings, programs: ProgramRunner) -> None:
        self._sides = _Sides(settings, guard.structure(settings), "")
        self.structure = self._sides.structure
        self.passes: Passes | None = Passes(settings, guard.home(settings))
        self._own_passes = self.passes
        self._settings = settings
        self._programs = programs

    def check(self, found: Survey) -> None:
        self._sides.check(found)

    def build(
        self,
        netlink: Netlink,
        found: Survey,
        stood: Survey | None,
        holes: Container[Hole],
        *,
        tampered: bool = False,
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
        elif stood is not None and (tampered or found != stood):  # taken away and put back
            self._consider(netlink, stood, holes)
        self._own_passes.tend(netlink)
        return taken

    def removal(self, found: Survey) -> str:
        return self._sides.removal(found)

    def _consider(self, netlink: Netlink, stood: Survey | None, holes: Container[Hole]) -> int:
        if stood is None:
            return self._own_passes.adopt_all()
        self._own_passes.judge(netlink, holes)
        return 0

    def _write(self, found: Survey) -> None:
        script = guard.script(self._settings, self._own_passes.adopted, self._own_passes.cut)
        removal = self._sides.removal(found)
        whole = removal + script + jump.script(self._settings, self.structure.calls)
        _put(self._programs, found, script + self._sides.script(found), removal and whole)


def _put(programs: ProgramRunner, found: Survey, script: str, anew: str) -> None:
    """Run a script, or the one that removes what is there before; that one may be empty.

    What is there may have another shape than ours: an older version's, or bent by hand.
    """
    if anew and any(found.strange):
        run(programs, anew)
        return
    try:
        run(programs, script)
    except HostError:
        if not anew:
            raise
        run(programs, anew)


class Calling:
    """What the operator's own ruleset looks at: chains of ours that it calls, marks, sets."""

    passes: Passes | None = None

    def __init__(self, settings: FirewallSettings, programs: ProgramRunner) -> None:
        own = marking.wanted(settings)
        self._sides = _Sides(
            settings,
            marking.structure(settings) if own else None,
            marking.script(settings) if own else "",
        )
        self.structure = self._sides.structure
        self._settings = settings
        self._programs = programs

    def check(self, found: Survey) -> None:
        if self._settings.attach is Attach.JUMP and not self._settings.jump_from:
            raise HostError(
                "no chain is named that is to call ours",
                hint="name one with NFT_JUMP_FROM, for example: inet filter input",
            )
        self._sides.check(found)
        if self._settings.attach is Attach.SETS:
            adopting.check(self._settings, found)

    def build(
        self,
        netlink: Netlink,
        found: Survey,
        stood: Survey | None,
        holes: Container[Hole],
        *,
        tampered: bool = False,
    ) -> int:
        self.check(found)
        if found.fits(self.structure):
            return 0
        anew = self.removal(found) and self._sides.anew(found)
        _put(self._programs, found, self._sides.script(found), anew)
        return 0

    def removal(self, found: Survey) -> str:
        return self._sides.removal(found)
