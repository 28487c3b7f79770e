"""The daemon's side of the conversation with the warden.

In here: starting the process, asking it, hearing from it. Not in here: what it
does (warden_process, warden).
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Collection, Mapping
from typing import Any

from watchword.edges.firewall.heirs import started
from watchword.edges.firewall.tables.messages import Decoder, Entries, encode, packed
from watchword.edges.firewall.tables.standing import SECONDS
from watchword.edges.firewall.tables.watch import Chains
from watchword.edges.programs import CLEAN_ENVIRONMENT
from watchword.errors import HostError
from watchword.model.firewalls import ProgramPace

_MODULE = "watchword.edges.firewall.tables.warden_process"
_SECONDS = 120.0
"""For one answer: it may have to wait for iptables' lock several times."""
_PIECE = 1 << 18
_RINGS = 1 << 10
PAUSE = 0.05
"""Seconds between two wake-ups, so that a storm of changes costs twenty a second."""


class Ward:
    """One warden, started here. It goes on when this ends.

    What it is asked may be asked from any thread, by one at a time; ``wakings`` is for the
    thread of an event loop.
    """

    def __init__(
        self,
        exe: str,
        chains: Chains,
        *,
        legacy: bool,
        prepend: bool,
        pace: ProgramPace,
        everything: bool = False,
    ) -> None:
        """Raises HostError: it cannot be started.

        Args:
            exe: iptables, for IPv4.
            chains: What it has to watch.
            legacy: Whether the tables are the kernel's old ones.
            prepend: Whether each new rule goes before all others.
            pace: How scripts are handed to iptables.
            everything: Whether changes of any table matter.
        """
        places = [[*table, sorted(names)] for table, names in chains.items()]
        order = json.dumps(
            {
                "exe": exe,
                "legacy": legacy,
                "prepend": prepend,
                "everything": everything,
                "chains": places,
                "pace": {
                    "seconds": pace.seconds or SECONDS,
                    "pause": pace.pause,
                    "tries": pace.tries,
                },
            }
        )
        self._given_up = False
        self._decoder = Decoder()
        self._channel, far = socket.socketpair()
        self._bell, far_bell = socket.socketpair()
        self._bell.setblocking(False)
        self._channel.settimeout(_SECONDS)
        try:
            self._process = started(_MODULE, [far, far_bell], order, environment=CLEAN_ENVIRONMENT)
        except HostError:
            self.close()
            raise

    @property
    def alive(self) -> bool:
        """Whether it is there to be asked."""
        return not self._given_up and self._process.poll() is None

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

    def dismiss(self) -> None:
        """There is nothing left to end: the chains are gone, and it goes. Raises HostError."""
        self._ask({"do": "dismiss"})
        self._given_up = True
        self._channel.close()  # it rings once more by going, and whoever waits for it hears that

    def forget(self) -> None:
        """What others did so far has been seen to. Raises HostError."""
        self._ask({"do": "forget"})

    def look(self) -> bool:
        """Whether others may have changed our chains since ``forget``. Raises HostError."""
        return bool(self._ask({"do": "look"}))

    async def wakings(self) -> AsyncIterator[None]:
        """Yields when others may have changed something, and last when the warden is gone."""
        loop, woken = asyncio.get_running_loop(), asyncio.Event()
        loop.add_reader(self._bell, self._hear, woken)
        try:
            while self.alive:
                await woken.wait()
                woken.clear()
                yield
                await asyncio.sleep(PAUSE)
        finally:
            loop.remove_reader(self._bell)

    def close(self) -> None:
        """Let it go: it ends when the last opening has."""
        self._given_up = True
        self._channel.close()
        self._bell.close()

    def _ask(self, question: Mapping[str, Any]) -> Any:
        try:
            self._channel.sendall(encode(question))
            message = self._answer()
        except OSError as error:
            self._given_up = True
            raise HostError(f"the process that ends openings does not answer: {error}") from error
        if "error" in message:
            raise HostError(message["error"], hint=message["hint"])
        return message["answer"]

    def _answer(self) -> dict[str, Any]:
        while data := self._channel.recv(_PIECE):
            for message in self._decoder.feed(data):
                return message
        raise ConnectionResetError("it is gone")

    def _hear(self, woken: asyncio.Event) -> None:
        """It rang, or is gone."""
        try:
            rung = self._bell.recv(_RINGS)
        except BlockingIOError:
            return
        except OSError:
            rung = b""
        if not rung:
            self._given_up = True
            self._process.poll()  # so that nothing is left of it
            asyncio.get_running_loop().remove_reader(self._bell)
        woken.set()
