"""What fwknopd.conf says of connections that are led on.

In here: ENABLE_IPT_FORWARDING, ENABLE_IPT_LOCAL_NAT, ENABLE_IPT_SNAT, SNAT_TRANSLATE_IP, NFT_MARK.
Not in here: what stanzas say of it (access_conf_nat), chains that filter it
(translate_firewall).

Source: fwknopd server, 3.3. Difference: SNAT_TRANSLATE_IP takes one address for each IP version.
"""

from __future__ import annotations

from watchword.dialects.fwknop.access_conf_nat import ServerNat
from watchword.dialects.fwknop.fwknopd_conf import Values
from watchword.dialects.fwknop.lines import shown
from watchword.dialects.fwknop.server_complaints import Complaints
from watchword.model.addresses import Address, canonical
from watchword.model.firewalls import MOST_SNAT
from watchword.model.openings import SourceNat
from watchword.model.policy import Policy

_LOWEST, _HIGHEST = 1, 1 << 28


def server_nat(values: Values, complaints: Complaints) -> ServerNat:
    """Read and verify it. Not to be used after a fatal complaint."""
    return ServerNat(
        forwarding=values.flag("ENABLE_IPT_FORWARDING"),
        local=values.flag("ENABLE_IPT_LOCAL_NAT"),
        sources=_sources(values, complaints),
    )


def leads(values: Values) -> bool:
    """Whether anything may be led on."""
    return values.flag("ENABLE_IPT_FORWARDING") or values.flag("ENABLE_IPT_LOCAL_NAT")


def _sources(values: Values, complaints: Complaints) -> tuple[SourceNat, ...]:
    if not values.flag("ENABLE_IPT_SNAT"):
        if "SNAT_TRANSLATE_IP" in values.given:
            complaints.remark(
                "SNAT_TRANSLATE_IP has no effect without ENABLE_IPT_SNAT Y",
                values.place("SNAT_TRANSLATE_IP"),
            )
        return ()
    text = values.text("SNAT_TRANSLATE_IP")
    if not text or text.upper() in ("NONE", "__CHANGEME__"):
        return (SourceNat(),)
    try:
        found = [_address(each.strip()) for each in text.split(",")]
    except ValueError:
        complaints.refuse(
            "Invalid IPv4 addr for SNAT_TRANSLATE_IP",
            values.place("SNAT_TRANSLATE_IP"),
            f"'{shown(text)}' is none: write an address of this host, and one of IPv6 if need be",
        )
        return ()
    if len({each.version for each in found}) < len(found):
        complaints.refuse(
            "SNAT_TRANSLATE_IP has two addresses of one IP version",
            values.place("SNAT_TRANSLATE_IP"),
            "keep one of IPv4 and one of IPv6",
        )
    return tuple(SourceNat(each) for each in found)


def _address(text: str) -> Address:
    address = canonical(text)
    if "%" in text or address.is_multicast or address.is_loopback or address.is_unspecified:
        raise ValueError(text)
    return address


def snat(policy: Policy, complaints: Complaints) -> tuple[Address, ...]:
    """Every address as which somebody may be seen, in the order of the stanzas."""
    found: dict[Address, None] = {}
    for terms in policy.stanzas:
        for source in terms.nat.sources:
            if source.address is not None:
                found[source.address] = None
        if len(found) > MOST_SNAT:
            complaints.refuse(
                f"with this stanza there are more than {MOST_SNAT} addresses for FORCE_SNAT and "
                "SNAT_TRANSLATE_IP",
                terms.place,
                "use FORCE_MASQUERADE Y, or fewer addresses",
            )
            break
    return tuple(found)[:MOST_SNAT]


def mark(values: Values, complaints: Complaints) -> int:
    """The lowest of four bits of a packet's mark that are ours."""
    text = values.text("NFT_MARK")
    try:
        found = int(text, 0)
    except ValueError:
        found = 0
    if not _LOWEST <= found <= _HIGHEST or found & (found - 1):
        complaints.refuse(
            f"NFT_MARK is '{shown(text)}', which is not one bit of a mark",
            values.place("NFT_MARK"),
            "write one bit, with the three above it unused by others, such as 0x01000000",
        )
        return 0x0100_0000
    return found
