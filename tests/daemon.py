"""A real server process for system tests: its files, its log, its end."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from tests.called import called
from tests.values import KEY, MAC_KEY
from watchword.edges.clock import SystemClock
from watchword.edges.replay.reading import read_grants
from watchword.lab.hosts import Host
from watchword.model.crypto import Secret
from watchword.programs import fwknopd, watchword
from watchword.service import asking

PROGRAMS = Path(sys.executable).parent
PATIENCE = 60.0
"""Seconds. No claim: whatever is waited for takes a moment, but for a machine that is busy."""
READY = ("Kicking off UDP server", "Starting fwknopd main event loop.")
"""What fwknopd says last when it starts, with and without a UDP port."""


ANSWERED = {
    "-S", "--status", "-R", "-K", "--fw-list", "--fw-list-all", "--fw-flush",
    "--dump-config", "--Dump-config", "--exit-parse-config", "--exit-parse-digest-cache",
    "--fw-del-ip", "--fw-withdraw",
    "status", "grants", "revoke", "extend", "block", "unblock", "log", "check", "explain", "doctor",
    "audit",
}  # fmt: skip
"""What is answered by a call, without starting a program for it."""


def until(what: Callable[[], Any], seconds: float = PATIENCE) -> Any:
    """Wait for something to become true and return it; AssertionError after the limit.

    A question that starts programs is asked less often: what is waited for needs the processor.
    """
    limit = time.monotonic() + seconds
    while (asked := time.monotonic()) < limit:
        if answer := what():
            return answer
        time.sleep(min(max(0.01, 2 * (time.monotonic() - asked)), 0.1))
    raise AssertionError(f"not within {seconds} seconds")


def base64(secret: Secret) -> str:
    return b64encode(secret.reveal()).decode("ascii")


def stanza(key: Secret = KEY, mac_key: Secret = MAC_KEY, /, **variables: str) -> str:
    """Text of one stanza; variables with empty values are left out."""
    given = {
        "SOURCE": "ANY",
        "OPEN_PORTS": "tcp/22",
        "KEY_BASE64": base64(key),
        "HMAC_KEY_BASE64": base64(mac_key),
        **variables,
    }
    return "".join(f"{name:<24}{value}\n" for name, value in given.items() if value)


class Server:
    """One fwknopd of ours on one host, with everything it writes below one directory."""

    def __init__(self, host: Host, folder: Path) -> None:
        self.host = host
        self.folder = folder
        self.settings = {
            "ENABLE_UDP_SERVER": "Y",
            "STATE_DIR": str(folder / "state"),
            "FWKNOP_RUN_DIR": str(folder / "run"),
        }
        self.access = stanza()
        self.process: subprocess.Popen[bytes] | None = None
        self.command = [str(PROGRAMS / "fwknopd")]
        self._runs = 0
        self._page = 0

    @property
    def files(self) -> list[str]:
        return ["-c", str(self.folder / "fwknopd.conf"), "-a", str(self.folder / "access.conf")]

    def write(self) -> None:
        """Put the present settings and stanzas into files, readable by their owner only."""
        text = "".join(f"{name} {value};\n" for name, value in self.settings.items())
        for name, content in (("fwknopd.conf", text), ("access.conf", self.access)):
            path = self.folder / name
            path.touch(mode=0o600)
            path.write_text(content, "utf-8", "surrogateescape")

    def start(self, *options: str) -> Server:
        """Start in the foreground and wait until packets are looked at."""
        self.launch(*options)
        until(lambda: any(each in self.log for each in READY) or self.ended)
        assert not self.ended, self.log
        return self

    def launch(self, *options: str) -> None:
        self.write()
        self._runs += 1
        self._page = 0
        with self.log_file.open("wb") as log:
            self.process = self.host.start(
                *self.command, "-f", *self.files, *options, stdout=log, stderr=log
            )

    @property
    def log_file(self) -> Path:
        return self.folder / f"log-{self._runs}"

    @property
    def log(self) -> str:
        """What the present run has said, or has said since the page was turned."""
        if not self.log_file.exists():
            return ""
        with self.log_file.open("rb") as file:
            file.seek(self._page)
            return file.read().decode("utf-8", "replace")

    def turn_page(self) -> None:
        """For tests that share a server: what it said to others is not in ``log`` any more.

        Grants in force are ended.
        """
        asking.change(Path(self.settings["FWKNOP_RUN_DIR"]) / asking.NAME, "revoke", all=True)
        self._page = self.log_file.stat().st_size

    def on_new_page(self) -> Self:
        """For tests that share a server which some of them end: running, as after turn_page."""
        if self.process is None or self.ended:
            self.start()
        self.turn_page()
        return self

    @property
    def judged(self) -> list[dict[str, Any]]:
        """The structured lines, in order. One that is being written is not there yet."""
        whole, _, _ = self.log.rpartition("\n")
        return [json.loads(line) for line in whole.splitlines() if line.startswith("{")]

    @property
    def ended(self) -> bool:
        return self.process is not None and self.process.poll() is not None

    def wait_for(self, text: str, count: int = 1) -> str:
        """Wait until the log has a text that often; return the log."""
        try:
            until(lambda: self.log.count(text) >= count)
        except AssertionError:
            raise AssertionError(f"{text!r} is not {count} times in:\n{self.log}") from None
        return self.log

    @contextmanager
    def puts_right(self, grants: int) -> Iterator[None]:
        """What other hands do to the firewall in here is mended at the end, and that is said.

        While they are still at it the firewall may refuse: then it is said once it works again.
        """
        said = rf"Restored {grants} grants: (other hands had changed the|the firewall works again)"
        before = len(re.findall(said, self.log))
        yield
        until(lambda: len(re.findall(said, self.log)) > before)

    def wait_for_judgements(self, count: int) -> list[dict[str, Any]]:
        try:
            until(lambda: len(self.judged) >= count)
        except AssertionError:
            raise AssertionError(f"not {count} judgements in:\n{self.log}") from None
        return self.judged

    def send(self, number: signal.Signals) -> None:
        assert self.process is not None
        os.kill(self.pid, number)

    @property
    def pid(self) -> int:
        """``ip netns exec`` turns into the program it runs, so this is the daemon itself."""
        assert self.process is not None
        return self.process.pid

    @property
    def pids(self) -> list[int]:
        """Of the daemon, and then of the part that reads packets, if that is another process."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text("ascii").split()
        names = {pid: Path(f"/proc/{pid}/cmdline").read_bytes() for pid in (self.pid, *children)}
        gates = [int(pid) for pid in children if names[pid] == names[self.pid]]
        return [self.pid, *gates]

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        assert self.process is not None
        if not self.ended:
            self.send(number)
        return self.process.wait(PATIENCE)

    def kill(self) -> int:
        """End it by force, once the journal knows what was granted; that is written behind."""
        state = Path(self.settings["STATE_DIR"])
        until(lambda: read_grants(state, SystemClock().now()) or "Removed rule" in self.log)
        return self.stop(signal.SIGKILL)

    def program(self, *options: str) -> subprocess.CompletedProcess[str]:
        """Ask fwknopd something about the same files, or run it once more, to its end."""
        if options and options[0] in ANSWERED:
            return called(self.host, "fwknopd", fwknopd.main, [*self.files, *options])
        return self.started("fwknopd", *self.files, *options)

    def tool(self, command: str, *options: str) -> subprocess.CompletedProcess[str]:
        words = [command, *self.files, *options]
        if command in ANSWERED:
            return called(self.host, "watchword", watchword.main, words)
        return self.started("watchword", *words)

    def started(self, program: str, *words: str) -> subprocess.CompletedProcess[str]:
        """Start one of our programs on this host, and wait for its end."""
        return self.host.run(str(PROGRAMS / program), *words, check=False)

    def ruleset(self) -> str:
        return self.host.run("nft", "list", "ruleset").stdout
