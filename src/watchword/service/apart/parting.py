"""One process becomes two: the hand, which goes on as the daemon, and the gate, its child.

In here: the fork, what each of the two begins with, what the gate gives up.
Not in here: what they do then (hand_process, service.daemon), who asks for it
(service.daemon.serving).

The hand keeps the PID, so that it is the hand which a supervisor and the operator's signals know.
The gate ends with it: the kernel kills it when its parent is gone.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import traceback
from collections.abc import Callable, Coroutine, Iterator, Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, NoReturn

from watchword.dialects.fwknop.translate import Configuration
from watchword.edges import sandbox, supervisor
from watchword.edges.debts import Debts
from watchword.edges.gpg import gpg_programs
from watchword.edges.pair import Channel
from watchword.edges.programs import SystemPrograms
from watchword.edges.replay.location import prepare_folder
from watchword.errors import Complaint
from watchword.model.daemon_events import Complained
from watchword.model.orders import Plain
from watchword.model.settings import Settings
from watchword.ports import Clock
from watchword.record import record
from watchword.service.apart.far_means import FarMeans
from watchword.service.apart.far_ways import far_log
from watchword.service.apart.hand_process import LOST, HandProcess
from watchword.service.apart.line import Line
from watchword.service.apart.rulebook import Rulebook
from watchword.service.apart.workshop import Tools, Workshop
from watchword.service.daemon import assembly, owed, process
from watchword.service.daemon.daemon import Daemon
from watchword.service.daemon.firewall_news import reporting
from watchword.service.daemon.hand import command_programs
from watchword.service.daemon.logbook import Logbook
from watchword.service.daemon.process import PidFile
from watchword.service.daemon.run_files import RunFiles
from watchword.service.daemon.supervision import beat
from watchword.wire.spa import ciphers, reasons

__all__ = ["LOST", "Apart", "Front", "serve"]

LOADED: Final = (ciphers, reasons)
"""What packets need and would import when the first one comes. The gate can read no module that
lies in a folder of somebody else's which is closed to others, as people's homes are."""
_MOST_FILES: Final = 65536  # descriptors that a gate may have from before
PATIENCE: Final = 10.0  # seconds for the rest of a message of the gate's
_SYSTEM: Final = (
    "/usr", "/lib", "/lib64", "/proc", "/sys/class/net", "/dev/null", "/dev/urandom",
    "/etc/localtime", "/etc/ld.so.cache", "/etc/ssl/certs", "/etc/ssl/openssl.cnf",
    "/etc/ca-certificates", "/etc/pki/tls/certs", "/etc/pki/ca-trust",
    "/etc/nsswitch.conf", "/etc/resolv.conf", "/etc/hosts", "/etc/host.conf", "/etc/gai.conf",
    "/etc/services", "/run/systemd/resolve",
)  # fmt: skip
"""What an interpreter may want to read while it runs, and who asks for the address of a name or
talks to a web server."""


@record
class Apart:
    """What both begin with."""

    configuration: Configuration
    read: Callable[[], Configuration]
    """Reads the files anew, for both."""
    reporter: Callable[[Callable[[str], socket.socket]], Logbook]
    """Makes the one of the gate, given what connects it to the system's log."""
    clock: Clock
    background: bool
    """Whether the gate has to let go of the terminal; the hand does so by itself."""
    run: Callable[[Coroutine[Any, Any, None], Logbook], int]
    """Runs a daemon to its end and says what goes wrong; its exit status."""

    @property
    def settings(self) -> Settings:
        return self.configuration.settings


@record
class Front:
    """What the hand has of its own."""

    lock: PidFile
    reporter: Logbook
    ready: Callable[[], None]
    """Called when the gate says so, as is ``awaiting``."""
    awaiting: Callable[[Sequence[str]], None]


def serve(apart: Apart, front: Front) -> int:
    """Part, and serve as the hand until the gate has ended; its exit status, or LOST.

    Raises HostError: another daemon uses the state directory, or what is owed cannot be read.
    Raises OperatorError: what is owed would lie where the gate writes.
    """
    settings = apart.settings
    if not settings.dry_run:
        prepare_folder(settings.state_dir)
    state = assembly.keep_to_ourselves(settings)
    debts = owed.taken_up(settings, apart.clock, _written(settings))
    parent, watchdog = os.getpid(), supervisor.watchdog()
    ours, theirs = zip(_pair(), _pair(), strict=True)
    gate = os.fork()
    if gate == 0:
        _as_the_gate(apart, theirs, parent, watchdog)
    for each in theirs:
        each.close()
    status = asyncio.run(_as_the_hand(apart, front, debts, ours, gate))
    if state is not None:
        state.close()
    return status


