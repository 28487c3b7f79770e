"""The two servers that are compared, each in its berth, behind one set of verbs.

In here: their files, starting and stopping them, what is open in their
firewalls, what they have used.
Not in here: what is sent to them (sending), what is made of it (rows).

Every start is from nothing: an empty directory, an empty ruleset, a new account.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from bench import accounting, packets
from bench.accounting import Account, Datagrams
from bench.births import Births
from bench.scene import Berth
from bench.waiting import NotMeasuredError, wait_until

READY = {False: "Kicking off UDP server", True: "Starting fwknopd main event loop."}
"""What a server says when it looks at packets, by whether it sniffs them."""
START_LIMIT = 60.0  # seconds; ten thousand stanzas, a million remembered packets
_OPENED = re.compile(r"\b(10\.\d+\.\d+\.\d+)\b")


class Server(ABC):
    """One server under measurement."""

    name: str
    window: int
    """Packets that may be under way without any being dropped, with a wide margin."""
    reads_ahead: bool
    """Whether it takes packets out of its socket before it looks at them."""

    def __init__(self, berth: Berth, folder: Path, births: Births | None) -> None:
        self.berth = berth
        self.births = births
        self.folder = folder
        self.sniffs = False
        """Whether packets are taken off the wire, and come to no port; until ``clear``."""
        self.lines = ""
        """What each stanza has beside keys, ports and times; until ``clear``."""
        self._process: subprocess.Popen[bytes] | None = None
        self._account: Account | None = None

    # --- its life ----------------------------------------------------------

    def clear(self) -> None:
        """Make its directory anew; packets come to a port."""
        self.sniffs, self.lines = False, ""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(mode=0o700, parents=True)

    def start(self, stanzas: int = 1) -> float:
        """Start and wait until it looks at packets; return how many seconds that took.

        The directory is used as it is: ``clear`` first, and put into it what
        is to be remembered. Raises NotMeasuredError: it does not start.
        """
        self._write("access.conf", packets.access_text(stanzas, self.lines))
        self._write("fwknopd.conf", self._settings())
        self.berth.host.run("nft", "flush", "ruleset")
        self._hide()
        self._account = accounting.open_account(f"watchword-bench-{os.getpid()}-{self.name}")
        log = self.folder / "log"
        with log.open("wb") as output:
            began = time.perf_counter()
            self._process = self.berth.host.start(
                *self._command(), "-f", "-c", f"{self.folder}/fwknopd.conf",
                "-a", f"{self.folder}/access.conf", stdout=output, stderr=output,
            )  # fmt: skip
        self._account.enter(self._process.pid)
        wait_until(lambda: self._is_ready(log), START_LIMIT, f"start of {self.name}", 0.002)
        return time.perf_counter() - began

    def _is_ready(self, log: Path) -> bool:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - 4096))
            tail = file.read().decode("utf-8", "replace")
        ready = READY[self.sniffs]
        if ready not in tail and self._running.poll() is not None:
            raise NotMeasuredError(f"{self.name} does not start: {' '.join(tail.split()[-40:])}")
        return ready in tail

    def _way(self) -> str:
        """Lines of fwknopd.conf on how packets come."""
        return "PCAP_INTF eth0;\n" if self.sniffs else "ENABLE_UDP_SERVER Y;\n"

    def stop(self) -> None:
        """End it at once, with everything it started."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(10)
            self.berth.host.processes.remove(self._process)
            self._process = None
        if self._account is not None:
            for left in self._account.pids():  # what goes on without its server
                with suppress(ProcessLookupError):
                    os.kill(left, signal.SIGKILL)
            self._account.close()
            self._account = None

    def _write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.unlink(missing_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text)

    @property
    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise NotMeasuredError(f"{self.name} is not running")
        return self._process

    # --- iptables on its host ----------------------------------------------

    CHAIN = "FWKNOP_INPUT"

    def restore(self, *lines: str) -> None:
        """Put lines into the table filter."""
        text = "\n".join(("*filter", *lines, "COMMIT", ""))
        self.berth.host.run("iptables-restore", "--noflush", input=text, seconds=60.0)

    def rules(self) -> set[str]:
        """The callers whom rules of fwknop's chain let in."""
        return set(_OPENED.findall(self.berth.host.run("iptables", "-S", self.CHAIN).stdout))

    # --- what it has used --------------------------------------------------

    @property
    def account(self) -> Account:
        if self._account is None:
            raise NotMeasuredError(f"{self.name} is not running")
        return self._account

    def datagrams(self) -> Datagrams:
        """What became of the packets sent to its host. Raises NotMeasuredError: it died."""
        if self._running.poll() is not None:
            raise NotMeasuredError(f"{self.name} ended with status {self._running.returncode}")
        return accounting.datagrams(self._running.pid)

    def memory(self) -> int:
        """Bytes, all of its processes, what they share counted once."""
        return accounting.memory(self.account.pids())

    # --- what differs ------------------------------------------------------

    @abstractmethod
    def _command(self) -> Sequence[str]: ...

    @abstractmethod
    def _settings(self) -> str:
        """Text of fwknopd.conf."""

    @abstractmethod
    def _hide(self) -> None:
        """Put the rules in place that the server expects to be there."""

    @abstractmethod
    def opened(self) -> set[str]:
        """The callers that the firewall lets in, as its own listing shows them."""

    @abstractmethod
    def judged(self) -> int:
        """How many packets it has looked at since its start, as it says itself."""

    @abstractmethod
    def remember(self, number: int) -> None:
        """Write a memory of that many packets for the next start to find."""


