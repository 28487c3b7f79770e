"""The command fwknop1, and perl's options in fwknop, through the whole program."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from math import log2
from pathlib import Path
from typing import ClassVar

import pytest

from tests.daemon import until
from tests.unit import client_scene
from tests.unit.client_scene import KEYS, mode_of, opened
from watchword.dialects.fwknop.client_options import parse
from watchword.dialects.fwknop.client_settings import Given, combine
from watchword.edges import prompt
from watchword.edges.send.sent import Sent
from watchword.model.crypto import CipherMode, Credential, Secret
from watchword.model.routes import Route
from watchword.programs import fwknop, fwknop1
from watchword.service.client import files as client_files
from watchword.service.client.console import Console
from watchword.service.client.send import Knocker
from watchword.wire.spa.leniency import LenientLock
from watchword.wire.spa.message import Message
from watchword.wire.spa.opening import Lock, unseal

home = client_scene.home
server = client_scene.server
pytestmark = pytest.mark.usefixtures("home")

KEY = b"fwknoptest"
KNOCK = ("-A", "tcp/22", "-a", "192.0.2.10")


@pytest.fixture
def key_file(home: Path) -> list[str]:
    """The option that names a file with the key of 127.0.0.1."""
    path = home / "keys"
    path.write_bytes(b"127.0.0.1: " + KEY + b"\n127.0.0.1: another-one\n")
    path.chmod(0o600)
    return ["--get-key", str(path)]


def target(server: socket.socket) -> list[str]:
    return ["-D", f"127.0.0.1:{server.getsockname()[1]}"]


def old(payload: bytes, key: bytes = KEY) -> Message:
    """The content of a packet of 1.9."""
    return unseal(payload, Lock(Credential(Secret(key), CipherMode.LEGACY))).message


# What is sent and printed.


@pytest.mark.requirement("4.40")
@pytest.mark.requirement("4.17", partial=True)
def test_fwknop1_sends_the_perl_clients_packet_and_prints_its_lines(
    server: socket.socket, key_file: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert fwknop1.main([*KNOCK, *target(server), *key_file, "--Spoof-user", "mbr"]) == 0
    payload = server.recv(2000)
    message = old(payload)
    port = server.getsockname()[1]
    assert len(payload) == 161
    assert (message.version, message.text) == ("1.9.12", "192.0.2.10,tcp/22")
    out, err = capsys.readouterr()
    digest = re.search(r"SHA256 sum: +(\S{43})\n", out)
    assert digest
    assert out == (
        "[+] Starting fwknop client (SPA mode)...\n"
        "[+] Building encrypted Single Packet Authorization (SPA) message...\n"
        "[+] Packet fields:\n"
        "\n"
        f"        Random data:    {message.random}\n"
        "        Username:       mbr\n"
        f"        Timestamp:      {message.sent_at}\n"
        "        Version:        1.9.12\n"
        "        Type:           1 (access mode)\n"
        f"        SHA256 sum:     {digest[1]}\n"
        "\n"
        f"[+] Sending 161 byte message to 127.0.0.1 over udp/{port}...\n"
    )
    assert err == ""


@pytest.mark.requirement("10.12")
def test_a_command_is_printed_as_cmd(
    server: socket.socket, key_file: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    command = 'echo "The commands sent" & sleep 10; echo "The End"'
    argv = ["--Server-cmd", command, "-s", *target(server), *key_file]
    assert fwknop1.main(argv) == 0
    assert old(server.recv(2000)).text == f"0.0.0.0,{command}"
    lines = capsys.readouterr().out.splitlines()
    at = lines.index("        Type:           0 (command mode)")
    assert lines[at + 1] == f"        Cmd:            {command}"
    assert lines[at + 2].startswith("        SHA256 sum:     ")


@pytest.mark.requirement("9.22")
def test_quiet_prints_nothing_but_errors(
    server: socket.socket, key_file: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert fwknop1.main(["-q", *KNOCK, *target(server), *key_file]) == 0
    assert old(server.recv(2000))
    assert capsys.readouterr() == ("", "")
    assert fwknop1.main(["-q", *KNOCK, "-D", "127.0.0.1", "--get-key", "/no/file"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "Could not open config file: /no/file",
        "fwknop: hint: name the file with the key with -G or --get-hmac-key",
    ]


@pytest.mark.requirement("9.45")
def test_debug_leads_every_detail_to_standard_error(
    server: socket.socket, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fwknop.main(["--debug", *KNOCK, *KEYS, *target(server)]) == 0
    out, err = capsys.readouterr()
    assert "SPA Field Values:" in err
    assert "process_rc_section() : Parsing section 'default'" in err
    assert "SPA Field Values:" not in out


def test_in_test_mode_nothing_is_sent(
    server: socket.socket, key_file: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert fwknop1.main([*KNOCK, *target(server), *key_file, "--Test-mode"]) == 0
    server.setblocking(False)
    with pytest.raises(BlockingIOError):
        server.recv(2000)
    assert "test mode enabled, SPA packet not actually sent.\n" in capsys.readouterr().out


def test_fwknop1_sends_from_a_random_high_port(server: socket.socket, key_file: list[str]) -> None:
    seen = set()
    for _ in range(3):
        assert fwknop1.main(["-q", *KNOCK, *target(server), *key_file]) == 0
        seen.add(server.recvfrom(2000)[1][1])
    assert all(10000 <= port <= 65534 for port in seen)
    assert len(seen) > 1


# Which packet.


@pytest.mark.parametrize(
    "more",
    [["--packet-version", "2.6"], ["--use-hmac"], ["-M", "cbc"], ["-m", "sha512"]],
)
def test_what_1_9_cannot_say_makes_a_packet_of_2_6(more: list[str], server: socket.socket) -> None:
    keys = ["--key-rijndael", "client-key-1"]
    credential = Credential(Secret(b"client-key-1"))
    if more == ["--use-hmac"]:
        keys = list(KEYS)
        credential = Credential(Secret(b"client-key-1"), mac_key=Secret(b"client-hmac-1"))
    assert fwknop1.main([*KNOCK, *keys, *target(server), *more]) == 0
    assert unseal(server.recv(2000), Lock(credential)).message.version == "3.0.0"


def test_fwknop_makes_a_packet_of_1_9_where_it_is_asked_to(
    server: socket.socket, key_file: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert fwknop.main([*KNOCK, *key_file, *target(server), "--packet-version", "1.9"]) == 0
    assert old(server.recv(2000), b"another-one").version == "1.9.12"
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--use-hmac"], "A packet of 1.9 has no HMAC."),
        (["-M", "CTR"], "A packet of 1.9 has no encryption mode CTR."),
        (["-m", "sha3_256"], "A packet of 1.9 has no digest sha3_256."),
        (["-a", "2001:db8::1"], "A packet of 1.9 has no IPv6 address."),
        (
            ["--Include-salted", "--packet-version", "2.6"],
            "--Include-salted, --Include-equals and --Include-gpg-prefix belong to packets of 1.9.",
        ),
    ],
)
def test_a_packet_that_cannot_be_is_refused_before_anything_is_asked(
    more: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = [*KNOCK, "-D", "127.0.0.1", "--packet-version", "1.9", *more]
    assert fwknop.main(argv) == 1
    assert capsys.readouterr().err.splitlines()[0] == said


@pytest.mark.parametrize("size", [1, 7, 33])
def test_keys_that_perl_would_not_take_are_refused(
    size: int, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = [*KNOCK, "-D", "127.0.0.1", "--key-rijndael", "k" * size]
    assert fwknop1.main(argv) == 1
    assert "Invalid key length" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("option", "changed"),
    [
        ("--Include-salted", rb"U2FsdGVkX1[A-Za-z0-9+/]{161}"),
        ("--Include-equals", rb"[A-Za-z0-9+/]{161}="),
    ],
)
def test_what_old_servers_expect_is_left_on(
    option: str, changed: bytes, server: socket.socket, key_file: list[str]
) -> None:
    argv = [*KNOCK, "--Spoof-user", "mbr", option, *key_file, *target(server)]
    assert fwknop1.main([*argv, "--Test-mode"]) == 0
    assert fwknop1.main(argv) == 0
    payload = server.recv(2000)
    assert re.fullmatch(changed, payload)
    lock = LenientLock(Credential(Secret(KEY), CipherMode.LEGACY))
    assert lock.open(payload).message.text == "192.0.2.10,tcp/22"


# Fields.


@pytest.mark.requirement("9.6", partial=True)
@pytest.mark.parametrize(
    ("argv", "text", "nat"),
    [
        (["--NAT-access", "10.0.0.5:55001"], "tcp/22", "10.0.0.5,55001"),
        (["--Forward-access", "10.0.0.5,55001"], "tcp/22", "10.0.0.5,55001"),
        (["--NAT-local"], "tcp/22", "127.0.0.1,55000"),
        (["--NAT-local", "--NAT-access", "192.0.2.1:4000"], "tcp/22", "192.0.2.1,4000"),
        (["-N", "10.0.0.5:80", "--nat-port", "4000"], "tcp/80", "10.0.0.5,4000"),
    ],
)
def test_a_packet_of_1_9_has_the_inner_port_in_its_text_and_the_outer_in_its_nat(
    argv: list[str], text: str, nat: str, server: socket.socket, key_file: list[str]
) -> None:
    assert fwknop1.main(["-q", *KNOCK, *target(server), *key_file, *argv]) == 0
    message = old(server.recv(2000))
    assert (message.text, message.nat) == (f"192.0.2.10,{text}", nat)


@pytest.mark.parametrize(
    ("argv", "text", "nat"),
    [
        (["--NAT-access", "10.0.0.5:55001"], "tcp/55001", "10.0.0.5,22"),
        (["--NAT-access", "10.0.0.5"], "tcp/55000", "10.0.0.5,22"),
        (["--NAT-local"], "tcp/55000", "127.0.0.1,22"),
    ],
)
def test_a_packet_of_2_6_has_them_the_other_way_round(
    argv: list[str], text: str, nat: str, server: socket.socket
) -> None:
    assert fwknop.main([*KNOCK, *KEYS, *target(server), *argv]) == 0
    message = opened(server.recv(2000))
    assert (message.text, message.nat) == (f"192.0.2.10,{text}", nat)


@pytest.mark.requirement("9.8", partial=True)
def test_fwknop1_prints_a_random_nat_port_as_perl_did_even_if_quiet(
    server: socket.socket, key_file: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    nat = ["--NAT-access", "10.0.0.5", "--NAT-rand-port"]
    assert fwknop1.main(["-q", *KNOCK, *target(server), *key_file, *nat]) == 0
    message = old(server.recv(2000))
    port = int((message.nat or "").partition(",")[2])
    assert 10000 <= port <= 65534
    assert capsys.readouterr().out == (
        f"[+] Requesting NAT access to tcp/22 on 10.0.0.5 via port {port}\n"
    )


@pytest.mark.parametrize(
    ("argv", "kind", "seconds"), [([], 1, 0), (["-f", "0"], 3, 0), (["-f", "60"], 3, 60)]
)
def test_a_timeout_of_0_is_sent_as_perl_sent_it(
    argv: list[str], kind: int, seconds: int, server: socket.socket, key_file: list[str]
) -> None:
    assert fwknop1.main(["-q", *KNOCK, *target(server), *key_file, *argv]) == 0
    message = old(server.recv(2000))
    assert (message.type, message.seconds) == (kind, seconds)


def test_a_name_in_allow_ip_is_looked_up(
    server: socket.socket, key_file: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert fwknop1.main(["-A", "tcp/22", "-a", "localhost", *target(server), *key_file]) == 0
    assert old(server.recv(2000)).text == "127.0.0.1,tcp/22"
    assert "[+] Resolving hostname: localhost\n" in capsys.readouterr().out


def test_fwknop_looks_a_name_up_too_where_the_perl_option_has_one(server: socket.socket) -> None:
    argv = ["-A", "tcp/22", "--allow-IP", "localhost", *target(server), *KEYS]
    assert fwknop.main(argv) == 0
    assert opened(server.recv(2000)).text == "127.0.0.1,tcp/22"


@pytest.mark.parametrize("name", ["no-such-host.invalid", "x" * 300, "a b"])
def test_a_name_that_cannot_be_looked_up_ends_the_run(
    name: str, server: socket.socket, key_file: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    argv = ["-q", "-A", "tcp/22", "-a", name, *target(server), *key_file]
    assert fwknop1.main(argv) == 1
    said = capsys.readouterr().err.splitlines()
    assert said[0].startswith("error in getaddrinfo: ")
    assert said[1] == "send_spa_packet: packet not sent."
    server.setblocking(False)
    with pytest.raises(BlockingIOError):
        server.recv(2000)


@pytest.mark.requirement("9.34", partial=True)
@pytest.mark.parametrize("main", [fwknop.main, fwknop1.main])
def test_the_user_name_can_be_chosen(
    main: object, server: socket.socket, key_file: list[str]
) -> None:
    more = ["--Spoof-user", "mbr", "--packet-version", "1.9"]
    assert callable(main)
    assert main([*KNOCK, *target(server), *key_file, *more]) == 0
    payload = server.recv(2000)
    assert {"mbr"} & {
        old(payload, key).user for key in (KEY, b"another-one") if _fits(payload, key)
    }


def _fits(payload: bytes, key: bytes) -> bool:
    try:
        old(payload, key)
    except Exception:
        return False
    return True


@pytest.mark.parametrize("main", [fwknop.main, fwknop1.main])
def test_a_unix_password_goes_with_the_packet_and_is_never_shown(
    main: object,
    server: socket.socket,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    asked: list[str] = []

    def ask(_self: object, question: str) -> bytes:
        asked.append(question)
        return b"secretpw"

    monkeypatch.setattr(prompt.Terminal, "ask", ask)
    more = ["--Server-auth", "crypt", "--packet-version", "1.9", "-v"]
    keys = ["--key-rijndael", KEY.decode()]
    assert callable(main)
    assert main([*KNOCK, *target(server), *keys, *more]) == 0
    assert asked == ["UNIX crypt() password: "]
    assert old(server.recv(2000)).server_auth == "crypt,secretpw"
    out, err = capsys.readouterr()
    for shown in (out, err, (home / ".fwknop.run").read_text("utf-8")):
        assert "secretpw" not in shown
        assert "Y3J5cHQsc2VjcmV0cHc" not in shown
    assert "Server Auth: (not shown: it holds a password)" in out


def test_the_first_line_of_a_key_file_counts_and_an_address_will_do(
    server: socket.socket, key_file: list[str]
) -> None:
    argv = ["-q", *KNOCK, "-D", f"localhost:{server.getsockname()[1]}", "-4", *key_file]
    assert fwknop1.main(argv) == 0
    assert old(server.recv(2000))


@pytest.mark.requirement("9.36")
@pytest.mark.parametrize("main", [fwknop.main, fwknop1.main])
def test_a_packet_over_the_limit_is_refused_and_one_at_it_is_sent(
    main: object,
    server: socket.socket,
    home: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    argv = [*KNOCK, *KEYS, *target(server), "-B", str(home / "packet"), "--Max-packet-size"]
    assert callable(main)
    assert main([*argv, "1500"]) == 0
    size = len(server.recv(2000))
    (home / "packet").unlink()
    assert main([*argv, str(size - 1)]) == 1
    assert (
        f"The packet has {size} bytes, and --Max-packet-size is {size - 1}: it was not sent."
        in (capsys.readouterr().err)
    )
    assert not (home / "packet").exists()
    assert main([*argv, str(size)]) == 0
    assert len(server.recv(2000)) == size


# Files.


@pytest.mark.requirement("9.26")
@pytest.mark.requirement("9.28", partial=True)
def test_a_packet_is_saved_under_the_process_number(
    server: socket.socket, home: Path, key_file: list[str]
) -> None:
    kept = home / f"fwknop_save_packet.{os.getpid()}"
    argv = ["-q", *KNOCK, *target(server), *key_file, "--Save-packet"]
    assert fwknop1.main(argv) == 0
    first = server.recv(2000)
    assert kept.read_bytes() == first + b"\n"
    assert mode_of(kept) == 0o600
    assert fwknop1.main([*argv, "--Save-packet-append"]) == 0
    assert kept.read_bytes() == first + b"\n" + server.recv(2000) + b"\n"
    assert fwknop1.main(argv) == 0
    assert kept.read_bytes() == server.recv(2000) + b"\n"


@pytest.mark.requirement("9.28")
def test_ten_thousand_packets_can_be_saved_in_one_file_and_look_like_noise(
    home: Path, key_file: list[str]
) -> None:
    """What --Save-packet-append is for, by the old page."""
    many = home / "packets"
    argv = [*KNOCK, "-D", "127.0.0.1", *key_file, "--Save-packet-file", str(many)]
    line = parse([*argv, "--Save-packet-append"], as_perl=True)
    console = Console()
    console.quiet = True
    knocker = Knocker(line, combine(Given(), Given(), line.given), {}, console, carry=nowhere)
    for _ in range(10_000):
        knocker.knock()
    packets = many.read_bytes().splitlines()
    assert mode_of(many) == 0o600
    assert len(packets) == len(set(packets)) == 10_000
    for at in range(1, 160):  # the first and the last of 161 are parts of a byte
        seen = Counter(packet[at] for packet in packets)
        entropy = -sum(each / 10_000 * log2(each / 10_000) for each in seen.values())
        assert entropy > 5.97, at


def nowhere(payload: bytes, route: Route, *, confirm: bool) -> Sent:
    return Sent(route.host, route.port, len(payload), confirm)


@pytest.mark.requirement("9.27")
def test_a_packet_is_saved_in_the_file_that_was_named(
    server: socket.socket, home: Path, key_file: list[str]
) -> None:
    named = ["--Save-packet", "--Save-packet-file", str(home / "here")]
    assert fwknop1.main(["-q", *KNOCK, *target(server), *key_file, *named]) == 0
    assert (home / "here").read_bytes() == server.recv(2000) + b"\n"
    assert not list(home.glob("fwknop_save_packet*"))


@pytest.mark.requirement("9.19")
@pytest.mark.requirement("4.31", partial=True)
def test_every_file_is_in_the_home_that_was_named(
    server: socket.socket, home: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = tmp_path_factory.mktemp("other")
    before = sorted(home.iterdir())
    argv = [*KNOCK, *KEYS, *target(server), "--Home", str(other), "--Save-packet", "--Save-dst"]
    assert fwknop.main(argv) == 0
    assert sorted(each.name for each in other.iterdir()) == [
        ".fwknop.hosts", ".fwknop.run", ".fwknop.save", ".fwknoprc",
        f"fwknop_save_packet.{os.getpid()}",
    ]  # fmt: skip
    assert sorted(home.iterdir()) == before


@pytest.mark.requirement("4.31", partial=True)
@pytest.mark.parametrize("variable", ["USERPROFILE", "APPDATA"])
def test_without_home_the_folders_of_windows_are_taken(
    variable: str,
    server: socket.socket,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    other = tmp_path_factory.mktemp("profile")
    monkeypatch.delenv("HOME")
    monkeypatch.setenv(variable, str(other))
    assert fwknop.main([*KNOCK, *KEYS, *target(server)]) == 0
    assert (other / ".fwknop.run").exists()


def test_fwknop1_looks_at_no_rc_file_unless_asked(
    server: socket.socket, home: Path, key_file: list[str]
) -> None:
    (home / ".fwknoprc").write_text(
        "[default]\nSPOOF_USER from-rc\n[work]\nSPOOF_USER w\n", "utf-8"
    )
    argv = ["-q", *KNOCK, *target(server), *key_file]
    assert fwknop1.main(argv) == 0
    assert old(server.recv(2000)).user == "tester"
    assert fwknop1.main([*argv, "-n", "work"]) == 0
    assert old(server.recv(2000)).user == "w"
    (home / ".fwknoprc").unlink()
    assert fwknop1.main(argv) == 0
    assert not (home / ".fwknoprc").exists()


@pytest.mark.requirement("9.51", partial=True)
def test_a_perl_file_of_sequences_in_the_place_of_the_rc_file_does_no_harm(
    server: socket.socket, home: Path
) -> None:
    (home / ".fwknoprc").write_text("127.0.0.1: tcp/5501, udp/1001, icmp\n", "utf-8")
    assert fwknop.main([*KNOCK, *KEYS, *target(server), "--user-rc", str(home / "x")]) == 0
    assert opened(server.recv(2000))


# Language.


@pytest.mark.requirement("9.43", partial=True)
@pytest.mark.parametrize("options", [["--locale", "C"], ["--no-locale"], ["--LC_ALL", "C.UTF-8"]])
def test_a_locale_is_taken(options: list[str], home: Path) -> None:
    argv = [sys.executable, "-m", "watchword.programs.fwknop1", *options, "-q", *KNOCK]
    done = subprocess.run(
        [*argv, "-D", "127.0.0.1", "--key-rijndael", "fwknoptest", "--Test-mode"],
        capture_output=True, text=True, check=True, env={**os.environ, "HOME": str(home)},
    )  # fmt: skip
    assert done.stderr == ""


@pytest.mark.requirement("9.43", partial=True)
def test_a_locale_that_is_not_there_is_remarked_on_and_the_packet_is_sent(
    server: socket.socket, key_file: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["-q", "--locale", "xx_XX.no-such"]
    assert fwknop1.main([*options, *KNOCK, *target(server), *key_file]) == 0
    assert old(server.recv(2000))
    assert "The locale 'xx_XX.no-such' is not available" in capsys.readouterr().err


def test_the_language_of_whoever_calls_us_is_left_as_it_was(key_file: list[str]) -> None:
    import locale  # noqa: PLC0415

    before = locale.setlocale(locale.LC_ALL)
    argv = ["-q", *KNOCK, "-D", "127.0.0.1", *key_file, "--Test-mode"]
    other = "C" if before != "C" else "C.UTF-8"
    assert fwknop1.main([*argv, "--locale", other]) == 0
    assert locale.setlocale(locale.LC_ALL) == before


@pytest.fixture(scope="module")
def german(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a locale, made of what the system has about the language."""
    folder = tmp_path_factory.mktemp("locales")
    made = ["localedef", "-i", "de_DE", "-f", "UTF-8", str(folder / "de_DE.UTF-8")]
    subprocess.run(made, check=True, capture_output=True)
    return folder


