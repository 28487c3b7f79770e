"""Takes rules out, whether firewalld is there or not.

In here: the choice. Not in here: when (backend, heir_process), how (bus, command, kernel).
"""

from __future__ import annotations

from collections.abc import Iterable

from watchword.edges.firewall.firewalld.kernel import KernelRules
from watchword.edges.firewall.firewalld.rules import Rule, text
from watchword.edges.firewall.firewalld.talk import Firewalld, NotRunningError


class Ending:
    """Ends rules by firewalld, or in the kernel if there is no firewalld."""

    def __init__(self, firewalld: Firewalld, kernel: KernelRules) -> None:
        self._firewalld = firewalld
        self._kernel = kernel

    def take(self, rule: Rule, zones: Iterable[str]) -> None:
        """Out of all of these zones. What is gone is no error. Raises HostError."""
        for zone in sorted(zones):
            try:
                self._firewalld.take(zone, text(rule))
            except NotRunningError:
                self._kernel.take(zone, rule)
