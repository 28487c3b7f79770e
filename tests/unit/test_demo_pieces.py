"""The demo's own pieces: what it says of a claim, what it takes for hidden, what it leaves."""

from __future__ import annotations

import io
import os
import signal
import tempfile
from pathlib import Path

import pytest

from demo import __main__ as program
from demo import leftovers
from demo.checks import View
from demo.narrator import Narrator
from demo.wire import udp_payload
from watchword.lab.hosts import Lab, can_make_namespaces


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_the_demo_succeeds_only_if_every_claim_holds() -> None:
    shown = io.StringIO()
    narrator = Narrator(shown)
    narrator.claim("the door is shut", holds=True)
    assert narrator.end(1) == 0
    narrator.claim("nobody came in", holds=False, seen="somebody did")
    assert narrator.end(1) == 1
    assert "[FAILED] nobody came in\n            seen: somebody did\n" in shown.getvalue()


def test_a_demo_that_claimed_nothing_has_failed() -> None:
    assert Narrator(io.StringIO()).end(1) == 1


@pytest.mark.parametrize(
    ("to", "environment", "coloured"),
    [
        (Terminal(), {}, True),
        (Terminal(), {"NO_COLOR": "1"}, False),
        (Terminal(), {"TERM": "dumb"}, False),
        (io.StringIO(), {}, False),
    ],
)
def test_colour_is_for_terminals_that_want_it(
    monkeypatch: pytest.MonkeyPatch,
    to: io.StringIO,
    environment: dict[str, str],
    coloured: bool,
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    Narrator(to).claim("the door is shut", holds=True)
    assert ("\x1b[" in to.getvalue()) is coloured


SILENT = {22: "filtered", 80: "filtered"}


@pytest.mark.parametrize(
    ("up", "ports", "nothing"),
    [
        (False, SILENT, True),
        (True, SILENT, False),
        (False, {22: "filtered", 80: "closed"}, False),
        (False, {}, False),  # a scan that failed is no proof of anything
    ],
)
def test_hidden_means_no_answer_to_anything(up: bool, ports: dict[int, str], nothing: bool) -> None:
    assert View("stranger", "203.0.113.1", up, ports).nothing is nothing


UDP_HEADER = bytes.fromhex("d431 f2f9 000b 0000")  # to port 62201, three bytes
IPV4_HEADER = bytes.fromhex("4500 001f 0000 0000 4011 0000 c6336402 cb007101")
IPV6_HEADER = bytes.fromhex("60000000 000b 11 40") + bytes(32)


@pytest.mark.parametrize(
    ("kind", "header"), [("0800", IPV4_HEADER), ("86dd", IPV6_HEADER)], ids=["IPv4", "IPv6"]
)
def test_a_payload_is_read_off_the_wire_without_its_padding(kind: str, header: bytes) -> None:
    frame = bytes(12) + bytes.fromhex(kind) + header + UDP_HEADER + b"abc" + bytes(15)
    assert udp_payload(frame, 62201) == b"abc"
    assert udp_payload(frame, 62202) is None
    assert udp_payload(frame[:20], 62201) is None


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_only_what_a_demo_left_is_taken_for_left(folders: Path) -> None:
    running = leftovers.new_folder()
    dead = folders / "wwdemo999999999-abcdefgh"
    for other in (dead, folders / "wwdemo-mine", folders / "else"):
        other.mkdir()
    assert leftovers.left() == [dead]
    (running / leftovers.KEPT).touch()
    assert sorted(leftovers.left()) == sorted([dead, running])


def play(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """The demo without its story."""
    monkeypatch.setattr(program, "trouble", lambda: "")
    monkeypatch.setattr(program, "perform", lambda folder, lab: 0)
    monkeypatch.setattr(leftovers, "namespaces", lambda folder: [])
    monkeypatch.setattr(signal, "signal", lambda number, what: None)
    return program.main(list(arguments))


def test_a_demo_leaves_its_folder_only_if_told_to(
    folders: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert play(monkeypatch) == 0
    assert list(folders.iterdir()) == []

    assert play(monkeypatch, "--keep") == 0
    [kept] = folders.iterdir()
    said = capsys.readouterr().out
    assert str(kept) in said
    assert f"{Lab(leftovers.PREFIX).stem.partition('-')[0]}-" in said

    assert play(monkeypatch, "--remove") == 0
    assert list(folders.iterdir()) == []


def test_without_root_the_demo_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 65534)
    monkeypatch.setattr(program, "can_make_namespaces", can_make_namespaces.__wrapped__)
    assert program.main([]) == 1
    assert capsys.readouterr().err == "demo: error: network namespaces need root\n"
