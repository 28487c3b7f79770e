"""Where nftables hangs into the operator's own ruleset.

In here: NFT_JUMP_FROM, NFT_FORWARD_FROM, NFT_OUTPUT_FROM, NFT_SET4, NFT_SET6 and those with _TO.
Not in here: which backend, and how it attaches (translate_firewall).

These variables are Watchword's own.
"""

from __future__ import annotations

import re
from typing import Final

from watchword.dialects.fwknop.fwknopd_conf import Values
from watchword.dialects.fwknop.lines import shown
from watchword.dialects.fwknop.server_complaints import Complaints
from watchword.model.firewalls import Attach, JumpFrom, NamedSet

_FOREIGN_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,128}")
_FAMILIES: Final = ("inet", "ip", "ip6")
_SETS: Final = {
    "NFT_SET4": (4, False),
    "NFT_SET6": (6, False),
    "NFT_SET4_TO": (4, True),
    "NFT_SET6_TO": (6, True),
}


def jump_from(values: Values, attach: Attach, complaints: Complaints) -> tuple[JumpFrom, ...]:
    """Chains that filter what is for this host."""
    name = "NFT_JUMP_FROM"
    if attach is Attach.JUMP and not values.text(name):
        complaints.refuse(
            "FIREWALL_ATTACH jump needs NFT_JUMP_FROM",
            values.place("FIREWALL_ATTACH"),
            "add a chain that drops, such as NFT_JUMP_FROM inet filter input",
        )
    if attach is not Attach.JUMP and values.text(name):
        complaints.remark(
            f"NFT_JUMP_FROM has no effect with FIREWALL_ATTACH {attach}", values.place(name)
        )
    return chains(values, name, complaints)


def forward_from(values: Values, *, leads: bool, complaints: Complaints) -> tuple[JumpFrom, ...]:
    """Chains that filter what passes through this host."""
    name = "NFT_FORWARD_FROM"
    if values.text(name) and not leads:
        complaints.remark(
            "NFT_FORWARD_FROM has no effect without ENABLE_IPT_FORWARDING Y", values.place(name)
        )
    return chains(values, name, complaints) if leads else ()


def output_from(values: Values, complaints: Complaints) -> tuple[JumpFrom, ...]:
    """Chains that filter what this host sends, where that is for everybody (translate_answers)."""
    wanted = values.flag("ENABLE_IPT_OUTPUT")
    return chains(values, "NFT_OUTPUT_FROM", complaints) if wanted else ()


def sets(values: Values, attach: Attach, complaints: Complaints) -> tuple[NamedSet, ...]:
    """Sets that openings are put into."""
    given = [name for name in _SETS if values.text(name)]
    if attach is not Attach.SETS:
        for name in given:
            complaints.remark(
                f"{name} has no effect without FIREWALL_ATTACH sets", values.place(name)
            )
        return ()
    if not {"NFT_SET4", "NFT_SET6"} & set(given):
        complaints.refuse(
            "FIREWALL_ATTACH sets needs NFT_SET4 or NFT_SET6",
            values.place("FIREWALL_ATTACH"),
            "name the set that your rules look at, such as NFT_SET4 inet filter allowed4",
        )
    for missing, version in (("NFT_SET4", 4), ("NFT_SET6", 6)):
        if given and not {missing, f"{missing}_TO"} & set(given):
            complaints.remark(
                f"there is no {missing}: nobody is let in by IPv{version}",
                values.place("FIREWALL_ATTACH"),
                f"name a set for IPv{version} as well, if callers may have such addresses",
            )
    found = []
    for name in given:
        words = _words(values.text(name))
        if words is None:
            complaints.refuse(
                f"{name} is '{shown(values.text(name))}', which is no set",
                values.place(name),
                "write family (inet, ip or ip6), table and set, such as inet filter allowed4",
            )
        else:
            found.append(NamedSet(*_SETS[name], *words))
    return tuple(found)


def chains(values: Values, name: str, complaints: Complaints) -> tuple[JumpFrom, ...]:
    """A list of chains, each with its family and table."""
    text = values.text(name)
    found = []
    for each in text.split(",") if text else ():
        words = _words(each)
        if words is None:
            complaints.refuse(
                f"{name} names '{shown(each.strip())}', which is no chain",
                values.place(name),
                "write family (inet, ip or ip6), table and chain, such as inet filter input",
            )
        else:
            found.append(JumpFrom(*words))
    return tuple(found)


def _words(text: str) -> tuple[str, str, str] | None:
    words = text.split()
    if len(words) != 3 or words[0] not in _FAMILIES:
        return None
    if not all(_FOREIGN_NAME.fullmatch(word) for word in words[1:]):
        return None
    return words[0], words[1], words[2]