@pytest.mark.requirement("9.43")
@pytest.mark.peer("locale-gen")
@pytest.mark.parametrize(
    ("options", "environment", "reason"),
    [
        (["--locale", "de_DE.UTF-8"], {}, "Verbindungsaufbau abgelehnt"),
        (["--LC_ALL", "de_DE.UTF-8"], {"LC_ALL": "C"}, "Verbindungsaufbau abgelehnt"),
        (["--no-locale"], {"LC_ALL": "de_DE.UTF-8"}, "Verbindungsaufbau abgelehnt"),
        (["--no-LC_ALL"], {"LC_ALL": "C"}, "Connection refused"),
        (["--locale", "C"], {"LC_ALL": "de_DE.UTF-8"}, "Connection refused"),
        ([], {"LC_ALL": "de_DE.UTF-8"}, "Connection refused"),
    ],
)
@pytest.mark.parametrize("program", ["fwknop", "fwknop1"])
def test_reasons_of_the_system_come_in_the_language_that_was_chosen(
    program: str,
    options: list[str],
    environment: dict[str, str],
    reason: str,
    german: Path,
    home: Path,
) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as nobody:
        nobody.bind(("127.0.0.1", 0))  # and does not listen
        port = str(nobody.getsockname()[1])
        argv = [*KNOCK, "-D", "127.0.0.1", "--key-rijndael", "fwknoptest", "-P", "tcp"]
        done = subprocess.run(
            [sys.executable, "-m", f"watchword.programs.{program}", *argv,
             "--Server-port", port, *options],
            capture_output=True, text=True, check=False,
            env={**os.environ, "HOME": str(home), "LOCPATH": str(german), **environment},
        )  # fmt: skip
    assert done.returncode == 1
    assert reason in done.stderr


