"""Which firewall fwknopd.conf wants, and how we hang into it.

In here: FIREWALL_BACKEND, FIREWALL_ATTACH, NFT_TABLE, IPSET_NAME and FLUSH_*.
Not in here: what is hidden (translate_guard), chains of iptables
(translate_chains), chains and sets of nftables (translate_nft), leading on (translate_nat),
doing it (edges.firewall).

These variables are Watchword's own, but for FLUSH_* and FIREWALL_EXE. Source:
design, section 5; fwknopd server, sections 3.2 and 3.3.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

from watchword.dialects.fwknop import (
    translate_aws,
    translate_chains,
    translate_firewalld,
    translate_hidden,
    translate_ipfw,
    translate_nat,
    translate_nft,
    translate_pace,
)
from watchword.dialects.fwknop.firewall_backends import BACKENDS, PROGRAMS, is_program_of, program
from watchword.dialects.fwknop.fwknopd_conf import Values, backend_of
from watchword.dialects.fwknop.fwknopd_conf_table import TABLES
from watchword.dialects.fwknop.lines import shown
from watchword.dialects.fwknop.server_complaints import Complaints
from watchword.dialects.fwknop.suggest import did_you_mean
from watchword.dialects.fwknop.translate_firewalld import is_direct
from watchword.dialects.fwknop.translate_guard import Offer, guard, idle_guard
from watchword.dialects.fwknop.translate_sources import doors
from watchword.model.firewalls import DATED, Attach, FirewallSettings

_CALLED = (*TABLES, *DATED, "firewalld")
"""Backends that hide nothing themselves: rules of the operator's do."""
_NAMES: Final = {
    "NFT_TABLE": (
        re.compile(r"[A-Za-z0-9_]{1,64}"),
        "cannot be the name of a table",
        "use up to 64 letters, digits and _",
    ),
    "PF_ANCHOR_NAME": (
        re.compile(r"(?=.{1,63}$)[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_.-]+)*"),
        "cannot be the name of an anchor",
        "use up to 63 letters, digits, _, -, . and, between names, /",
    ),
    "IPF_GROUP_NAME": (
        re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,14}"),
        "cannot be the name of a group",
        "use up to 15 letters, digits, _ and -",
    ),
    "IPSET_NAME": (
        re.compile(r"[A-Za-z0-9_.-]{1,28}"),
        "names of sets cannot begin with",
        "use up to 28 letters, digits, _, - and .",
    ),
}
"""Form, what another one cannot be, and what to write."""


def firewall(values: Values, offers: Sequence[Offer], complaints: Complaints) -> FirewallSettings:
    """Read and verify everything about the firewall.

    ``offers`` are what the stanzas offer, those out of use included. After a
    fatal complaint the value is not to be used.
    """
    backend = _backend(values, complaints)
    _remark_program(values, backend, complaints)
    attach = _attach(values, backend, complaints)
    guarding = attach is Attach.GUARD
    shield = guard(values, offers, complaints) if guarding else idle_guard(values, complaints)
    return FirewallSettings(
        backend=backend,
        attach=attach,
        table=_name(values, complaints, "NFT_TABLE"),
        guard_all=shield.everything,
        guarded=shield.hidden,
        public=shield.public,
        **translate_hidden.hidden(values, backend, attach, complaints),
        **_hung(values, backend, attach, complaints),
        exe=_program(values, backend),
        ipfw=translate_ipfw.ipfw(values, backend, complaints),
        firewalld=translate_firewalld.firewalld(values, backend, complaints),
        anchor=_name(values, complaints, "PF_ANCHOR_NAME"),
        group=_name(values, complaints, "IPF_GROUP_NAME"),
        aws=translate_aws.aws(values, backend, complaints),
        input=translate_chains.use(values, "INPUT"),
        output=translate_chains.use(values, "OUTPUT") if values.flag("ENABLE_IPT_OUTPUT") else None,
        lead_chains=translate_chains.lead_chains(values),
        prepend=values.flag("ENABLE_RULE_PREPEND"),
        set_prefix=_name(values, complaints, "IPSET_NAME"),
        pace=translate_pace.pace(values, complaints),
        needed=_needed(values, offers),
        flush_at_start=values.flag("FLUSH_IPT_AT_INIT"),
        flush_at_exit=values.flag("FLUSH_IPT_AT_EXIT"),
    )


