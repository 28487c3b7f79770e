"""The client from command line to packet: keys, sending, test mode, kept packets."""

from __future__ import annotations

import base64
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit import client_scene
from tests.unit.client_scene import KEYS, KNOCK, mode_of, opened
from watchword.edges import send
from watchword.edges.send.sent import Sent
from watchword.model.crypto import Credential, Digest, Secret
from watchword.model.routes import Route
from watchword.programs.fwknop import main
from watchword.wire.spa.opening import Lock, unseal

home = client_scene.home
server = client_scene.server
pytestmark = pytest.mark.usefixtures("home")


# Sending.


@pytest.mark.requirement("8.16", partial=True)
def test_a_plain_successful_run_sends_one_packet_and_prints_nothing(
    server: socket.socket, capsys: pytest.CaptureFixture[str]
) -> None:
    port = server.getsockname()[1]
    assert main([*KNOCK, *KEYS, "-D", "127.0.0.1", "-p", str(port)]) == 0
    message = opened(server.recv(2000))
    assert (message.text, message.user) == ("192.0.2.10,tcp/22", "tester")
    assert capsys.readouterr() == ("", "")


@pytest.mark.requirement("9.1")
def test_the_port_may_stand_with_the_server(server: socket.socket) -> None:
    assert main([*KNOCK, *KEYS, "-D", f"127.0.0.1:{server.getsockname()[1]}"]) == 0
    assert opened(server.recv(2000))


@pytest.mark.parametrize(
    ("options", "family"),
    [
        ([], None),
        (["-4"], 4),
        (["-6"], 6),
        (["--server-resolve-ipv4"], 4),
        (["--server-resolve-ipv4", "-6"], 6),
    ],
)
def test_the_family_of_the_servers_address_can_be_chosen(
    options: list[str], family: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = []

    def note(_payload: bytes, route: Route, *, confirm: bool) -> Sent:
        assert not confirm
        chosen.append(route.family)
        return Sent(route.host, route.port, 0)

    monkeypatch.setattr(send, "send", note)
    assert main([*KNOCK, *KEYS, "-D", "server.example", *options]) == 0
    assert chosen == [family]


def test_a_source_port_is_used(server: socket.socket) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        source = free.getsockname()[1]
    target = f"127.0.0.1:{server.getsockname()[1]}"
    assert main([*KNOCK, *KEYS, "-D", target, "-S", str(source)]) == 0
    assert server.recvfrom(2000)[1][1] == source


def test_with_v_the_address_that_was_taken_is_shown(
    server: socket.socket, capsys: pytest.CaptureFixture[str]
) -> None:
    port = server.getsockname()[1]
    assert main([*KNOCK, *KEYS, "-D", "localhost", "-4", "-p", str(port), "-v"]) == 0
    shown = capsys.readouterr().out
    size = len(server.recv(2000))
    assert shown.endswith(
        "Generating SPA packet:\n"
        "            protocol: udp\n"
        "         source port: <OS assigned>\n"
        f"    destination port: {port}\n"
        "             IP/host: localhost\n"
        "             address: 127.0.0.1\n"
        f"send_spa_packet: bytes sent: {size}\n"
    )


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        (["-D", "no-such-host.invalid"], "error in getaddrinfo: "),
        (["-D", "127.0.0.1", "-6"], "error in getaddrinfo: "),
        (["-D", "127.0.0.1", "-p", "0"], "port 0 cannot be sent to"),
        (["-D", "x" * 300], "error in getaddrinfo: "),
    ],
)
def test_a_packet_that_cannot_be_sent_is_an_error(
    target: list[str], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*KNOCK, *KEYS, *target]) == 1
    said = capsys.readouterr().err.splitlines()
    assert said[0].startswith(reason)
    assert said[1] == "send_spa_packet: packet not sent."
    assert said[2].startswith("fwknop: hint: ")


def test_a_servers_name_that_is_shown_steers_no_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main([*KNOCK, *KEYS, "-D", "\x1b[31mred", "-v", "-T"]) == 0
    shown = capsys.readouterr().out
    assert "IP/host: \\x1b[31mred\n" in shown
    assert "\x1b" not in shown


@pytest.mark.requirement("9.3", partial=True)
def test_an_explicit_ipv6_address_is_sent_with_a_warning(
    server: socket.socket, capsys: pytest.CaptureFixture[str]
) -> None:
    target = ("-D", f"127.0.0.1:{server.getsockname()[1]}")
    assert main(["-A", "tcp/22", "-a", "2001:db8::7", *KEYS, *target]) == 0
    assert opened(server.recv(2000)).text == "2001:db8::7,tcp/22"
    assert "fwknopd refuses the packet" in capsys.readouterr().err


