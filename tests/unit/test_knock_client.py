"""knock: its command line, its file of named sequences, what it says. Packets go to loopback."""

from __future__ import annotations

import json
import socket
import time
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest

from watchword.edges.send import names
from watchword.model.crypto import Secret
from watchword.programs import knock
from watchword.wire.rotating import sequence_of


@pytest.fixture
def heard() -> Iterator[socket.socket]:
    """A UDP socket on loopback that hears knocks."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ear:
        ear.bind(("127.0.0.1", 0))
        ear.settimeout(60)
        yield ear


def port_of(ear: socket.socket) -> int:
    return int(ear.getsockname()[1])


@pytest.mark.requirement("3.24", partial=True)
def test_the_version_and_the_usage_are_those_of_the_original(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert knock.main(["-V"]) == 0
    assert capsys.readouterr().out.splitlines()[0] == "knock 0.8"
    for words in (["-h"], [], ["127.0.0.1"]):
        assert knock.main(words) == 1
        shown = capsys.readouterr()
        assert shown.out.startswith("usage: knock [options] <host> <port[:proto]>")
        assert shown.err == ""


def test_an_unknown_option_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert knock.main(["-Z", "127.0.0.1", "7"]) == 1
    shown = capsys.readouterr()
    assert "-Z" in shown.err
    assert shown.out.startswith("usage:")


def test_options_may_stand_anywhere_and_be_shortened(
    heard: socket.socket, capsys: pytest.CaptureFixture[str]
) -> None:
    port = port_of(heard)
    assert knock.main(["127.0.0.1", "--verb", str(port), "-u", "-d", "0"]) == 0
    assert capsys.readouterr().out == f"hitting udp 127.0.0.1:{port}\n"
    assert heard.recv(10) == b"\0"


def test_udp_for_all_beats_the_protocol_of_a_port(heard: socket.socket) -> None:
    assert knock.main(["-u", "127.0.0.1", f"{port_of(heard)}:tcp"]) == 0
    assert heard.recv(10) == b"\0"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["-d", "-5", "127.0.0.1", "1"], "error: delay cannot be negative"),
        (["-d", "soon", "127.0.0.1", "1"], "'soon' is no delay"),
        (["127.0.0.1", "65536"], "'65536' in '65536' is no port"),
        (["127.0.0.1", "7000:icmp"], "'icmp' in '7000:icmp' is no protocol"),
        (["127.0.0.1", ":udp"], "'' in ':udp' is no port"),
        (["127.0.0.1", "7000@soon"], "'soon' is no delay"),
        (["127.0.0.1", "no-such-service"], "there is no service 'no-such-service'"),
        (["--named", "home", "127.0.0.1", "7000"], "a named sequence has its own ports"),
    ],
)
def test_what_makes_no_sense_is_refused_with_a_remedy(
    words: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert knock.main(words) == 1
    first, hint = capsys.readouterr().err.splitlines()
    assert first == told
    assert hint.startswith("knock: hint: ")


def test_nothing_is_sent_if_one_port_is_wrong(heard: socket.socket) -> None:
    assert knock.main(["127.0.0.1", f"{port_of(heard)}:udp", "no-such-service"]) == 1
    heard.setblocking(False)
    with pytest.raises(BlockingIOError):
        heard.recv(10)


def test_a_name_that_leads_nowhere_is_told_as_the_original_does(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(*_: object) -> Iterator[object]:
        raise names.UnresolvedError("Name or service not known", hint="see that it is right")

    monkeypatch.setattr(names, "looked_up", fails)
    assert knock.main(["nowhere.example", "7000", "8000"]) == 1
    assert capsys.readouterr().err.splitlines()[:2] == [
        "Failed to resolve hostname 'nowhere.example' on port 7000",
        "getaddrinfo: Name or service not known",
    ]


def places(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name with two addresses, in another order each time it is looked up."""
    order = iter((["127.0.0.1", "127.0.0.2"], ["127.0.0.2", "127.0.0.1"]))

    def found(*_: object) -> list[tuple[int, tuple[str, int]]]:
        return [(socket.AF_INET, (address, 0)) for address in next(order)]

    monkeypatch.setattr(names, "looked_up", found)


def told(capsys: pytest.CaptureFixture[str]) -> list[tuple[str, int]]:
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    return [(each["address"], each["port"]) for each in lines]


