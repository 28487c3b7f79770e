"""What is open, for a person at another terminal than the daemon's.

In here: what the running daemon says of it; without one, the journal's grants
held against what the kernel really has.
Not in here: the commands that print it (server_questions), the table (grant_rows).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from watchword.edges.clock import SystemClock
from watchword.edges.firewall.dated.tools import tool_for
from watchword.edges.firewall.firewalld.assembling import shown
from watchword.edges.firewall.firewalld.system_bus import bus_environment
from watchword.edges.firewall.tables.tools import Tools
from watchword.edges.programs import SystemPrograms
from watchword.edges.replay.reading import read_grants, remembered
from watchword.errors import HostError
from watchword.model.firewalls import Attach, FirewallSettings
from watchword.model.moments import Moment
from watchword.model.openings import Grant, Hole, Opening
from watchword.model.settings import Settings
from watchword.ports import Completed
from watchword.service import asking
from watchword.service.daemon import assembly, grant_rows
from watchword.service.tool import grants_told

_OF_IPTABLES: Final = "Listing rules in fwknopd iptables chains..."
_ALL_OF_IPTABLES: Final = "Listing all iptables rules in applicable tables..."


def grants(settings: Settings) -> str:
    """Every grant in force, and our part of the ruleset as the kernel prints it.

    Raises HostError if the journal or the firewall cannot be read.
    """
    firewall = settings.firewall
    way = f"{firewall.backend}, {assembly.way_of(firewall)}" if firewall.needed else "by commands"
    lines = [f"Listing grants and rules of fwknopd ({way})...", ""]
    none = "no stanza opens anything in the firewall: commands do\n"
    ruleset = _ruleset(settings) if firewall.needed else none
    return "\n".join([*lines, *grant_rows.table(rows(settings)), ""]) + "\n" + ruleset


def everything(settings: Settings) -> str:
    """The same, with the whole ruleset of the host."""
    lines = [
        "Listing grants, and all rules of this host...",
        "",
        *grant_rows.table(rows(settings)),
        "",
    ]
    firewall = settings.firewall
    if firewall.in_zones:
        return "\n".join(lines) + "\n" + _zones(firewall, everything=True)
    if firewall.in_dated_rules:
        return "\n".join(lines) + "\n" + _dated(settings, everything=True)
    if firewall.in_iptables:
        return "\n".join(lines) + "\n" + _iptables(firewall, "-v")
    return "\n".join(lines) + "\n" + _nft("list", "ruleset")


def summary(settings: Settings) -> str:
    """What is open and what is remembered, a line each, for ``--status -v``.

    Raises HostError if the journal or the memory cannot be read.
    """
    try:
        count = asking.ask(settings.run_dir / asking.NAME, "grants")["total"]
    except asking.NobodyAnswersError:
        count = len(rows(settings))
    packets, size = remembered(settings.state_dir)
    return (
        f"{count} grants in force; fwknopd --fw-list shows them\n"
        f"{packets} packets remembered, {size} bytes in {settings.state_dir}\n"
    )


def rows(settings: Settings) -> Sequence[Mapping[str, Any]]:
    """What the running daemon says; where none runs, the journal held against the kernel.

    Raises HostError, OperatorError.
    """
    try:
        told = grants_told.ask_all(settings.run_dir / asking.NAME)
    except asking.NobodyAnswersError:
        return _noted(settings, SystemClock().now())
    found: Sequence[Mapping[str, Any]] = told["grants"]
    return found


def _noted(settings: Settings, now: Moment) -> list[Mapping[str, Any]]:
    found = read_grants(settings.state_dir, now)
    live = [each for each in found if each.until > now.steady or _overdue(each)]
    wanted = list(openings(live))
    installed = assembly.installed_of_earlier(settings, SystemClock(), wanted)
    held = {opening.hole for opening in wanted if opening.tag in installed}
    return [
        grant_rows.row(
            each,
            [hole.service or each.services[0] for hole in each.holes if hole not in held],
            now,
        )
        for each in live
    ]


def _overdue(grant: Grant) -> bool:
    """Whether something is to be closed that is not closed yet."""
    return grant.cycle is not None and bool(grant.cycle.closings)


def openings(live: Iterable[Grant]) -> Iterator[Opening]:
    """What the firewall needs for these grants: for each hole, the latest end."""
    ends: dict[Hole, float] = {}
    for grant in live:
        for hole in grant.wanted:
            ends[hole] = max(ends.get(hole, 0.0), grant.until)
    return (Opening(hole, until) for hole, until in ends.items())


def _ruleset(settings: Settings) -> str:
    firewall = settings.firewall
    if firewall.in_zones:
        return _zones(firewall, everything=False)
    if firewall.in_dated_rules:
        return _dated(settings, everything=False)
    if firewall.in_iptables:
        return _iptables(firewall)
    if firewall.attach in (Attach.GUARD, Attach.MARK):
        return _ours("table", "inet", firewall.table)
    if firewall.attach is Attach.SETS:
        return "".join(_ours("set", *str(each).split()) for each in firewall.sets)
    return "".join(
        _ours("chain", each.family, each.table, "watchword") for each in firewall.jump_from
    )


def _zones(firewall: FirewallSettings, *, everything: bool) -> str:
    """Rich rules of firewalld: ours, or all, zone by zone. Raises HostError."""
    return shown(firewall, SystemPrograms(bus_environment()), everything=everything)


def _dated(settings: Settings, *, everything: bool) -> str:
    """As the firewall's own program prints it."""
    tool = tool_for(settings.firewall, SystemPrograms(), settings.state_dir)
    return tool.shown(everything=everything)


def _iptables(firewall: FirewallSettings, *whole: str) -> str:
    """Our chains as fwknopd lists them, for both IP versions; ``whole``: their whole tables."""
    tools = Tools(firewall.exe, SystemPrograms())
    asked = dict.fromkeys((each.table, "" if whole else each.chain) for each in firewall.chains)
    head = _ALL_OF_IPTABLES if whole else _OF_IPTABLES
    return f"{head}\n\n" + "\n".join(
        tools.shown(version, table, chain, *whole)
        for version in tools.versions(firewall.input.table)
        for table, chain in asked
    )


def _ours(*what: str) -> str:
    """One of our pieces of the ruleset; where there is none, that is an answer too."""
    answer = SystemPrograms().run(["nft", "list", *what])
    if answer.status and b"No such file or directory" in answer.stderr:
        return f"there is no {' '.join(what)}: nothing is hidden, and nothing is granted\n"
    return _text(answer, what)


def _nft(*words: str) -> str:
    return _text(SystemPrograms().run(["nft", *words]), words)


def _text(answer: Completed, words: Sequence[str]) -> str:
    if answer.status:
        said = answer.stderr.decode("utf-8", "replace").strip().splitlines()
        raise HostError(f"nft {' '.join(words)}: {said[0] if said else 'failed'}")
    return answer.stdout.decode("utf-8", "replace")