# Help.


@pytest.mark.requirement("9.41")
@pytest.mark.parametrize(
    ("main", "own", "how_to_get_the_other"),
    [
        (fwknop.main, " -T, --test ", "fwknop1 takes that of 1.9"),
        (fwknop1.main, " -T, --TCP-sock ", "use the command fwknop."),
    ],
)
def test_help_shows_whose_letters_count_and_how_to_get_the_others(
    main: object, own: str, how_to_get_the_other: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert callable(main)
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    assert own in shown
    assert shown.count("\n -T, ") == 1
    assert how_to_get_the_other in shown
    assert max(len(line) for line in shown.splitlines()) <= 120


# Dumps.

LABELS = (
    "Random Value", "Username", "Timestamp", "FKO Version", "Message Type", "Message String",
    "Nat Access", "Server Auth", "Client Timeout", "Digest Type", "HMAC Type", "Encryption Type",
    "Encryption Mode", "Encoded Data", "SPA Data Digest", "HMAC", "Final SPA Data",
)  # fmt: skip
OLD_LABELS = ("Random data", "Username", "Timestamp", "Version", "Type", "SHA256 sum")


@pytest.mark.requirement("4.17")
def test_each_command_lists_the_fields_that_its_model_listed_in_their_order(
    key_file: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    def labels(shown: str) -> tuple[str, ...]:
        return tuple(re.findall(r"^ *([A-Z][A-Za-z0-9 ]*): ", shown, re.MULTILINE))

    assert fwknop.main([*KNOCK, *KEYS, "-T"]) == 0
    assert labels(capsys.readouterr().out) == LABELS
    assert fwknop1.main([*KNOCK, "-D", "127.0.0.1", *key_file, "--Test-mode"]) == 0
    assert labels(capsys.readouterr().out) == OLD_LABELS


@pytest.mark.requirement("9.42")
def test_with_four_v_the_bytes_of_the_packet_are_shown(
    server: socket.socket, capsys: pytest.CaptureFixture[str]
) -> None:
    for level in ("-v", "-vv", "-vvv"):
        assert fwknop.main([*KNOCK, *KEYS, *target(server), level]) == 0
        server.recv(2000)
        assert "Bytes of the packet:" not in capsys.readouterr().out
    assert fwknop.main([*KNOCK, *KEYS, *target(server), "--verbose", "-vvv"]) == 0
    payload = server.recv(2000)
    rows = capsys.readouterr().out.partition("Bytes of the packet:\n")[2].partition("\n\n")[0]
    assert bytes.fromhex("".join(row[10:57] for row in rows.splitlines())) == payload
    assert "".join(row[59:] for row in rows.splitlines()) == payload.decode("ascii")
    assert [row[:8] for row in rows.splitlines()][:3] == ["00000000", "00000010", "00000020"]


@pytest.mark.requirement("9.23")
@pytest.mark.parametrize("main", [fwknop.main, fwknop1.main])
def test_any_port_of_the_server_can_be_named(
    main: object, server: socket.socket, key_file: list[str]
) -> None:
    port = ["--Server-port", str(server.getsockname()[1])]
    assert callable(main)
    assert main([*KNOCK, "-D", "127.0.0.1", *port, *key_file, "--packet-version", "1.9"]) == 0
    assert len(server.recv(2000)) > 150


# Letters that clash, and abbreviations, in whole runs.


@pytest.mark.requirement("9.40")
def test_t_is_a_tcp_connection_in_fwknop1_and_a_test_in_fwknop(
    key_file: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(60)
        where = ["-D", "127.0.0.1", "--Server-port", str(listener.getsockname()[1])]
        assert fwknop1.main([*KNOCK, *where, *key_file, "-T"]) == 0
        channel, _ = listener.accept()
        with channel:
            channel.settimeout(60)
            payload = b"".join(iter(lambda: channel.recv(2000), b""))
        assert old(payload).text == "192.0.2.10,tcp/22"
        assert f"[+] Sending {len(payload)} byte message to 127.0.0.1 over tcp/" in (
            capsys.readouterr().out
        )
        assert fwknop.main([*KNOCK, *where, *KEYS, "-T"]) == 0
        assert "test mode enabled" in capsys.readouterr().out
        listener.setblocking(False)
        with pytest.raises(BlockingIOError):
            listener.accept()


@pytest.mark.requirement("9.53")
def test_the_abbreviations_of_the_seeds_are_understood_and_its_misprint_is_met_with_a_hint(
    server: socket.socket, home: Path, key_file: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    argv = ["-q", "--Acc", "tcp/22", "--allow", "192.0.2.10", *target(server)]
    assert fwknop1.main([*argv, *key_file, "--Home", str(home), "--Spoof-u", "mbr"]) == 0
    first = old(server.recv(2000))
    assert (first.text, first.user) == ("192.0.2.10,tcp/22", "mbr")
    for again in ("--L-host", "--Last"):
        assert fwknop1.main([again, "127.0.0.1"]) == 0
        assert old(server.recv(2000)).text == first.text
    assert capsys.readouterr() == ("", "")
    for ambiguous in ("--Save", "--gpg", "--S"):
        assert fwknop1.main([ambiguous]) == 1
        assert f"option '{ambiguous}' is ambiguous; possibilities: " in capsys.readouterr().err
    assert fwknop1.main(["--gpg-sign", "ABCD1234", "--gpg--recipient", "1234ABCD", *argv]) == 1
    assert capsys.readouterr().err == (
        "fwknop1: unrecognized option '--gpg--recipient'\n"
        "fwknop: hint: did you mean --gpg-recipient?\n"
    )


# Over HTTP, and with the address that the outside sees.


class Page(BaseHTTPRequestHandler):
    """Answers with an address, and remembers what it was asked."""

    asked: ClassVar[list[tuple[str, str | None]]] = []

    @classmethod
    def heard(cls, count: int) -> list[tuple[str, str | None]]:
        """What it was asked, once that was so often: who sends does not wait for answers."""
        until(lambda: len(cls.asked) >= count)
        return cls.asked

    def do_GET(self) -> None:
        self.asked.append((self.path, self.headers["User-Agent"]))
        body = b"203.0.113.77\n"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_words: object) -> None:
        """Be silent."""


@pytest.fixture
def page() -> Iterator[int]:
    """The port of a web server on loopback."""
    Page.asked.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as web:
        thread = threading.Thread(target=web.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield web.server_address[1]
        finally:
            web.shutdown()
            thread.join()


@pytest.mark.requirement("9.4", "9.9", "10.3", partial=True)
def test_our_outer_address_is_asked_for_where_the_url_says(
    server: socket.socket, page: int, key_file: list[str]
) -> None:
    resolve = ["-R", "--URL", f"http://127.0.0.1:{page}/ip", "--User-agent", "Fwknop/1.9.12"]
    assert fwknop1.main(["-q", "-A", "tcp/22,udp/53", *target(server), *key_file, *resolve]) == 0
    assert old(server.recv(2000)).text == "203.0.113.77,tcp/22,udp/53"
    assert Page.asked == [("/ip", "Fwknop/1.9.12")]


@pytest.mark.requirement("9.37", partial=True)
def test_a_packet_goes_out_as_a_web_request(page: int, key_file: list[str]) -> None:
    where = ["-D", "127.0.0.1", "--Server-port", str(page), "--HTTP"]
    assert fwknop1.main(["-q", *KNOCK, *where, *key_file]) == 0
    [(path, agent)] = Page.heard(1)
    payload = path.removeprefix("/").translate(str.maketrans("-_", "+/")).encode("ascii")
    assert old(payload).text == "192.0.2.10,tcp/22"
    assert (agent or "").startswith("Fwknop/")


@pytest.mark.requirement("9.39")
@pytest.mark.parametrize(
    ("options", "agent"),
    [
        ([], "Fwknop/2.6.10"),
        (["--HTTP-user-agent", "Mozilla/5.0 (nobody)"], "Mozilla/5.0 (nobody)"),
    ],
)
@pytest.mark.parametrize("main", [fwknop.main, fwknop1.main])
def test_web_requests_and_questions_for_our_address_call_us_the_same(
    main: Callable[[list[str]], int],
    options: list[str],
    agent: str,
    page: int,
    key_file: list[str],
) -> None:
    where = ["-D", "127.0.0.1", "--Server-port", str(page), "--HTTP"]
    resolve = ["-R", "--URL", f"http://127.0.0.1:{page}/ip"]
    assert main(["--quiet", "-A", "tcp/22", *where, *resolve, *key_file, *options]) == 0
    (asked, first), (packet, second) = Page.heard(2)
    assert asked == "/ip"
    assert len(packet) > 150
    assert (first, second) == (agent, agent)


@pytest.mark.requirement("4.31")
@pytest.mark.parametrize(
    ("options", "environment", "folder"),
    [
        (["--Home-dir", "/a"], {"HOME": "/b", "USERPROFILE": "/c", "APPDATA": "/d"}, "/a"),
        ([], {"HOME": "/b", "USERPROFILE": "/c", "APPDATA": "/d"}, "/b"),
        ([], {"HOME": "", "USERPROFILE": "/c", "APPDATA": "/d"}, "/c"),
        ([], {"APPDATA": "/d"}, "/d"),
        ([], {}, None),
    ],
)
def test_the_home_is_the_first_of_these_that_is_known(
    options: list[str], environment: dict[str, str], folder: str | None
) -> None:
    for as_perl in (False, True):
        line = parse(options, as_perl=as_perl)
        found = client_files.home(line, environment)
        assert found == folder
