"""Takes rules of firewalld's out of the kernel that it does not look after any more.

In here: what a rich rule of ours is there, by either back end of firewalld's. Not in here: when
that is (ending, backend).

firewalld counts timeouts itself. If it is killed its rules stay, and nobody ends them. When it
starts again, it makes its tables of iptables anew; in nftables it adds its rules to those that are
there, and knows nothing of the old ones.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final

from watchword.edges.firewall.firewalld.rules import Rule, service_of, source_of
from watchword.edges.firewall.nft.layout import Home
from watchword.errors import HostError
from watchword.model.openings import Hole, Lead
from watchword.ports import Completed, NotStartedError, ProgramRunner

Place = tuple[str, int]
"""A chain, and the handle of a rule in it."""
HOMES: Final = (Home("inet", "firewalld"), Home("ip", "filter"), Home("ip6", "filter"))
"""The tables that firewalld's rules are in, by either of its back ends."""
_TRIES: Final = 3
_TABLE: Final = ("inet", "firewalld")
_CALLED: Final = re.compile(rb"\t(jump|goto) filter_INPUT_")
_CHAIN: Final = re.compile(r"\tchain (\S+) \{")
_HANDLE: Final = re.compile(r"\t\t(.+) # handle (\d+)")
_FAMILIES: Final = ("ip", "ip6")
_BY_IPTABLES: Final = {4: "iptables", 6: "ip6tables"}


class KernelRules:
    """What the kernel has of a firewalld's, whether that is there or not."""

    def __init__(self, programs: ProgramRunner) -> None:
        self._programs = programs
        self._by_nftables = False
        """Its table was there once."""

    def is_nftables(self) -> bool:
        """Whether firewalld put its rules into nftables. Raises HostError: it cannot be seen."""
        return self._table() is not None

    def stands(self, zones: Collection[str]) -> bool:
        """Whether what firewalld made of its zones is there. Raises HostError."""
        table = self._table()
        if table is not None:
            return _CALLED.search(table) is not None
        return not self._by_nftables and all(
            self._stands_in_iptables(exe, zones) for exe in _BY_IPTABLES.values()
        )

    def make_table(self) -> None:
        """An empty one, if firewalld's was there before: it cannot do without. Raises HostError."""
        if self._by_nftables and self._table() is None:
            done = self._run("nft", "add", "table", *_TABLE)
            if done.status:
                raise _failed("nft add table", done)

    def _table(self) -> bytes | None:
        """What nft lists of it; None: it is not there. Raises HostError."""
        try:
            done = self._run("nft", "list", "table", *_TABLE)
        except NotStartedError:  # then firewalld has no use for nftables either
            return None
        if done.status:
            return None
        self._by_nftables = True
        return done.stdout

    def _stands_in_iptables(self, exe: str, zones: Collection[str]) -> bool:
        """IPv6 may be switched off, here or in firewalld."""
        done = self._run(exe, "-w", "-t", "filter", "-S")
        rules = done.stdout.decode("utf-8", "replace").splitlines()
        if done.status or not any(each.startswith("-N IN_") for each in rules):
            return exe == _BY_IPTABLES[6]
        called = any(each.startswith("-A INPUT ") and "-j INPUT_" in each for each in rules)
        return called and all(
            any(each.startswith(f"-A IN_{zone} ") for each in rules) for zone in zones
        )

    def take(self, zones: Collection[str], rule: Rule) -> None:
        """Remove a rule, however often it is there. One that is gone is no error.

        For when there is no firewalld. Raises HostError.
        """
        if self.is_nftables():
            self._delete(
                lambda listing: [
                    each for zone in zones for each in copies(listing, zone, rule.hole)
                ]
            )
        else:
            for zone in zones:
                self._take_by_iptables(zone, rule)

    def sweep(self, holes: Collection[Hole], there: Mapping[str, Sequence[Hole]]) -> None:
        """Remove rules for these holes of which firewalld knows nothing.

        ``there``: the holes of all rules that it has, by zone. Raises HostError.
        """
        if holes and self.is_nftables():
            self._delete(
                lambda listing: [
                    each
                    for zone, known in there.items()
                    for hole in holes
                    for each in surplus(copies(listing, zone, hole), known.count(hole))
                ]
            )

    def _take_by_iptables(self, zone: str, rule: Rule) -> None:
        exe = _BY_IPTABLES[rule.hole.who.version]
        table, chain, words = by_iptables(zone, rule)
        done = self._run(exe, "-w", "-t", table, "-D", chain, *words)
        if done.status and not self._run(exe, "-w", "-t", table, "-C", chain, *words).status:
            raise _failed(f"{exe} -D", done)

    def _delete(self, wanted: Callable[[str], Sequence[Place]]) -> None:
        """Of what is listed, what is wanted: all of it, or what is left if some has gone."""
        family, table = _TABLE
        for _ in range(_TRIES):
            listed = self._run("nft", "-a", "list", "table", family, table).stdout
            places = wanted(listed.decode("utf-8", "replace"))
            if not places:
                return
            lines = [f"delete rule {family} {table} {chain} handle {n}\n" for chain, n in places]
            done = self._programs.run(["nft", "-f", "-"], stdin="".join(lines).encode())
            if done.status == 0:
                return
            if b"No such file" not in done.stderr:
                break
        raise _failed("nft delete rule", done)

    def _run(self, *words: str) -> Completed:
        return self._programs.run(words)


def copies(listing: str, zone: str, hole: Hole) -> list[Place]:
    """Where a rule is in what ``nft -a list table`` prints, the oldest first."""
    chain, wanted, places = "", sorted(by_nft(hole)), []
    home = f"{'filter_IN' if hole.lead is None else 'nat_PRE'}_{zone}_pre"
    for line in listing.splitlines():
        if match := _CHAIN.match(line):
            chain = match[1]
        elif chain == home and (match := _HANDLE.fullmatch(line)):
            words = [each for each in match[1].split() if each not in _FAMILIES]
            if sorted(words) == wanted:
                places.append((chain, int(match[2])))
    return sorted(places)


def surplus(places: Sequence[Place], known: int) -> Sequence[Place]:
    """Those that are there beyond the ``known``, which are the newest."""
    return places[: max(0, len(places) - known)]


def by_nft(hole: Hole) -> list[str]:
    """The words of a rule as nft lists it, without those for the family; in some order."""
    service = service_of(hole)
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
