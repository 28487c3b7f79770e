"""What the kit sees in a client, shown by clients that are wrong in one known way."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from watchword.conformance import clients
from watchword.conformance.findings import Finding, Verdict
from watchword.conformance.golden import Vector, load
from watchword.conformance.runs import run

LINES = {vector["id"]: vector for vector in load("client")}
REFUSED = {vector["id"]: vector for vector in load("client_errors")}
OURS = (sys.executable, "-m", "watchword.programs.fwknop")
BENT = """
import sys
from watchword.programs import fwknop
argv = sys.argv[1:]
{twist}
sys.exit(fwknop.main(argv))
"""
TWISTS = {
    "ignores -m": (
        "del argv[argv.index('-m'):][:2]; argv = [a for a in argv if a not in ('-m', 'sha512')]",
        "cli-digest-sha512",
        "digest is <Digest.SHA256: 3> instead of <Digest.SHA512: 5>",
    ),
    "ignores -M": (
        "argv = [a for a in argv if a not in ('-M', 'CTR')]",
        "cli-mode-ctr",
        "the packet cannot be opened: FKO_ERROR_DECRYPTION_FAILURE",
    ),
    "seals with other HMAC keys": (
        "argv[argv.index('--key-hmac') + 1] += 'x'",
        "cli-hmac",
        "the packet cannot be opened: FKO_ERROR_INVALID_DATA_HMAC_COMPAREFAIL",
    ),
    "asks for other ports": (
        "argv[argv.index('-A') + 1] = 'tcp/23'",
        "cli-basic",
        "text is '192.0.2.10,tcp/23' instead of '192.0.2.10,tcp/22'",
    ),
    "takes minutes for hours": (
        "argv[argv.index('--time-offset-plus') + 1] = '2m'",
        "cli-time-plus",
        "the time stamp is off by -70",
    ),
    "forgets SPOOF_USER": (
        "import os; del os.environ['SPOOF_USER']",
        "cli-user-env",
        "user is 'tester' instead of 'envuser'",
    ),
    "writes no packet": (
        "argv.remove('-B'); argv.pop()",
        "cli-basic",
        "it saves no packet",
    ),
    "breaks down": ("sys.exit('out of order')", "cli-basic", "exit status 1: out of order"),
}


def script(folder: Path, text: str) -> tuple[str, ...]:
    path = folder / "client.py"
    path.write_text(text, "utf-8")
    return (sys.executable, str(path))


def judged(program: tuple[str, ...], *names: str) -> dict[str, Finding]:
    found = clients.command_lines(program, [LINES[name] for name in names])
    return {each.name: each for each in found}


@pytest.mark.parametrize(("twist", "line", "said"), TWISTS.values(), ids=TWISTS.keys())
def test_a_client_that_is_wrong_in_one_way_is_told_so(
    tmp_path: Path, twist: str, line: str, said: str
) -> None:
    found = judged(script(tmp_path, BENT.format(twist=twist)), line)[line]
    assert found.verdict is Verdict.FAIL
    assert found.detail.startswith(said)


def test_our_client_meets_what_the_others_did_not() -> None:
    found = judged(OURS, *{line for _, line, _ in TWISTS.values()}, "cli-nat-rand-port")
    assert [each for each in found.values() if each.verdict is not Verdict.PASS] == []


PARROT = """
import json, sys
from pathlib import Path
packet = Path(sys.argv[sys.argv.index('-B') + 1])
packet.write_text({packet!r})
"""


def test_a_client_that_repeats_a_packet_is_seen_to(tmp_path: Path) -> None:
    line = LINES["cli-basic"]
    parrot = script(tmp_path, PARROT.format(packet=line["packet"]))
    found = {each.name: each for each in clients.command_lines(parrot, [line, line])}
    assert "the time stamp is off by" in found["cli-basic"].detail
    for what in ("random values", "salts"):
        assert (found[what].verdict, found[what].detail) == (Verdict.FAIL, "1 of them come twice")


def test_freshness_is_not_claimed_of_packets_that_there_are_not(tmp_path: Path) -> None:
    found = judged(script(tmp_path, "raise SystemExit(1)"), "cli-basic")
    assert found["salts"].verdict is Verdict.SKIP


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "exit status 1 was to come: status 0"),
        (PARROT.format(packet="x") + "sys.exit(1)", "it saves a packet"),
        ("raise SystemExit(1)", ""),
    ],
    ids=["takes it", "refuses and saves a packet", "refuses"],
)
def test_a_command_line_has_to_be_refused_with_status_and_without_packet(
    tmp_path: Path, text: str, said: str
) -> None:
    found = clients.refused(script(tmp_path, text), REFUSED["clierr-port0"])
    assert found.detail == said
    assert found.verdict is (Verdict.FAIL if said else Verdict.PASS)


def test_a_packet_that_the_recorded_client_saves_may_be_saved(tmp_path: Path) -> None:
    program = script(tmp_path, PARROT.format(packet="x") + "sys.exit(1)")
    vector: Vector = REFUSED["clierr-cmd-200"]
    assert clients.refused(program, vector).verdict is Verdict.PASS


def test_a_program_has_an_empty_home_and_nothing_of_ours_around_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPOOF_USER", "somebody")
    program = script(
        tmp_path,
        "import os\n"
        "files = ','.join(sorted(os.listdir(os.environ['HOME'])))\n"
        "print(sorted(os.environ), files, os.getcwd() == os.environ['HOME'])\n",
    )
    said = run(program, []).said
    assert said == "['HOME', 'LC_ALL', 'LOGNAME', 'PATH', 'USER'] .fwknoprc True"


def test_a_program_that_does_not_end_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("watchword.conformance.runs.PATIENCE", 0.5)
    ran = run(script(tmp_path, "import time\ntime.sleep(60)"), [])
    assert ran.status is None
    assert str(ran) == "it did not end within 0 seconds"
