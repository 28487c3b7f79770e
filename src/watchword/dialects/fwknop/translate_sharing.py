"""What modes against sharing an address want of the firewall.

In here: what has to be there for the stanzas. Not in here: the stanzas' own lines
(access_conf_sharing), doing it (edges.firewall).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from watchword.dialects.fwknop.fwknopd_conf import Values
from watchword.model.policy import Policy


def firewall(policy: Policy, values: Values) -> Mapping[str, Any]:
    """Fields of the firewall's settings; ``leads`` only where it has to be."""
    opening = [each.sharing for each in policy.stanzas if each.access and each.cycle is None]
    ports = {each.secret_ports for each in opening if each.secret_ports is not None}
    return {
        "counts": any(each.connections is not None for each in opening),
        "secret_ports": _joined(sorted(ports)),
        "at_once": values.number("MAX_CONNECTIONS_PER_ADDRESS"),
        **({"leads": True} if ports else {}),
    }


def _joined(ranges: list[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """Ranges that do not overlap, in order."""
    found: list[tuple[int, int]] = []
    for low, high in ranges:
        if found and low <= found[-1][1] + 1:
            found[-1] = found[-1][0], max(found[-1][1], high)
        else:
            found.append((low, high))
    return tuple(found)
