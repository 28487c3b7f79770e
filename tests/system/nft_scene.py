"""Helpers of the tests that put nftables in front of real packets.

The test itself runs inside the server's network namespace, so that the backend
under test, the program nft and the sockets of the server need no prefix.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import secrets
import socket
import struct
import subprocess
import time
from collections.abc import Callable, Iterator
from ipaddress import ip_address
from pathlib import Path

from watchword.edges.clock import SystemClock
from watchword.edges.firewall.nft.backend import NftFirewall
from watchword.edges.programs import SystemPrograms
from watchword.lab.hosts import Host, Lab
from watchword.lab.sockets import SILENCE, connect, family_of, inside
from watchword.lab.trio import Station, Trio, trio
from watchword.model.firewalls import Attach, FirewallSettings, JumpFrom
from watchword.model.openings import ChangeSet, Hole, Opening, Tag
from watchword.model.services import Service

_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)
_SELF = Path("/proc/thread-self/ns/net")

SSH = Service.parse("tcp/22")
DNS = Service.parse("udp/53")
CLOCK = SystemClock()


@contextlib.contextmanager
def entered(host: Host) -> Iterator[None]:
    """Be in a host's network namespace for a while, with this thread."""
    home = os.open(_SELF, os.O_RDONLY | os.O_CLOEXEC)
    there = os.open(f"/run/netns/{host.namespace}", os.O_RDONLY | os.O_CLOEXEC)
    before = _SELF.readlink()
    try:
        _enter(there)
        assert _SELF.readlink() != before, "still in the namespace of the machine"
        yield
    finally:
        _enter(home)
        os.close(home)
        os.close(there)


def _enter(descriptor: int) -> None:
    if _libc.setns(descriptor, _CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


@contextlib.contextmanager
def standard_scene() -> Iterator[Trio]:
    """Server, caller and stranger, who all see each other already."""
    with Lab() as lab:
        scene = trio(lab)
        for client in (scene.caller, scene.stranger):  # IPv6 takes a second to find its way
            client.host.run("ping", "-c1", "-W30", "-i0.2", scene.server.six)
        yield scene


@contextlib.contextmanager
def in_server(scene: Trio) -> Iterator[Trio]:
    """The test is in the server; what it did to rules is undone."""
    with entered(scene.server.host):
        try:
            yield scene
        finally:
            for station in (scene.server, scene.caller, scene.stranger):
                station.host.run("nft", "flush", "ruleset")


def guarding(*services: Service, **more: object) -> FirewallSettings:
    return FirewallSettings(guarded=services or (SSH, DNS), **more)  # type: ignore[arg-type]


def jumping(*places: str) -> FirewallSettings:
    chosen = tuple(JumpFrom(*each.split()) for each in places)
    return FirewallSettings(attach=Attach.JUMP, jump_from=chosen)


@contextlib.contextmanager
def firewall(settings: FirewallSettings) -> Iterator[NftFirewall]:
    backend = NftFirewall(settings, programs=SystemPrograms(), clock=CLOCK)
    try:
        yield backend
    finally:
        backend.close()


def opening(
    who: str, service: Service = SSH, *, seconds: float = 60.0, to: str | None = None
) -> Opening:
    destination = None if to is None else ip_address(to)
    return Opening(Hole(ip_address(who), service, destination), CLOCK.now().steady + seconds)


def add(*openings: Opening) -> ChangeSet:
    return ChangeSet(add=openings)


def remove(*tags: Tag) -> ChangeSet:
    return ChangeSet(remove=frozenset(tags))


def nft(*words: str, script: str | None = None) -> str:
    """Run nft here and return what it printed."""
    argv = ["nft", *(["-f", "-"] if script is not None else words)]
    done = subprocess.run(argv, input=script, check=True, capture_output=True, text=True)
    return done.stdout


def listen(address: str, port: int = 22) -> socket.socket:
    """A TCP listener in the namespace of this thread."""
    server = socket.socket(family_of(address), socket.SOCK_STREAM)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind((address, port))
    server.listen(64)
    server.settimeout(30)
    return server


class Line:
    """A TCP connection between a client and a listener here, both ends in hand."""

    def __init__(self, listener: socket.socket, client: Host, address: str) -> None:
        port = listener.getsockname()[1]
        made = connect(client, address, port, seconds=30)
        assert made is not None, "no connection could be made"
        self.near, _ = listener.accept()
        self.far = made
        for each in (self.near, self.far):
            each.settimeout(30)

    def up(self, word: bytes = b"up") -> None:
        """The client speaks and is heard."""
        self.far.sendall(word)
        assert self.near.recv(100) == word

    def down(self, word: bytes = b"down") -> None:
        """The server speaks and is heard."""
        self.near.sendall(word)
        assert self.far.recv(100) == word

    def dead(self, seconds: float = 0.6) -> bool:
        """Whether the client speaks and is not heard.

        What it said before, and its kernel sent again while no guard was there, does not count.
        """
        word, heard, limit = secrets.token_bytes(8), b"", time.monotonic() + seconds
        self.far.sendall(word)
        with contextlib.suppress(TimeoutError):
            while word not in heard and (left := limit - time.monotonic()) > 0:
                self.near.settimeout(left)
                if not (more := self.near.recv(4096)):
                    break
                heard += more
        self.near.settimeout(30)
        return word not in heard

    def close(self) -> None:
        for end in (self.near, self.far):
            hang_up(end)


def hang_up(end: socket.socket) -> None:
    """Close with a reset, so that no trace of the connection lingers here."""
    if end.fileno() >= 0:
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        end.close()


def reaches(client: Station, address: str, port: int = 22, seconds: float = SILENCE) -> bool:
    """Whether a connection can be made. Silence is False; a refusal is raised."""
    made = connect(client.host, address, port, seconds)
    if made is not None:
        made.close()
    return made is not None


def asks(
    client: Station, server: socket.socket, address: str, port: int = 53, seconds: float = SILENCE
) -> bool:
    """Whether a datagram gets through and its answer comes back within a time."""
    asking = inside(client.host, lambda: socket.socket(family_of(address), socket.SOCK_DGRAM))
    with asking:
        asking.settimeout(seconds)
        asking.connect((address, port))
        asking.send(b"question")
        server.settimeout(seconds)
        try:
            _, sender = server.recvfrom(100)
            server.sendto(b"answer", sender)
            return asking.recv(100) == b"answer"
        except TimeoutError:
            return False


def eventually(what: Callable[[], bool], seconds: float = 30.0) -> bool:
    """Whether something becomes true within a time."""
    limit = time.monotonic() + seconds
    while not what():
        if time.monotonic() > limit:
            return False
        time.sleep(0.02)
    return True