def _hung(values: Values, backend: str, attach: Attach, complaints: Complaints) -> dict[str, Any]:
    """How nftables hangs into the operator's ruleset, and what it is to be able to lead on."""
    leads = translate_nat.leads(values)
    keeps_state = backend in (*DATED, "firewalld")
    if keeps_state and not is_direct(values, backend) and values.flag("ENABLE_IPT_OUTPUT"):
        complaints.remark(
            f"ENABLE_IPT_OUTPUT has no effect with FIREWALL_BACKEND {backend}, which keeps state: "
            "answers go out by that",
            values.place("ENABLE_IPT_OUTPUT"),
        )
    if backend in _CALLED:
        for name in ("NFT_JUMP_FROM", "NFT_FORWARD_FROM", "NFT_OUTPUT_FROM"):
            if values.text(name):
                complaints.remark(
                    f"{name} has no effect with FIREWALL_BACKEND {backend}", values.place(name)
                )
        return {"leads": leads}
    return {
        "jump_from": translate_nft.jump_from(values, attach, complaints),
        "forward_from": translate_nft.forward_from(values, leads=leads, complaints=complaints),
        "output_from": translate_nft.output_from(values, complaints),
        "sets": translate_nft.sets(values, attach, complaints),
        "leads": leads,
        "mark": translate_nat.mark(values, complaints),
        "own": tuple(sorted(doors(values))),
    }


def _program(values: Values, backend: str) -> str:
    """What FIREWALL_EXE names, or a variable of fwknop 1.9; else whichever the system finds."""
    if is_direct(values, backend):
        return "iptables"
    of_perl = {"ipfw": "ipfwCmd", **dict.fromkeys(TABLES, "iptablesCmd")}.get(backend)
    return program(
        backend, values.text("FIREWALL_EXE") or (values.text(of_perl) if of_perl else "")
    )


def _remark_program(values: Values, backend: str, complaints: Complaints) -> None:
    """FIREWALL_EXE that names what no backend runs. Whoever names a backend may leave the program
    of another one there, for a way back."""
    named = values.text("FIREWALL_EXE")
    if not named or any(is_program_of(each, named) for each in BACKENDS):
        return
    usual = {"nftables": "nft", **PROGRAMS}.get(backend)
    complaints.remark(
        f"FIREWALL_EXE is '{shown(named)}', which is no program for FIREWALL_BACKEND {backend}: "
        "it is not run",
        values.place("FIREWALL_EXE"),
        f"remove the line, or name {usual}" if usual else "remove the line",
    )


def _needed(values: Values, offers: Sequence[Offer]) -> bool:
    """Whether there is anything to open or to hide. Without offers nobody knows."""
    opens = any(each.services is None or each.services for each in offers)
    return opens or not offers or "GUARD_SERVICES" in values.given


def _backend(values: Values, complaints: Complaints) -> str:
    backend = backend_of(values)
    if backend not in BACKENDS:
        complaints.refuse(
            f"FIREWALL_BACKEND is '{shown(backend)}', which this version does not have: "
            "write FIREWALL_BACKEND nftables",
            values.place("FIREWALL_BACKEND"),
            did_you_mean(backend, BACKENDS),
        )
    return backend


def _attach(values: Values, backend: str, complaints: Complaints) -> Attach:
    """Chains of iptables are always called from the operator's: they hide nothing themselves."""
    asked, place = values.text("FIREWALL_ATTACH"), values.place("FIREWALL_ATTACH")
    if asked not in list(Attach):
        complaints.refuse(
            f"FIREWALL_ATTACH is '{shown(asked)}', none of guard, jump, mark and sets",
            place,
            did_you_mean(asked, list(Attach)) or "remove the line, which means guard",
        )
        return Attach.GUARD
    if backend not in _CALLED:
        return Attach(asked)
    if "FIREWALL_ATTACH" in values.given and asked == Attach.GUARD:
        complaints.refuse(
            f"FIREWALL_ATTACH guard is for nftables: with {backend} your own rules hide what "
            "is not granted",
            place,
            "remove the line and let your own rules drop, or use FIREWALL_BACKEND nftables",
        )
    return Attach.JUMP


def _name(values: Values, complaints: Complaints, variable: str) -> str:
    """A name that is the operator's to choose."""
    form, cannot, hint = _NAMES[variable]
    name = values.text(variable)
    if not form.fullmatch(name):
        complaints.refuse(
            f"{variable} is '{shown(name)}', which {cannot}", values.place(variable), hint
        )
    return name
