"""What grants for parts of addresses, or for networks, want of the firewall.

In here: what has to be there for the stanzas, and what they contradict in fwknopd.conf.
Not in here: the stanzas' own lines (access_conf_callers), doing it (edges.firewall).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from watchword.dialects.fwknop.server_complaints import Complaints
from watchword.model.callers import Binding
from watchword.model.policy import Policy, Terms


def firewall(policy: Policy) -> Mapping[str, Any]:
    """Fields of the firewall's settings."""
    opening = [each.callers for each in policy.stanzas if _opens(each)]
    return {
        "binds": any(each.binding is not Binding.NEVER for each in opening),
        "prefixes": tuple(sorted({p for each in opening if not each.first for p in each.prefixes})),
        "firsts": tuple(sorted({p for each in opening if each.first for p in each.prefixes})),
    }


def verify(policy: Policy, complaints: Complaints) -> None:
    for terms in policy.stanzas:
        if policy.destination_rule and terms.callers.prefixes and _opens(terms):
            complaints.refuse(
                "a prefix cannot be let in with ENABLE_DESTINATION_RULE Y",
                terms.place,
                "remove PREFIXES_IPV4 and PREFIXES_IPV6, or set it to N",
            )


def _opens(terms: Terms) -> bool:
    return terms.access and terms.cycle is None
