"""The network of the benchmark: one client, two servers, a link to each.

In here: namespaces, addresses, being the client.
Not in here: the servers' programs (servers).

The client answers for all of 10.0.0.0/8, so that it can be many callers.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from watchword.lab.hosts import Host, Lab

CALLERS = "10.0.0.0/8"
_CLONE_NEWNET = 0x40000000
_PR_SET_TIMERSLACK = 29


@dataclass(frozen=True, slots=True)
class Berth:
    """A place for a server: its host, its address, and the way there."""

    host: Host
    address: str
    client_address: str
    client_interface: str
    client_mac: bytes
    server_mac: bytes


@dataclass(frozen=True, slots=True)
class Scene:
    client: Host
    ours: Berth
    packaged: Berth


def build(lab: Lab) -> Scene:
    client = lab.host("client")
    client.sysctl("net.ipv4.ip_nonlocal_bind", 1)
    client.run("ip", "route", "add", "local", CALLERS, "dev", "lo")
    ours = _berth(lab, client, "ours", "203.0.113")
    packaged = _berth(lab, client, "packaged", "198.51.100")
    return Scene(client, ours, packaged)


def _berth(lab: Lab, client: Host, name: str, network: str) -> Berth:
    host = lab.host(name)
    lab.link((host, "eth0", (f"{network}.1/24",)), (client, name, (f"{network}.2/24",)))
    lab.route(host, f"{network}.2")
    return Berth(
        host,
        f"{network}.1",
        f"{network}.2",
        name,
        client_mac=_mac(client, name),
        server_mac=_mac(host, "eth0"),
    )


def _mac(host: Host, interface: str) -> bytes:
    text = host.run("cat", f"/sys/class/net/{interface}/address").stdout.strip()
    return bytes.fromhex(text.replace(":", ""))


@contextmanager
def being(host: Host) -> Iterator[None]:
    """This thread's sockets belong to a host from here to the end of the block.

    Its timers become exact meanwhile: the kernel otherwise adds up to 50 µs to
    every wait, a fifth of what is measured.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_TIMERSLACK, 1)
    before = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    there = os.open(Path("/run/netns") / host.namespace, os.O_RDONLY | os.O_CLOEXEC)
    try:
        _enter(libc, there)
        yield
    finally:
        _enter(libc, before)
        os.close(there)
        os.close(before)
        libc.prctl(_PR_SET_TIMERSLACK, 0)


def _enter(libc: ctypes.CDLL, namespace: int) -> None:
    if libc.setns(namespace, _CLONE_NEWNET) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"setns: {os.strerror(number)}")
