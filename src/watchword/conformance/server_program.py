"""A program that is run like fwknopd, on the server of a venue.

In here: its files, its start, its log, and a firewall that drops by default where the
program leaves that to its operator.
Not in here: what is sent to it.

It is called as ``PROGRAM -f -c fwknopd.conf -a access.conf`` and has to take packets on
UDP port 62201. Of its output only what a cell names is looked at.
"""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from watchword.conformance.venue import Door, Sight, Venue
from watchword.lab.sockets import inside

SPA_PORT: Final = 62201
START: Final = 120.0
"""Seconds that a server may take until it listens, beside others that start."""
HIDING: Final = 5.0
"""Seconds more until it has hidden what it hides, unless it says that it is ready."""
READY: Final = "Kicking off UDP server"
"""What fwknopd logs when it has done everything else."""

DROP_BY_DEFAULT: Final = f"""\
*filter
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
-A INPUT -i lo -j ACCEPT
-A INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT
-A INPUT -p udp --dport {SPA_PORT} -j ACCEPT
-A FORWARD -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT
COMMIT
"""
DROP_BY_DEFAULT_SIX: Final = DROP_BY_DEFAULT.replace(
    "-A INPUT -i lo", "-A INPUT -p ipv6-icmp -j ACCEPT\n-A INPUT -i lo"
)


class NotServingError(Exception):
    """The program does not start, or ended; the text is the end of what it said."""


class ServerProgram:
    """One run, with everything that it writes below one folder."""

    def __init__(self, program: Sequence[str], venue: Venue, folder: Path) -> None:
        self._program = program
        self._venue = venue
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def usual_settings(self) -> tuple[str, ...]:
        """Lines of fwknopd.conf that every server gets; one that has no use for one ignores it."""
        run = self._folder / "run"
        return (
            "PCAP_INTF eth0",
            "ENABLE_UDP_SERVER Y",
            f"FWKNOP_RUN_DIR {run}",
            f"FWKNOP_PID_FILE {run}/fwknopd.pid",
            f"DIGEST_FILE {run}/digest.cache",
            f"STATE_DIR {self._folder}/state",
            "GUARD_SERVICES ALL",
        )

    def start(self, settings: str, access: str) -> None:
        """Start it and wait until it listens. Raises NotServingError."""
        (self._folder / "run").mkdir(mode=0o700, exist_ok=True)
        for name, text in (("fwknopd.conf", settings), ("access.conf", access)):
            path = self._folder / name
            path.touch(mode=0o600)
            path.write_text(text, "utf-8")
        with (self._folder / "server.log").open("wb") as log:
            self._process = self._venue.server.host.start(
                *self._program, "-f", "-c", f"{self._folder}/fwknopd.conf",
                "-a", f"{self._folder}/access.conf",
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        limit = time.monotonic() + START
        while not self._listens():
            if not self.running or time.monotonic() > limit:
                raise NotServingError(f"it does not listen: {self.last_words()}")
            time.sleep(0.05)

    def hide(self, door: Door) -> None:
        """Lay a firewall that drops by default, if this door answers although nobody knocked.

        Some servers hide ports themselves, perhaps a moment after they have begun to
        listen; others add to what their host drops.
        """
        limit = time.monotonic() + HIDING
        ready = False
        while self._venue.look([door])[door] is not Sight.SILENT:
            if ready or time.monotonic() > limit:
                break
            ready = self.said(READY)
            time.sleep(0.05)
        else:
            return
        host = self._venue.server.host
        host.run("iptables-restore", "--noflush", input=DROP_BY_DEFAULT)
        host.run("ip6tables-restore", "--noflush", input=DROP_BY_DEFAULT_SIX)

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def log(self) -> str:
        return (self._folder / "server.log").read_text("utf-8", "replace")

    def said(self, pattern: str) -> bool:
        return re.search(pattern, self.log()) is not None

    def last_words(self) -> str:
        return " / ".join(self.log().splitlines()[-3:])

    def _listens(self) -> bool:
        """Looked up without starting a program, which would cost more than all the waiting."""
        return inside(self._venue.server.host, _is_bound)


def _is_bound() -> bool:
    """Whether somebody has the port, in the network that the calling thread is in."""
    tables = (Path("/proc/thread-self/net", each).read_text("ascii") for each in ("udp", "udp6"))
    return any(f":{SPA_PORT:04X} " in table for table in tables)
