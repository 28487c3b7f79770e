"""The client asks for keys on a real terminal, and leaves it as it was (client, section 8.3)."""

from __future__ import annotations

import os
import pty
import select
import signal
import socket
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from watchword.model.crypto import CipherMode, Credential, Secret
from watchword.wire.spa.opening import Lock, unseal

LEADER = """
import fcntl, signal, subprocess, sys, termios
fcntl.ioctl(int(sys.argv[1]), termios.TIOCSCTTY, 0)
signal.signal(signal.SIGINT, lambda *_: None)
signal.signal(signal.SIGTSTP, lambda *_: None)
for each in (signal.SIGHUP, signal.SIGQUIT, signal.SIGTERM):
    signal.signal(each, signal.SIG_DFL)
client = subprocess.Popen(sys.argv[2:], stdin=subprocess.DEVNULL)
print(client.pid, flush=True)
print(client.wait(), flush=True)
sys.stdin.read()
"""
"""Leads the terminal's session and outlives the client, so that the terminal does, too.

Whoever runs the tests may ignore signals, as nohup does; a client at a terminal does not.
"""

ASK = "Enter encryption key: "
ASK_MAC = "Enter HMAC key: "
CTRL_C, CTRL_D, CTRL_U, CTRL_Z, ERASE = b"\x03", b"\x04", b"\x15", b"\x1a", b"\x7f"


class Terminal:
    """A terminal with a client at it, whose input and output are led elsewhere."""

    def __init__(self, home: Path, *options: str, program: str = "fwknop") -> None:
        self.master, self.slave = pty.openpty()
        self.before = termios.tcgetattr(self.slave)
        client = [sys.executable, "-m", f"watchword.programs.{program}", *options]
        self.leader = subprocess.Popen(
            [sys.executable, "-c", LEADER, str(self.slave), *client],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "HOME": str(home)},
            start_new_session=True,
            pass_fds=(self.slave,),
        )
        assert self.leader.stdout is not None
        self.client = int(self.leader.stdout.readline())
        self.shown = ""

    def wait_for(self, text: str) -> None:
        """Read what appears on the terminal until this text is among it."""
        ends = time.monotonic() + 60
        while text not in self.shown:
            assert select.select([self.master], [], [], max(0, ends - time.monotonic()))[0], (
                f"{text!r} is not in {self.shown!r}"
            )
            self.shown += os.read(self.master, 1024).decode()

    def type(self, keys: bytes) -> None:
        os.write(self.master, keys)

    def echoes(self) -> bool:
        return bool(termios.tcgetattr(self.slave)[3] & termios.ECHO)

    def finish(self) -> int:
        """Wait for the client; its exit status, negative for a signal."""
        assert self.leader.stdout is not None
        return int(self.leader.stdout.readline())

    def errors(self) -> str:
        assert self.leader.stdin is not None
        assert self.leader.stderr is not None
        self.leader.stdin.close()
        return self.leader.stderr.read().decode()

    def restored(self) -> bool:
        return termios.tcgetattr(self.slave) == self.before

    def close(self) -> None:
        if self.leader.poll() is None:
            os.killpg(self.leader.pid, signal.SIGKILL)
        self.leader.wait(60)
        for stream in (self.leader.stdin, self.leader.stdout, self.leader.stderr):
            if stream is not None:
                stream.close()
        os.close(self.master)
        os.close(self.slave)


@pytest.fixture
def server() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as channel:
        channel.bind(("127.0.0.1", 0))
        channel.settimeout(60)
        yield channel


@pytest.fixture
def terminal(server: socket.socket, tmp_path: Path) -> Iterator[Terminal]:
    port = str(server.getsockname()[1])
    terminal = Terminal(
        tmp_path, "-A", "tcp/22", "-a", "192.0.2.1", "-D", "127.0.0.1", "-p", port,
        "--use-hmac", "--hmac-digest-type", "sha256",
    )  # fmt: skip
    try:
        yield terminal
    finally:
        terminal.close()


def opens(server: socket.socket, key: bytes, mac_key: bytes) -> bool:
    lock = Lock(Credential(Secret(key), mac_key=Secret(mac_key)))
    return unseal(server.recv(2000), lock).message.text == "192.0.2.1,tcp/22"


def nothing_came(server: socket.socket) -> bool:
    server.setblocking(False)
    try:
        server.recv(2000)
    except BlockingIOError:
        return True
    return False


@pytest.mark.requirement("4.16")
def test_two_keys_are_typed_unseen_and_make_the_packet(
    terminal: Terminal, server: socket.socket
) -> None:
    terminal.wait_for(ASK)
    assert not terminal.echoes()
    terminal.type(b"first-secret\n")
    terminal.wait_for(ASK_MAC)
    assert not terminal.echoes()
    terminal.type(b"second-secret\n")

    assert terminal.finish() == 0
    assert terminal.restored()
    assert opens(server, b"first-secret", b"second-secret")
    assert terminal.shown.split() == [*ASK.split(), *ASK_MAC.split()]
    assert "secret" not in terminal.shown


