"""Drives IP Filter, of FreeBSD and NetBSD. Experimental: seen by an emulator only.

In here: its commands and listings. Not in here: the rule that has packets asked about in our
group: it is the operator's.

A rule carries its end in its comment, as a listing shows it (IP Filter 5), and the name of our
group: what lacks one of them is somebody else's. A group is what ipf.conf(5) offers so that the
order among the operator's rules does not matter. A file of rules is no transaction, and no exit
status is promised: so a change is read back, and undone where it is not whole. Source: ipf(8),
ipf(5), ipfstat(8).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from typing import Final

from watchword.edges.firewall.dated.rule import Rule, Tool, address, port_of
from watchword.edges.firewall.dated.running import Program
from watchword.edges.firewall.plain import service_of
from watchword.errors import HostError
from watchword.model.addresses import Address
from watchword.model.openings import Hole
from watchword.model.services import Proto, Service

_GRANT: Final = re.compile(
    r"pass in quick (?:(?:family )?inet6? )?proto (tcp|udp|6|17) from (\S+) to (\S+) "
    r"port = (\S+)(?: flags \S+)? keep state"
    r"(?: group (?P<group>\S+)| comment \"?_exp_(?P<ends>[0-9]{1,12})\"?){2}(?: ?#.*)?"
)
_HEAD: Final = re.compile(r"block .* head (\S+)( .*)?")
_PROTOS: Final = {"6": Proto.TCP, "17": Proto.UDP}
_OF_VERSION: Final[dict[int, tuple[str, ...]]] = {4: (), 6: ("-6",)}
"""What ipf is told for rules of an IP version; newer ones need not be told."""


class Ipf(Tool):
    """By the programs ``ipf`` and ``ipfstat``; for whoever holds the lock."""

    def __init__(self, ipf: Program, ipfstat: Program, group: str) -> None:
        self._ipf = ipf
        self._ipfstat = ipfstat
        self._group = group

    def check(self) -> None:
        if not self.stands():
            raise HostError(
                f"no rule of ipf asks the group {self._group}",
                hint="write into ipf.conf, for each hidden port: block in quick proto tcp from any "
                f"to any port = 22 head {self._group}, and load it: ipf -Fa -f /etc/ipf.conf",
            )

    def prepare(self) -> None:
        """A group is there as soon as a rule asks it."""

    def stands(self) -> bool:
        heads = (_HEAD.fullmatch(line) for line in self._listed())
        return any(found is not None and found[1] == self._group for found in heads)

    def read(self) -> Sequence[Rule]:
        rules = (rule_of(line, self._group) for line in self._listed())
        return [rule for rule in rules if rule is not None]

    def change(self, take: Collection[Rule], put: Collection[Rule]) -> None:
        before = set(self.read())
        new, gone = set(put) - before, set(take) & before
        if not new and not gone:
            return
        try:
            self._load(new)
            self._load(gone, remove=True)
            self._see_that_there_are((before | new) - gone)
        except HostError:
            self._restore(before)
            raise

    def tidy(self, now: float) -> None:
        """States outlive their rules, and need nobody to look after them."""

    def line(self, rule: Rule) -> str:
        return written(rule, self._group)

    def shown(self, *, everything: bool) -> str:
        if everything:
            return self._ipfstat.run("-io") + self._ipfstat.run("-6io")
        return "".join(sorted(f"{self.line(each)}\n" for each in self.read()))

    def remove(self) -> None:
        self.change(self.read(), ())

    def _see_that_there_are(self, wanted: set[Rule]) -> None:
        if set(self.read()) != wanted:
            raise HostError(
                f"{self._ipf.exe} did not do what it was told",
                hint="see ipfstat -io, and whether this is IP Filter 5 (ipf -V)",
            )

    def _restore(self, before: set[Rule]) -> None:
        """As far as it goes: whoever hears of the failure looks at all of it again."""
        with suppress(HostError):
            now = set(self.read())
            self._load(now - before, remove=True)
            self._load(before - now)

    def _load(self, rules: Iterable[Rule], *, remove: bool = False) -> None:
        """Add rules, or remove them by their words. One file for each IP version."""
        mine = sorted(rules, key=str)
        for version, words in _OF_VERSION.items():
            lines = [self.line(each) for each in mine if each.hole.who.version == version]
            if lines:
                text = "".join(f"{each}\n" for each in lines)
                self._ipf.run(*words, *(("-r",) if remove else ()), "-f", "-", stdin=text)

    def _listed(self) -> list[str]:
        """The rules for what comes in, each once: both lists may have those of any version."""
        text = self._ipfstat.run("-i") + self._ipfstat.run("-6i")
        return list(dict.fromkeys(" ".join(line.split()) for line in text.splitlines()))


def written(rule: Rule, group: str) -> str:
    """The rule as ipf is given it. A connection begins with a packet that has the flag S alone."""
    hole, service = rule.hole, service_of(rule.hole)
    here = "any" if hole.destination is None else f"{hole.destination}/{_bits(rule)}"
    flags = "flags S " if service.proto is Proto.TCP else ""
    return (
        f"pass in quick proto {service.proto} from {hole.who}/{_bits(rule)} to {here} "
        f'port = {service.port} {flags}keep state group {group} comment "_exp_{rule.ends}"'
    )


def rule_of(line: str, group: str) -> Rule | None:
    """The grant that a listed rule is, if it is one in our group; None: it is none."""
    found = _GRANT.fullmatch(line)
    if found is None or found["group"] != group or found["ends"] is None:
        return None
    proto = _PROTOS.get(found[1]) or Proto(found[1])
    caller, here = _host(found[2]), _host(found[3])
    port = port_of(found[4], proto)
    if caller is None or port is None or (here is None and found[3] != "any"):
        return None
    return Rule(Hole(caller, Service(proto, port), here), int(found["ends"]))


def _bits(rule: Rule) -> int:
    return rule.hole.who.max_prefixlen


def _host(text: str) -> Address | None:
    """One address, with all of its bits or without saying so."""
    host, slash, bits = text.partition("/")
    found = address(host)
    whole = found is not None and (not slash or bits == str(found.max_prefixlen))
    return found if whole else None
