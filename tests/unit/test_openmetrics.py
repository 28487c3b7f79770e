"""The text form of metrics, judged by the parser of those who collect them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.openmetrics import parser

from watchword.dialects.openmetrics import Family, Kind, Sample, text

Read = dict[str, tuple[str, str, str, list[tuple[str, dict[str, str], float]]]]


def read(exposition: str) -> Read:
    """Type, unit, help and samples of each family, as prometheus-client has them."""
    return {
        each.name: (
            each.type,
            each.unit,
            each.documentation,
            [(s.name, s.labels, s.value) for s in each.samples],
        )
        for each in parser.text_string_to_metric_families(exposition)
    }


def test_each_kind_is_written_as_the_specification_has_it() -> None:
    families = [
        Family("ww_build", Kind.INFO, "What runs.", (Sample(1, {"version": "1.0"}),)),
        Family("ww_up_seconds", Kind.GAUGE, "How long.", (Sample(1.5),), "seconds"),
        Family("ww_packets", Kind.COUNTER, "Packets.", (Sample(3, {"verdict": "ran"}),)),
        Family(
            "ww_took_seconds",
            Kind.SUMMARY,
            "How long it took.",
            (Sample(2, {}, "_count"), Sample(0.25, {}, "_sum")),
            "seconds",
        ),
    ]
    assert text(families) == (
        "# TYPE ww_build info\n"
        "# HELP ww_build What runs.\n"
        'ww_build_info{version="1.0"} 1\n'
        "# TYPE ww_up_seconds gauge\n"
        "# UNIT ww_up_seconds seconds\n"
        "# HELP ww_up_seconds How long.\n"
        "ww_up_seconds 1.5\n"
        "# TYPE ww_packets counter\n"
        "# HELP ww_packets Packets.\n"
        'ww_packets_total{verdict="ran"} 3\n'
        "# TYPE ww_took_seconds summary\n"
        "# UNIT ww_took_seconds seconds\n"
        "# HELP ww_took_seconds How long it took.\n"
        "ww_took_seconds_count 2\n"
        "ww_took_seconds_sum 0.25\n"
        "# EOF\n"
    )
    assert read(text(families))["ww_packets"] == (
        "counter", "", "Packets.", [("ww_packets_total", {"verdict": "ran"}, 3.0)],
    )  # fmt: skip


@given(
    st.text(st.characters(exclude_categories=["Cs"])),
    st.text(st.characters(exclude_categories=["Cs"])).map(str.strip),
    st.integers(0, 2**53) | st.floats(0, 1e300),
)
def test_whatever_a_label_or_a_help_text_says_comes_back(
    label: str, meaning: str, value: float
) -> None:
    family = Family("ww", Kind.GAUGE, meaning, (Sample(value, {"way": label}), Sample(0)))
    [(_, _, documented, samples)] = read(text([family])).values()
    assert documented == meaning
    assert samples[0] == ("ww", {"way": label}, float(value))


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "1st"},
        {"name": "ww packets"},
        {"name": "ww_packets_total"},
        {"unit": "seconds"},
        {"samples": (Sample(1, ending="_sum"),)},
        {"samples": (Sample(1, {"a-b": ""}),)},
        {"samples": (Sample(1, {"__name__": ""}),)},
    ],
)
def test_what_the_specification_forbids_is_no_family(wrong: dict[str, Any]) -> None:
    given: dict[str, Any] = {"name": "ww", "kind": Kind.COUNTER, "help": "", "samples": ()} | wrong
    with pytest.raises(ValueError):
        Family(**given)


def test_no_two_families_have_one_name() -> None:
    family = Family("ww", Kind.GAUGE, "", (Sample(1),))
    with pytest.raises(ValueError):
        text([family, family])