def _default_drop(server: Server) -> None:
    """An INPUT chain of iptables that drops what nobody accepts."""
    server.restore(
        ":INPUT DROP [0:0]",
        "-A INPUT -i lo -j ACCEPT",
        "-A INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT",
        f"-A INPUT -p udp --dport {packets.SPA_PORT} -j ACCEPT",
    )


class Ours(Server):
    """Watchword's fwknopd, attached by its guard unless another backend is named."""

    name = "watchword"
    window = 1024  # of 2,048 places for packets of strangers
    reads_ahead = True

    def _command(self) -> Sequence[str]:
        return (sys.executable, "-m", "watchword.programs.fwknopd")

    def __init__(self, berth: Berth, folder: Path, births: Births | None) -> None:
        super().__init__(berth, folder, births)
        self.backend = "nftables"
        """Until ``clear``."""

    def clear(self) -> None:
        super().clear()
        self.backend = "nftables"

    def _settings(self) -> str:
        return (
            f"{self._way()}FWKNOP_RUN_DIR {self.folder}/run;\nSTATE_DIR {self.folder}/state;\n"
            f"FIREWALL_BACKEND {self.backend};\n"
        )

    def _hide(self) -> None:
        """A guard hides by itself."""
        if self.backend != "nftables":
            _default_drop(self)

    def opened(self) -> set[str]:
        if self.backend == "iptables":
            return self.rules()
        if self.backend == "ipset":
            listing = self.berth.host.run("ipset", "list", "watchword4").stdout
            return set(_OPENED.findall(listing))
        text = self.berth.host.run("nft", "-j", "list", "table", "inet", "watchword").stdout
        found = set()
        for each in json.loads(text)["nftables"]:
            if each.get("set", {}).get("name") in ("open4", "open4_to"):
                found |= set(_OPENED.findall(json.dumps(each["set"].get("elem", []))))
        return found

    def judged(self) -> int:
        return sum(self.verdicts().values())

    def verdicts(self) -> dict[str, int]:
        """How many packets it has judged in which way since its start."""
        answer = self.berth.host.run(
            sys.executable, "-m", "watchword.programs.watchword", "status", "--json",
            "-c", f"{self.folder}/fwknopd.conf", "-a", f"{self.folder}/access.conf",
        )  # fmt: skip
        found: dict[str, int] = json.loads(answer.stdout)["packets"]
        return found

    def remember(self, number: int) -> None:
        # Imported where it is used: the packaged server can be measured without it.
        from bench.remembered import write_database  # noqa: PLC0415

        write_database(self.folder, number)


class Packaged(Server):
    """fwknopd as the distribution packages it, with a default-drop INPUT chain."""

    name = "fwknopd"
    window = 64  # of the default 212,992 bytes, with 768 for a datagram in the kernel
    reads_ahead = False

    PROGRAM = "/usr/sbin/fwknopd"

    def _command(self) -> Sequence[str]:
        return (self.PROGRAM,)

    def _settings(self) -> str:
        (self.folder / "run").mkdir(mode=0o700, exist_ok=True)
        return (
            f"{self._way()}"
            f"FWKNOP_RUN_DIR {self.folder}/run;\n"
            f"FWKNOP_PID_FILE {self.folder}/run/fwknopd.pid;\n"
            f"DIGEST_FILE {self.folder}/run/digest.cache;\n"
        )

    def _hide(self) -> None:
        _default_drop(self)

    def opened(self) -> set[str]:
        return self.rules()

    def judged(self) -> int:
        log = (self.folder / "log").read_text("utf-8", "replace")
        return log.count("(stanza #1) SPA Packet from IP")

    def lay_rules(self, addresses: Sequence[str], seconds: int) -> None:
        """Put rules into its chain as it writes them itself, which would take it minutes."""
        ends = int(time.time()) + seconds
        self.restore(
            *(
                f"-A {self.CHAIN} -s {address}/32 -p tcp -m tcp --dport {packets.SERVICE_PORT} "
                f"-m comment --comment _exp_{ends} -j ACCEPT"
                for address in addresses
            )
        )

    def remember(self, number: int) -> None:
        from bench.remembered import write_digest_cache  # noqa: PLC0415

        write_digest_cache(self.folder, number)
