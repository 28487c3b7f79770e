"""Chains of iptables, as fwknop's IPT_*_ACCESS variables name them.

In here: six fields into one use of a chain.
Not in here: whether the fields are right (fwknopd_conf), rules (edges.firewall.tables).

Source: fwknopd server, section 3.3.
"""

from __future__ import annotations

from watchword.dialects.fwknop.fwknopd_conf import Values, leading_number
from watchword.dialects.fwknop.fwknopd_conf_table import VARIABLES, chain_fields
from watchword.model.firewalls import ChainUse, LeadChains


def use(values: Values, kind: str) -> ChainUse:
    """What ``IPT_<kind>_ACCESS`` says; of a value that was refused already, the default."""
    name = f"IPT_{kind}_ACCESS"
    fields = chain_fields(values.text(name))
    if len(fields) != 6:
        fields = chain_fields(VARIABLES[name].default or "")
    target, table, caller, position, own, _ = fields
    return ChainUse(caller, own, target, table, leading_number(position))


def lead_chains(values: Values) -> LeadChains:
    """The chains that lead callers on."""
    return LeadChains(*(use(values, each) for each in ("FORWARD", "DNAT", "SNAT", "MASQUERADE")))
