"""From stanzas and variables to who may do what.

Not in here: what one stanza says (access_conf_stanza), how the daemon is set up (translate).

Source: access.conf, sections 1 and 6.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from watchword.dialects.fwknop import (
    access_conf_perl,
    translate_blacklist,
    translate_knocks,
    translate_sources,
)
from watchword.dialects.fwknop.access_conf import Stanza
from watchword.dialects.fwknop.access_conf_commands import Accounts
from watchword.dialects.fwknop.access_conf_gpg import Surroundings
from watchword.dialects.fwknop.access_conf_knock import asks_for_system
from watchword.dialects.fwknop.access_conf_nat import ServerNat
from watchword.dialects.fwknop.access_conf_stanza import terms
from watchword.dialects.fwknop.fwknopd_conf import Values
from watchword.dialects.fwknop.key_strength import shared_keys
from watchword.dialects.fwknop.lines import shown
from watchword.dialects.fwknop.server_complaints import Complaints
from watchword.dialects.fwknop.server_files import Sources
from watchword.model.crypto import Digest
from watchword.model.policy import Policy, Terms


def terms_of(
    stanzas: Sequence[Stanza],
    values: Values,
    complaints: Complaints,
    *,
    around: Surroundings,
    accounts: Accounts,
    nat: ServerNat,
) -> list[tuple[Stanza, Terms | None]]:
    """Every stanza with what it says; None where it is out of use."""
    for stanza in stanzas:
        access_conf_perl.translate(stanza, complaints, hears=translate_knocks.is_heard(values))
    everywhere = values.flag("REQUIRE_SOURCE_ADDRESS")
    found = [
        (each, terms(each, complaints, around, accounts, source_required=everywhere, nat=nat))
        for each in stanzas
    ]
    for complaint in shared_keys(term for _, term in found if term is not None):
        complaints.add(complaint)
    return found


def policy_of(
    values: Values,
    found: Sequence[tuple[Stanza, Terms | None]],
    nat: ServerNat,
    complaints: Complaints,
) -> Policy:
    return Policy(
        stanzas=tuple(term for _, term in found if term is not None),
        max_age=_max_age(values),
        digests=_digests(values, complaints),
        blacklist=translate_blacklist.blacklist(values, complaints),
        remember=values.flag("ENABLE_DIGEST_PERSISTENCE"),
        destination_rule=values.flag("ENABLE_DESTINATION_RULE"),
        forwarding=nat.forwarding,
        local_nat=nat.local,
        nat_names=values.flag("ENABLE_NAT_DNS"),
        at_once=values.number("MAX_CONNECTIONS_PER_ADDRESS") > 0,
    )


def with_signatures(
    policy: Policy, sources: Sources, values: Values, complaints: Complaints
) -> Policy:
    """With those by which the systems of callers are told, where a stanza asks for that."""
    needed = asks_for_system([terms.knock for terms in policy.stanzas])
    found = translate_knocks.signatures(values, sources.read, complaints, needed=needed)
    return replace(policy, signatures=found)


def _max_age(values: Values) -> int | None:
    if translate_sources.any_age(values) or not values.flag("ENABLE_SPA_PACKET_AGING"):
        return None
    return values.number("MAX_SPA_PACKET_AGE")


def _digests(values: Values, complaints: Complaints) -> frozenset[Digest] | None:
    """The inner digests that packets may have; None: any. Nothing, where a name is unknown."""
    names = [each.strip().upper() for each in values.text("DIGEST_TYPE").split(",")]
    if "ALL" in names:
        return None
    if unknown := [name for name in names if name not in Digest.__members__]:
        known = ", ".join(digest.name for digest in Digest)
        complaints.refuse(
            f"DIGEST_TYPE has '{shown(unknown[0])}', which is no digest",
            values.place("DIGEST_TYPE"),
            f"write ALL, or some of {known}",
        )
        return frozenset()
    return frozenset(Digest[name] for name in names)
