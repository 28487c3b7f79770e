"""The daemon's side of the conversation with the warden.

In here: starting the process, asking it, hearing from it. Not in here: what it
does (warden_process, warden).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Collection, Mapping
from typing import Any

from watchword.edges.firewall.tables.messages import Decoder, Entries, encode, packed
from watchword.edges.firewall.tables.watch import Chains
from watchword.edges.programs import CLEAN_ENVIRONMENT
from watchword.errors import HostError

_MODULE = "watchword.edges.firewall.tables.warden_process"
_SECONDS = 120.0
"""For one answer: it may have to wait for iptables' lock several times."""
_PIECE = 1 << 18
PAUSE = 0.05
"""Seconds between two wake-ups, so that a storm of changes costs twenty a second."""


class Ward:
    """One warden, started here. It goes on when this ends."""

    def __init__(self, exe: str, chains: Chains, *, legacy: bool, prepend: bool) -> None:
        """Raises HostError: it cannot be started.

        Args:
            exe: iptables, for IPv4.
            chains: What it has to watch.
            legacy: Whether the tables are the kernel's old ones.
            prepend: Whether each new rule goes before all others.
        """
        places = [[*table, sorted(names)] for table, names in chains.items()]
        order = json.dumps({"exe": exe, "legacy": legacy, "prepend": prepend, "chains": places})
        self.alive = True
        self._woken = asyncio.Event()
        self._decoder = Decoder()
        self._channel, far = socket.socketpair()
        try:
            with far:
                self._process = subprocess.Popen(
                    [sys.executable, "-I", "-m", _MODULE, str(far.fileno()), order],
                    stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL, pass_fds=(far.fileno(),),
                    env=dict(CLEAN_ENVIRONMENT), cwd="/", start_new_session=True,
                )  # fmt: skip
        except OSError as error:
            self._channel.close()
            raise HostError(f"the process that ends openings cannot be started: {error}") from error
        self._channel.settimeout(_SECONDS)

    @property
    def pid(self) -> int:
        return self._process.pid

    def change(self, take: Collection[str], put: Entries) -> None:
        """Take openings out by name and put others in, all or nothing. Raises HostError."""
        self._ask({"do": "change", "take": list(take), "put": packed(put)})

    def hold(self, put: Entries, *, instead: Collection[str] = ()) -> None:
        """Have these ended, which are in the tables already. Raises HostError.

        ``instead``: names under which their rules were held until now.
        """
        self._ask({"do": "hold", "put": packed(put), "drop": list(instead)})

    def forget(self) -> None:
        """What others did so far has been seen to. Raises HostError."""
        self._ask({"do": "forget"})
        self._woken.clear()

    def look(self) -> bool:
        """Whether others may have changed our chains since ``forget``. Raises HostError."""
        return bool(self._ask({"do": "look"}))

    async def wakings(self) -> AsyncIterator[None]:
        """Yields when others may have changed something, and when the warden is gone."""
        loop = asyncio.get_running_loop()
        loop.add_reader(self._channel, self._hear)
        try:
            while True:
                await self._woken.wait()
                self._woken.clear()
                yield
                if not self.alive:
                    return
                await asyncio.sleep(PAUSE)
        finally:
            loop.remove_reader(self._channel)

    def close(self) -> None:
        """Let it go: it ends when the last opening has."""
        self.alive = False
        self._channel.close()

    def _ask(self, question: Mapping[str, Any]) -> Any:
        try:
            self._channel.sendall(encode(question))
            while True:
                for message in self._read(self._channel.recv(_PIECE)):
                    if "error" in message:
                        raise HostError(message["error"], hint=message["hint"])
                    if "answer" in message:
                        return message["answer"]
        except OSError as error:
            self._gone()
            raise HostError(f"the process that ends openings does not answer: {error}") from error

    def _read(self, data: bytes) -> list[dict[str, Any]]:
        """Messages that came; what nobody asked for is noted. Raises OSError: it is gone."""
        if not data:
            raise OSError("it is gone")
        messages = list(self._decoder.feed(data))
        if any("disturbed" in each for each in messages):
            self._woken.set()
        return messages

    def _hear(self) -> None:
        """Something came while nobody asked."""
        try:
            self._read(self._channel.recv(_PIECE, socket.MSG_DONTWAIT))
        except BlockingIOError:
            return
        except OSError:
            self._gone()

    def _gone(self) -> None:
        self.alive = False
        self._woken.set()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(0.5)
