"""watchword front: a service behind a port that only proved connections get through.

The building of the lab: Alice knocks, Bob and Mallory come from her address. The front runs as
nobody, with a group that may ask the daemon.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from ipaddress import ip_address
from pathlib import Path

import pytest

from demo.sshd import USER, Sshd
from tests.certificates import certificate
from tests.daemon import PROGRAMS, stanza, until
from tests.sealing import message
from tests.system.building_scene import Shared
from tests.system.connect_scene import section
from tests.values import MAC_KEY, credential
from tests.within_reach import within_reach
from watchword.lab.building import building
from watchword.lab.hosts import Lab
from watchword.lab.sockets import connect, listen, send_datagram
from watchword.lab.trio import Station
from watchword.wire.proof import LENGTH, Proof
from watchword.wire.proxy_header import header
from watchword.wire.spa.composing import compose
from watchword.wire.spa.sealing import seal

pytestmark = pytest.mark.system
CROWDING = Path(__file__).with_name("crowding.py")
NOBODY, GROUP = 65534, 61234
ECHO, SSH, TLS, NOWHERE, TOLD = 2001, 2002, 2003, 2004, 2005
BEHIND = {ECHO: 1001, SSH: 22, TLS: 1003, NOWHERE: 1004, TOLD: 1001}


class Front(Shared):
    """The scene, and what is behind the fronts."""

    def __init__(self, lab: Lab, folder: Path, run: Path) -> None:
        super().__init__(building(lab), folder)
        self.home = folder / "home"
        self.home.mkdir()
        self.heard: list[bytes] = []
        """The first bytes of each connection that reached the service behind ``ECHO``."""
        ports = ", ".join(f"tcp/{port}" for port in BEHIND)
        self.server.settings |= {"FWKNOP_RUN_DIR": str(run), "CONTROL_GROUP": str(GROUP)}
        self.server.access = stanza(OPEN_PORTS=ports, PROVE="Y")
        self.control = run / "control.sock"
        self.sshd = run.parent / "sshd"
        rc = self.home / ".fwknoprc"
        rc.touch(mode=0o600)
        rc.write_text(section("home", self.net.server.four, PROVE="Y"), "utf-8")
        self.fronts: list[subprocess.Popen[bytes]] = []

    def said(self, port: int) -> str:
        """What the front of a port has written."""
        return (self.server.folder / f"front-{port}").read_text()

    def start_front(self, port: int, *options: str) -> None:
        """As nobody, with the group that may ask."""
        with (self.server.folder / f"front-{port}").open("wb") as log:
            front = self.net.server.host.start(
                *within_reach(),
                *("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", f"--groups={GROUP}"),
                *("--bounding-set=-all", "--no-new-privs"),
                *(str(PROGRAMS / "watchword"), "front", str(port), f"127.0.0.1:{BEHIND[port]}"),
                *("--socket", str(self.control), *options),
                stderr=log,
            )
        self.fronts.append(front)

    def connecting(self, port: int) -> subprocess.Popen[bytes]:
        """``watchword connect`` on Alice's machine, under way."""
        environment = {"HOME": str(self.home), "PATH": f"{PROGRAMS}:{os.environ['PATH']}"}
        return self.net.alice.host.start(
            *(str(PROGRAMS / "watchword"), "connect", "home", str(port)),
            env={**environment, "LOGNAME": "alice"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def knocked(self, port: int, address: str | None = None) -> Proof:
        """Alice sends a packet, by a program that keeps what it said."""
        before = len(self.server.judged)
        said = message(f"0.0.0.0,tcp/{port}", sent_at=int(time.time()))
        payload = seal(said, credential(), salt=os.urandom(8))
        send_datagram(self.net.alice.host, payload, address or self.net.server.four, 62201)
        assert self.server.wait_for_judgements(before + 1)[before]["verdict"] == "granted"
        return Proof.of_packet(MAC_KEY, compose(said))

    def says(
        self, who: Station, port: int, octets: bytes, address: str | None = None
    ) -> socket.socket:
        """A connection that has said something."""
        made = connect(who.host, address or self.net.server.four, port, 30)
        assert made is not None
        made.settimeout(60)
        made.sendall(octets)
        return made


def echo(scene: Front, listener: socket.socket) -> None:
    """Say what came, when it has all come."""

    def serve(connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            parts: list[bytes] = []
            while octets := connection.recv(1 << 16):
                if not parts:
                    scene.heard.append(octets[:LENGTH])
                parts.append(octets)
            connection.sendall(b"".join(parts))

    accepting(listener, serve)


def tls(folder: Path, listener: socket.socket) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate(folder, "server.example"))

    def serve(connection: socket.socket) -> None:
        with contextlib.suppress(OSError), context.wrap_socket(connection, server_side=True) as end:
            end.sendall(end.recv(100).upper())

    accepting(listener, serve)


def accepting(listener: socket.socket, serve: Callable[[socket.socket], None]) -> None:
    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    folder = tmp_path_factory.mktemp("front")
    run = Path(tempfile.mkdtemp())  # where others can look as well
    run.chmod(0o755)
    group = f"front:x:{GROUP}:\n"
    with Lab() as lab:
        made = Front(lab, folder, run / "run")
        own = Path("/etc/netns") / made.net.server.host.namespace
        own.mkdir(parents=True)
        (own / "group").write_text(Path("/etc/group").read_text() + group)
        made.server.settings["CONTROL_GROUP"] = "front"
        for port in (ECHO, TLS):
            listener = listen(made.net.server.host, "127.0.0.1", BEHIND[port])
            made._open.enter_context(listener)
            if port == ECHO:
                echo(made, listener)
            else:
                tls(folder, listener)
        made.sshd.mkdir()
        Sshd(made.net.server.host, made.sshd)
        made.server.start()
        made.start_front(ECHO, "--seconds", "1")
        for port in (SSH, TLS, NOWHERE):
            made.start_front(port)
        made.start_front(TOLD, "--proxy-protocol")
        until(lambda: all("ready on port" in made.said(port) for port in BEHIND))
        yield made
        made.close()
        made.server.stop()
    shutil.rmtree(run)
    shutil.rmtree(own)


@pytest.mark.requirement("2.23", partial=True)
def test_everything_that_is_passed_comes_back_and_each_end_is_passed_on(scene: Front) -> None:
    octets = os.urandom(3_000_000)
    told, _ = scene.connecting(ECHO).communicate(octets, timeout=60)
    assert hashlib.sha256(told).digest() == hashlib.sha256(octets).digest()


@pytest.mark.requirement("2.23", partial=True)
def test_no_neighbour_reaches_the_service_whatever_he_says_and_he_hears_nothing(
    scene: Front,
) -> None:
    net, before = scene.net, len(scene.heard)
    proof = scene.knocked(ECHO)
    said = [b"", b"SSH-2.0-me\r\n", os.urandom(LENGTH), os.urandom(4096), proof.name + bytes(32)]
    for who in (net.bob, net.mallory):
        for octets in said:
            with scene.says(who, ECHO, octets) as made:
                with contextlib.suppress(OSError):
                    made.shutdown(socket.SHUT_WR)
                with contextlib.suppress(ConnectionError):
                    assert made.recv(100) == b""
    assert len(scene.heard) == before
    with scene.says(net.alice, ECHO, proof.message + b"and on") as made:
        assert made.recv(16, socket.MSG_WAITALL) == proof.answer
        made.shutdown(socket.SHUT_WR)
        assert made.recv(100) == b"and on"
    # all that went over her connection, again: what was good for one is good for no other
    for who in (net.bob, net.alice):
        again = scene.says(who, ECHO, proof.message + b"and on")
        with again, contextlib.suppress(ConnectionError):
            assert again.recv(100) == b""
    assert len(scene.heard) == before + 1


@pytest.mark.parametrize("said", ["", "78", "random"])
def test_an_owner_gets_in_while_a_neighbour_holds_hundreds_and_makes_more(
    scene: Front, said: str
) -> None:
    net = scene.net
    words = (str(CROWDING), net.server.four, str(ECHO), "600", said)
    scene.knocked(ECHO)
    flood = net.mallory.host.start(sys.executable, *words, stdout=subprocess.PIPE)
    try:
        assert flood.stdout is not None
        assert flood.stdout.readline() == b"there\n"
        for _ in range(2):
            told, _ = scene.connecting(ECHO).communicate(b"through", timeout=60)
            assert told == b"through"
        assert flood.poll() is None
    finally:
        flood.kill()
        flood.wait(60)


def test_who_says_nothing_or_says_it_slowly_is_closed(scene: Front) -> None:
    for octets in (b"", b"x"):
        made = scene.says(scene.net.mallory, ECHO, octets)
        with made, contextlib.suppress(ConnectionError):
            assert made.recv(1) == b""


@pytest.mark.requirement("2.23", partial=True)
@pytest.mark.peer("rsync")
def test_ssh_and_rsync_go_through_as_if_nothing_were_there(scene: Front) -> None:
    environment = {
        **os.environ, "HOME": str(scene.home), "PATH": f"{PROGRAMS}:{os.environ['PATH']}",
    }  # fmt: skip
    ssh = Sshd.command(_logged_in(scene), "server.example")
    proxy = f"ProxyCommand={PROGRAMS}/watchword connect home {SSH}"
    command = [ssh[0], "-o", proxy, *ssh[1:]]
    done = scene.net.alice.host.run(*command, "echo $SSH_CONNECTION", check=False, env=environment)
    assert done.stdout.startswith("127.0.0.1 "), done.stderr
    letter = scene.home / "letter"
    letter.write_bytes(os.urandom(300_000))
    shell = scene.home / "shell"
    shell.write_text(f'#!/bin/sh\nexec {" ".join(map(_quoted, command[:-1]))} "$@"\n')
    shell.chmod(0o755)
    for ends in ((letter, f"{USER}@server.example:copy"), (f"{USER}@server.example:copy", "back")):
        words = [str(each) for each in ends]
        done = scene.net.alice.host.run(
            "rsync", "-e", str(shell), *words, check=False, env=environment, cwd=scene.home
        )
        assert done.returncode == 0, done.stderr
    assert (scene.home / "back").read_bytes() == letter.read_bytes()


def _quoted(word: str) -> str:
    return f"'{word}'"


def _logged_in(scene: Front) -> Sshd:
    """The sshd that runs already, to ask for its command line."""
    found = Sshd.__new__(Sshd)
    found._folder = scene.sshd
    return found


def test_tls_goes_through_as_if_nothing_were_there(scene: Front) -> None:
    context = ssl.create_default_context(cafile=str(scene.server.folder / "certificate.pem"))
    arriving, leaving = ssl.MemoryBIO(), ssl.MemoryBIO()
    end = context.wrap_bio(arriving, leaving, server_hostname="server.example")
    client = scene.connecting(TLS)
    assert client.stdin is not None
    assert client.stdout is not None

    def until_done(step: Callable[[], object]) -> object:
        while True:
            try:
                return step()
            except ssl.SSLWantReadError:
                client.stdin.write(leaving.read())  # type: ignore[union-attr]
                client.stdin.flush()  # type: ignore[union-attr]
                arriving.write(os.read(client.stdout.fileno(), 1 << 16))  # type: ignore[union-attr]

    until_done(end.do_handshake)
    end.write(b"hello")
    assert until_done(lambda: end.read(100)) == b"HELLO"
    client.stdin.close()
    client.wait(60)


def test_the_service_is_told_who_called_if_it_wants_to_know(scene: Front) -> None:
    office, server = scene.net.office.six, scene.net.server.six
    proof = scene.knocked(TOLD, server)
    with scene.says(scene.net.alice, TOLD, proof.message + b"hello", server) as made:
        made.shutdown(socket.SHUT_WR)
        assert made.recv(16, socket.MSG_WAITALL) == proof.answer
        told = made.recv(57 + 16, socket.MSG_WAITALL)
    port = int.from_bytes(told[48:50], "big")
    assert told == header((ip_address(office), port), (ip_address(server), TOLD)) + b"hello"
    assert told.startswith(b"\r\n\r\n\0\r\nQUIT\n\x21\x21\0\x24" + ip_address(office).packed)


@pytest.mark.requirement("2.23", partial=True)
def test_who_asks_for_a_port_first_gets_in_where_none_is_bound_and_the_address_is_open(
    scene: Front,
) -> None:
    scene.knocked(ECHO)  # so that every port of the address reaches the front
    before = len(scene.server.judged)
    done = scene.program(
        scene.net.alice, "watchword", "connect", "home", str(ECHO), "--bind", "first",
        home=scene.home, input="through",
    )  # fmt: skip
    assert (done.stdout, done.returncode) == ("through", 0)
    assert "is not proved" in done.stderr
    assert "asking for a grant to the whole address" in done.stderr
    verdicts = [each["verdict"] for each in scene.server.judged[before:]]
    assert verdicts == ["refused", "refused", "granted"]


def test_the_log_names_who_goes_through_and_who_got_nowhere(scene: Front) -> None:
    proof = scene.knocked(NOWHERE)
    made = scene.says(scene.net.alice, NOWHERE, proof.message)
    with made, contextlib.suppress(ConnectionError):
        assert made.recv(100) == b""
    until(lambda: "got nowhere: 127.0.0.1 port 1004: Connection refused" in scene.said(NOWHERE))
    assert "('alice', grant" in scene.said(NOWHERE)
    until(lambda: "('alice', grant" in scene.said(TLS))
    assert "goes through" in scene.said(TLS)


def test_where_no_front_is_connect_says_what_is_missing(scene: Front) -> None:
    scene.fronts[0].terminate()
    scene.fronts[0].wait(60)
    stranger = listen(scene.net.server.host, scene.net.server.four, ECHO)
    with stranger:
        accepting(stranger, lambda connection: connection.sendall(b"SSH-2.0-OpenSSH\r\n" * 2))
        before = len(scene.server.judged)
        done = scene.program(
            scene.net.alice, "watchword", "connect", "home", str(ECHO), "--timeout", "3",
            home=scene.home, input="",
        )  # fmt: skip
        assert len(scene.server.judged) - before <= 5  # who is hung up on is in no hurry
    assert (done.stdout, done.returncode) == ("", 1)
    assert "has another answer than a front has, or none to the proof" in done.stderr