def test_all_knocks_go_to_one_address_of_a_name_that_has_several(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    places(monkeypatch)
    assert knock.main(["--json", "-u", "two.example", "9", "10"]) == 0
    assert told(capsys) == [("127.0.0.1", 9), ("127.0.0.1", 10)]


def test_every_address_can_be_knocked_at(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    places(monkeypatch)
    assert knock.main(["--all", "--json", "-u", "two.example", "9", "10"]) == 0
    assert told(capsys) == [
        ("127.0.0.1", 9), ("127.0.0.1", 10), ("127.0.0.2", 9), ("127.0.0.2", 10),
    ]  # fmt: skip


def test_a_pause_of_one_knock_takes_the_place_of_the_common_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    assert knock.main(["-u", "-d", "20", "127.0.0.1", "9", "9@250", "9:tcp@0", "9"]) == 0
    assert pauses == [0.02, 0.25, 0.02]


def test_what_the_network_does_not_take_is_told_and_no_failure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As the original, which says nothing at all."""
    assert knock.main(["127.0.0.1", "0:udp"]) == 0
    assert "was not sent" in capsys.readouterr().err
    assert knock.main(["--json", "127.0.0.1", "0:udp"]) == 0
    assert json.loads(capsys.readouterr().out)["sent"] is False


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def write(home: Path, text: str) -> None:
    path = home / ".knockrc"
    path.touch(mode=0o600)
    path.write_text(text, "utf-8")


def test_a_sequence_can_be_knocked_by_its_name(
    home: Path, heard: socket.socket, capsys: pytest.CaptureFixture[str]
) -> None:
    write(home, f"[home]\nhost = 127.0.0.1\nsequence = {port_of(heard)}:udp, 9:udp@1\ndelay = 2\n")
    assert knock.main(["-n", "home", "--json"]) == 0
    assert told(capsys) == [("127.0.0.1", port_of(heard)), ("127.0.0.1", 9)]
    assert heard.recv(10) == b"\0"


def test_a_host_on_the_command_line_takes_the_place_of_the_named_one(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(home, "[home]\nhost = 127.0.0.1\nsequence = 9:udp\n")
    assert knock.main(["-n", "home", "--json", "127.0.0.3"]) == 0
    assert told(capsys) == [("127.0.0.3", 9)]


def test_each_run_uses_up_one_line_of_a_one_time_file(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sheet = home / "sheet"
    sheet.write_text(" 1001:udp,1002:udp\n 1003:udp\n", "utf-8")
    write(home, "[home]\nhost = 127.0.0.1\none_time_sequences = ~/sheet\n")
    assert knock.main(["-n", "home", "--json"]) == 0
    assert told(capsys) == [("127.0.0.1", 1001), ("127.0.0.1", 1002)]
    assert sheet.read_text("utf-8") == "#1001:udp,1002:udp\n 1003:udp\n"
    assert knock.main(["-n", "home", "--json"]) == 0
    assert told(capsys) == [("127.0.0.1", 1003)]
    assert knock.main(["-n", "home"]) == 1
    assert "every sequence is used up" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[other]\nhost = a\nsequence = 1\n", "there is no sequence 'home'"),
        ("[home]\nhost = 127.0.0.1\n", "[home] has no sequence"),
        ("[home]\nsequence = 9\n", "[home] names no host"),
        ("[home]\nhost = a\nsequence = 0x1\n", "there is no service '0x1'"),
        ("[home]\nhost = a\nsequence = 1,,2\n", "'' in '' is no port"),
        ("[home]\nhost = a\nsequence = 1\ncolour = red\n", "syntax error"),
        ("[home]\nhost = a\nsequence = 1\ndelay = -1\n", "'-1' is no delay"),
        ("[home]\nhost = a\nsequence = 1\nfamily = 5\n", "family is '5'"),
    ],
)
def test_a_wrong_file_is_refused_and_nothing_is_sent(
    text: str, told: str, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(home, text)
    assert knock.main(["--named", "home"]) == 1
    shown = capsys.readouterr().err
    assert told in shown
    assert "knock: hint: " in shown


def test_a_missing_file_of_sequences_is_told(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert knock.main(["--named", "home"]) == 1
    assert ".knockrc: does not exist" in capsys.readouterr().err


def test_a_file_that_everybody_may_write_is_not_obeyed(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(home, "[home]\nhost = 127.0.0.1\nsequence = 9\n")
    (home / ".knockrc").chmod(0o666)
    assert knock.main(["--named", "home"]) == 1
    assert "may be written by everybody" in capsys.readouterr().err


def test_a_sequence_can_follow_from_a_secret_and_the_time(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = Secret(b"not a secret, make your own!")
    write(home, f"[m]\nhost = 127.0.0.1\nsecret = {b64encode(secret.reveal()).decode()}\n")
    monkeypatch.setattr(time, "time", lambda: 3000.0)
    assert knock.main(["-n", "m", "--json"]) == 0
    wanted = [each.port for each in sequence_of(secret, 100, 4)]
    assert told(capsys) == [("127.0.0.1", port) for port in wanted]


@pytest.mark.parametrize(
    ("lines", "complaint"),
    [
        ("secret = c2hvcnQ=", "the secret has 5 bytes"),
        ("secret = ***", "the secret is no base64"),
        ("secret = bm90IGEgc2VjcmV0LCBtYWtl\nknocks = 2", "'2' is out of range"),
        ("secret = bm90IGEgc2VjcmV0LCBtYWtl\nevery = soon", "'soon' is out of range"),
        ("secret = bm90IGEgc2VjcmV0LCBtYWtl\nsequence = 1", "[m] has no sequence"),
    ],
)
def test_a_wrong_secret_is_refused_and_not_shown(
    lines: str, complaint: str, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(home, f"[m]\nhost = 127.0.0.1\n{lines}\n")
    assert knock.main(["-n", "m"]) == 1
    shown = capsys.readouterr().err
    assert complaint in shown
    assert "bm90IGEg" not in shown
