"""Takes rules out, whether firewalld is there or not.

In here: the choice. Not in here: when (backend, heir_process), how (bus, command, kernel).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from watchword.edges.firewall.firewalld.kernel import KernelRules
from watchword.edges.firewall.firewalld.rules import Rule, parse, text
from watchword.edges.firewall.firewalld.talk import Firewalld, NotRunningError
from watchword.errors import HostError
from watchword.model.openings import Hole

_REMEDY = "systemctl restart firewalld, or have it done with FIREWALLD_RELOAD_IF_FLUSHED Y"
_RELOADED = "firewalld is reloaded, and what was set up for now only is lost"


class Ending:
    """Ends rules by firewalld, or in the kernel if there is no firewalld."""

    def __init__(self, firewalld: Firewalld, kernel: KernelRules, *, reloads: bool = False) -> None:
        """``reloads``: firewalld is reloaded where the kernel has none of its rules (mending)."""
        self._remedy = _RELOADED if reloads else _REMEDY
        self._firewalld = firewalld
        self._kernel = kernel

    def check(self) -> None:
        """See that the kernel refuses what firewalld refuses. Raises HostError."""
        if not self._kernel.stands(self._firewalld.zones()):
            raise HostError(
                "firewalld runs, and the kernel has none of its rules: nobody is refused anything",
                hint=f"somebody flushed them: {self._remedy}",
            )

    def take(self, rule: Rule, zones: Iterable[str]) -> None:
        """Out of all of these zones. What is gone is no error. Raises HostError."""
        names = sorted(zones)
        try:
            for zone in names:
                self._firewalld.take(zone, text(rule))
        except NotRunningError:
            self._kernel.take(names, rule)

    def sweep(self, holes: Collection[Hole], zones: Iterable[str]) -> None:
        """Remove what a firewalld that was killed has left, and this one does not know of.

        Raises HostError.
        """
        if holes:
            self._kernel.sweep(holes, {each: self._holes(each) for each in zones})

    def _holes(self, zone: str) -> list[Hole]:
        """Of all rules that one of ours could be mistaken for."""
        return [each.hole for each in map(parse, self._firewalld.rules(zone)) if each is not None]
