"""firewalld's direct rules, as fwknop makes them: rules of iptables behind firewalld's back.

In here: why they do nothing on one of firewalld's back ends. Not in here: the rules (tables),
rich rules, which work on both (backend).

What fwknop hands firewalld as a direct rule is passed on to iptables, and kept nowhere. So are
these; a reload of firewalld takes them away, and they are put back.
"""

from __future__ import annotations

from watchword.edges.firewall.firewalld.kernel import KernelRules
from watchword.edges.firewall.firewalld.talk import Firewalld
from watchword.edges.firewall.slipped import Told, tell_nobody
from watchword.edges.firewall.tables.backend import TablesFirewall
from watchword.errors import HostError
from watchword.model.firewalls import FirewallSettings
from watchword.model.openings import Feature
from watchword.ports import Clock, ProgramRunner


class DirectFirewall(TablesFirewall):
    """Chains of iptables beside those of a firewalld that works by iptables."""

    name = "firewalld"

    def __init__(
        self,
        settings: FirewallSettings,
        firewalld: Firewalld,
        *,
        programs: ProgramRunner,
        clock: Clock,
        told: Told = tell_nobody,
    ) -> None:
        super().__init__(settings, programs=programs, clock=clock, told=told)
        self._firewalld = firewalld
        self._kernel = KernelRules(programs)

    def probe(self) -> frozenset[Feature]:
        """As for iptables, if direct rules count for something. Raises HostError."""
        self._firewalld.families()
        if self._kernel.is_nftables():
            raise HostError(
                "direct rules open nothing here: firewalld works by nftables, and its own table "
                "rejects what a rule of iptables has accepted",
                hint="write FIREWALLD_RULES rich, which works in any case, or "
                "FirewallBackend=iptables in /etc/firewalld/firewalld.conf",
            )
        return super().probe()

    def close(self) -> None:
        super().close()
        self._firewalld.close()
