"""One play: the building, the server with its files, the players, and what they tell.

In here: setting it up, starting, collecting. Not in here: what players do (owners, neighbours,
hidden), what a mode is (modes).
"""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import astuple
from pathlib import Path
from typing import Any

from watchword.errors import HostError
from watchword.lab.building import Building, building
from watchword.lab.hosts import Host, Lab
from watchword.simulation.cast import Play, visits
from watchword.simulation.figures import Result
from watchword.simulation.modes import Mode

PORT = 22
READY = ("Kicking off UDP server", "Starting fwknopd main event loop.")
_LATE = 60.0  # seconds, on a busy machine
STARTING = 120.0
"""Seconds; a machine may play several modes at once."""


class Stage:
    """One mode on one stage; used once."""

    def __init__(self, play: Play, mode: Mode, folder: Path) -> None:
        """``folder``: empty, for this play alone, readable by nobody else."""
        self._play = play
        self._mode = mode
        self._folder = folder
        self._lab = Lab()
        self._words = [secrets.token_hex(12) for _ in range(play.owners)]
        self._keys = [(_key(), _key()) for _ in range(play.owners)]

    def run(self) -> Result:
        """Play it from beginning to end. Raises HostError: it cannot be played here."""
        try:
            with self._lab:
                return self._run(building(self._lab))
        except (OSError, subprocess.SubprocessError) as error:
            raise HostError(
                f"the building cannot be made: {error}", hint="run it as root"
            ) from error

    def stop(self) -> None:
        """Kill all that plays now, so that ``run``, in another thread, ends with a HostError.

        It may be about to start the next one: to be called until it has ended.
        """
        for host in self._lab.hosts:
            host.kill_processes()

    def _run(self, net: Building) -> Result:
        address = net.server.six if self._play.six else net.server.four
        self._write(address)
        behind = ["127.0.0.1"] if self._mode.front else [net.server.four, net.server.six]
        hidden = _player(net.server.host, "hidden", {
            "words": self._words, "address": behind, "port": PORT,
        })  # fmt: skip
        _first_line(hidden)
        self._start_server(net.server.host)
        if self._mode.front:
            self._start_front(net.server.host, self._mode.front)
        where = {"address": address, "seconds": self._play.seconds}
        neighbours = _player(net.mallory.host, "neighbours", {
            **where, "neighbours": self._play.neighbours, "seed": self._play.seed,
            "ports": self._mode.ports or (self._port, self._port),
        })  # fmt: skip
        owners = _player(net.alice.host, "owners", {
            "words": self._words,
            "visits": [astuple(each) for each in visits(self._play)],
            "way": {"address": address, "port": self._port, "rc_file": str(self._rc_file),
                    "connects": self._mode.connects, "patience": self._play.patience},
        })  # fmt: skip
        told = _account(owners, self._play.seconds + self._play.patience + _LATE)
        tried = _account(neighbours, self._play.seconds + _LATE)
        served = _account(hidden, _LATE)
        return Result(
            mode=self._mode.name, title=self._mode.title, visits=told["visits"],
            knocks=told["knocks"], shut_out=tuple(told["shut_out"]),
            median_wait=told["median_wait"], tries=tried["tries"],
            admitted=served["of_others"],
        )  # fmt: skip

    @property
    def _port(self) -> int:
        """Where everybody goes."""
        return self._mode.front or PORT

    @property
    def _rc_file(self) -> Path:
        return self._folder / "fwknoprc"

    def _write(self, address: str) -> None:
        settings = {
            "ENABLE_UDP_SERVER": "Y", "GUARD_SERVICES": f"tcp/{self._port}",
            "STATE_DIR": str(self._folder / "state"), "FWKNOP_RUN_DIR": str(self._folder / "run"),
            **self._mode.settings,
        }  # fmt: skip
        access = [
            {"SOURCE": "ANY", "OPEN_PORTS": f"tcp/{self._port}", "KEY_BASE64": key,
             "HMAC_KEY_BASE64": mac, **self._mode.stanza}
            for key, mac in self._keys
        ]  # fmt: skip
        rc = "".join(
            f"[owner-{number}]\n" + _lines({
                "SPA_SERVER": address, "ACCESS": f"tcp/{self._port}", "ALLOW_IP": "source",
                "KEY_BASE64": key, "HMAC_KEY_BASE64": mac, "USE_HMAC": "Y", **self._mode.client,
            })
            for number, (key, mac) in enumerate(self._keys)
        )  # fmt: skip
        _write(self._folder / "fwknopd.conf", _lines(settings, end=";"))
        _write(self._folder / "access.conf", "".join(map(_lines, access)))
        _write(self._rc_file, rc)

    def _start_server(self, host: Host) -> None:
        self._start(
            host, READY, "fwknopd", "-f",
            "-c", str(self._folder / "fwknopd.conf"), "-a", str(self._folder / "access.conf"),
        )  # fmt: skip

    def _start_front(self, host: Host, port: int) -> None:
        self._start(
            host, ("ready on port",), "watchword", "front",
            "--socket", str(self._folder / "run" / "control.sock"), str(port), f"127.0.0.1:{PORT}",
        )  # fmt: skip

    def _start(self, host: Host, ready: Sequence[str], program: str, *argv: str) -> None:
        """Start one of our programs, and wait until it says one of these."""
        log = self._folder / f"{program}.log"
        with log.open("wb") as out:
            process = host.start(
                sys.executable, "-m", f"watchword.programs.{program}", *argv, stdout=out, stderr=out
            )
        limit = time.monotonic() + STARTING
        while not any(each in log.read_text("utf-8", "replace") for each in ready):
            if process.poll() is not None or time.monotonic() > limit:
                said = log.read_text("utf-8", "replace").strip()[-1000:]
                raise HostError(f"{program} does not start for mode {self._mode.name}: {said}")
            time.sleep(0.05)


def _player(host: Host, name: str, order: Mapping[str, Any]) -> subprocess.Popen[bytes]:
    process = host.start(
        sys.executable, "-m", f"watchword.simulation.{name}",
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    if process.stdin is not None:
        process.stdin.write(json.dumps(order).encode() + b"\n")
        process.stdin.flush()
    return process


def _first_line(process: subprocess.Popen[bytes]) -> None:
    """Wait for it."""
    if process.stdout is not None:
        process.stdout.readline()


def _account(process: subprocess.Popen[bytes], seconds: float) -> Any:
    try:
        said, _ = process.communicate(timeout=seconds)
        return json.loads(said.splitlines()[-1])
    except (subprocess.TimeoutExpired, ValueError, IndexError) as error:
        raise HostError(f"a player fell silent: {process.args!r}") from error


def _lines(values: Mapping[str, str], end: str = "") -> str:
    return "".join(f"{name:<30} {value}{end}\n" for name, value in values.items())


def _write(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text, "utf-8")


def _key() -> str:
    return b64encode(secrets.token_bytes(32)).decode("ascii")
