"""A stranger beside this host, for a moment: who has no grant tries its ports.

In here: a network namespace joined to this one by a pair of interfaces, and connections
from it. Not in here: which ports, what the answers mean (service).

The namespace belongs to one process of ours and has no name: it and both interfaces go
with that process, and it goes with us, whatever ends us. No address of this network is
touched but the two that are added to the new interface.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from enum import Enum
from ipaddress import IPv4Address, IPv6Address
from typing import IO, Final, cast

from watchword.edges.programs import CLEAN_ENVIRONMENT
from watchword.errors import HostError
from watchword.ports import ProgramRunner
from watchword.record import record

_PATIENCE: Final = 1.5  # seconds for all connections together
_SPARE: Final = 5.0  # seconds more, for an interpreter to start on a busy machine
_FOUR: Final = int(IPv4Address("198.18.0.0"))  # set aside for tests of networks (RFC 2544)
_SIX: Final = int(IPv6Address("fd57:6174:6368::"))
_SCRIPT: Final = f"""
import ctypes, errno, json, os, select, signal, socket, sys, time
libc = ctypes.CDLL(None, use_errno=True)
libc.prctl(1, signal.SIGKILL, 0, 0, 0)
if libc.unshare(0x40000000):
    sys.exit(os.strerror(ctypes.get_errno()))
print("there", flush=True)
wanted, found, waiting = json.loads(sys.stdin.readline()), [], {{}}
for number, (address, port) in enumerate(wanted):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setblocking(False)
    found.append("silent")
    sock.connect_ex((address, port))
    waiting[sock] = number
end = time.monotonic() + {_PATIENCE}
while waiting and time.monotonic() < end:
    _, ready, _ = select.select([], list(waiting), [], max(0, end - time.monotonic()))
    for sock in ready:
        error = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        number = waiting.pop(sock)
        found[number] = {{0: "answers", errno.ECONNREFUSED: "refuses"}}.get(error, "silent")
        sock.close()
print(json.dumps(found), flush=True)
sys.stdin.read()
"""


class Reply(Enum):
    ANSWERS = "answers"
    REFUSES = "refuses"
    SILENT = "silent"


@record
class Tried:
    port: int
    """TCP."""
    family: int
    """4 or 6."""
    reply: Reply


def try_ports(ports: Sequence[int], programs: ProgramRunner) -> list[Tried]:
    """Connect to each TCP port of this host as a stranger would, by both families.

    Raises HostError: the stranger could not be made; everything of it is gone.
    """
    with beside() as talk:
        return _asked(talk, ports, programs)


@contextmanager
def beside() -> Iterator[Talk]:
    """A process with a network namespace of its own, for as long as it is needed.

    Raises HostError: it cannot be had.
    """
    argv = [sys.executable, "-I", "-S", "-c", _SCRIPT]
    with subprocess.Popen(
        argv,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=dict(CLEAN_ENVIRONMENT),
        cwd="/",
    ) as process:
        try:
            talk = Talk(process)
            if talk.hear() != b"there":
                why = talk.trouble() or "no answer"
                raise HostError(f"no network namespace can be made: {why}", hint="run it as root")
            yield talk
        finally:
            process.kill()


class Talk:
    """What is said to the stranger, and what it says."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.pid = process.pid
        self._to, self._from = cast(IO[bytes], process.stdin), cast(IO[bytes], process.stdout)
        self._trouble = cast(IO[bytes], process.stderr)

    def say(self, line: bytes) -> None:
        with suppress(BrokenPipeError):
            self._to.write(line + b"\n")
            self._to.flush()

    def hear(self) -> bytes:
        """A line of what it says; empty if nothing comes in time."""
        ready, _, _ = select.select([self._from], [], [], _PATIENCE + _SPARE)
        return self._from.readline().rstrip() if ready else b""

    def trouble(self) -> str:
        ready, _, _ = select.select([self._trouble], [], [], 0)
        return self._trouble.readline().decode("utf-8", "replace").strip() if ready else ""


def _asked(talk: Talk, ports: Sequence[int], programs: ProgramRunner) -> list[Tried]:
    interface = f"ww{os.getpid()}"
    try:
        here = _join(talk.pid, interface, programs)
        wanted = [(address, port) for port in ports for address in here]
        talk.say(json.dumps(wanted).encode("ascii"))
        answer = talk.hear()
    finally:
        with suppress(HostError):  # it would go with its peer, a moment later
            programs.run(["ip", "link", "delete", interface])
    if not answer:
        raise HostError("the stranger does not answer", hint="try again")
    return [
        Tried(port, 6 if ":" in address else 4, Reply(reply))
        for (address, port), reply in zip(wanted, json.loads(answer), strict=True)
    ]


def _join(pid: int, interface: str, programs: ProgramRunner) -> tuple[str, str]:
    """Make the pair of interfaces; returns our two addresses on it."""
    drawn = int.from_bytes(os.urandom(8), "big")
    four = IPv4Address(_FOUR + (drawn % (1 << 15)) * 4 + 1)
    six = IPv6Address(_SIX + (drawn << 16) + 1)
    into = ["nsenter", "-t", str(pid), "-n"]
    for argv in (
        ["ip", "link", "add", interface, "type", "veth", "peer", "name", "way", "netns", str(pid)],
        ["ip", "address", "add", f"{four}/30", "dev", interface],
        ["ip", "-6", "address", "add", f"{six}/64", "dev", interface, "nodad"],
        ["ip", "link", "set", interface, "up"],
        [*into, "ip", "address", "add", f"{four + 1}/30", "dev", "way"],
        [*into, "ip", "-6", "address", "add", f"{six + 1}/64", "dev", "way", "nodad"],
        [*into, "ip", "link", "set", "way", "up"],
    ):
        answer = programs.run(argv)
        if answer.status and "-6" not in argv:
            said = answer.stderr.decode("utf-8", "replace").strip()
            raise HostError(f"the stranger cannot be joined to this host: {said}")
    return str(four), str(six)