def test_a_verbose_run_for_any_source_is_warned_about(
    server: socket.socket,
    capsys: pytest.CaptureFixture[str],
) -> None:
    warning = "[-] WARNING: Should use -a or -R to harden SPA against potential MITM attacks\n"
    keys = ("--key-rijndael", "the first of two", "--key-hmac", "and the other one")
    argv = ["-A", "tcp/22", "-s", *keys, "-D", f"127.0.0.1:{server.getsockname()[1]}"]
    assert main([*argv, "-v"]) == 0
    assert capsys.readouterr().err == warning
    assert main(argv) == 0
    assert capsys.readouterr().err == ""


def test_a_random_nat_port_is_announced_and_is_in_the_packet(
    server: socket.socket, capsys: pytest.CaptureFixture[str]
) -> None:
    target = ("-D", f"127.0.0.1:{server.getsockname()[1]}")
    assert main([*KNOCK, *KEYS, *target, "-N", "10.0.0.5:80", "--nat-rand-port"]) == 0
    text = opened(server.recv(2000)).text
    assert capsys.readouterr().out == (
        f"[+] Randomly assigned port '{text.rpartition('/')[2]}' on: '{text}' "
        "will grant access to: '10.0.0.5,80'\n"
    )


def test_in_test_mode_nothing_is_sent_and_that_is_said(
    server: socket.socket, capsys: pytest.CaptureFixture[str]
) -> None:
    target = ("-D", f"127.0.0.1:{server.getsockname()[1]}")
    assert main([*KNOCK, *KEYS, *target, "-T"]) == 0
    server.setblocking(False)
    with pytest.raises(BlockingIOError):
        server.recv(2000)
    assert "\n\ntest mode enabled, SPA packet not actually sent.\n" in capsys.readouterr().out


def test_a_legacy_key_is_cut_and_that_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*KNOCK, "-T", "-M", "legacy", "--key-rijndael", "k" * 20]) == 0
    assert capsys.readouterr().err.startswith(
        "WARNING: Encryption key in '-M legacy' mode must be <= 16 bytes\n"
    )


# Packets in files.


def test_a_packet_is_kept_in_a_private_file_anew_or_at_its_end(home: Path) -> None:
    kept = home / "packet"
    assert main([*KNOCK, *KEYS, "-T", "-B", str(kept), "-b"]) == 0
    assert mode_of(kept) == 0o600
    assert main([*KNOCK, *KEYS, "-T", "-B", str(kept)]) == 0
    first = kept.read_bytes()
    assert opened(first.removesuffix(b"\n"))
    assert mode_of(kept) == 0o600
    assert main([*KNOCK, *KEYS, "-T", "-B", str(kept), "-b"]) == 0
    assert kept.read_bytes().startswith(first)
    assert kept.read_bytes().count(b"\n") == 2
    assert main([*KNOCK, *KEYS, "-T", "-B", str(kept)]) == 0
    assert kept.read_bytes().count(b"\n") == 1


def test_that_a_packet_cannot_be_kept_is_said_and_no_more(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*KNOCK, *KEYS, "-T", "-B", str(home / "no" / "folder")]) == 0
    assert capsys.readouterr().err.startswith("write_spa_packet_data: ")


# Keys.


def test_two_keys_can_be_read_from_one_descriptor(server: socket.socket, home: Path) -> None:
    secrets = home / "secrets"
    secrets.write_bytes(b"client-key-1\nclient-hmac-1\r\n")
    target = ("-D", f"127.0.0.1:{server.getsockname()[1]}")
    with secrets.open("rb", buffering=0) as channel:
        number = str(channel.fileno())
        assert main([*KNOCK, "--use-hmac", "--fd", number, *target]) == 0
    assert opened(server.recv(2000))


def test_two_keys_can_be_read_from_standard_input(server: socket.socket) -> None:
    target = ("-D", f"127.0.0.1:{server.getsockname()[1]}")
    argv = [sys.executable, "-m", "watchword.programs.fwknop", *KNOCK, "--use-hmac", *target]
    subprocess.run([*argv, "--stdin"], input=b"client-key-1\nclient-hmac-1", check=True)
    assert opened(server.recv(2000))


@pytest.mark.parametrize(
    ("secrets", "said"),
    [(b"", "The encryption key is empty"), (b"only-one\n", "The HMAC key is empty")],
)
def test_a_key_that_is_missing_on_a_descriptor_is_refused(
    secrets: bytes, said: str, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / "secrets").write_bytes(secrets)
    with (home / "secrets").open("rb", buffering=0) as channel:
        assert main([*KNOCK, "-T", "--use-hmac", "--fd", str(channel.fileno())]) == 1
    assert capsys.readouterr().err.startswith(said)


