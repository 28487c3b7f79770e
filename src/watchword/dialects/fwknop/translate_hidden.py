"""What the operator's own rules hide, and for whom they make exceptions.

In here: HIDDEN_SERVICES, HIDDEN_EXCEPT and HIDDEN_BEHIND, and where they mean nothing.
Not in here: what the guard hides (translate_guard), cutting off who slipped in (edges.firewall).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from watchword.dialects.fwknop.access_conf_lists import UnfitError, networks, services
from watchword.dialects.fwknop.fwknopd_conf import Values
from watchword.dialects.fwknop.lines import shown
from watchword.dialects.fwknop.server_complaints import Complaints
from watchword.dialects.fwknop.translate_sources import doors
from watchword.model.addresses import Network
from watchword.model.doors import RunCommands
from watchword.model.firewalls import DATED, Attach, FirewallSettings
from watchword.model.policy import Policy
from watchword.model.services import Service

_NAMES: Final = ("HIDDEN_SERVICES", "HIDDEN_EXCEPT", "HIDDEN_BEHIND")
_SHOWN: Final = 200  # characters of what was written


def hidden(
    values: Values, backend: str, attach: Attach, complaints: Complaints
) -> Mapping[str, Any]:
    """What it says, as fields of the firewall's settings; nothing where it cannot mean anything."""
    given = [name for name in _NAMES if name in values.given]
    if not given:
        return {}
    if why := _idle(backend, attach):
        for name in given:
            complaints.remark(f"{name} has no effect {why}", values.place(name))
        return {}
    if given[0] != _NAMES[0]:
        for name in given:
            complaints.remark(f"{name} has no effect without HIDDEN_SERVICES", values.place(name))
        return {}
    return {
        "hidden": tuple(sorted(_services(values, complaints))),
        "hidden_except": _networks("HIDDEN_EXCEPT", values, complaints),
        "hidden_behind": _networks("HIDDEN_BEHIND", values, complaints),
    }


def verify(
    firewall: FirewallSettings, policy: Policy, values: Values, complaints: Complaints
) -> None:
    """Whom a command lets in is unknown to whoever judges."""
    by_commands = any(terms.cycle is not None for terms in policy.stanzas)
    by_doors = any(isinstance(door.action, RunCommands) for door in policy.doors)
    if firewall.hidden and (by_commands or by_doors):
        complaints.remark(
            "HIDDEN_SERVICES knows nothing of whom commands let in (CMD_CYCLE_OPEN, "
            "Start_Command): he is cut off from these when others change the firewall",
            values.place("HIDDEN_SERVICES"),
            "name him in HIDDEN_EXCEPT, or open with OPEN_PORTS",
        )


def _idle(backend: str, attach: Attach) -> str:
    """Why nobody is cut off by it; empty: somebody is."""
    if backend in DATED:
        return f"with FIREWALL_BACKEND {backend}, which ends no connections"
    if attach is Attach.GUARD:
        return "with the guard, which cuts off by itself who slips in (GUARD_SERVICES)"
    return ""


def _services(values: Values, complaints: Complaints) -> frozenset[Service]:
    name = _NAMES[0]
    try:
        found = services(values.text(name))
    except UnfitError as unfit:
        complaints.refuse(
            f"{name} is no list of services: {shown(unfit.message, _SHOWN)}",
            values.place(name),
            "write services like tcp/22,udp/53",
        )
        return frozenset()
    for door in sorted(doors(values) & found):
        complaints.refuse(
            f"{name} has {door}, the port that packets come to",
            values.place(name),
            f"take {door} out of the list",
        )
    return found


def _networks(name: str, values: Values, complaints: Complaints) -> tuple[Network, ...]:
    if name not in values.given:
        return ()
    hint = "write addresses and networks such as 10.0.0.0/8 or 2001:db8::/32"
    try:
        found = networks(values.text(name))
    except UnfitError as unfit:
        said = f"{name} is no list of networks: {shown(unfit.message, _SHOWN)}"
        complaints.refuse(said, values.place(name), hint)
        return ()
    if not found:
        complaints.refuse(f"{name} has ANY, so that it means nothing", values.place(name), hint)
    return found
