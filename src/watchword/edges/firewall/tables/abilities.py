"""What can be opened by chains of iptables, whether they ask sets or say it themselves.

In here: the features that both backends have, and whether the program knows an extension.
Not in here: what only one of them can do (backend, ipset.backend).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from watchword.edges.firewall.cutting import can_cut
from watchword.edges.firewall.tables.tools import Tools
from watchword.errors import HostError
from watchword.model.firewalls import FirewallSettings
from watchword.model.openings import Feature

_FAMILY: Final = {4: Feature.IPV4, 6: Feature.IPV6}


def of_chains(settings: FirewallSettings, versions: Iterable[int]) -> set[Feature]:
    """On a host that has tables for these IP versions."""
    able = {Feature.DESTINATION, Feature.SELF_EXPIRY, *(_FAMILY[each] for each in versions)}
    if settings.output is not None:
        able.add(Feature.OUTPUT)
    if can_cut():
        able |= {Feature.CUT, Feature.SLIPPED}
    return able


def require(tools: Tools, versions: Iterable[int], extension: str, what_for: str) -> None:
    """Raises HostError: the program for one of these versions lacks it. ``what_for``: cannot do."""
    for version in versions:
        if not tools.has_match(version, extension):
            raise HostError(
                f"{tools.program(version)} cannot {what_for}",
                hint=f"install its extension {extension}, or use FIREWALL_BACKEND nftables",
            )
