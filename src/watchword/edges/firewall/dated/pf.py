"""Drives pf, of the BSDs and macOS: the rules of one anchor are ours.

In here: its commands and listings. Not in here: the rule by which the host's policy asks the
anchor: it is the operator's.

An anchor is loaded whole, in one transaction. What others have put into it stays in it. Source:
fwknopd server, section 9.4.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import Final

from watchword.edges.firewall.dated.rule import Rule, Tool, address, port_of
from watchword.edges.firewall.dated.running import Program
from watchword.edges.firewall.plain import service_of
from watchword.errors import HostError
from watchword.model.openings import Hole
from watchword.model.services import Proto, Service

_GRANT: Final = re.compile(
    r"pass in quick (?:inet6? )?proto (tcp|udp|6|17) from (\S+) to (\S+) port (?:= )?(\S+)"
    r"(?: flags \S+)?(?: keep state)? label \"?_exp_([0-9]{1,12})\"?(?: ridentifier [0-9]+)?"
)
_PROTOS: Final = {"6": Proto.TCP, "17": Proto.UDP}


class Pf(Tool):
    """By the program ``pfctl``; for whoever holds the lock."""

    def __init__(self, program: Program, anchor: str) -> None:
        self._program = program
        self._anchor = anchor

    def check(self) -> None:
        if not self.stands():
            raise HostError(
                f"Warning: the {self._anchor} anchor is not active in the pf policy",
                hint=f'write anchor "{self._anchor}" into pf.conf, where grants are to count, '
                "and load it: pfctl -f /etc/pf.conf",
            )

    def prepare(self) -> None:
        """An anchor is there as soon as the policy asks it."""

    def stands(self) -> bool:
        listed = self._program.run("-s", "Anchor").splitlines()
        return self._anchor in (each.strip() for each in listed)

    def read(self) -> Sequence[Rule]:
        return [rule for rule in map(rule_of, self._listed()) if rule is not None]

    def change(self, take: Collection[Rule], put: Collection[Rule]) -> None:
        before = self._listed()
        stays = [each for each in before if (rule := rule_of(each)) is None or rule not in take]
        there = {rule_of(each) for each in stays}
        new = sorted(written(each) for each in put if each not in there)
        if not new and len(stays) == len(before):
            return
        self._load([*stays, *new])

    def tidy(self, now: float) -> None:
        """States outlive their rules, and need nobody to look after them."""

    def line(self, rule: Rule) -> str:
        return written(rule)

    def shown(self, *, everything: bool) -> str:
        ours = self._program.run("-a", self._anchor, "-s", "rules")
        return self._program.run("-s", "rules") + ours if everything else ours

    def remove(self) -> None:
        self._load([each for each in self._listed() if rule_of(each) is None])

    def _load(self, lines: Sequence[str]) -> None:
        """Have the anchor hold these and nothing else."""
        if lines:
            text = "".join(f"{each}\n" for each in lines)
            self._program.run("-a", self._anchor, "-f", "-", stdin=text)
        else:
            self._program.run("-a", self._anchor, "-F", "all")

    def _listed(self) -> list[str]:
        text = self._program.run("-a", self._anchor, "-s", "rules")
        return [each for each in text.splitlines() if each.strip()]


def written(rule: Rule) -> str:
    """The rule as pf is given it."""
    service = service_of(rule.hole)
    here = "any" if rule.hole.destination is None else str(rule.hole.destination)
    return (
        f"pass in quick proto {service.proto.number} from {rule.hole.who} to {here} "
        f"port {service.port} keep state label _exp_{rule.ends}"
    )


def rule_of(line: str) -> Rule | None:
    """The grant that a listed rule is; None: it is none."""
    found = _GRANT.fullmatch(" ".join(line.split()))
    if found is None:
        return None
    proto = _PROTOS.get(found[1]) or Proto(found[1])
    caller, here = address(found[2]), address(found[3])
    port = port_of(found[4], proto)
    if caller is None or port is None or (here is None and found[3] != "any"):
        return None
    return Rule(Hole(caller, Service(proto, port), here), int(found[5]))
