"""One knockd, ours or the packaged one, on an interface of its own, for system tests."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import count
from pathlib import Path

from tests.daemon import PATIENCE, PROGRAMS, until
from tests.knockd_nursery import Forked, Nursery
from watchword.lab import knock_frames
from watchword.lab.hosts import Lab
from watchword.lab.sockets import inside
from watchword.model.doors import Flag

OURS, PACKAGED = str(PROGRAMS / "knockd"), "/usr/sbin/knockd"
HERE, CALLER = "10.77.0.1", "10.77.0.11"
HERE_6, CALLER_6 = "fd77::1", "fd77::11"
_STAMP = re.compile(r"^\[\d{4}-\d\d-\d\d \d\d:\d\d\] ", re.MULTILINE)


class Street:
    """A host with doors, and the outside of it."""

    def __init__(self, lab: Lab) -> None:
        self.inside, self.outside = lab.host("inside"), lab.host("outside")
        lab.link(
            (self.inside, "eth0", (f"{HERE}/24", f"{HERE_6}/64")),
            (self.outside, "eth0", (f"{CALLER}/24", f"{CALLER_6}/64")),
        )
        self._raw = inside(self.outside, lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW))

        self._folder = tempfile.TemporaryDirectory()
        self._nursery: Nursery | None = None

    @property
    def nursery(self) -> Nursery:
        """Where daemons of ours come from, without waiting for an interpreter each time."""
        if self._nursery is None:
            self._nursery = Nursery(self.inside, Path(self._folder.name))
        return self._nursery

    def close(self) -> None:
        self._raw.close()
        self._folder.cleanup()

    def knock(
        self,
        *ports: int,
        source: str = CALLER,
        to: str = HERE,
        flags: int | None = int(Flag.SYN),
        interface: str = "eth0",
    ) -> None:
        """Packets to these ports, one after the other; ``flags`` None: datagrams."""
        for port in ports:
            content = knock_frames.knock(source, to, port, flags)
            self.send(knock_frames.frame(content), interface)

    def heard(self) -> None:
        """Wait until whoever listens has taken in all that was sent, so that nothing gets lost."""
        until(lambda: not inside(self.inside, _waiting))

    def send(self, frame: bytes, interface: str = "eth0") -> None:
        """A frame as it is."""
        self._raw.sendto(frame, (interface, 0))


def _waiting() -> bool:
    """Whether bytes wait in a packet socket of the namespace that the caller is in."""
    rows = Path("/proc/thread-self/net/packet").read_text("ascii").splitlines()[1:]
    return any(int(row.split()[6]) for row in rows)


@contextmanager
def street() -> Iterator[Street]:
    with Lab() as lab, closing(Street(lab)) as found:
        yield found


class Knockd:
    """A daemon with everything it writes below one folder."""

    def __init__(self, place: Street, folder: Path, program: str = OURS) -> None:
        self.place = place
        self.host = place.inside
        self.program = program
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.conf, self.log_file = folder / "knockd.conf", folder / "log"
        self.process: subprocess.Popen[bytes] | Forked | None = None

    def write(self, doors: str, *, options: str = "") -> None:
        lines = f"[options]\nLogFile = {self.log_file}\n{options}"
        if self.program == OURS:
            lines += f"StateDir = {self.folder}/state\nRunDir = {self.folder}/run\n"
        self.conf.touch(mode=0o600)
        self.conf.write_text(f"{lines}{doors}", "utf-8")

    def start(self, doors: str, *words: str, options: str = "", interface: str = "eth0") -> Knockd:
        """Start in the foreground, and wait until it listens."""
        self.write(doors, options=options)
        self.log_file.unlink(missing_ok=True)
        said, command = self.folder / "said", ("-i", interface, "-c", str(self.conf), *words)
        if self.program == OURS:
            self.process = self.place.nursery.start(said, *command)
        else:
            with said.open("wb") as out:
                self.process = self.host.start(self.program, *command, stdout=out, stderr=out)
        until(lambda: "starting up" in self.log or self.ended)
        assert not self.ended, self.said
        return self

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run the program to its end."""
        return self.host.run(self.program, *words, check=False)

    def tried(self, *words: str) -> tuple[int, list[str]]:
        """Run it to its end; its status, and the lines of both its outputs."""
        if self.program != OURS:
            done = self.run(*words)
            return done.returncode, [*done.stdout.splitlines(), *done.stderr.splitlines()]
        said = self.folder / "tried"
        status = self.place.nursery.start(said, *words).wait(PATIENCE)
        return status, said.read_text("utf-8", "replace").splitlines()

    @property
    def said(self) -> str:
        return (self.folder / "said").read_text("utf-8", "replace")

    @property
    def log(self) -> str:
        """Without the time stamps and empty lines."""
        if not self.log_file.exists():
            return ""
        text = _STAMP.sub("", self.log_file.read_text("utf-8", "replace"))
        return "".join(f"{line}\n" for line in text.splitlines() if line)

    @property
    def ended(self) -> bool:
        return self.process is not None and self.process.poll() is not None

    def wait_for(self, text: str, times: int = 1) -> str:
        try:
            until(lambda: self.log.count(text) >= times)
        except AssertionError:
            raise AssertionError(f"{text!r} is not {times} times in:\n{self.log}") from None
        return self.log

    def send(self, number: signal.Signals) -> None:
        assert self.process is not None
        os.kill(self.process.pid, number)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """End it; its exit status."""
        assert self.process is not None
        if not self.ended:
            self.send(number)
        return self.process.wait(PATIENCE)


_names = count(1)


def fresh(folder: Path) -> Path:
    """A folder that no daemon of this run had."""
    return folder / str(next(_names))
