"""What leading callers on wants of this machine, and it does not have.

In here: whether the kernel passes packets on, where a stanza needs that.
Not in here: what the firewall can do (assembly), which packet goes where (edges.firewall).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from watchword.edges import forwarding
from watchword.errors import Complaint, HostError
from watchword.model.openings import Feature
from watchword.model.policy import Policy, Terms

_ELSEWHERE = {Feature.FORWARD, Feature.FORWARD_ALL}


def doubts(policy: Policy, is_on: Callable[[int], bool] = forwarding.is_on) -> list[Complaint]:
    """The kernel's own setting is left alone: who turns it on makes this host a router."""
    needy = [each for each in policy.stanzas if policy.features(each) & _ELSEWHERE]
    if not needy:
        return []
    return [
        Complaint(
            f"{forwarding.SETTINGS[version]} is 0, so nobody is led on to another host over "
            f"IPv{version}",
            needy[0].place,
            f"sysctl -w {forwarding.SETTINGS[version]}=1, and put it into /etc/sysctl.d",
            fatal=False,
        )
        for version in sorted(set(_versions(needy)))
        if _is_off(version, is_on)
    ]


def _versions(needy: list[Terms]) -> Iterator[int]:
    """IP versions in which somebody may be led on to another host."""
    for terms in needy:
        nat = terms.nat
        yield from (lead.host.version for lead in nat.forced if lead.host is not None)
        if nat.through or any(lead.through for lead in nat.forced):
            yield from (4, 6)
        elif not nat.forced:
            yield from (each.network.version for each in nat.targets if each.network is not None)


def _is_off(version: int, is_on: Callable[[int], bool]) -> bool:
    try:
        return not is_on(version)
    except HostError:
        return False  # nobody knows, so nothing is said
