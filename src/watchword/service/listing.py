"""What is open, for a person at another terminal than the daemon's.

In here: the journal's grants held against what the kernel really has.
Not in here: the commands that print it (server).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from watchword.edges.clock import SystemClock
from watchword.edges.programs import SystemPrograms
from watchword.edges.replay.reading import read_grants
from watchword.errors import HostError
from watchword.model.moments import Moment
from watchword.model.openings import Grant, Hole, Opening
from watchword.model.settings import Attach, Settings
from watchword.ports import Completed
from watchword.service import assembly

_HEAD = ("grant", "ends in", "for", "services", "from", "user", "stanza", "in the firewall")


def grants(settings: Settings) -> str:
    """Every grant in force, and our part of the ruleset as the kernel prints it.

    Raises HostError if the journal or the firewall cannot be read.
    """
    way = assembly.way_of(settings.firewall)
    lines = [f"Listing grants and rules of fwknopd ({settings.firewall.backend}, {way})...", ""]
    return "\n".join([*lines, *_table(settings), ""]) + "\n" + _ruleset(settings)


def everything(settings: Settings) -> str:
    """The same, with the whole ruleset of the host."""
    lines = ["Listing grants, and all rules of this host...", "", *_table(settings), ""]
    return "\n".join(lines) + "\n" + _nft("list", "ruleset")


def summary(settings: Settings) -> str:
    """A line about what is open, for ``--status -v``."""
    rows = _rows(settings, SystemClock().now())
    return f"{len(rows)} grants in force; fwknopd --fw-list shows them\n"


def _table(settings: Settings) -> list[str]:
    rows = _rows(settings, SystemClock().now())
    if not rows:
        return ["no grants in force"]
    widths = [max(map(len, column)) for column in zip(_HEAD, *rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in (_HEAD, *rows)
    ]


def _rows(settings: Settings, now: Moment) -> list[Sequence[str]]:
    found = read_grants(settings.state_dir, now)
    live = [each for each in found if each.until > now.steady or _overdue(each)]
    installed = assembly.firewall_for(settings, SystemClock()).installed()
    held = {opening.hole for opening in _openings(live) if opening.tag in installed}
    return [_row(grant, held, now) for grant in live]


def _overdue(grant: Grant) -> bool:
    """Whether something is to be closed that is not closed yet."""
    return grant.cycle is not None and bool(grant.cycle.closings)


def _openings(live: Sequence[Grant]) -> Iterator[Opening]:
    """What the firewall needs for these grants: for each hole, the latest end."""
    ends: dict[Hole, float] = {}
    for grant in live:
        for hole in grant.holes:
            ends[hole] = max(ends.get(hole, 0.0), grant.until)
    return (Opening(hole, until) for hole, until in ends.items())


def _row(grant: Grant, held: set[Hole], now: Moment) -> Sequence[str]:
    missing = [str(hole.service) for hole in grant.holes if hole not in held]
    return (
        grant.id,
        f"{max(0.0, grant.until - now.steady):.0f} s",
        str(grant.who),
        ",".join(map(str, grant.services)),
        str(grant.source),
        grant.user,
        f"#{grant.stanza}",
        _where(grant, missing),
    )


def _where(grant: Grant, missing: Sequence[str]) -> str:
    if grant.cycle is not None:
        return "no: a command opened it, " + (
            "one closes it" if grant.cycle.closings else "no close"
        )
    return f"no: {','.join(missing)}" if missing else "yes"


def _ruleset(settings: Settings) -> str:
    firewall = settings.firewall
    if firewall.attach is Attach.GUARD:
        return _ours("table", "inet", firewall.table)
    return "".join(
        _ours("chain", each.family, each.table, "watchword") for each in firewall.jump_from
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
