"""The daemon's figures as metrics: all of them, and never more of them for a stranger's doing."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from tests.unit.test_openmetrics import Read, read
from watchword.model.reasons import Reason
from watchword.service.daemon import metrics

PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"


def told(**more: Any) -> dict[str, Any]:
    """What a daemon that has just started tells of itself."""
    return {
        "release": "1.2.3",
        "began": 1_790_000_000.5,
        "packets": {},
        "dropped": {
            "bytes: length": 3,
            "seen twice": 1,
            "waited too long (strangers)": 2,
            "waited too long (known)": 0,
            "too many authentic ones": 0,
        },
        "sources": {"udp/62201": {"bytes: length": 3}, "sniff/any": {}},
        "waiting": {"strangers": 5, "known": 4, "gpg": 3},
        "known_addresses": 7,
        "claims": 0,
        "grants": 2,
        "commands": {"running": 1, "opening": 2, "open": 3, "unclosed": 4},
        "firewall_in_step": True,
        "steps": {},
        "reloads": {"taken": 0, "refused": 0, "last": "", "configured": 1_790_000_000.5},
        **more,
    }


def exposed(**more: Any) -> Read:
    return read(metrics.exposition(told(**more)))


def value(found: Read, name: str, **labels: str) -> float:
    [one] = [
        each[2]
        for _, _, _, samples in found.values()
        for each in samples
        if each[0] == name and labels.items() <= each[1].items()
    ]
    return one


def series(found: Read) -> set[tuple[str, tuple[tuple[str, str], ...]]]:
    return {
        (name, tuple(sorted(labels.items())))
        for _, _, _, samples in found.values()
        for name, labels, _ in samples
    }


def test_every_verdict_and_every_reason_is_there_before_it_happens_the_first_time() -> None:
    found = exposed()
    for reason in Reason:
        assert value(found, "watchword_packets_total", reason=reason.word, verdict="refused") == 0
    for verdict in ("granted", "ran", "closed", "would-grant"):
        assert value(found, "watchword_packets_total", verdict=verdict) == 0
    assert value(found, "watchword_step_duration_seconds_count", step="claim") == 0


def test_what_happens_makes_numbers_grow_and_no_new_series() -> None:
    before = exposed()
    after = exposed(
        packets={"granted": 3, "ran": 1, **{reason.word: 2 for reason in Reason}},
        claims=9,
        steps={"claim": {"count": 2, "seconds": 0.5, "slowest": 0.4}},
        firewall_in_step=False,
        reloads={"taken": 1, "refused": 2, "last": "refused", "configured": 1_790_000_100.0},
    )
    assert series(after) == series(before)
    assert value(after, "watchword_packets_total", verdict="granted") == 3
    assert value(after, "watchword_packets_total", reason="replayed") == 2
    assert value(after, "watchword_replay_claims_total") == 9
    assert value(after, "watchword_step_duration_seconds_sum", step="claim") == 0.5
    assert value(after, "watchword_step_slowest_seconds", step="claim") == 0.4
    assert value(after, "watchword_firewall_in_step") == 0
    assert value(after, "watchword_reloads_total", outcome="refused") == 2
    assert value(after, "watchword_last_reload_successful") == 0
    assert value(before, "watchword_last_reload_successful") == 1


def test_the_rest_says_what_status_says() -> None:
    found = exposed()
    assert value(found, "watchword_build_info", version="1.2.3") == 1
    assert value(found, "watchword_start_time_seconds") == 1_790_000_000.5
    assert value(found, "watchword_packets_dropped_total", way="udp/62201") == 3
    assert value(found, "watchword_packets_dropped_total", why="seen twice") == 1
    assert value(found, "watchword_packets_waiting", line="strangers") == 5
    assert value(found, "watchword_known_addresses") == 7
    assert value(found, "watchword_grants", by="firewall") == 2
    assert value(found, "watchword_grants", by="commands") == 3
    assert value(found, "watchword_commands_running", kind="caller") == 1


def test_no_drop_is_counted_twice() -> None:
    found = exposed()
    samples = found["watchword_packets_dropped"][3]
    assert sum(number for _, _, number in samples) == 6


def test_the_page_about_metrics_has_every_family_with_its_kind_and_labels() -> None:
    documented = {
        name: (kind, frozenset(re.findall(r"`(\w+)`", labels)))
        for name, kind, labels in re.findall(
            r"^\| `(\w+)` \| (\w+) \|([^|]*)\|", PAGE.read_text("utf-8"), re.MULTILINE
        )
    }
    assert documented == {
        name: (kind, frozenset(label for _, labels, _ in samples for label in labels))
        for name, (kind, _, _, samples) in exposed().items()
    }
