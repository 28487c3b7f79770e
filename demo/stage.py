"""Builds what the scenes play on: three hosts, and our own programs on them.

In here: configuration files, our daemon's life, our client, what passes on the wire.
Not in here: the story (demo.scenes), the sshd (demo.sshd), looking at the
server (demo.checks), tidying up (demo.leftovers).
"""

from __future__ import annotations

import os
import select
import subprocess
import sys
from pathlib import Path

from demo import checks
from demo.sshd import USER, Sshd
from demo.waiting import StageError, wait_for
from watchword.lab.hosts import Host, Lab
from watchword.lab.trio import trio

PROGRAMS = Path(sys.executable).parent
"""Where our own fwknop, fwknopd and watchword are: beside the Python that runs this."""
PORT = "62201"

_FWKNOPD_CONF = """\
ENABLE_UDP_SERVER   Y;
UDPSERV_PORT        {port};
GUARD_SERVICES      {guarded};
FWKNOP_RUN_DIR      {folder}/run;
STATE_DIR           {folder}/state;
"""


class Tap:
    """Hears every packet to fwknopd's port, as anybody on the way could."""

    def __init__(self, where: Host, interface: str) -> None:
        self._process = where.start(
            *checks.WIRE, "catch", interface, PORT, stdout=subprocess.PIPE, bufsize=0
        )
        assert self._process.stdout is not None
        self._heard = self._process.stdout
        self._heard.readline()

    def packet(self) -> str:
        """The next packet's payload in hexadecimal; waits for it."""
        return self._heard.readline().decode("ascii").strip()

    def hears_more(self, seconds: float = 0.5) -> bool:
        """Whether another packet comes by in that time."""
        return bool(select.select([self._heard], [], [], seconds)[0])


class Stage:
    """The hosts and what runs on them."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        """Build the hosts and start the sshd. Raises StageError."""
        folder.chmod(0o755)  # the user's home and public key are below it
        for name in ("caller", "run", "state"):
            (folder / name).mkdir(mode=0o700)
        self.folder = folder
        self.scene = trio(lab)
        self.server, self.caller = self.scene.server, self.scene.caller
        self.stranger = self.scene.stranger
        self.ssh = Sshd(self.server.host, folder)
        self._log = folder / "fwknopd.log"
        self._log.touch()
        self._daemon: subprocess.Popen[bytes] | None = None

    # --- the caller --------------------------------------------------------

    @property
    def stanza_file(self) -> Path:
        """What the caller's client remembers, ~/.fwknoprc."""
        return self.folder / "caller" / ".fwknoprc"

    def fwknop(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run our client as the caller, in a home of its own."""
        environment = {**os.environ, "HOME": str(self.folder / "caller"), "LOGNAME": USER}
        command = (str(PROGRAMS / "fwknop"), *arguments)
        return self.caller.host.run(*command, check=False, env=environment)

    def tap(self) -> Tap:
        """Listen on the internet, where the caller's packets come by."""
        return Tap(self.scene.internet, "caller")

    def send_again(self, packet: str) -> None:
        """The stranger sends a packet that was heard."""
        self.stranger.host.run(*checks.WIRE, "send", self.server.four, PORT, packet)

    # --- the server --------------------------------------------------------

    @property
    def files(self) -> tuple[str, ...]:
        """Options that name the daemon's files."""
        return ("-c", str(self.folder / "fwknopd.conf"), "-a", str(self.folder / "access.conf"))

    def configure(self, guarded: str) -> str:
        """Write fwknopd.conf; returns it."""
        text = _FWKNOPD_CONF.format(folder=self.folder, guarded=guarded, port=PORT)
        (self.folder / "fwknopd.conf").write_text(text, "utf-8")
        return text

    def write_access(self, text: str) -> None:
        """Write access.conf, which nobody else can read at any moment."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        with os.fdopen(os.open(self.folder / "access.conf", flags, 0o600), "w") as file:
            file.write(text)

    def start_fwknopd(self) -> None:
        """Start our daemon, and wait until its guard stands and it listens. Raises StageError."""
        seen = len(self.log())
        with self._log.open("ab") as log:
            self._daemon = self.server.host.start(
                str(PROGRAMS / "fwknopd"), "-f", *self.files, stdout=log, stderr=log
            )
        if not wait_for(lambda: self._is_ready(seen), 15):
            raise StageError(f"fwknopd does not start:\n{self.log()[seen:]}")

    def _is_ready(self, seen: int) -> bool:
        assert self._daemon is not None
        if self._daemon.poll() is not None:
            raise StageError(f"fwknopd ended at once:\n{self.log()[seen:]}")
        return "to listen on port" in self.log()[seen:]

    def fwknopd(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Ask our daemon's program something: ``-S``, ``--fw-list``."""
        command = (str(PROGRAMS / "fwknopd"), *self.files, *arguments)
        return self.server.host.run(*command, check=False)

    def watchword(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.server.host.run(str(PROGRAMS / "watchword"), *arguments, check=False)

    def kill_fwknopd(self) -> None:
        """``kill -9``, every process of it."""
        assert self._daemon is not None
        os.killpg(self._daemon.pid, 9)
        self._daemon.wait(5)

    def stop_fwknopd(self) -> str:
        """``fwknopd -K``; what it printed."""
        assert self._daemon is not None
        said = self.fwknopd("-K").stdout
        self._daemon.wait(5)
        return said

    def log(self) -> str:
        return self._log.read_text("utf-8", "replace")

    def log_line(self, *words: str, seconds: float = 5.0) -> str:
        """The last line for people with all the words; waited for, empty if none comes."""

        def fitting() -> list[str]:
            lines = [line for line in self.log().splitlines() if not line.startswith("{")]
            return [line for line in lines if all(word in line for word in words)]

        wait_for(lambda: bool(fitting()), seconds)
        return fitting()[-1] if fitting() else ""
