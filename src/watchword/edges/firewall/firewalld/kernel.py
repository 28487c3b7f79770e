"""Takes rules of firewalld's out of the kernel, when there is no firewalld to do it.

In here: what a rich rule of ours is there, by either back end of firewalld's. Not in here: when
that is (ending).

firewalld counts timeouts itself. If it is killed its rules stay, and nobody ends them; when it
starts again, it makes everything anew. In between, and only then, its tables are ours to change.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from watchword.edges.firewall.firewalld.rules import Rule, service_of, source_of
from watchword.errors import HostError
from watchword.model.openings import Lead
from watchword.ports import Completed, NotStartedError, ProgramRunner

_TABLE: Final = ("inet", "firewalld")
_CHAIN: Final = re.compile(r"\tchain (\S+) \{")
_HANDLE: Final = re.compile(r"\t\t(.+) # handle (\d+)")
_FAMILIES: Final = ("ip", "ip6")
_BY_IPTABLES: Final = {4: "iptables", 6: "ip6tables"}


class KernelRules:
    """Of a firewalld that is gone."""

    def __init__(self, programs: ProgramRunner) -> None:
        self._programs = programs

    def is_nftables(self) -> bool:
        """Whether firewalld put its rules into nftables. Raises HostError: it cannot be seen."""
        try:
            return not self._run("nft", "list", "table", *_TABLE).status
        except NotStartedError:  # then firewalld has no use for nftables either
            return False

    def take(self, zone: str, rule: Rule) -> None:
        """Remove a rule. One that is gone is no error. Raises HostError."""
        if self.is_nftables():
            listed = self._run("nft", "-a", "list", "table", *_TABLE)
            for chain, handle in found(listed.stdout.decode("utf-8", "replace"), zone, rule):
                done = self._run("nft", "delete", "rule", *_TABLE, chain, "handle", handle)
                if done.status and b"No such file" not in done.stderr:
                    raise _failed("nft delete rule", done)
        else:
            self._take_by_iptables(zone, rule)

    def _take_by_iptables(self, zone: str, rule: Rule) -> None:
        exe = _BY_IPTABLES[rule.hole.who.version]
        table, chain, words = by_iptables(zone, rule)
        done = self._run(exe, "-w", "-t", table, "-D", chain, *words)
        if done.status and not self._run(exe, "-w", "-t", table, "-C", chain, *words).status:
            raise _failed(f"{exe} -D", done)

    def _run(self, *words: str) -> Completed:
        return self._programs.run(words)


def found(listing: str, zone: str, rule: Rule) -> Iterator[tuple[str, str]]:
    """The chain and the handle of a rule in what ``nft -a list table`` prints; at most one."""
    chain, wanted = "", sorted(by_nft(rule))
    home = f"{'filter_IN' if rule.hole.lead is None else 'nat_PRE'}_{zone}_pre"
    for line in listing.splitlines():
        if match := _CHAIN.match(line):
            chain = match[1]
        elif chain == home and (match := _HANDLE.fullmatch(line)):
            words = [each for each in match[1].split() if each not in _FAMILIES]
            if sorted(words) == wanted:
                yield chain, match[2]
                return


def by_nft(rule: Rule) -> list[str]:
    """The words of a rule as nft lists it, without those for the family; in some order."""
    hole, service = rule.hole, service_of(rule.hole)
    words = ["saddr", source_of(hole), str(service.proto), "dport", str(service.port)]
    if hole.destination is not None:
        words += ["daddr", str(hole.destination)]
    if hole.lead is None:
        return [*words, "accept"]
    if hole.lead.host is None:
        return [*words, "redirect", "to", f":{hole.lead.port}"]
    return [*words, "dnat", "to", _target(hole.lead)]


def by_iptables(zone: str, rule: Rule) -> tuple[str, str, list[str]]:
    """Table, chain and words of a rule in iptables."""
    hole, service = rule.hole, service_of(rule.hole)
    words = ["-s", source_of(hole), "-p", str(service.proto), "--dport", str(service.port)]
    if hole.destination is not None:
        words += ["-d", str(hole.destination)]
    if hole.lead is None:
        return "filter", f"IN_{zone}_pre", [*words, "-j", "ACCEPT"]
    return "nat", f"PRE_{zone}_pre", [*words, "-j", "DNAT", "--to-destination", _target(hole.lead)]


def _target(lead: Lead) -> str:
    if lead.host is None:
        return f":{lead.port}"
    return f"[{lead.host}]:{lead.port}" if lead.host.version == 6 else f"{lead.host}:{lead.port}"


def _failed(what: str, done: Completed) -> HostError:
    said = done.stderr.decode("utf-8", "replace").strip().splitlines()
    return HostError(f"{what}: {said[0] if said else f'exit status {done.status}'}")
