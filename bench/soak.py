"""A million packets and a thousand reloads, and what the daemon is made of meanwhile.

``make soak``, or ``python -m bench.soak [--packets N] [--reloads N]``. Exit
status: 0 nothing piled up, 1 something did, 2 it cannot be done here.

In every hundred packets, each from one of a million forged addresses: 90 with a
bad HMAC, 5 that were sent before, 4 that open the service for two seconds, 1
that runs a command. They come off the wire, at a pace that a busy machine keeps up with.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import socket
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path

from bench import accounting, flood, packets
from bench.__main__ import BUILD, trouble
from bench.scene import being, build
from bench.servers import Ours
from bench.waiting import wait_until
from watchword import spa
from watchword.lab.hosts import Lab

PORTION = 10_000  # packets between two looks
RATE = 6_000.0  # each second
GROWTH = 8 * 1024.0**2  # bytes that may come and go: arenas, buffers, grants under way
_COMMAND = 2  # the stanza that runs commands
_RELOADED = b"Re-starting fwknopd"


@dataclass(frozen=True, slots=True)
class Look:
    """One look at the daemon and all its processes."""

    packets: int
    reloads: int
    memory: int
    descriptors: int
    threads: int
    processes: int
    zombies: int

    def __str__(self) -> str:
        return (
            f"| {self.packets:,} | {self.reloads:,} | {self.memory / 1024**2:.1f} MiB "
            f"| {self.descriptors} | {self.threads} | {self.processes} | {self.zombies} |"
        )


HEAD = (
    "| packets | reloads | memory | descriptors | threads | processes | zombies |\n"
    "| --- | --- | --- | --- | --- | --- | --- |"
)


class Soaked(Ours):
    """Ours, with a stanza that runs commands, taking packets off the wire."""

    def _settings(self) -> str:
        return super()._settings() + "GUARD_SERVICES tcp/22;\nMAX_COMMANDS 8;\n"

    def _write(self, name: str, text: str) -> None:
        more = f"\nSOURCE ANY\nENABLE_CMD_EXEC Y\nDISABLE_FW_ACCESS Y\n{packets.key_text(_COMMAND)}"
        super()._write(name, text + (more if name == "access.conf" else ""))

    def look(self, sent: int, reloads: int) -> Look:
        pids = self.account.pids()
        proc = [accounting.PROC / str(pid) for pid in pids]
        states = [state_of(each) for each in proc]
        return Look(
            sent,
            reloads,
            accounting.memory(pids),
            sum(entries(each / "fd") for each in proc),
            sum(entries(each / "task") for each in proc),
            sum(state not in "Z" for state in states),
            states.count("Z"),
        )

    def reload(self) -> None:
        """One reload, from the signal until it is told."""
        with (self.folder / "log").open("rb") as log:
            log.seek(0, os.SEEK_END)
            heard = bytearray()

            def told() -> bool:
                heard.extend(log.read())
                return _RELOADED in heard

            os.kill(self._running.pid, signal.SIGHUP)
            wait_until(told, 30, "a reload", 0.002)


def state_of(process: Path) -> str:
    try:
        return (process / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()[0]
    except OSError:
        return ""


def entries(folder: Path) -> int:
    try:
        return len(os.listdir(folder))  # noqa: PTH208 - a process may end meanwhile
    except OSError:
        return 0


class Packets:
    """Portions of packets, as they come."""

    def __init__(self) -> None:
        self._chance = random.Random(6)
        self._bad = packets.forged(4096)
        self._sent: list[bytes] = []

    def portion(self) -> list[bytes]:
        hundredths = self._chance.choices(range(100), k=PORTION)
        return [self._one(each) for each in hundredths]

    def _one(self, kind: int) -> bytes:
        if kind >= 10 or (kind >= 5 and not self._sent):
            return self._chance.choice(self._bad)
        if kind >= 5:
            return self._chance.choice(self._sent)
        payload = command() if kind == 0 else packets.sealed(*packets.fresh_addresses(1), seconds=2)
        self._sent = [*self._sent[-999:], payload]
        return payload


def command() -> bytes:
    """A packet that runs the program true."""
    [asker] = packets.fresh_addresses(1)
    message = spa.command(
        IPv4Address(asker), "true", user=packets.USER, now=time.time(), random=os.urandom
    )
    return spa.seal(message, packets.credential(_COMMAND), salt=os.urandom(8))


def frames(server: Soaked, payloads: list[bytes]) -> Iterator[bytes]:
    """Ethernet frames, of one length after the other."""
    by_length: dict[int, list[bytes]] = defaultdict(list)
    for each in payloads:
        by_length[len(each)].append(each)
    berth = server.berth
    macs = {"to_mac": berth.server_mac, "from_mac": berth.client_mac}
    for same in by_length.values():
        octets, size = flood.frames(same, **macs, to=berth.address)
        yield from (octets[at : at + size] for at in range(0, len(octets), size))


def send(server: Soaked, payloads: list[bytes]) -> None:
    whole = list(frames(server, payloads))
    random.Random(len(whole)).shuffle(whole)
    with closing(socket.socket(socket.AF_PACKET, socket.SOCK_RAW)) as sock:
        sock.bind((server.berth.client_interface, 0))
        began = time.monotonic()
        for number, frame in enumerate(whole):
            while number > (time.monotonic() - began) * RATE:
                time.sleep(0.001)
            sock.send(frame)


def soak(server: Soaked, number: int, reloads: int) -> list[Look]:
    """Both halves, one after the other; the looks, the first once it is warm."""
    server.clear()
    server.sniffs = True
    server.start()
    making, sent = Packets(), 0
    looks: list[Look] = []
    while sent < number:
        send(server, making.portion())
        sent += PORTION
        if sent % max(PORTION, number // 10 // PORTION * PORTION) == 0:
            looks.append(rested(server, sent, 0))
            print(looks[-1], flush=True)
    judged = server.judged()
    print(f"{judged:,} of {sent:,} packets were judged", flush=True)
    for done in range(1, reloads + 1):
        server.reload()
        if done % max(20, reloads // 5) == 0 or done == 20:
            looks.append(rested(server, sent, done))
            print(looks[-1], flush=True)
    return looks


def rested(server: Soaked, sent: int, reloads: int) -> Look:
    """A look once all is judged, and the grants of the last packets have ended."""
    time.sleep(2.5)
    return server.look(sent, reloads)


def faults(looks: list[Look]) -> list[str]:
    """What piled up in each half, between the first look once it was warm and the last."""
    found = []
    packets_only = [each for each in looks if not each.reloads]
    for half in (packets_only[len(packets_only) * 3 // 10 :], [e for e in looks if e.reloads]):
        if len(half) < 2:
            continue
        first, last = half[0], half[-1]
        if last.memory - first.memory > GROWTH:
            found.append(f"memory grew by {(last.memory - first.memory) / 1024**2:.1f} MiB")
        if last.descriptors > first.descriptors:
            found.append(f"descriptors: {first.descriptors}, then {last.descriptors}")
        if last.zombies:
            found.append(f"{last.zombies} zombies")
        if last.processes > first.processes:
            found.append(f"processes: {first.processes}, then {last.processes}")
    return found


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench.soak", description="what piles up, if anything")
    parser.add_argument("--packets", type=int, default=1_000_000)
    parser.add_argument("--reloads", type=int, default=1_000)
    asked = parser.parse_args()
    if reason := trouble():
        print(f"soak: {reason}", file=sys.stderr)
        return 2
    print(HEAD, flush=True)
    with Lab() as lab:
        scene = build(lab)
        server = Soaked(scene.ours, BUILD / "soak", None)
        with being(scene.client):
            try:
                looks = soak(server, asked.packets, asked.reloads)
            finally:
                server.stop()
    for each in (found := faults(looks)):
        print(f"soak: {each}", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
