"""Puts the parts of the backend together.

In here: which parts there are for which settings. Not in here: the parts.
"""

from __future__ import annotations

from watchword.edges.firewall.barring import Bars
from watchword.edges.firewall.firewalld.backend import FirewalldFirewall
from watchword.edges.firewall.firewalld.kernel import KernelRules
from watchword.edges.firewall.firewalld.ways import way_to
from watchword.edges.firewall.firewalld.zones import printed
from watchword.edges.firewall.slipped import Slipped, Told, tell_nobody
from watchword.model.firewalls import FirewallSettings
from watchword.ports import Clock, FirewallBackend, ProgramRunner

_CMD = "firewall-cmd"


def firewalld_firewall(
    settings: FirewallSettings,
    *,
    programs: ProgramRunner,
    clock: Clock,
    told: Told = tell_nobody,
) -> FirewallBackend:
    """The backend; nothing is touched yet."""
    if settings.firewalld.direct:
        from watchword.edges.firewall.firewalld.direct import (  # noqa: PLC0415  (few want it)
            DirectFirewall,
        )

        way = way_to(_CMD, programs)
        return DirectFirewall(settings, way, programs=programs, clock=clock, told=told)
    way = way_to(settings.exe, programs)
    bars = Bars(settings, programs)
    slipped = Slipped(settings, bars, clock, told)
    return FirewalldFirewall(settings, way, KernelRules(programs), clock=clock, slipped=slipped)


def shown(firewall: FirewallSettings, programs: ProgramRunner, *, everything: bool) -> str:
    """The rich rules of every zone that has some: ours, or all. Raises HostError."""
    there = way_to(firewall.exe, programs)
    first = firewall.firewalld.priority
    marks = tuple(f'rule priority="{each}" ' for each in (first, first + 1))
    found = {
        zone: [each for each in there.rules(zone) if everything or each.startswith(marks)]
        for zone in there.all_zones()
    }
    there.close()
    lines = printed({zone: rules for zone, rules in found.items() if rules})
    return "".join(f"{line}\n" for line in lines or ["no zone of firewalld has a rule of ours"])
