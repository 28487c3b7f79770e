"""Knock sequences of the client: which one is asked for, what is sent, what is refused."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.old_knocks import heard, hit, in_words, recogniser
from watchword.dialects.fwknop import client_sequences
from watchword.edges.send import echo, knocks
from watchword.errors import OperatorError
from watchword.model.crypto import Secret
from watchword.model.hits import Hit
from watchword.model.old_knocks import Element, Encrypted
from watchword.programs import fwknop, fwknop1
from watchword.service.client import sequence

RC = """\
# sequences of fwknop 1.9
192.0.2.1: tcp/5001, udp/5002
192.0.2.1:   icmp, tcp/5003
192.0.2.9: tcp/1, tcp/2
[work]
192.0.2.1: tcp/7
SPA_SERVER 192.0.2.1
"""
KEY = "192.0.2.1: testtest12\n"
TO = ("-D", "192.0.2.1")


class Desk:
    """Somebody who runs the client, and what went out."""

    def __init__(self, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.home = home
        self.hits: list[Element] = []
        self.pauses: list[float] = []
        self.octets: set[bytes] = set()
        self.to: set[str] = set()
        monkeypatch.setenv("HOME", str(home))
        monkeypatch.setenv("SPOOF_USER", "mbr")
        self.write("key", KEY)
        monkeypatch.setattr(knocks, "knock", self._knock)
        monkeypatch.setattr(echo, "ask", self._ask)
        monkeypatch.setattr(sequence.Sequencer.__init__, "__defaults__", None)
        monkeypatch.setattr(sequence.knock, "__defaults__", (self.pauses.append,))

    def write(self, name: str, text: str) -> str:
        path = self.home / name
        path.touch(mode=0o600)
        path.write_text(text, "utf-8")
        return str(path)

    def _knock(
        self, family: int, place: tuple[str, int], port: int, *, udp: bool, octets: bytes
    ) -> str:
        assert family == socket.AF_INET
        self.to.add(place[0])
        self.hits.append(Element(17 if udp else 6, port))
        self.octets |= {octets} if udp else set()
        return ""

    def _ask(self, family: int, place: tuple[str, int]) -> str:
        self.hits.append(Element(1, 0))
        return ""

    def run(self, *words: str, as_perl: bool = False) -> int:
        program = fwknop1.main if as_perl else fwknop.main
        return program(["--get-key", str(self.home / "key"), *words, *TO])


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    return Desk(tmp_path, monkeypatch)


def as_hits(elements: Sequence[Element], offset: int = 61000) -> list[Hit]:
    return [
        hit("192.0.2.7", each.port - offset + 61000, each.protocol, 40000 + at)
        for at, each in enumerate(elements)
    ]


def opened(elements: Sequence[Element], offset: int = 61000) -> list[str]:
    server = recogniser(Encrypted(Secret(b"testtest12")))
    return in_words(heard(server, as_hits(elements, offset)))


@pytest.mark.requirement("9.46", partial=True)
@pytest.mark.parametrize("as_perl", [True, False])
def test_an_encrypted_sequence_says_what_our_server_understands(as_perl: bool, desk: Desk) -> None:
    words = ("--Server-mode", "knock", "-A", "tcp/22", "-a", "192.0.2.7")
    assert desk.run(*words, as_perl=as_perl) == 0
    assert len(desk.hits) == 32
    assert [each.port for each in desk.hits[:8]] == [
        61083, 61097, 61108, 61116, 61101, 61100, 61095, 61095,
    ]  # fmt: skip
    assert {each.protocol for each in desk.hits} == {6}
    assert desk.to == {"192.0.2.1"}
    assert opened(desk.hits) == ["1 opens tcp/22 for 192.0.2.7"]


def test_no_two_sequences_are_alike(desk: Desk) -> None:
    words = ("--Server-mode", "knock", "-A", "tcp/22", "-s")
    desk.run(*words)
    desk.run(*words)
    assert desk.hits[:32] != desk.hits[32:]
    assert opened(desk.hits) == ["1 opens tcp/22 for its sender"] * 2


@pytest.mark.requirement("9.48", "9.49")
@pytest.mark.parametrize("as_perl", [True, False])
def test_the_range_may_be_moved_and_protocols_may_alternate(as_perl: bool, desk: Desk) -> None:
    words = ("--Server-mode", "knock", "-A", "udp/53", "-s", "-r", "--offset", "55000")
    assert desk.run(*words, as_perl=as_perl) == 0
    assert [each.protocol for each in desk.hits] == [6, 17] * 16
    assert desk.octets == {b"0"}
    assert all(55000 <= each.port <= 55255 for each in desk.hits)
    assert opened(desk.hits, 55000) == ["1 opens udp/53 for its sender"]


@pytest.mark.requirement("9.47", "9.51")
@pytest.mark.parametrize("mode", ["shared", "knock", "SHARED"])
def test_a_shared_sequence_is_that_of_the_file(mode: str, desk: Desk) -> None:
    """As the manual says, "knock" with nothing else to say means the same."""
    desk.write(".fwknoprc", RC)
    wanted = [Element(6, 5001), Element(17, 5002), Element(1, 0), Element(6, 5003)]
    assert desk.run("--Server-mode", mode, as_perl=True) == 0
    assert desk.hits == wanted
    other = desk.write("rc", "192.0.2.1: tcp/8, tcp/9\n")
    desk.hits.clear()
    assert desk.run("--Server-mode", mode, "-u", other, as_perl=True) == 0
    assert desk.hits == [Element(6, 8), Element(6, 9)]


@pytest.mark.requirement("9.50", partial=True)
@pytest.mark.parametrize(
    ("words", "pauses"),
    [
        (("-A", "tcp/22", "-s", "-t", "2"), [2.0] * 31),
        (("-A", "tcp/22", "-s", "--time-delay", "0.25"), [0.25] * 31),
        (("-A", "tcp/22", "-s"), [0.1] * 31),
        ((), [1.0] * 3),
        (("-t", "0"), [0.0] * 3),
    ],
)
def test_each_hit_follows_the_one_before_after_its_time(
    words: tuple[str, ...], pauses: list[float], desk: Desk
) -> None:
    desk.write(".fwknoprc", RC)
    assert desk.run("--Server-mode", "knock", *words, as_perl=True) == 0
    assert desk.pauses == pauses


def test_in_test_mode_the_sequence_is_printed_and_nothing_is_sent(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    desk.write(".fwknoprc", RC)
    assert desk.run("--Server-mode", "shared", "--Test-mode", as_perl=True) == 0
    assert desk.hits == []
    assert "    -> 192.0.2.1 udp/5002 (packet: 1)\n" in capsys.readouterr().out


def test_fwknop1_says_what_the_original_says_and_fwknop_nothing(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("--Server-mode", "knock", "-A", "tcp/22", "-s")
    desk.run(*words, as_perl=True)
    said = capsys.readouterr().out
    assert "    -> 192.0.2.1 tcp/61083 (packet: 0)\n" in said
    assert said.endswith("[+] Finished knock sequence.\n")
    desk.run(*words)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("knock", "-A", "tcp/22"), "Must use one of [-s|-R|-a]"),
        (("knock", "-s"), "Must use -A"),
        (("knock", "-A", "tcp/22,udp/53", "-s"), "asks for one service"),
        (("knock", "-A", "icmp", "-s"), "asks for one service"),
        (("knock", "-A", "tcp/0", "-s"), "asks for one service"),
        (("knock", "-A", "tcp/65536", "-s"), "asks for one service"),
        (("knock", "-A", "tcp/22", "-a", "2001:db8::7"), "room for IPv4 addresses only"),
        (("knock", "-A", "tcp/22", "-s", "-f", "30"), "--fw-timeout has no place"),
        (("knock", "-A", "tcp/22", "-s", "--Server-cmd", "x"), "--Server-cmd has no place"),
        (("knock", "-A", "tcp/22", "-s", "--Spoof-src", "192.0.2.8"), "--Spoof-src has no place"),
        (("shared", "--rotate-proto"), "are for encrypted sequences"),
        (("shared",), "There is no sequence of 2 to 256 hits for 192.0.2.1"),
    ],
)
def test_what_no_sequence_can_say_is_refused_and_nothing_is_sent(
    words: tuple[str, ...], said: str, desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    desk.write(".fwknoprc", "192.0.2.9: tcp/1, tcp/2\n")
    assert desk.run("--Server-mode", *words) == 1
    assert desk.hits == []
    assert said in capsys.readouterr().err


def test_a_key_that_is_too_short_is_refused(desk: Desk) -> None:
    desk.write("key", "192.0.2.1: seven77\n")
    assert desk.run("--Server-mode", "knock", "-A", "tcp/22", "-s") == 1
    assert desk.hits == []


def test_a_port_of_icmp_is_nobodys_and_is_left_out() -> None:
    """As in the golden sequence number 8."""
    assert client_sequences.service("icmp/8") == Element(1, 0)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("h: tcp/1, tcp/65536\n", "'tcp/65536' is no hit"),
        ("h: tcp/1, http\n", "'http' is no hit"),
        ("h: tcp/1\n", "There is no sequence"),
        ("[s]\nh: tcp/1, tcp/2\n", "There is no sequence"),
        ("#h: tcp/1, tcp/2\n", "There is no sequence"),
    ],
)
def test_an_entry_that_is_none_is_refused(text: str, said: str) -> None:
    with pytest.raises(OperatorError, match=said):
        client_sequences.shared(text, "rc", {"h"})


def test_servers_may_have_addresses_of_either_family() -> None:
    found = client_sequences.shared("2001:db8::1: tcp/5001, icmp\n", "rc", {"2001:db8::1"})
    assert found == (Element(6, 5001), Element(1, 0))


def test_an_echo_request_is_sent_to_loopback() -> None:
    assert echo.ask(socket.AF_INET, ("127.0.0.1", 0)) in {"", "Permission denied"}
