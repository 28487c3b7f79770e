"""What a daemon under fire is held to: its size, its descriptors, its words, its firewall.

In here: measuring a process from outside, reading the openings that the kernel
has, the check that everything told as granted is there.
Not in here: what is thrown at it (the tests).
"""

from __future__ import annotations

import json
import re
import socket
import sqlite3
import time
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from tests.daemon import Server, until
from watchword.lab.hosts import Host
from watchword.lab.sockets import inside
from watchword.service.asking import ask

MEBIBYTE = 1024 * 1024
GROWTH = 4 * MEBIBYTE
"""Bytes a process may grow without anything being kept: arenas, caches, buffers."""


@dataclass(frozen=True, slots=True)
class Vitals:
    """One look at a daemon."""

    memory: int
    """Bytes: its share of what is resident and belongs to no file. The share of a library is no
    measure: it grows when others who use the library end."""
    descriptors: int

    @classmethod
    def of(cls, *pids: int) -> Vitals:
        """Of all its processes together."""
        memory = descriptors = 0
        for pid in pids:
            rollup = Path(f"/proc/{pid}/smaps_rollup").read_text("ascii")
            lines = (line.split() for line in rollup.splitlines()[1:])
            sizes = {words[0]: int(words[1]) for words in lines}
            memory += (sizes["Pss_Anon:"] + sizes["Pss_Shmem:"]) * 1024
            descriptors += open_in(pid)
        return cls(memory, descriptors)


def open_in(pid: int | str = "self") -> int:
    """How many descriptors a process has open."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def command_line(pid: int | str) -> bytes:
    """Its words, each with a NUL behind it; nothing of a process that has just ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def running(command: str) -> list[str]:
    """Of all processes of this machine, those with that command line."""
    pids = [each.name for each in Path("/proc").glob("[0-9]*")]
    words = command.encode()
    return [pid for pid in pids if command_line(pid).replace(b"\0", b" ").strip() == words]


def zombies(parent: int) -> list[str]:
    """Children of a process that have ended, which it has not waited for."""
    found = []
    for each in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, its_parent = each.read_text().rpartition(")")[2].split()[:2]
        except OSError:
            continue
        if state == "Z" and int(its_parent) == parent:
            found.append(each.parent.name)
    return found


def assert_unmoved(server: Server, before: Vitals, growth: int = GROWTH) -> None:
    """The process lives, has no more descriptors than before, and is no larger but for arenas."""
    assert not server.ended, server.log[-2000:]
    until(lambda: Vitals.of(*server.pids).descriptors <= before.descriptors)
    assert Vitals.of(*server.pids).memory - before.memory < growth
    assert "Traceback" not in server.log


def volley(
    host: Host, payloads: Iterable[bytes], address: str, port: int = 62201, *, run: int = 100
) -> int:
    """Send datagrams from one socket of the host, in order; how many were sent.

    After each ``run`` of them it waits a moment, so that a slow receiver can keep up.
    """

    def send() -> int:
        family = socket.AF_INET if ip_address(address).version == 4 else socket.AF_INET6
        number = 0
        with closing(socket.socket(family, socket.SOCK_DGRAM)) as sock:
            for number, payload in enumerate(payloads, 1):
                sock.sendto(payload, (address, port))
                if number % run == 0:
                    time.sleep(0.001)
        return number

    return inside(host, send)


def barrage(host: Host, interface: str, octets: bytes, size: int, rate: float) -> None:
    """Send Ethernet frames of one size, one after the other, so many each second."""

    def send() -> None:
        with closing(socket.socket(socket.AF_PACKET, socket.SOCK_RAW)) as sock:
            sock.bind((interface, 0))
            began = time.monotonic()
            for number, at in enumerate(range(0, len(octets), size)):
                while number > (time.monotonic() - began) * rate:
                    time.sleep(0.001)
                sock.send(octets[at : at + size])

    inside(host, send)


def status(server: Server) -> dict[str, Any]:
    """What ``watchword status --json`` prints, without starting a program for it."""
    return ask(Path(server.settings["FWKNOP_RUN_DIR"]) / "control.sock", "status")


def queues() -> list[str]:
    """A line for each UDP socket of the namespace that the caller is in."""
    tables = Path("/proc/thread-self/net/udp"), Path("/proc/thread-self/net/udp6")
    return [line for table in tables for line in table.read_text("ascii").splitlines()]


def all_tried(server: Server) -> dict[str, Any]:
    """Wait until no packet waits any more, in the kernel or in the daemon; the status then."""

    def rest() -> dict[str, Any] | None:
        ours = [line.split() for line in inside(server.host, queues) if ":F2F9" in line]
        told = status(server)
        waiting = any(each[4] != "00000000:00000000" for each in ours)
        return None if waiting or any(told["waiting"].values()) else told

    found: dict[str, Any] = until(rest)
    return found


def openings(host: Host, table: str = "watchword") -> dict[tuple[str, str], float]:
    """Seconds left of each opening that the kernel has, by (address, service)."""
    found: dict[tuple[str, str], float] = {}
    for name in ("open4", "open6"):
        listed = host.run("nft", "-j", "list", "set", "inet", table, name, check=False)
        for item in json.loads(listed.stdout or '{"nftables":[]}')["nftables"]:
            for each in item.get("set", {}).get("elem", []):
                who, proto, port = each["elem"]["val"]["concat"]
                found[who, f"{proto}/{port}"] = float(each["elem"]["expires"])
    return found


def granted(server: Server) -> set[tuple[str, str]]:
    """Everything the log says was granted, as (address, service)."""
    return {
        (each["who"], service)
        for each in server.judged
        if each["verdict"] == "granted"
        for service in each["services"]
    }


def assert_balanced(server: Server) -> None:
    """What was granted and has not ended is in the kernel, nothing else is; nothing ended twice."""

    def balanced() -> bool:
        ended = set(removals(server))
        judged = [each for each in server.judged if each["verdict"] == "granted"]
        live = {
            (each["who"], service)
            for each in judged
            if each["grant"] not in ended
            for service in each["services"]
        }
        services = sum(len(each["services"]) for each in judged if each["grant"] in ended)
        told = len(re.findall(r"^Removed rule \d+ from", server.log, re.MULTILINE))
        return live == openings(server.host).keys() and told == services

    until(balanced)
    names = [each["grant"] for each in server.judged if each["verdict"] == "granted"]
    assert len(names) == len(set(names))
    over = removals(server)
    assert len(over) == len(set(over))


def removals(server: Server) -> list[str]:
    """Names of the grants whose end was noted, of those that this run of the server made."""
    made = {each["grant"] for each in server.judged if each["verdict"] == "granted"}
    [path] = Path(server.settings["STATE_DIR"]).glob("*.sqlite3")
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        rows = db.execute("SELECT id FROM grants WHERE ending IS NOT NULL ORDER BY ended_at")
        return [name for (name,) in rows if name in made]
