"""Looks at the server as others see it: scans, connections, ssh.

In here: each way of looking, as a function from a host to a value.
Not in here: what was expected (demo.scenes).
"""

from __future__ import annotations

import re
import selectors
import subprocess
import sys
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from watchword.lab.hosts import Host
from watchword.lab.trio import Station

WIRE = (sys.executable, "-I", str(Path(__file__).with_name("wire.py")))
SCANNED = (22, 25, 80, 443)
"""The server runs ssh on the first and nothing on the others."""
BRISK = ("--initial-rtt-timeout", "300ms", "--max-rtt-timeout", "300ms")
"""How long nmap waits for an answer, which takes microseconds between these hosts."""
_PORT = re.compile(r"(\d+)/([a-z|]+)/tcp/")


@dataclass(frozen=True, slots=True)
class View:
    """What one scanner finds at one address."""

    scanner: str
    address: str
    up: bool
    """Whether host discovery had any answer."""
    ports: dict[int, str]
    """``open``, ``closed`` or ``filtered``, by TCP port."""

    def __str__(self) -> str:
        ports = ", ".join(f"{port} {state}" for port, state in self.ports.items())
        return f"{self.scanner} -> {self.address}: {'up' if self.up else 'no answer'}; {ports}"

    @property
    def nothing(self) -> bool:
        """No sign of a host: no answer to discovery, and to no port either."""
        return not self.up and set(self.ports.values()) == {"filtered"} and len(self.ports) > 1


def nmap(host: Host, address: str, *options: str) -> str:
    """Run nmap and return its greppable output."""
    family = ("-6",) if ":" in address else ()
    patience = ("-n", "-T4", *BRISK, "--max-retries", "1", "--host-timeout", "20s")
    return host.run("nmap", *family, *patience, *options, "-oG", "-", address).stdout


def view(scanner: Station, address: str) -> View:
    """Host discovery, and then a scan of ``SCANNED`` that does not depend on it."""
    discovery = nmap(scanner.host, address, "-sn")
    scan = nmap(scanner.host, address, "-Pn", "-p", ",".join(map(str, SCANNED)))
    ports = {int(port): state for port, state in _PORT.findall(scan)}
    return View(scanner.host.name, address, "Status: Up" in discovery, ports)


def views(scanners: Iterable[Station], target: Station) -> list[View]:
    """Every scanner's view of both addresses of a host, all at the same time."""
    pairs = [(scanner, address) for scanner in scanners for address in (target.four, target.six)]
    with ThreadPoolExecutor(len(pairs)) as pool:
        return list(pool.map(lambda pair: view(*pair), pairs))


def answers(host: Host, address: str, seconds: float = 1.0) -> bool:
    """Whether one new connection to the ssh port gets through."""
    return host.run(*WIRE, "attempt", address, "22", str(seconds)).stdout == "open\n"


def answers_within(host: Host, address: str, seconds: float) -> bool:
    """Whether the ssh port opens before the time is up; a quarter second for each attempt."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if answers(host, address, 0.25):
            return True
    return False


def falls_silent_within(host: Host, address: str, seconds: float) -> bool:
    """Whether the ssh port stops to answer before the time is up."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if not answers(host, address, 0.5):
            return True
    return False


def last_answer(host: Host, address: str, seconds: float) -> float:
    """Watch the ssh port for that long; Unix time of the last connection, 0 for none."""
    watched = host.run(*WIRE, "watch", address, "22", str(seconds), seconds=seconds + 10)
    return float(watched.stdout)


class Session:
    """An ssh login that stays open; what is said to it comes back."""

    def __init__(self, host: Host, command: Iterable[str]) -> None:
        self._process = host.start(
            *command,
            "cat",
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )

    def echoes(self, text: str, seconds: float = 5.0) -> bool:
        """Whether a line makes its way there and back within that time."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        line = f"{text}\n".encode()
        try:
            self._process.stdin.write(line)
            self._process.stdin.flush()
        except BrokenPipeError:
            return False
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            return bool(selector.select(seconds)) and self._process.stdout.readline() == line
