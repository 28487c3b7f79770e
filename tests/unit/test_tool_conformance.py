"""watchword conformance, as somebody meets it who has a program to judge."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from watchword.conformance import carriers, clients, library, live, openpgp_lines, servers
from watchword.conformance.findings import Finding, Verdict
from watchword.service.tool import command as tool

MET = Finding("opens", "cbc", Verdict.PASS)
FAILED = Finding("opens", "ctr", Verdict.FAIL, "is refused")
SKIPPED = Finding("gpg", "all", Verdict.SKIP, "no OpenPGP")


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch) -> list[Finding]:
    """What every judge finds; the programs it was asked about are appended to ``asked``."""
    findings = [MET, SKIPPED]
    monkeypatch.setattr(library, "judge", lambda _openpgp: iter(findings))
    return findings


@pytest.mark.usefixtures("judged")
def test_everything_met_is_status_0(capsys: pytest.CaptureFixture[str]) -> None:
    assert tool.run(["conformance", "library"]) == 0
    told = capsys.readouterr()
    assert told.out.endswith("\n2 demands: 1 met, 1 not judged\n")
    assert "\033" not in told.out
    assert told.err == ""


def test_one_failure_is_status_1(judged: list[Finding], capsys: pytest.CaptureFixture[str]) -> None:
    judged.append(FAILED)
    assert tool.run(["conformance", "library"]) == 1
    assert "  failed      ctr: is refused\n" in capsys.readouterr().out


def test_programs_are_told_in_json(
    judged: list[Finding], capsys: pytest.CaptureFixture[str]
) -> None:
    judged.append(FAILED)
    assert tool.run(["conformance", "library", "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["totals"] == {"pass": 1, "fail": 1, "skip": 1}
    assert [each["name"] for each in told["findings"]] == ["all", "cbc", "ctr"]


@pytest.mark.usefixtures("judged")
def test_progress_and_colour_are_for_terminals(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert tool.run(["conformance", "library", "--each"]) == 0
    told = capsys.readouterr()
    assert "1 judged, the last: opens cbc" in told.err
    assert told.err.endswith("\r\033[K")
    assert "\033[32mmet" in told.out


def test_a_client_is_judged_with_its_arguments_by_four_judges(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[list[str]] = []

    def judge(program: list[str]) -> list[Finding]:
        asked.append(program)
        return [MET]

    monkeypatch.setattr(clients, "judge", judge)
    monkeypatch.setattr(openpgp_lines, "judge", lambda program, _openpgp: judge(program))
    monkeypatch.setattr(carriers, "judge", judge)
    monkeypatch.setattr(live, "judge_client", judge)
    program = tmp_path / "client"
    program.touch(mode=0o755)
    monkeypatch.chdir(tmp_path)
    assert tool.run(["conformance", "client", "./client", "--json", "-x"]) == 0
    assert asked == [[str(program), "--json", "-x"]] * 4
    assert "4 demands: 4 met" in capsys.readouterr().out


def test_a_server_is_judged_by_a_selection_or_by_everything(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[bool] = []

    def judge(program: list[str], everything: bool) -> list[Finding]:
        asked.append(everything)
        return [MET]

    monkeypatch.setattr(servers, "judge", judge)
    monkeypatch.setattr(live, "judge_server", lambda program: [])
    monkeypatch.setattr(live, "can_make_namespaces", lambda: "")
    assert tool.run(["conformance", "server", "true"]) == 0
    assert tool.run(["conformance", "server", "--all", "true"]) == 0
    assert asked == [False, True]


@pytest.mark.parametrize("subject", ["client", "server"])
def test_a_program_that_there_is_not_is_asked_wrongly(
    subject: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tool.run(["conformance", subject, "no-such-program"]) == 2
    assert "there is no program 'no-such-program'" in capsys.readouterr().err


def test_a_server_is_not_judged_without_namespaces(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(live, "can_make_namespaces", lambda: "network namespaces need root")
    assert tool.run(["conformance", "server", "true"]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert "a server cannot be judged here: network namespaces need root" in told.err
    assert "hint: run this as root" in told.err


def test_a_client_is_judged_without_namespaces_as_far_as_that_goes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(live, "can_make_namespaces", lambda: "network namespaces need root")
    monkeypatch.setattr(carriers, "can_make_namespaces", lambda: "network namespaces need root")
    found = [*carriers.judge(["true"]), *live.judge_client(["true"])]
    assert [(each.group, each.verdict, each.detail) for each in found] == [
        ("carrier", Verdict.SKIP, "network namespaces need root"),
        ("live", Verdict.SKIP, "network namespaces need root"),
    ]
