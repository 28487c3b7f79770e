"""The engine of the interoperability matrix sees what is wrong with a program."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.daemon import PROGRAMS
from watchword.conformance import exchange as engine
from watchword.conformance.cells import KNOCK, Cell, Expect
from watchword.conformance.findings import Finding, Verdict

pytestmark = pytest.mark.system

CLIENT = [str(PROGRAMS / "fwknop")]
SERVER = [str(PROGRAMS / "fwknopd")]
PLAIN = Cell("type", "access")
SHORT = Cell("type", "short", client=(*KNOCK, "-f", "3"), ends=True)


def tried(
    *cells: Cell, client: list[str] | None = None, server: list[str] | None = None
) -> dict[str, Finding]:
    return {each.name: each for each in engine.exchange(client or CLIENT, server or SERVER, cells)}


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """For what never comes."""
    monkeypatch.setattr(engine, "PATIENCE", 5.0)


def program(folder: Path, text: str) -> list[str]:
    path = folder / "program.py"
    path.write_text(text, "utf-8")
    return [sys.executable, str(path)]


def test_what_each_cell_must_come_to_is_judged_from_outside(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(engine, "SHORT", 12.0)
    monkeypatch.setattr(engine, "PATIENCE", 20.0)
    unlisted = Cell("refusal", "unlisted", stanza=("OPEN_PORTS tcp/1",))
    found = tried(
        PLAIN,
        SHORT,
        replace(PLAIN, name="never ends", ends=True),
        replace(PLAIN, name="opens all the same", expect=Expect.SHUT),
        replace(PLAIN, name="is sent all the same", expect=Expect.UNSENT),
        replace(PLAIN, name="another digest", client=(*KNOCK, "-B", "{packet}"), digest="md5"),
        unlisted,
        replace(unlisted, name="unlisted, as it must be", expect=Expect.SHUT, said="port-"),
        replace(unlisted, name="another reason", expect=Expect.SHUT, said="no such reason"),
    )
    assert {name: (each.verdict, each.detail) for name, each in found.items()} == {
        "access": (Verdict.PASS, "opened"),
        "short": (Verdict.PASS, "opened, and shut again"),
        "never ends": (Verdict.FAIL, "12 seconds later: tcp/2240 for 198.51.100.2: an answer"),
        "opens all the same": (Verdict.FAIL, "it opened: tcp/2250 for 198.51.100.2"),
        "is sent all the same": (Verdict.FAIL, "the client sends it"),
        "another digest": (Verdict.FAIL, "the digest inside is sha256"),
        "unlisted": (Verdict.FAIL, "afterwards: tcp/2280 for 198.51.100.2: no answer"),
        "unlisted, as it must be": (Verdict.PASS, "stayed shut, and the server says why"),
        "another reason": (Verdict.FAIL, "the server does not say 'no such reason'"),
    }


@pytest.mark.usefixtures("impatient")
def test_a_client_that_sends_nothing_is_noticed() -> None:
    [found] = tried(PLAIN, client=["true"]).values()
    assert found.verdict is Verdict.FAIL
    assert found.detail == "afterwards: tcp/2220 for 198.51.100.2: no answer"


FOR_EVERYBODY = """
import socket, subprocess
firewall = ["iptables", "-A", "INPUT", "-p", "tcp", "--dport"]
subprocess.run([*firewall, "2200:2300", "-j", "DROP"], check=True)
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("0.0.0.0", 62201))
while server.recv(2000):
    {opens}
"""


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    ("opens", "detail"),
    [
        ('subprocess.run(["iptables", "-F"], check=True)', "before anything was sent"),
        ("pass", "it does not open for a plain packet"),
        ("break", "(the server ended:"),
    ],
    ids=["opens everything", "opens nothing", "ends"],
)
def test_a_server_that_does_not_care_who_knocks_is_noticed(
    tmp_path: Path, opens: str, detail: str
) -> None:
    server = program(tmp_path, FOR_EVERYBODY.format(opens=opens))
    [found] = tried(PLAIN, server=server).values()
    assert found.verdict is Verdict.FAIL
    assert detail in found.detail


OPEN_TO_STRANGERS = """
import socket, subprocess
firewall = ["iptables", "-I", "INPUT", "-p", "tcp", "--dport"]
subprocess.run([*firewall, "2200:2300", "-j", "DROP"], check=True)
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("0.0.0.0", 62201))
for port in (2210, 2220, 2230):
    server.recv(2000)
    subprocess.run([*firewall, str(port), "-j", "ACCEPT"], check=True)
"""


def test_a_door_that_opens_for_strangers_as_well_is_noticed(tmp_path: Path) -> None:
    [found] = tried(PLAIN, server=program(tmp_path, OPEN_TO_STRANGERS)).values()
    assert found.verdict is Verdict.FAIL
    assert found.detail == "it is open for others as well: tcp/2220 for 192.0.2.66: an answer"
