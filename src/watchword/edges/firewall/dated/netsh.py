"""Drives the firewall of Windows. Experimental: seen by an emulator only.

In here: its commands and listings. Not in here: rules of others, of which a block wins over any
of ours.

Listings are in the language of the system, so a rule is known by its name alone, which says
everything.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from typing import Final

from watchword.edges.firewall.dated.rule import Rule, Tool, address
from watchword.edges.firewall.dated.running import Program, Step
from watchword.edges.firewall.plain import service_of
from watchword.model.openings import Hole
from watchword.model.services import Service

_NAME: Final = re.compile(
    r"watchword_([0-9a-f.:]+)_(tcp|udp)_([0-9]{1,5})_(any|[0-9a-f.:]+)_exp_([0-9]{1,12})"
)
_FIREWALL: Final = ("advfirewall", "firewall")


class Netsh(Tool):
    """By the program ``netsh``; for whoever holds the lock."""

    def __init__(self, program: Program) -> None:
        self._program = program

    def check(self) -> None:
        self._program.run("advfirewall", "show", "currentprofile")

    def prepare(self) -> None:
        """There is nothing that rules hang on."""

    def stands(self) -> bool:
        return True

    def read(self) -> Sequence[Rule]:
        names = (line.split()[-1] for line in self._listing().splitlines() if line.strip())
        return [rule for rule in map(rule_of, names) if rule is not None]

    def change(self, take: Collection[Rule], put: Collection[Rule]) -> None:
        self._program.run_all(self._steps(set(self.read()), set(take), set(put)))

    def tidy(self, now: float) -> None:
        """Connections outlive their rules, and need nobody to look after them."""

    def line(self, rule: Rule) -> str:
        return " ".join(_addition(rule))

    def shown(self, *, everything: bool) -> str:
        if everything:
            return self._listing()
        return "".join(f"{name(each)}\n" for each in self.read())

    def remove(self) -> None:
        self.change(self.read(), ())

    def _listing(self) -> str:
        """Windows has rules of its own: that there is none at all would be a failure."""
        return self._program.run(*_FIREWALL, "show", "rule", "name=all", "dir=in")

    def _steps(self, there: set[Rule], take: set[Rule], put: set[Rule]) -> Iterator[Step]:
        for each in sorted(put - there, key=name):
            yield _addition(each), _deletion(each)
        for each in sorted(take & there, key=name):
            yield _deletion(each), _addition(each)


def name(rule: Rule) -> str:
    """By which it is known: who, what, where and until when."""
    service = service_of(rule.hole)
    here = "any" if rule.hole.destination is None else str(rule.hole.destination)
    return f"watchword_{rule.hole.who}_{service.proto}_{service.port}_{here}_exp_{rule.ends}"


def rule_of(text: str) -> Rule | None:
    """The grant of that name; None: it is none."""
    found = _NAME.fullmatch(text)
    if found is None:
        return None
    caller, here = address(found[1]), address(found[4])
    if caller is None or (here is None and found[4] != "any"):
        return None
    try:
        service = Service.parse(f"{found[2]}/{found[3]}")
    except ValueError:
        return None
    return Rule(Hole(caller, service, here), int(found[5]))


def _addition(rule: Rule) -> list[str]:
    service = service_of(rule.hole)
    here = "any" if rule.hole.destination is None else str(rule.hole.destination)
    return [
        *_FIREWALL, "add", "rule", f"name={name(rule)}", "dir=in", "action=allow",
        f"protocol={service.proto.upper()}", f"localip={here}", f"localport={service.port}",
        f"remoteip={rule.hole.who}",
    ]  # fmt: skip


def _deletion(rule: Rule) -> list[str]:
    return [*_FIREWALL, "delete", "rule", f"name={name(rule)}"]