def test_a_descriptor_that_is_not_open_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*KNOCK, "-T", "--fd", "777"]) == 1
    assert capsys.readouterr().err.splitlines() == [
        "getpasswd() - Unable to create a stream from the file descriptor : Bad file descriptor",
        "[*] getpasswd() key error.",
        "fwknop: hint: open it for the client: fwknop --fd 3 3<file",
    ]


def test_keys_can_stand_in_two_files_and_loose_permissions_are_remarked_on(
    server: socket.socket, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    host = f"127.0.0.1:{server.getsockname()[1]}"
    (home / "k").write_text("127.0.0.1: client-key-1\n", "utf-8")
    (home / "m").write_text(f"127.0.0.1: wrong\n{host}: client-hmac-1\n", "utf-8")
    (home / "k").chmod(0o640)
    (home / "m").chmod(0o600)
    files = ("-G", str(home / "k"), "--get-hmac-key", str(home / "m"))
    assert main([*KNOCK, *files, "-D", host]) == 0
    assert opened(server.recv(2000))
    assert capsys.readouterr().err == (
        f"[-] file: {home / 'k'} permissions should only be user read/write (0600, -rw-------)\n"
    )


def test_a_key_file_without_the_server_is_refused(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / "k").write_text("192.0.2.1: x\n", "utf-8")
    (home / "k").chmod(0o600)
    assert main([*KNOCK, "-T", "-D", "192.0.2.2", "-G", str(home / "k")]) == 1
    assert capsys.readouterr().err.splitlines() == [
        f"Could not get key for IP: 192.0.2.2 from: {home / 'k'}",
        "fwknop: hint: add a line to it: 192.0.2.2: key",
    ]


def test_a_key_on_the_command_line_beats_one_in_the_rc_file(
    server: socket.socket, home: Path
) -> None:
    (home / ".fwknoprc").write_text("[default]\nKEY other\nHMAC_KEY another\n", "utf-8")
    keys = ("--key-base64-rijndael", "Y2xpZW50LWtleS0x", "--key-hmac", "client-hmac-1")
    target = ("-D", f"127.0.0.1:{server.getsockname()[1]}")
    assert main([*KNOCK, *keys, *target]) == 0
    assert opened(server.recv(2000))


# Making keys.


def lengths(output: str) -> list[int]:
    return [len(base64.b64decode(line.split()[1])) for line in output.splitlines()]


@pytest.mark.parametrize(
    ("options", "sizes"),
    [
        (["-k"], [32, 64]),
        (["-k", "--hmac-digest-type", "md5"], [32, 16]),
        (["-k", "--hmac-digest-type", "sha1"], [32, 20]),
        (["-k", "--hmac-digest-type", "sha384"], [32, 128]),
        (["-k", "--hmac-digest-type", "sha512"], [32, 128]),
        (["-k", "--hmac-digest-type", "sha3_256"], [32, 128]),
        (["-k", "--hmac-digest-type", "sha3_512"], [32, 72]),
        (["-k", "--key-len", "4", "--hmac-key-len", "3"], [4, 3]),
    ],
)
def test_new_keys_are_two_lines_on_standard_output(
    options: list[str], sizes: list[int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(options) == 0
    shown = capsys.readouterr()
    assert [line.split()[0] for line in shown.out.splitlines()] == [
        "KEY_BASE64:",
        "HMAC_KEY_BASE64:",
    ]
    assert lengths(shown.out) == sizes
    assert shown.err == ""


def test_no_two_keys_are_alike(capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(4):
        main(["-k"])
    lines = capsys.readouterr().out.splitlines()
    assert len(set(lines)) == 8


def test_a_key_file_is_private_whatever_the_umask_is(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = os.umask(0)
    try:
        assert main(["-K", str(home / "keys")]) == 0
    finally:
        os.umask(before)
    assert mode_of(home / "keys") == 0o600
    assert lengths((home / "keys").read_text("utf-8")) == [32, 64]
    assert capsys.readouterr().out == f"[+] Wrote Rijndael and HMAC keys to: {home / 'keys'}\n"


def test_a_key_file_that_cannot_be_written_is_an_error(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["-K", str(home / "no" / "folder")]) == 1
    assert capsys.readouterr().err.startswith("Unable to create key gen file: ")


def test_every_digest_of_the_hmac_can_be_chosen(server: socket.socket) -> None:
    target = ("-D", f"127.0.0.1:{server.getsockname()[1]}")
    for digest in Digest:
        assert main([*KNOCK, *KEYS, *target, "--hmac-digest-type", digest.name]) == 0
        credential = Credential(
            Secret(b"client-key-1"), mac_key=Secret(b"client-hmac-1"), mac_digest=digest
        )
        assert unseal(server.recv(2000), Lock(credential)).message.user == "tester"
