"""Sets and numbers of ipfw, by the names of fwknop 2.6 and of 1.9.

In here: IPFW_*. Not in here: whether the numbers are in their range (fwknopd_conf), rules
(edges.firewall.dated).

1.9 kept rules in force among the host's own, and those that were over in IPFW_SET_NUM. Here they
have a set of their own as well: a set can be emptied without touching what others put in.
Sources: fwknopd server, sections 3.4 and 12.3.
"""

from __future__ import annotations

from typing import Final

from watchword.dialects.fwknop.fwknopd_conf import Values
from watchword.dialects.fwknop.server_complaints import Complaints
from watchword.model.firewalls import IpfwSettings

_LAST_RULE: Final = 65534  # 65535 is always there
_LAST_SET: Final = 30  # 31 cannot be disabled, and is the kernel's own


def ipfw(values: Values, backend: str, complaints: Complaints) -> IpfwSettings:
    """What IPFW_* says. Refuses sets that cannot be ours, if they are to be used."""
    expire = values.number("IPFW_EXPIRE_SET_NUM")
    active = values.number("IPFW_ACTIVE_SET_NUM")
    if active == expire and "IPFW_ACTIVE_SET_NUM" not in values.given:
        active = 2 if expire == 1 else 1
    if backend == "ipfw":
        for name, number in (("IPFW_ACTIVE_SET_NUM", active), ("IPFW_EXPIRE_SET_NUM", expire)):
            _check(name, number, values, complaints)
        if values.number("IPFW_START_RULE_NUM") > _LAST_RULE:
            complaints.refuse(
                f"IPFW_START_RULE_NUM is beyond {_LAST_RULE}, the last rule that ipfw can have",
                values.place("IPFW_START_RULE_NUM"),
                "use a number below those of the rules that drop",
            )
    return IpfwSettings(
        start=values.number("IPFW_START_RULE_NUM"),
        most=values.number("IPFW_MAX_RULES"),
        active=active,
        expire=expire,
        purge=values.number("IPFW_EXPIRE_PURGE_INTERVAL"),
        check_state=values.flag("IPFW_ADD_CHECK_STATE"),
        as_policy=values.text("FIREWALL_TYPE") == "ipfw",
    )


def _check(name: str, number: int, values: Values, complaints: Complaints) -> None:
    """Our sets are emptied and disabled as a whole, and rules of the host's are in set 0."""
    if not 1 <= number <= _LAST_SET:
        complaints.refuse(
            f"{name} is {number}, which is no set that can be ours alone",
            values.place(name),
            f"use a set from 1 to {_LAST_SET} that nothing else uses",
        )
