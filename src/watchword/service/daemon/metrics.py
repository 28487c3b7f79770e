"""The daemon's figures as metrics, for those who watch many daemons.

In here: the names, units and meanings. They are made of what ``watchword status`` tells, so
the two never differ; they stay, because dashboards are made of them (docs/metrics.md).
Not in here: the text form (dialects.openmetrics), serving it (edges.scrapes).

Nothing names a caller, and no label takes a value that a caller could choose: there are as many
series as the configuration and the code make, whoever knocks.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import Any, Final

from watchword.dialects.openmetrics import Family, Kind, Sample, text
from watchword.model.reasons import Reason

_VERDICTS: Final = ("granted", "ran", "closed", "would-grant")
_STEPS: Final = ("claim", "grant")
"""Those that are told even before they were taken the first time."""
_NOT_OF_A_WAY: Final = (
    "seen twice", "waited too long (strangers)", "waited too long (known)",
    "too many authentic ones",
)  # fmt: skip


def exposition(told: Mapping[str, Any]) -> str:
    """The metrics, given what ``status.Account`` tells."""
    return text(families(told))


def families(told: Mapping[str, Any]) -> Iterator[Family]:
    build = {"version": str(told["release"]), "python": sys.version.split(maxsplit=1)[0]}
    yield Family("watchword_build", Kind.INFO, "What is running.", (Sample(1, build),))
    yield _gauge("start_time_seconds", "When the daemon started, Unix time.", told["began"])
    yield Family(
        "watchword_packets",
        Kind.COUNTER,
        "Packets that were judged, by verdict, and by reason if they were refused.",
        tuple(_judged(told["packets"])),
    )
    yield Family(
        "watchword_packets_dropped",
        Kind.COUNTER,
        "Packets that nobody judged, by why, and by the way they came if it is one way's doing.",
        tuple(_dropped(told)),
    )
    yield _gauge_by(
        "packets_waiting", "line", "Packets that wait to be looked at.", told["waiting"]
    )
    yield _gauge("known_addresses", "Addresses that are served first.", told["known_addresses"])
    yield _counter("replay_claims", "Packets put to the replay store.", told["claims"])
    commands = told["commands"]
    in_force = {"firewall": told["grants"], "commands": commands["open"]}
    yield _gauge_by("grants", "by", "Grants in force, by what opened them.", in_force)
    under_way = {"caller": commands["running"], "open": commands["opening"]}
    yield _gauge_by("commands_running", "kind", "Commands under way.", under_way)
    yield _gauge(
        "not_closed",
        "Grants that are over, and whose closing commands have failed.",
        commands["unclosed"],
    )
    yield _gauge(
        "firewall_in_step",
        "1 if the firewall is as it should be, 0 while that is being tried again.",
        int(told["firewall_in_step"]),
    )
    yield from _steps(told["steps"])
    yield from _reloads(told["reloads"])


def _gauge(name: str, meaning: str, value: float) -> Family:
    unit = "seconds" if name.endswith("_seconds") else ""
    return Family(f"watchword_{name}", Kind.GAUGE, meaning, (Sample(value),), unit)


def _gauge_by(name: str, label: str, meaning: str, values: Mapping[str, float]) -> Family:
    samples = tuple(Sample(value, {label: each}) for each, value in values.items())
    return Family(f"watchword_{name}", Kind.GAUGE, meaning, samples)


def _counter(name: str, meaning: str, value: float) -> Family:
    return Family(f"watchword_{name}", Kind.COUNTER, meaning, (Sample(value),))


def _judged(counts: Mapping[str, int]) -> Iterator[Sample]:
    """All that there can be, so that what happens the first time is seen to grow."""
    for verdict in _VERDICTS:
        yield Sample(counts.get(verdict, 0), {"verdict": verdict, "reason": ""})
    for reason in Reason:
        labels = {"verdict": "refused", "reason": reason.word}
        yield Sample(counts.get(reason.word, 0), labels)


def _dropped(told: Mapping[str, Any]) -> Iterator[Sample]:
    for why in _NOT_OF_A_WAY:
        yield Sample(told["dropped"][why], {"way": "", "why": why})
    for way, counts in told["sources"].items():
        for why, count in counts.items():
            yield Sample(count, {"way": way, "why": why})


def _steps(steps: Mapping[str, Mapping[str, float]]) -> Iterator[Family]:
    names = dict.fromkeys((*_STEPS, *steps))
    took, slowest = [], []
    for name in names:
        labels, step = {"step": name}, steps.get(name, {})
        took.append(Sample(int(step.get("count", 0)), labels, "_count"))
        took.append(Sample(step.get("seconds", 0.0), labels, "_sum"))
        slowest.append(Sample(step.get("slowest", 0.0), labels))
    yield Family(
        "watchword_step_duration_seconds",
        Kind.SUMMARY,
        "How long the steps of a packet's way took that wait for disk, firewall or programs.",
        tuple(took),
        "seconds",
    )
    yield Family(
        "watchword_step_slowest_seconds",
        Kind.GAUGE,
        "The slowest of each since the start.",
        tuple(slowest),
        "seconds",
    )


def _reloads(told: Mapping[str, Any]) -> Iterator[Family]:
    yield Family(
        "watchword_reloads",
        Kind.COUNTER,
        "Reloads, by what came of them. Refused: the old configuration goes on.",
        tuple(Sample(told[each], {"outcome": each}) for each in ("taken", "refused")),
    )
    yield _gauge(
        "last_reload_successful",
        "0 if the last reload was refused: the files are not what is in force.",
        int(told["last"] != "refused"),
    )
    yield _gauge(
        "configuration_time_seconds",
        "When the configuration in force was taken over, Unix time.",
        told["configured"],
    )