async def _as_the_hand(
    apart: Apart, front: Front, debts: Debts | None, sockets: Sequence[socket.socket], gate: int
) -> int:
    calls, work = (Channel(each, patience=PATIENCE) for each in sockets)
    tools = Tools(command_programs(), command_programs(), gpg_programs(), SystemPrograms())
    told = reporting(front.reporter)
    book = Rulebook(apart.configuration, apart.read, tools.commands, apart.clock, told)
    made = partial(Workshop, book, debts, tools, front.reporter, apart.clock)
    hand = HandProcess(
        book,
        calls,
        work,
        front.reporter,
        apart.clock,
        workshop=lambda answer, licences: made(answer=answer, licences=licences),
        ready=front.ready,
        alive=lambda: supervisor.notify("WATCHDOG=1"),
        awaiting=front.awaiting,
        found_by=RunFiles(apart.settings.run_dir, front.lock, front.reporter),
    )
    return await hand.run(gate)


def _pair() -> tuple[socket.socket, socket.socket]:
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)


def _as_the_gate(
    apart: Apart, sockets: tuple[socket.socket, ...], parent: int, watchdog: float | None
) -> NoReturn:
    """The child's whole life."""
    status = 1
    try:
        status = _gate(apart, sockets, parent, watchdog)
    except BaseException:
        traceback.print_exc()
        raise
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(status)


def _gate(
    apart: Apart, sockets: tuple[socket.socket, ...], parent: int, watchdog: float | None
) -> int:
    for each in (signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(each, signal.SIG_IGN)  # the hand hears of them
    kept = sorted(each.fileno() for each in sockets)
    for low, high in pairwise([2, *kept, _MOST_FILES]):
        os.closerange(low + 1, high)
    nowhere = process.nowhere()  # while that may still be opened
    confined = _confine(apart.settings)
    sandbox.die_with_parent(parent)
    line = Line(*(Channel(each) for each in sockets))
    reporter = apart.reporter(far_log(line))
    for missing in _missing(confined):
        reporter.report(Complained(missing))
    daemon = Daemon(
        apart.configuration,
        lambda: _reread(line),
        reporter,
        apart.clock,
        FarMeans(line).means(),
    )

    beats = []

    def ready() -> None:
        line.ask(Plain.READY)
        if apart.background:
            process.leave_terminal(nowhere)
        if watchdog:
            beats.append(beat(watchdog / 3, lambda: line.say(Plain.ALIVE)))

    return apart.run(daemon.run(ready), reporter)


def _reread(line: Line) -> Configuration:
    """What the hand found in the files, which the gate cannot read."""
    configuration: Configuration = line.call(Plain.REREAD)
    return configuration


def _missing(confined: sandbox.Confined) -> Iterator[Complaint]:
    """What this kernel does not do for us."""
    for name, why in (("seccomp", confined.without_calls), ("Landlock", confined.without_files)):
        if why:
            text = f"what reads packets is not confined by {name}: {why}"
            hint = "use a kernel that has it; capabilities and no_new_privs are in force"
            yield Complaint(text, hint=hint, fatal=False)


def _confine(settings: Settings) -> sandbox.Confined:
    places = [Path(each) for each in (*_SYSTEM, *sys.path, sys.base_prefix, sys.prefix) if each]
    if settings.webhooks is not None and settings.webhooks.authorities:
        places.append(Path(settings.webhooks.authorities))
    if settings.dry_run:
        places.append(settings.state_dir)  # which keys are blocked
    writable = [Path(os.devnull), *_written(settings)]
    return sandbox.confine(None, readable=places, writable=writable)


def _written(settings: Settings) -> list[Path]:
    """Folders that the gate writes. The hand runs nothing that it reads in one of them."""
    rotated = [settings.digest_file.parent] if settings.rotate else []
    return rotated if settings.dry_run else [*rotated, settings.state_dir]
