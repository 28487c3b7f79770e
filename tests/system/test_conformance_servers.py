"""What the kit sees in a server, shown by servers that are wrong in one known way."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.daemon import PROGRAMS
from watchword.conformance import sittings
from watchword.conformance.findings import Finding, Verdict
from watchword.conformance.openpgp import Rings, key_rings
from watchword.conformance.repertoire import plan
from watchword.conformance.rounds import Round, pack
from watchword.conformance.sittings import sit

pytestmark = pytest.mark.system

TRIALS, _ = plan()
OPENED, REFUSED, REPLAYED = "cli-basic", "neg-flip80", "srv-replay"

FIREWALL = """
import socket, subprocess, sys
def iptables(*words):
    subprocess.run(["iptables", *words], check=True)
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("0.0.0.0", 62201))
print("Kicking off UDP server", flush=True)
"""
FOR_EVERYBODY = (
    FIREWALL
    + """
server.recv(2000)
iptables("-P", "INPUT", "ACCEPT")
iptables("-F", "INPUT")
while True:
    server.recv(2000)
"""
)
FOR_GOOD = (
    FIREWALL
    + """
for source in ("192.0.2.10", "192.0.2.99"):
    server.recv(2000)
    iptables("-I", "INPUT", "-s", source, "-j", "ACCEPT")
    iptables("-I", "INPUT", "-s", "192.0.2.99", "-j", "ACCEPT")
while True:
    server.recv(2000)
"""
)
TALKATIVE = """
import socket, sys
receive = socket.socket.recvmsg
def answering(self, *more):
    got = receive(self, *more)
    if self.type == socket.SOCK_DGRAM and got[3]:
        self.sendto(b"received, with thanks", got[3])
    return got
socket.socket.recvmsg = answering
from watchword.programs import fwknopd
sys.exit(fwknopd.main(sys.argv[1:]))
"""
FORGETFUL = """
import sys
from watchword.edges.replay import sqlite
from watchword.model.requests import Claim
from watchword.programs import fwknopd
async def claim(self, keys):
    return [Claim.FIRST] * len(keys)
sqlite.SqliteReplayStore.claim = claim
sys.exit(fwknopd.main(sys.argv[1:]))
"""
CREDULOUS = """
import sys, time
from watchword.edges.gpg import Gpg
from watchword.programs import fwknopd
from watchword.wire.spa import openpgp
decrypt = Gpg.decrypt
def slowly(self, *words):
    time.sleep(0.5)
    return decrypt(self, *words)
Gpg.decrypt = slowly
openpgp.check_signatures = lambda *words: None
sys.exit(fwknopd.main(sys.argv[1:]))
"""


def the_round(*wanted: str) -> Round:
    """One round with these trials only."""
    chosen = [trial for trial in TRIALS if trial.knocks[0].name in wanted]
    assert len(chosen) == len(wanted)
    [one] = pack(chosen)
    return one


def judged(folder: Path, text: str, *wanted: str, rings: Rings | None = None) -> dict[str, Finding]:
    path = folder / "server.py"
    path.write_text(text, "utf-8")
    found = sit([sys.executable, str(path)], the_round(*wanted), rings)
    return {each.name: each for each in found}


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """For what never comes."""
    monkeypatch.setattr(sittings, "PATIENCE", 5.0)
    monkeypatch.setattr(sittings, "ENDS", 1.5)


@pytest.mark.usefixtures("impatient")
def test_a_server_that_opens_for_everybody_is_caught(tmp_path: Path) -> None:
    found = judged(tmp_path, FOR_EVERYBODY, OPENED, REFUSED)
    opened, refused = found[OPENED], found[REFUSED]
    assert (opened.verdict, opened.detail) == (
        Verdict.FAIL, "it opens for others as well: tcp/22 for 192.0.2.66",
    )  # fmt: skip
    assert refused.verdict is Verdict.FAIL
    assert refused.detail.startswith("it opens: ")


@pytest.mark.usefixtures("impatient")
def test_a_server_that_never_opens_fails_everything(tmp_path: Path) -> None:
    found = judged(tmp_path, FIREWALL + "while True: server.recv(2000)", OPENED, REFUSED)
    assert {each.detail for each in found.values()} == {"a plain packet opens nothing"}
    assert {each.verdict for each in found.values()} == {Verdict.FAIL}


def test_a_server_that_does_not_start_fails_with_its_last_words(tmp_path: Path) -> None:
    found = judged(tmp_path, "raise SystemExit('no such option: -f')", OPENED)
    assert found[OPENED].detail == "it does not listen: no such option: -f"
    assert found[OPENED].verdict is Verdict.FAIL


@pytest.mark.usefixtures("impatient")
def test_an_opening_without_end_is_caught_and_nothing_is_claimed_after_it(tmp_path: Path) -> None:
    found = judged(tmp_path, FOR_GOOD, OPENED, REFUSED)
    assert found[OPENED].verdict is Verdict.FAIL
    assert "is still open after" in found[OPENED].detail
    assert found[REFUSED].verdict is Verdict.SKIP


def test_a_server_that_forgets_what_it_has_seen_is_caught(tmp_path: Path) -> None:
    found = judged(tmp_path, FORGETFUL, REPLAYED)
    assert found[REPLAYED].verdict is Verdict.PASS
    again = found[f"{REPLAYED} #2"]
    assert again.verdict is Verdict.FAIL
    assert again.detail == "it accepts a replay: tcp/22 for 192.0.2.10"


@pytest.mark.peer("gpg")
def test_a_server_that_takes_anybody_s_word_is_caught_however_long_gpg_takes(
    tmp_path: Path,
) -> None:
    """Meanwhile it serves others: what stays shut is looked at after a later packet for gpg."""
    with key_rings() as rings:
        found = judged(tmp_path, CREDULOUS, "srv-gpg-unsigned-required", rings=rings)
    assert found["srv-gpg-unsigned-required"].detail == "it opens: tcp/22 for 192.0.2.10"


def test_a_server_that_answers_is_caught(tmp_path: Path) -> None:
    path = tmp_path / "server.py"
    path.write_text(TALKATIVE, "utf-8")
    found = sit([sys.executable, str(path)], the_round(REFUSED))
    assert [(each.group, each.verdict, each.detail) for each in found] == [
        ("refusal", Verdict.PASS, ""),
        ("silence", Verdict.FAIL, "21 bytes come back"),
    ]


def test_our_server_meets_what_the_others_did_not() -> None:
    found = sit([str(PROGRAMS / "fwknopd")], the_round(OPENED, REFUSED))
    assert [(each.name, each.verdict) for each in found] == [
        (OPENED, Verdict.PASS), (REFUSED, Verdict.PASS),
    ]  # fmt: skip
