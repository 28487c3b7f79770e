"""Which firewall it is where no file chooses one: fwknopd's own, if ours would have to refuse.

In here: iptables in place of nftables, for stanzas that let their callers ask for any port.
Not in here: what files choose (firewall_backends), what is hidden (translate_guard).

Source: fwknopd server, section 3.3.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from watchword.dialects.fwknop.firewall_backends import is_of_nftables
from watchword.dialects.fwknop.fwknopd_conf import Value, Values
from watchword.dialects.fwknop.server_complaints import Complaints
from watchword.dialects.fwknop.translate_guard import Offer

_CHOOSERS: Final = ("FIREWALL_BACKEND", "FIREWALL_EXE", "FIREWALL_TYPE")


def is_chosen(values: Values) -> bool:
    """Whether anything in the file says which firewall is meant."""
    return any(name in values.given for name in _CHOOSERS) or is_of_nftables(values.given)


def with_default(
    values: Values,
    offers: Sequence[Offer],
    is_program: Callable[[str], bool],
    complaints: Complaints,
) -> Values:
    """The values, with FIREWALL_BACKEND iptables in them if that is what fwknopd would take.

    A file that chooses nothing means nftables, and to hide what the stanzas open. If all of them
    open any port there is no such list, but fwknopd starts: with iptables, behind rules of the
    operator's that drop. Where there is no iptables, all stays, to be refused; so it is where
    some stanzas name their ports, which a stanza more must not lay open.
    """
    if not offers or any(each.services is not None for each in offers):
        return values
    if is_chosen(values) or not is_program("iptables"):
        return values
    opening = offers[0].place
    complaints.remark(
        "grants are rules of iptables, as with fwknopd: no variable chooses a firewall, and no "
        "stanza says which ports its callers may ask for, so what to hide is not known",
        opening,
        "your own rules have to drop what is not granted (iptables -P INPUT DROP, ip6tables too; "
        "watchword doctor --server looks); to have it hidden, set GUARD_SERVICES ALL; "
        "FIREWALL_BACKEND iptables ends this remark",
    )
    taken = Value("FIREWALL_BACKEND", "iptables", opening)
    return replace(values, given={**values.given, "FIREWALL_BACKEND": taken})
