"""For whom answers are let out past a chain that drops them.

In here: ENABLE_OUTPUT_ACCESS of a stanza beside ENABLE_IPT_OUTPUT of the server's file, and what
of it comes to nothing.
Not in here: the chains (translate_chains, translate_nft), letting them out (edges.firewall).

A stanza of 1.9 has to ask for it; in one of 2.6 it is as the server's file says, unless it says
otherwise. Source: access.conf, 11; fwknopd server, 3.3.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final, NamedTuple

from watchword.dialects.fwknop import translate_chains, translate_nft
from watchword.dialects.fwknop.access_conf import Stanza
from watchword.dialects.fwknop.access_conf_commands import is_on
from watchword.dialects.fwknop.fwknopd_conf import Values
from watchword.dialects.fwknop.fwknopd_conf_table import TABLES
from watchword.dialects.fwknop.server_complaints import Complaints
from watchword.errors import Place
from watchword.model.firewalls import FirewallSettings
from watchword.model.policy import Policy
from watchword.model.settings import LogChains

NAME: Final = "ENABLE_OUTPUT_ACCESS"
_EVERYBODY: Final = "ENABLE_IPT_OUTPUT"


class Asked(NamedTuple):
    """What one stanza wants."""

    stanza: int
    place: Place
    says: bool | None
    """None: nothing."""
    wants: bool
    """What comes of that, and of the server's file."""


def asked(stanzas: Sequence[Stanza], values: Values) -> list[Asked]:
    """``stanzas``: those that open something in the firewall, out of use or not."""
    found = []
    for each in stanzas:
        says = is_on(each, NAME) if NAME in each.given else None
        everybody = values.flag(_EVERYBODY) and not each.perl
        place = each.given[NAME].place if NAME in each.given else each.source.place
        found.append(Asked(each.number, place, says, everybody if says is None else says))
    return found


def firewall(
    settings: FirewallSettings, values: Values, said: Sequence[Asked], complaints: Complaints
) -> FirewallSettings:
    """The firewall, with answers let out as the stanzas want it."""
    chains = values.text("NFT_OUTPUT_FROM")
    if settings.backend == "nftables" and not chains:
        _remark_useless(values, said, complaints)
        return settings
    if not _apart(settings, values, said):
        if settings.backend == "nftables" and not values.flag(_EVERYBODY):
            complaints.remark(
                f"NFT_OUTPUT_FROM has no effect without {_EVERYBODY} Y",
                values.place("NFT_OUTPUT_FROM"),
            )
        return settings
    nftables = settings.backend == "nftables"
    return replace(
        settings,
        answers_apart=True,
        output=translate_chains.use(values, "OUTPUT"),
        output_from=translate_nft.chains(values, "NFT_OUTPUT_FROM", complaints) if nftables else (),
    )


def policy(before: Policy, settings: FirewallSettings, said: Sequence[Asked]) -> Policy:
    """The policy, with the stanzas whose callers' answers have openings of their own."""
    if not settings.answers_apart:
        return before
    tells = _tells(settings)
    wanting = {each.stanza for each in said if (each.wants if tells else each.says)}
    stanzas = tuple(replace(each, answers=each.number in wanting) for each in before.stanzas)
    return replace(before, stanzas=stanzas)


def chains(before: LogChains, settings: FirewallSettings) -> LogChains:
    """What lines about grants call the places where they are."""
    if not settings.answers_apart or settings.output is None:
        return before
    return replace(before, output=settings.output.chain, answers_apart=True)


def _apart(settings: FirewallSettings, values: Values, said: Sequence[Asked]) -> bool:
    """Whether what goes out is not the same for everybody."""
    if not _tells(settings):
        return any(each.says for each in said)  # which it cannot have, and is refused for
    if values.flag(_EVERYBODY):
        return not all(each.wants for each in said)
    return any(each.wants for each in said)


def _tells(settings: FirewallSettings) -> bool:
    """Whether this firewall can be told about what goes out, and has to be."""
    return settings.in_iptables or settings.backend in (*TABLES, "nftables")


def _remark_useless(values: Values, said: Sequence[Asked], complaints: Complaints) -> None:
    lines = [(NAME, each.place) for each in said if each.says]
    if values.flag(_EVERYBODY):
        lines.append((_EVERYBODY, values.place(_EVERYBODY)))
    for name, place in lines:
        complaints.remark(
            f"{name} has no effect without NFT_OUTPUT_FROM: answers to granted connections pass as "
            "established",
            place,
            "if a chain drops them, name it: NFT_OUTPUT_FROM inet filter output",
        )