@pytest.mark.requirement("4.16")
@pytest.mark.parametrize("when", [ASK, ASK_MAC])
def test_ctrl_c_sends_nothing_and_gives_the_terminal_back(
    terminal: Terminal, server: socket.socket, when: str
) -> None:
    terminal.wait_for(ASK)
    if when == ASK_MAC:
        terminal.type(b"first-secret\n")
        terminal.wait_for(ASK_MAC)
    terminal.type(b"half a se" + CTRL_C)

    assert terminal.finish() == 1
    assert terminal.restored()
    assert nothing_came(server)
    assert terminal.errors().splitlines()[-1] == "interrupted, no packet was sent."


@pytest.mark.parametrize(
    "number", [signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGALRM, signal.SIGUSR1]
)
def test_a_signal_ends_the_client_and_gives_the_terminal_back(
    terminal: Terminal, server: socket.socket, number: signal.Signals
) -> None:
    terminal.wait_for(ASK)
    os.kill(terminal.client, number)

    assert terminal.finish() == -number
    assert terminal.restored()
    assert nothing_came(server)


@pytest.mark.requirement("4.16")
@pytest.mark.parametrize("typed", [CTRL_D, b"\n", b"x" + CTRL_U + b"\n"])
def test_an_empty_key_is_refused_and_gives_the_terminal_back(
    terminal: Terminal, server: socket.socket, typed: bytes
) -> None:
    terminal.wait_for(ASK)
    terminal.type(typed)

    assert terminal.finish() == 1
    assert terminal.restored()
    assert nothing_came(server)
    assert "The encryption key is empty" in terminal.errors()


def test_a_key_that_is_too_long_is_refused_before_the_next_is_asked_for(
    terminal: Terminal, server: socket.socket
) -> None:
    terminal.wait_for(ASK)
    terminal.type(b"k" * 33 + b"\n")

    assert terminal.finish() == 1
    assert terminal.restored()
    assert ASK_MAC not in terminal.shown
    assert "Error 95 - Invalid key length" in terminal.errors()


def test_a_key_can_be_corrected_and_ctrl_z_does_nothing(
    terminal: Terminal, server: socket.socket
) -> None:
    terminal.wait_for(ASK)
    terminal.type(b"wrong" + CTRL_U + b"firt" + ERASE + CTRL_Z + b"st\n")
    terminal.wait_for(ASK_MAC)
    terminal.type(b"m\n")

    assert terminal.finish() == 0
    assert opens(server, b"first", b"m")


def test_without_a_terminal_that_is_said(tmp_path: Path) -> None:
    argv = [sys.executable, "-m", "watchword.programs.fwknop"]
    done = subprocess.run(
        [*argv, "-T", "-A", "tcp/22", "-a", "192.0.2.1", "--no-rc-file", "-E", "/dev/null"],
        check=False,
        capture_output=True,
        text=True,
        start_new_session=True,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "HOME": str(tmp_path)},
    )
    assert done.returncode == 1
    assert "[*] getpasswd() key error.\n" in done.stderr


# The perl client's prompts.

PERL_ASK = "Encryption Key: "
PERL_AUTH = "UNIX crypt() password: "


@pytest.fixture
def perl_terminal(server: socket.socket, tmp_path: Path) -> Iterator[Terminal]:
    target = f"127.0.0.1:{server.getsockname()[1]}"
    options = ("-q", "-A", "tcp/22,udp/53", "-a", "192.0.2.1", "-D", target)
    terminal = Terminal(tmp_path, *options, "--Server-auth", "crypt", program="fwknop1")
    try:
        yield terminal
    finally:
        terminal.close()


@pytest.mark.requirement("4.16")
def test_fwknop1_asks_as_the_perl_client_did_and_shows_nothing(
    perl_terminal: Terminal, server: socket.socket
) -> None:
    terminal = perl_terminal
    terminal.wait_for(PERL_AUTH)
    assert not terminal.echoes()
    terminal.type(b"unix-secret\n")
    terminal.wait_for(PERL_ASK)
    assert not terminal.echoes()
    terminal.type(b"first-secret\n")

    assert terminal.finish() == 0
    assert terminal.restored()
    lock = Lock(Credential(Secret(b"first-secret"), CipherMode.LEGACY))
    message = unseal(server.recv(2000), lock).message
    assert (message.text, message.server_auth) == (
        "192.0.2.1,tcp/22,udp/53",
        "crypt,unix-secret",
    )
    assert terminal.shown.split() == [*PERL_AUTH.split(), *PERL_ASK.split()]


@pytest.mark.requirement("4.16", "7.19")
@pytest.mark.parametrize("when", [PERL_AUTH, PERL_ASK])
@pytest.mark.parametrize("typed", [CTRL_C, b"\n", b"short\n"])
def test_whatever_is_no_key_sends_nothing_and_gives_the_terminal_back(
    perl_terminal: Terminal, server: socket.socket, when: str, typed: bytes
) -> None:
    terminal = perl_terminal
    terminal.wait_for(PERL_AUTH)
    if when == PERL_ASK or typed == b"short\n":
        terminal.type(b"unix-secret\n")
        terminal.wait_for(PERL_ASK)
    terminal.type(typed)

    assert terminal.finish() == 1
    assert terminal.restored()
    assert nothing_came(server)
