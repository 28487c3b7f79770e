"""The daemon's figures, gathered for the control socket and shown by ``watchword status``.

In here: what is told about a running daemon, and its form for people.
Not in here: counting (figures), the socket (control).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Any

from watchword import __version__
from watchword.record import record

if TYPE_CHECKING:  # who only shows what was told does without the daemon
    from watchword.ports import Clock
    from watchword.service.daemon.blocks import Blocks
    from watchword.service.daemon.commands import Commands
    from watchword.service.daemon.cycles import Cycles
    from watchword.service.daemon.enforcer import Enforcer
    from watchword.service.daemon.figures import Figures
    from watchword.service.daemon.gates import Gates
    from watchword.service.daemon.lobby import Lobby
    from watchword.service.daemon.sources import Sources


@record
class Account:
    """What the daemon tells about itself, whoever asks."""

    figures: Figures
    sources: Sources
    lobby: Lobby
    gates: Gates
    enforcer: Enforcer
    commands: Commands
    cycles: Cycles
    blocks: Blocks
    clock: Clock
    doors: Callable[[], dict[str, object] | None] = lambda: None
    """Figures of doors; None: there are none."""

    def told(self) -> dict[str, object]:
        """Everything as plain values, for JSON. Durations are seconds."""
        return {
            **self._of_the_whole(),
            **self._of_packets(),
            **self._of_time(),
            "grants": len(self.enforcer.ledger),
            "firewall_in_step": not self.enforcer.in_doubt,
            "commands": commands(self.commands, self.cycles),
            "not_closed": not_closed(self.cycles),
            "blocked": blocked(self.blocks),
            "doors": self.doors(),
        }

    def _of_the_whole(self) -> dict[str, object]:
        figures = self.figures
        return {
            "program": "fwknopd",
            "release": __version__,
            "began": figures.began,
            "up": round(self.clock.now().wall - figures.began, 3),
            "reloads": {
                "taken": figures.reloads["taken"],
                "refused": figures.reloads["refused"],
                "last": figures.last_reload,
                "configured": figures.configured,
            },
        }

    def _of_packets(self) -> dict[str, object]:
        lobby, figures = self.lobby, self.figures
        return {
            "packets": dict(figures.verdicts),
            "dropped": _dropped(figures, self.sources, lobby),
            "sources": {each.name: dict(each.dropped()) for each in self.sources},
            "awaited": list(self.sources.awaited),
            "waiting": {
                "strangers": lobby.strangers.count,
                "known": lobby.familiars.count,
                "gpg": self.gates.gate.sealed,
            },
            "known_addresses": lobby.known,
            "claims": figures.claims,
        }

    def _of_time(self) -> dict[str, object]:
        steps = self.figures.steps
        slowest = max(steps.items(), key=lambda each: each[1].slowest, default=None)
        return {
            "steps": _steps(self.figures),
            "slowest_step": slowest[0] if slowest else None,
        }


def commands(callers: Commands, cycles: Cycles) -> dict[str, int]:
    """What commands are doing, and have open."""
    return {
        "running": callers.running,
        "opening": cycles.opening,
        "open": len(cycles.ledger),
        "unclosed": len(cycles.unclosed),
    }


def not_closed(cycles: Cycles) -> list[dict[str, object]]:
    """What commands have opened and could not close, a hundred at the most."""
    found = islice(cycles.unclosed, 100)
    return [
        {
            "grant": each.grant.id,
            "stanza": each.grant.stanza,
            "for": str(each.grant.who),
            "services": [str(service) for service in each.grant.services],
            "why": each.why,
            "tries": each.tries,
            "given_up": cycles.unclosed.is_given_up(each),
        }
        for each in found
    ]


def blocked(blocks: Blocks) -> list[dict[str, object]]:
    """The keys whose kill switch was thrown, a hundred at the most, the last ones first."""
    latest = sorted(blocks.blocked.items(), key=lambda each: each[1].at, reverse=True)
    return [
        {"key": name, "stanza": each.stanza, "since": each.at, "by": each.uid}
        for name, each in latest[:100]
    ]


def _dropped(figures: Figures, sources: Sources, lobby: Lobby) -> dict[str, int]:
    """Packets that nobody judged, by why, all sources together."""
    counts: Counter[str] = Counter()
    for source in sources:
        counts.update(source.dropped())
    return {
        **counts,
        "seen twice": sources.twins.count if sources.twins else 0,
        "waited too long (strangers)": lobby.strangers.dropped,
        "waited too long (known)": lobby.familiars.dropped,
        "too many authentic ones": figures.overflowed,
    }


def _steps(figures: Figures) -> dict[str, dict[str, float]]:
    return {
        name: {
            "count": step.count,
            "seconds": round(step.seconds, 6),
            "mean": round(step.seconds / step.count, 6),
            "slowest": round(step.slowest, 6),
        }
        for name, step in figures.steps.items()
    }


def in_words(told: Mapping[str, Any]) -> Iterator[str]:
    """The same for a person, line by line."""
    since = datetime.fromtimestamp(told["began"], UTC).astimezone().isoformat(timespec="seconds")
    yield f"{told['program']} {told['release']}, running since {since}"
    if told["reloads"]["last"] == "refused":
        yield "THE LAST RELOAD WAS REFUSED; the log says why, and the old configuration goes on"
    yield from _open(told)
    yield from _doors(told.get("doors"))
    yield from _packets(told)
    for name, step in told["steps"].items():
        yield (
            f"step {name}: {step['count']} times, {step['mean'] * 1000:.2f} ms on average, "
            f"{step['slowest'] * 1000:.2f} ms at worst"
        )
    if told["slowest_step"]:
        yield f"slowest step: {told['slowest_step']}"


def _open(told: Mapping[str, Any]) -> Iterator[str]:
    """What is open, and what should not be."""
    yield f"grants in force: {told['grants']}"
    if any(told["commands"].values()):
        found = told["commands"]
        yield f"opened by commands: {found['open']}, being opened: {found['opening']}"
        yield f"callers' commands that run: {found['running']}"
    if not told["firewall_in_step"]:
        yield "THE FIREWALL IS NOT AS IT SHOULD BE; the log says why, and it is being tried again"
    for each in told["not_closed"]:
        yield (
            f"NOT CLOSED: {', '.join(each['services'])} for {each['for']}, grant {each['grant']} "
            f"of stanza #{each['stanza']}, tried {_times(each['tries'])} ({each['why']}); "
            + ("close it by hand, then watchword revoke it" if each["given_up"] else "trying on")
        )
    for each in told["blocked"]:
        yield f"BLOCKED: key {each['key']}, of stanza {each['stanza']} (watchword unblock)"


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _doors(doors: Mapping[str, Any] | None) -> Iterator[str]:
    if not doors:
        return
    yield (
        f"doors: {doors['doors']}, opened {doors['opened']} times, attempts under way: "
        f"{doors['attempts']}, listening on {', '.join(doors['listening_on'])}"
    )
    if doors["open_by_commands"]:
        yield f"opened by commands of doors: {doors['open_by_commands']}"


def _packets(told: Mapping[str, Any]) -> Iterator[str]:
    yield f"packets come by: {', '.join(told['sources'])}"
    yield from _awaited(told["awaited"])
    yield from _counts("packets judged", told["packets"])
    yield from _counts("packets dropped unjudged", told["dropped"])
    if len(told["sources"]) > 1:
        for name, dropped in told["sources"].items():
            yield f"  of these by {name}: {sum(dropped.values())}"
    yield f"packets waiting: {told['waiting']['strangers']} of strangers, " + (
        f"{told['waiting']['known']} of known addresses ({told['known_addresses']} are known)"
    )
    if told["waiting"]["gpg"]:
        yield f"OpenPGP packets waiting for gpg: {told['waiting']['gpg']}"
    yield f"packets put to the replay store: {told['claims']}"


def _awaited(names: Sequence[str]) -> Iterator[str]:
    for each in names:
        yield f"NOT YET THERE: {each}; packets from there are looked at once it is"


def _counts(what: str, counts: Mapping[str, int]) -> Iterator[str]:
    seen = {name: count for name, count in counts.items() if count}
    yield f"{what}: {sum(seen.values())}"
    for name, count in sorted(seen.items(), key=lambda each: -each[1]):
        yield f"  {count:>10}  {name}"
