"""What ``make fuzz`` does around the targets: seeds, findings, logs, the table."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from random import Random
from types import SimpleNamespace

import pytest

from fuzz import __main__ as runner
from fuzz import blind, one, targets
from fuzz.target import Target


def check(octets: bytes) -> str:
    if b"!" in octets:
        raise ValueError("an exclamation mark")
    return "quiet"


def seeds() -> Iterator[bytes]:
    yield from (b"hello", b"what now?", b"hello")


def target(mark: bytes = b"!") -> Target:
    return Target("quiet", "nobody shouts", check, seeds, words=(mark, b"\0"), longest=9)


def folder(path: Path, of: Target) -> Path:
    runner.prepare(of, path)
    return path


def test_seeds_and_words_are_there_before_the_run(tmp_path: Path) -> None:
    place = folder(tmp_path / "quiet", target())
    assert sorted(path.read_bytes() for path in (place / "seeds").iterdir()) == [
        b"hello", b"what now?",
    ]  # fmt: skip
    assert (place / "words").read_text("ascii") == '"\\x21"\n"\\x00"\n'


def test_mutations_stay_within_their_length_and_differ() -> None:
    made = list(islice(blind.inputs(target(), Random(1)), 500))
    assert all(len(each) <= 9 for each in made)
    assert len(set(made)) > 300


def test_one_seed_of_randomness_makes_the_same_inputs_again() -> None:
    first, second = (list(islice(blind.inputs(target(), Random(5)), 50)) for _ in range(2))
    assert first == second


def test_what_breaks_a_target_is_kept_and_printed_as_a_regression(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    place = folder(tmp_path, target())
    status = one.blindly(target(), 60, place)
    [finding] = (place / "findings").iterdir()
    assert status != 0
    assert b"!" in finding.read_bytes()
    assert "ValueError: an exclamation mark" in capfd.readouterr().err
    line = runner.regression(target(), b"a!")
    assert line.strip() == 'add to FINDINGS:  ("quiet", bytes.fromhex("6121")),'


def test_a_finding_is_one_again_in_the_next_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = iter([1_000_000_000, 2_000_000_000])

    def run(command: list[str], **_: object) -> SimpleNamespace:
        path = Path(command[-1]) / "findings" / "crash-1"
        path.write_bytes(b"a!")
        at = next(written)
        os.utime(path, ns=(at, at))
        return SimpleNamespace(returncode=77)

    monkeypatch.setattr("fuzz.__main__.subprocess", SimpleNamespace(run=run, DEVNULL=0, STDOUT=0))
    for _ in range(2):
        report = runner.run(target(), 1, tmp_path)
        assert [path.name for path in report.findings] == ["crash-1"]
        assert report.failed


def test_a_run_that_finds_nothing_ends_on_time_and_says_how_much_it_did(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    calm = Target("calm", "always", lambda _: "calm", seeds)
    assert one.blindly(calm, 0, folder(tmp_path, calm)) == 0
    report = runner.told(calm, 0, capfd.readouterr().err, [])
    assert report.runs >= 1
    assert not report.failed


def test_the_words_for_what_came_of_inputs_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = iter([0.0, 0.5, 5.0, 5.0, 5.5])
    monkeypatch.setattr("fuzz.one.time", SimpleNamespace(monotonic=lambda: next(now)))
    path = tmp_path / "outcomes"
    run = one.counted(check, path)
    run(b"a")
    assert not path.exists()
    run(b"b")
    assert json.loads(path.read_text("utf-8")) == {"quiet": 2}
    with pytest.raises(ValueError, match="exclamation"):
        run(b"!")


LOG = """\
#2\tINITED cov: 24 ft: 24 corp: 5/147b lim: 4096 exec/s: 0 rss: 46Mb
#4096\tpulse  cov: 51 ft: 60 corp: 17/2Kb lim: 4096 exec/s: 0 rss: 46Mb
"""


@pytest.mark.parametrize(
    ("end", "status", "runs", "failed"),
    [
        ("Done 5000 runs in 61 second(s)\n", 0, 5000, False),
        (" === Uncaught Python exception: ===\n", 77, 4096, True),
        ("", -11, 4096, True),
    ],
)
def test_a_log_tells_how_far_a_run_came(end: str, status: int, runs: int, failed: bool) -> None:
    report = runner.told(target(), status, LOG + end, [])
    assert (report.runs, report.edges, report.corpus) == (runs, 51, 17)
    assert report.failed is failed


def test_a_target_that_ends_well_and_leaves_a_finding_has_failed() -> None:
    assert runner.told(target(), 0, LOG, [Path("slow-unit")]).failed


def test_every_target_has_a_name_of_its_own() -> None:
    assert [targets.named(each.name) for each in targets.ALL] == list(targets.ALL)
