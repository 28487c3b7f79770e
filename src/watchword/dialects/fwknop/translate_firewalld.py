"""What is ours in firewalld, and what fwknop's variables for it come to.

In here: FIREWALLD_RULES, FIREWALLD_ZONES, FIREWALLD_PRIORITY, FIREWALLD_RELOAD_IF_FLUSHED;
FIREWD_*_ACCESS where rules are rich.
Not in here: whether a chain has its six fields (fwknopd_conf), chains (translate_chains).

fwknop has direct rules, in chains of iptables: the variables name those. Rich rules are in zones,
before whatever else is in them: of what the variables say, the target is left, and the place in
front. Source: fwknopd server, sections 3.3 and 9.2.
"""

from __future__ import annotations

import re
from typing import Final

from watchword.dialects.fwknop.fwknopd_conf import Values
from watchword.dialects.fwknop.fwknopd_conf_table import VARIABLES, chain_fields
from watchword.dialects.fwknop.lines import shown
from watchword.dialects.fwknop.server_complaints import Complaints
from watchword.dialects.fwknop.suggest import did_you_mean
from watchword.model.firewalls import FirewalldSettings

RULES: Final = ("rich", "direct")
_ZONE: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_/-]{0,63}")
_NUMBER: Final = re.compile(r"-?[0-9]{1,5}")
_FIRST, _LAST = -32768, -2
_CHAINS: Final = {"INPUT": "ACCEPT", "FORWARD": "ACCEPT", "DNAT": "DNAT"}
"""Those that rich rules stand for, and what they do."""


def is_direct(values: Values, backend: str) -> bool:
    """Whether rules are in chains of iptables, as with fwknop."""
    return backend == "firewalld" and values.text("FIREWALLD_RULES") == "direct"


def firewalld(values: Values, backend: str, complaints: Complaints) -> FirewalldSettings:
    """Read and verify it. Not to be used after a fatal complaint, or with another backend."""
    if backend != "firewalld":
        return FirewalldSettings()
    asked = values.text("FIREWALLD_RULES")
    if asked not in RULES:
        complaints.refuse(
            f"FIREWALLD_RULES is '{shown(asked)}', neither rich nor direct",
            values.place("FIREWALLD_RULES"),
            did_you_mean(asked, RULES) or "remove the line, which means rich",
        )
    found = FirewalldSettings(
        direct=is_direct(values, backend),
        zones=_zones(values, complaints),
        priority=_priority(values, complaints),
        reloads=values.flag("FIREWALLD_RELOAD_IF_FLUSHED"),
    )
    if found.direct and found.reloads:
        complaints.remark(
            "FIREWALLD_RELOAD_IF_FLUSHED has no effect with FIREWALLD_RULES direct",
            values.place("FIREWALLD_RELOAD_IF_FLUSHED"),
        )
    if not found.direct:
        for kind, target in _CHAINS.items():
            _check_chain(f"IPT_{kind}_ACCESS", target, values, complaints)
    return found


def _zones(values: Values, complaints: Complaints) -> tuple[str, ...]:
    text = values.text("FIREWALLD_ZONES")
    names = tuple(dict.fromkeys(each.strip() for each in text.split(","))) if text else ()
    if not all(map(_ZONE.fullmatch, names)):
        complaints.refuse(
            f"FIREWALLD_ZONES is '{shown(text)}', which are no names of zones",
            values.place("FIREWALLD_ZONES"),
            "write names with commas between them, such as public, home",
        )
    return names


def _priority(values: Values, complaints: Complaints) -> int:
    text = values.text("FIREWALLD_PRIORITY")
    if not _NUMBER.fullmatch(text) or not _FIRST <= int(text) <= _LAST:
        complaints.refuse(
            f"FIREWALLD_PRIORITY is '{shown(text)}', not in the range {_FIRST} to {_LAST}",
            values.place("FIREWALLD_PRIORITY"),
            "rules whose priority is negative come before the others of a zone",
        )
        return FirewalldSettings().priority
    return int(text)


def _check_chain(name: str, target: str, values: Values, complaints: Complaints) -> None:
    """Another target would be another policy; other chains are only not there."""
    if name not in values.given:
        return
    fields = chain_fields(values.text(name))
    usual = chain_fields(VARIABLES[name].default or "")
    if len(fields) != len(usual):  # refused already
        return
    told = name.replace("IPT", "FIREWD", 1)
    if fields[0] != target:
        complaints.refuse(
            f"{told} has the target {shown(fields[0])}, and rich rules do {target}",
            values.place(name),
            f"write {target}, or FIREWALLD_RULES direct",
        )
    elif fields[1:] != usual[1:]:
        complaints.remark(
            f"{told} names chains, and rich rules are in zones, before whatever else is in them",
            values.place(name),
            "FIREWALLD_RULES direct has chains, where firewalld works by iptables",
        )
