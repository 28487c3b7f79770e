"""What ipfw is told, and what it says.

In here: rules as arguments, listings as rules. Not in here: running it (ipfw). No I/O.

Source: fwknopd server, sections 9.3 and 12.3.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from watchword.edges.firewall.dated.ipfw_ends import Said
from watchword.edges.firewall.dated.rule import Rule, address
from watchword.edges.firewall.plain import service_of
from watchword.model.openings import Hole
from watchword.model.services import Proto, Service

_HEAD: Final = re.compile(r"(# DISABLED )?([0-9]{1,5}) (?:set [0-9]+ )?(.+)")
_GRANT: Final = re.compile(
    r"(?:allow|pass|permit|accept) (tcp|udp|6|17) from (\S+) to (\S+) dst-port ([0-9]{1,5})"
    r"(?: setup)?(?: keep-state)?(?: :\S+)? // _exp_([0-9]{1,12})"
)
_STATEFUL: Final = re.compile(r"^(?:check-state\b|.* (?:keep-state|limit)\b)")
_PROTOS: Final = {"6": Proto.TCP, "17": Proto.UDP}
_DYNAMIC: Final = "<->"


class Line(NamedTuple):
    """One rule of a listing."""

    number: int
    text: str
    """Without number and set."""
    disabled: bool
    ends: int | None = None
    """Unix seconds; None: when it says."""

    @property
    def rule(self) -> Rule | None:
        """The grant that it is; None: it is none."""
        said = self.says
        return said if said is None or self.ends is None else said._replace(ends=self.ends)

    @property
    def says(self) -> Rule | None:
        """The same as ``rule``, as it is written."""
        found = _GRANT.fullmatch(self.text)
        return None if found is None else _rule(*found.groups())

    @property
    def key(self) -> Said | None:
        """By what it is known that it ends when it does not say; None: it is no grant."""
        said = self.says
        return None if said is None else Said(self.number, str(said.hole.who), said.ends)

    @property
    def stateful(self) -> bool:
        """Whether it makes or asks dynamic rules."""
        return _STATEFUL.match(self.text) is not None

    @property
    def as_ours(self) -> bool:
        """Whether it lets in whom it says, and keeps state: fwknop's for UDP lets in nobody."""
        said, words = self.says, self.text.split()
        if said is None or "keep-state" not in words:
            return False
        return (service_of(said.hole).proto is Proto.TCP) is ("setup" in words)


def lines(listing: str) -> Iterator[Line]:
    """The rules of a listing; those that are dynamic, and headings, are left out."""
    for each in listing.splitlines():
        found = _HEAD.fullmatch(" ".join(each.split()))
        if found is not None and _DYNAMIC not in each:
            yield Line(int(found[2]), found[3], found[1] is not None)


def with_dynamic(listing: str) -> set[int]:
    """The numbers of rules that have dynamic ones, in a listing with ``-d``."""
    found = set()
    for each in listing.splitlines():
        number = each.split(maxsplit=1)[0] if each.strip() else ""
        if _DYNAMIC in each and number.isdecimal():
            found.add(int(number))
    return found


def body(rule: Rule, *, stateful: bool) -> list[str]:
    """What follows number and set. ``setup`` is for TCP only: no datagram has such a flag."""
    service = service_of(rule.hole)
    me = "me" if rule.hole.who.version == 4 else "me6"
    state = []
    if stateful:
        state = ["setup", "keep-state"] if service.proto is Proto.TCP else ["keep-state"]
    return [
        "pass", str(service.proto.number), "from", str(rule.hole.who),
        "to", str(rule.hole.destination or me), "dst-port", str(service.port),
        *state, "//", f"_exp_{rule.ends}",
    ]  # fmt: skip


def _rule(proto: str, who: str, to: str, port: str, ends: str) -> Rule | None:
    caller = address(who)
    here = None if to in ("me", "me6") else address(to)
    if caller is None or (here is None and to not in ("me", "me6")):
        return None
    try:
        service = Service(_PROTOS.get(proto) or Proto(proto), int(port))
    except ValueError:
        return None
    return Rule(Hole(caller, service, here), int(ends))
