"""The table of findings, for people and for programs."""

from __future__ import annotations

from watchword.conformance import tally
from watchword.conformance.findings import Finding, Verdict

FINDINGS = [
    Finding("mode", "CTR", Verdict.PASS),
    Finding("digest", "MD5", Verdict.FAIL, "it does not open tcp/22"),
    Finding("digest", "SHA1", Verdict.PASS, "opened"),
    *(Finding("gpg", f"g{number}", Verdict.SKIP, "no OpenPGP") for number in range(6)),
]


def test_the_table_has_a_line_for_each_group_and_for_what_was_not_met() -> None:
    assert tally.lines(FINDINGS) == [
        "digest: 1 met, 1 failed",
        "  failed      MD5: it does not open tcp/22",
        "gpg: 6 not judged",
        "  not judged  g0, g1, g2 and 3 more: no OpenPGP",
        "mode: 1 met",
        "",
        "9 demands: 2 met, 1 failed, 6 not judged",
    ]


def test_everything_has_a_line_where_that_is_asked_for() -> None:
    told = tally.lines(FINDINGS, each=True)
    assert "  met         SHA1: opened" in told
    assert "  met         CTR" in told
    assert "  not judged  g0, g1, g2, g3, g4, g5: no OpenPGP" in told


def test_colour_is_for_terminals() -> None:
    assert "\033" not in "".join(tally.lines(FINDINGS))
    assert "  \033[31mfailed    \033[0m  MD5: it does not open tcp/22" in tally.lines(
        FINDINGS, colour=True
    )


def test_no_findings_are_no_success_in_words() -> None:
    assert tally.lines([]) == ["", "nothing was judged"]


def test_programs_get_totals_and_every_finding() -> None:
    values = tally.as_values(FINDINGS)
    assert values["totals"] == {"pass": 2, "fail": 1, "skip": 6}
    findings = values["findings"]
    assert isinstance(findings, list)
    assert len(findings) == 9
    assert findings[0] == {
        "group": "digest",
        "name": "MD5",
        "verdict": "fail",
        "detail": "it does not open tcp/22",
    }
