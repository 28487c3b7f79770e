"""What each firewall can do at best, without asking it.

In here: the features of each backend and attachment, as far as its settings decide.
Not in here: what it can do on this machine, which it is asked at start (``probe`` of each).
"""

from __future__ import annotations

from typing import Final

from watchword.model.firewalls import Attach, FirewallSettings
from watchword.model.openings import Feature

_ALL: Final = frozenset(Feature)
_PLAIN: Final = frozenset({Feature.IPV4, Feature.IPV6, Feature.SELF_EXPIRY})
_DATED: Final = _PLAIN | {Feature.DESTINATION}
_ENDING: Final = _DATED | {Feature.CUT, Feature.SLIPPED}
_LEADING: Final = frozenset({Feature.LOCAL_NAT, Feature.FORWARD})
_WHOLE: Final = _LEADING | {Feature.FORWARD_ALL, Feature.SOURCE_NAT}
_AT_BEST: Final = {
    "memory": _ALL,
    "nftables": _ENDING | _WHOLE | {Feature.OUTPUT},
    "iptables": _ENDING | _WHOLE | {Feature.OUTPUT},
    "ipset": _ENDING | {Feature.OUTPUT},
    "firewalld": _ENDING | _LEADING | {Feature.PREFIX},
    "ipfw": _DATED,
    "pf": _DATED,
    "ipf": _DATED,
    "netsh": _DATED,
    "aws": _PLAIN,
}


def at_best(firewall: FirewallSettings) -> frozenset[Feature]:
    """What a policy may need of it; whether it is there is another question."""
    if firewall.backend == "firewalld" and firewall.firewalld.direct:
        return _AT_BEST["iptables"]
    if firewall.backend != "nftables":
        return _AT_BEST[firewall.backend]
    if firewall.attach is Attach.GUARD:
        return _ALL
    found = _AT_BEST["nftables"]
    return found - _without(firewall) if firewall.attach is Attach.SETS else found


def _without(firewall: FirewallSettings) -> set[Feature]:
    """What the sets that were named cannot hold."""
    named = {(each.version, each.to) for each in firewall.sets}
    versions = {version for version, _ in named}
    missing = {
        feature
        for version, feature in ((4, Feature.IPV4), (6, Feature.IPV6))
        if version not in versions
    }
    if any((version, True) not in named for version in versions):
        missing.add(Feature.DESTINATION)
    return missing
