"""Files and arguments that somebody made to do harm: a clear error, and nothing is sent."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit import client_scene
from tests.unit.client_scene import KEYS, KNOCK, opened
from watchword.edges import file_rights, prompt
from watchword.programs.fwknop import main

home = client_scene.home
server = client_scene.server
pytestmark = pytest.mark.usefixtures("home")

STANZA = (
    "[work]\nSPA_SERVER 127.0.0.1\nACCESS tcp/22\nALLOW_IP 192.0.2.1\n"
    "KEY client-key-1\nHMAC_KEY client-hmac-1\n"
)


@pytest.fixture(autouse=True)
def _nobody_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_words: object) -> None:
        raise AssertionError("asked")

    monkeypatch.setattr(prompt.Terminal, "ask", never)


def nothing_came(server: socket.socket) -> bool:
    server.setblocking(False)
    try:
        server.recv(2000)
    except BlockingIOError:
        return True
    return False


def port_of(server: socket.socket) -> str:
    return str(server.getsockname()[1])


# The rc file.


def ten_megabytes(path: Path) -> None:
    path.write_bytes(b"# " + b"x" * 98 + b"\n" * 1)
    with path.open("ab") as file:
        for _ in range(100_000):
            file.write(b"# " + b"x" * 98 + b"\n")
        file.write(STANZA.encode())


def fifo(path: Path) -> None:
    os.mkfifo(path)


def folder(path: Path) -> None:
    path.mkdir()


def loop(path: Path) -> None:
    path.symlink_to(path)


def link_to_a_device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def link_to_a_folder(path: Path) -> None:
    path.symlink_to("/etc")


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (ten_megabytes, "is larger than 8388608 bytes"),
        (fifo, "is not a regular file"),
        (folder, "is not a regular file"),
        (loop, "Too many levels of symbolic links"),
        (link_to_a_device, "is not a regular file"),
        (link_to_a_folder, "is not a regular file"),
    ],
)
def test_an_rc_file_that_is_none_ends_the_run(
    make: Callable[[Path], None],
    said: str,
    server: socket.socket,
    home: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (home / ".fwknoprc").unlink()
    make(home / ".fwknoprc")
    assert main(["-n", "work", "-p", port_of(server)]) == 1
    err = capsys.readouterr().err
    assert said in err
    assert str(home / ".fwknoprc") in err
    assert nothing_came(server)


@pytest.mark.parametrize(
    "content",
    [
        os.urandom(4096).replace(b"\n", b"?"),
        b"\x00" * 4096,
        b"\x7fELF" + bytes(range(256)) * 64,
        b"[work" + b"\n",
        b"[" + b"w" * 100_000 + b"]\n",
        b"include /etc/shadow\n%include /etc/shadow\n",
        ("[\u202ework]\n" + STANZA[7:]).encode(),
        STANZA.replace("[work]", "[work\x00]").encode(),
        b"\xef\xbb\xbf" + STANZA.encode(),  # a byte order mark
        STANZA.encode("utf-16"),
    ],
    ids=["noise", "nul", "program", "open", "long", "include", "bidi", "nul name", "bom", "utf-16"],
)
def test_an_rc_file_without_the_stanza_ends_the_run(
    content: bytes, server: socket.socket, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / ".fwknoprc").write_bytes(content)
    assert main(["-n", "work", "-p", port_of(server)]) == 1
    err = capsys.readouterr().err
    assert err.startswith("Named configuration stanza: [work] was not found.\n")
    assert all(each.isprintable() for each in err.replace("\n", ""))
    assert nothing_came(server)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("\x00\n", "*Invalid entry in '(not shown)'"),
        ("KEY\n", "*Invalid entry in 'KEY'"),
        (" \n", "*Invalid entry in ''"),
        ("include /etc/shadow\n", "var=(not shown), val=(not shown)"),
        ("%include /etc/shadow\n", "var=(not shown), val=(not shown)"),
        ("SPOOF_USER " + "x" * 2000 + "\n", "*Invalid entry in 'SPOOF_USER'"),
        ("KEY " + "s" * 2000 + "\n", "*Invalid entry in 'KEY'"),
        ("é" * 600 + " x\n", "*Invalid entry in '(not shown)'"),
        ("SPA_SERVER_PORT \x1b[2J\n", "val=\\x1b[2J"),
        ("ALLOW_IP 192.0.2.1\x00\n", "var=ALLOW_IP, val=192.0.2.1\\x00"),
    ],
)
def test_a_line_that_says_nothing_ends_the_run_with_its_number_and_no_secret(
    line: str, said: str, server: socket.socket, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / ".fwknoprc").write_text(STANZA + line, "utf-8")
    assert main(["-n", "work", "-p", port_of(server)]) == (0 if "PORT" in line else 1)
    err = capsys.readouterr().err
    if "PORT" not in line:  # read as C reads numbers: a word is 0, and -p wins
        assert said in err
        assert nothing_came(server)
    assert "\x1b" not in err
    assert "sss" not in err
    assert "shadow" not in err


def test_a_longest_line_is_one_of_1023_bytes(
    server: socket.socket, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = "HTTP_USER_AGENT "
    longest = name + "x" * (1023 - len(name))
    (home / ".fwknoprc").write_text(f"{STANZA}{longest}\n", "utf-8")
    assert main(["-n", "work", "-p", port_of(server)]) == 0
    assert opened(server.recv(2000))
    (home / ".fwknoprc").write_text(f"{STANZA}{longest}x\n", "utf-8")
    assert main(["-n", "work", "-p", port_of(server)]) == 1
    assert "a line has at most 1023 bytes" in capsys.readouterr().err


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_root_may_use_an_rc_file_of_somebody_else_and_is_told(
    server: socket.socket, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rc = home / ".fwknoprc"
    rc.write_text(STANZA, "utf-8")
    rc.chmod(0o644)
    os.chown(rc, 12345, -1)
    assert main(["-n", "work", "-p", port_of(server)]) == 0
    assert opened(server.recv(2000))
    assert capsys.readouterr().err == (
        f"[-] file: {rc} permissions should only be user read/write (0600, -rw-------)\n"
        f"[-] file: {rc} not owned by current effective user id\n"
    )


def test_an_rc_file_that_everybody_may_write_is_not_obeyed(
    server: socket.socket, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rc = home / ".fwknoprc"
    rc.write_text(STANZA, "utf-8")
    rc.chmod(0o602)
    assert main(["-n", "work", "-p", port_of(server)]) == 1
    said = capsys.readouterr().err
    assert "may be written by everybody" in said
    assert f"chmod 600 {rc}" in said
    assert nothing_came(server)


def test_an_rc_file_of_another_user_is_not_obeyed(
    server: socket.socket,
    home: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (home / ".fwknoprc").write_text(STANZA, "utf-8")
    (home / ".fwknoprc").chmod(0o600)
    if os.geteuid() == 0:
        os.chown(home / ".fwknoprc", 12345, -1)
    monkeypatch.setattr(file_rights, "own_user", lambda: 54321)
    assert main(["-n", "work", "-p", port_of(server)]) == 1
    assert "belongs to another user" in capsys.readouterr().err
    assert nothing_came(server)


def test_a_link_to_an_rc_file_is_followed(server: socket.socket, home: Path) -> None:
    (home / "real").write_text(STANZA, "utf-8")
    (home / "real").chmod(0o600)
    (home / ".fwknoprc").unlink()
    (home / ".fwknoprc").symlink_to("real")
    assert main(["-n", "work", "-p", port_of(server)]) == 0
    assert opened(server.recv(2000))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives links away")
def test_kept_options_are_not_written_through_somebody_elses_link(
    server: socket.socket, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / "victim").write_text("precious", "utf-8")
    (home / ".fwknop.run").symlink_to("victim")
    os.chown(home / ".fwknop.run", 12345, -1, follow_symlinks=False)
    assert main([*KNOCK, *KEYS, "-D", f"127.0.0.1:{port_of(server)}"]) == 0
    assert "somebody else's symbolic link" in capsys.readouterr().err
    assert (home / "victim").read_text("utf-8") == "precious"


# Key files.


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "Could not get key for IP: 127.0.0.1 from: "),
        (os.urandom(2048).replace(b"\n", b"?"), "Could not get key for IP: "),
        (b"127.0.0.1: " + b"k" * 129 + b"\n", "is longer than 128 bytes"),
        (b"127.0.0.1:\n", "The encryption key is empty"),
        (b"127.0.0.1: __CHANGEME__\n", "is the placeholder of a sample file"),
        (b"x" * (9 << 20), "is larger than 8388608 bytes"),
    ],
    ids=["empty", "noise", "long", "no key", "placeholder", "huge"],
)
@pytest.mark.parametrize("option", ["-G", "--get-hmac-key"])
def test_a_key_file_without_a_key_ends_the_run(
    option: str,
    content: bytes,
    said: str,
    server: socket.socket,
    home: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (home / "k").write_bytes(content)
    (home / "k").chmod(0o600)
    other = ["--key-rijndael", "client-key-1"] if option != "-G" else []
    argv = [*KNOCK, "-D", "127.0.0.1", "-p", port_of(server), option, str(home / "k"), *other]
    assert main(argv) == 1
    err = capsys.readouterr().err
    assert said.replace("encryption", "encryption" if option == "-G" else "HMAC") in err
    assert "kkk" not in err
    assert nothing_came(server)


@pytest.mark.parametrize("kind", ["fifo", "/dev/zero", "/etc"])
def test_a_key_file_that_is_no_file_ends_the_run(
    kind: str, server: socket.socket, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = home / "k" if kind == "fifo" else Path(kind)
    if kind == "fifo":
        os.mkfifo(path)
    argv = [*KNOCK, "-D", "127.0.0.1", "-p", port_of(server), "-G", str(path)]
    assert main(argv) == 1
    assert "is not a regular file" in capsys.readouterr().err
    assert nothing_came(server)


# Arguments.


@pytest.mark.parametrize(
    "argv",
    [
        ["-A", "tcp/22," * 50_000, "-s"],
        ["-A", "tcp/" + "9" * 100_000, "-s"],
        ["-A", "tcp/22", "-a", "1." * 50_000],
        ["-A", "tcp/22", "-s", "-N", "x" * 100_000],
        ["-A", "tcp/22", "-s", "--time-offset-plus", "9" * 100_000],
        ["-A", "tcp/22", "-s", "-p", "9" * 100_000],
        ["-A", "tcp/22", "-s", "--" + "x" * 100_000],
        ["-A", "tcp/22", "-s", "-n", "x" * 100_000],
        ["-A", "tcp/22", "-s", "--rc-file", "x" * 100_000],
        ["-C", "x" * 100_000, "-s"],
        ["-A", "tcp/\udcff22", "-s"],
        ["-A", "tcp/22", "-a", "\udcff"],
        ["-A", "tcp/22", "-s", "-m", "\udcff\x1b[2J"],
        ["-A", "tcp/22", "-s", "--\udcff"],
        ["-A", "tcp/22", "-s", "-\udcff"],
        ["-A", "tcp/22", "-s", "-n", "\udcff\x1b[2J"],
        ["-A", "tcp/22", "-s", "--allow-IP", "\udcff.example"],
        ["-A", "tcp/²²", "-s"],
        ["-A", "tcp/22", "-s", "-f", "99999999999999999999"],
        ["-A", "tcp/22", "-s", "-U", "a\nb"],
        ["-A", "tcp/22", "-s", "-U", "\udcff"],
    ],
)
def test_arguments_that_cannot_be_end_in_a_plain_error(
    argv: list[str], server: socket.socket, capsys: pytest.CaptureFixture[str]
) -> None:
    target = ["-D", "127.0.0.1", "--no-save-args"]
    given = target if "-p" in argv else [*target, "-p", port_of(server)]
    assert main([*argv, *given, *KEYS]) == 1
    err = capsys.readouterr().err
    assert err
    assert "\x1b" not in err
    assert nothing_came(server)


def test_bytes_that_are_no_text_are_shown_as_escapes_by_the_program_itself(home: Path) -> None:
    argv: list[str | bytes] = [sys.executable, "-m", "watchword.programs.fwknop", "-T", "-s"]
    done = subprocess.run(
        [*argv, "-A", b"tcp/\xff\xfe", "--key-rijndael", "client-key-1"],
        capture_output=True, check=False, env={**os.environ, "HOME": str(home)},
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.startswith(b"fwknop: fko_set_spa_message: Error 102")
    assert b"Traceback" not in done.stderr


def test_a_passphrase_of_any_bytes_is_taken_as_it_is(server: socket.socket) -> None:
    keys = ("--key-rijndael", "cl\udcff\udc80", "--key-hmac", "\udce9h")
    assert main([*KNOCK, *keys, "-D", "127.0.0.1", "-p", port_of(server)]) == 0
    assert opened(server.recv(2000), b"cl\xff\x80", b"\xe9h")


# Where a packet is written to.


@pytest.mark.parametrize("append", [[], ["-b"]])
def test_a_pipe_that_nobody_reads_does_not_hold_the_packet_up(
    append: list[str], server: socket.socket, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    os.mkfifo(home / "pipe")
    target = ["-D", "127.0.0.1", "-p", port_of(server)]
    assert main([*KNOCK, *KEYS, *target, "-B", str(home / "pipe"), *append]) == 0
    assert opened(server.recv(2000))
    assert capsys.readouterr().err.startswith("write_spa_packet_data: ")
