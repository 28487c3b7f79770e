"""Hosts made of network namespaces, joined by links and switches, gone when the lab closes.

In here: making and removing namespaces, links, addresses and routes; running
programs in them.
Not in here: what is run there (tests, demo, bench).

Everything is named ``ww<pid>-...`` so that several labs can stand side by side
and a leftover of a killed run can be told apart and swept away.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from functools import cache
from ipaddress import ip_interface
from pathlib import Path
from types import TracebackType
from typing import Any

from watchword.lab.entering import entered

_numbers = itertools.count(1)


class Host:
    """One network namespace with its own addresses, firewall and processes."""

    def __init__(self, name: str, namespace: str) -> None:
        self.name = name
        self.namespace = namespace
        self.processes: list[subprocess.Popen[bytes]] = []

    @property
    def prefix(self) -> list[str]:
        return ["ip", "netns", "exec", self.namespace]

    def run(
        self, *argv: str, check: bool = True, seconds: float = 120.0, **more: Any
    ) -> subprocess.CompletedProcess[str]:
        """Run a program here to its end and return what it printed, as text."""
        return subprocess.run(
            [*self.prefix, *argv],
            check=check,
            capture_output=True,
            text=True,
            timeout=seconds,
            **more,
        )

    def start(self, *argv: str, **more: Any) -> subprocess.Popen[bytes]:
        """Start a program here; it is ended with the lab, its whole process group."""
        process = subprocess.Popen([*self.prefix, *argv], start_new_session=True, **more)
        self.processes.append(process)
        return process

    def sysctl(self, name: str, value: str | int) -> None:
        """Set one below ``net``. Raises OSError."""
        path = Path("/proc/sys", *name.split("."))
        entered(self.namespace, lambda: path.write_text(f"{value}\n", "ascii"))

    def ip(self, *commands: str) -> None:
        """Have ``ip`` do these one after the other, in one run. Raises CalledProcessError."""
        subprocess.run(
            ["ip", "-n", self.namespace, "-batch", "-"],
            check=True, capture_output=True, text=True, input="\n".join((*commands, "")),
        )  # fmt: skip

    def has_carrier(self, interface: str) -> bool:
        """Whether the kernel lets packets out there again, which is a moment after a link is up."""
        return " state UP " in self.run("ip", "link", "show", "dev", interface).stdout

    def kill_processes(self) -> None:
        """Whoever waits for one of them has an end of it; another thread may call this."""
        for process in self.processes:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)

    def end_processes(self) -> None:
        self.kill_processes()
        for process in self.processes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(30)
        self.processes.clear()


class Lab:
    """A context in which hosts and the links between them exist."""

    def __init__(self, prefix: str = "ww") -> None:
        self.stem = f"{prefix}{os.getpid()}-{next(_numbers)}"
        self.hosts: list[Host] = []
        # Where both ends of a link have one index, Linux takes a second to see that it is up.
        self._indexes = itertools.count(10)

    def __enter__(self) -> Lab:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def host(self, name: str) -> Host:
        """A new host with loopback up and IPv6 addresses usable at once."""
        host = Host(name, f"{self.stem}-{name}")
        subprocess.run(["ip", "netns", "add", host.namespace], check=True)
        self.hosts.append(host)
        host.sysctl("net.ipv6.conf.all.accept_dad", 0)
        host.sysctl("net.ipv6.conf.default.accept_dad", 0)
        host.ip("link set lo up")
        return host

    def link(
        self, one: tuple[Host, str, Sequence[str]], other: tuple[Host, str, Sequence[str]]
    ) -> None:
        """Join two hosts: each end is (host, interface name, addresses with prefix length)."""
        (host, interface, addresses), (peer, peer_interface, peer_addresses) = one, other
        near, far = (next(self._indexes) for _ in range(2))
        ends = f"{interface} index {near} type veth peer name {peer_interface} index {far}"
        host.ip(f"link add {ends} netns {peer.namespace}", *use(interface, *addresses))
        peer.ip(*use(peer_interface, *peer_addresses))

    def route(self, host: Host, *gateways: str) -> None:
        """Default routes of a host, one for each family at the most."""
        host.ip(*(f"route add default via {gateway}" for gateway in gateways))

    def close(self) -> None:
        for host in reversed(self.hosts):
            host.end_processes()
            subprocess.run(["ip", "netns", "delete", host.namespace], check=False)
        self.hosts.clear()


def use(interface: str, *addresses: str) -> Iterator[str]:
    """Commands for ``Host.ip`` that give an interface its addresses and bring it up."""
    for address in addresses:
        nodad = " nodad" if ip_interface(address).version == 6 else ""
        yield f"addr add {address} dev {interface}{nodad}"
    yield f"link set {interface} up"


@cache
def can_make_namespaces() -> str:
    """Empty if this process can; else why it cannot, for a message."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    tried = subprocess.run(
        ["unshare", "--net", "--mount", "true"], check=False, capture_output=True
    )
    return "this root may not make network namespaces" if tried.returncode else ""
