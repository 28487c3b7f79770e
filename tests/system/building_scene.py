"""For tests of shared addresses: a server of ours, and people who come from one address.

Everything that people do here goes out of their own host and through the office's translation.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.daemon import PROGRAMS, Server
from tests.sealing import sealed
from watchword.lab.building import Building, building
from watchword.lab.hosts import Lab
from watchword.lab.sockets import SILENCE, connect, listen, send_datagram
from watchword.lab.trio import Station
from watchword.model.crypto import Credential


class Shared:
    """The building, its server, and who listens there."""

    def __init__(self, net: Building, folder: Path) -> None:
        self.net = net
        self.server = Server(net.server.host, folder)
        self._folder = folder
        self._open = contextlib.ExitStack()

    def listen(self, port: int, address: str | None = None) -> socket.socket:
        """A service of the server's that accepts and says nothing, until the scene closes."""
        where = address or self.net.server.four
        return self._open.enter_context(listen(self.net.server.host, where, port))

    def knock(
        self,
        who: Station,
        text: str,
        sealed_with: Credential | None = None,
        *,
        user: str = "alice",
        six: bool = False,
        **more: Any,
    ) -> dict[str, Any]:
        """Send one packet by UDP; what the server judged. ``text`` as in the packet."""
        before = len(self.server.judged)
        payload = sealed(text, sealed_with, user=user, sent_at=int(time.time()), **more)
        address = self.net.server.six if six else self.net.server.four
        send_datagram(who.host, payload, address, 62201)
        return self.server.wait_for_judgements(before + 1)[before]

    def connects(
        self, who: Station, port: int, *, address: str | None = None, seconds: float = 30.0
    ) -> socket.socket | None:
        """A connection that stays open until the scene closes; None: there is no answer."""
        made = connect(who.host, address or self.net.server.four, port, seconds)
        return None if made is None else self._open.enter_context(made)

    def is_shut_for(
        self, who: Station, port: int, *, address: str | None = None, seconds: float = SILENCE
    ) -> bool:
        """Whether a new connection gets no answer."""
        return self.connects(who, port, address=address, seconds=seconds) is None

    def program(
        self, who: Station, name: str, *argv: str, home: Path | None = None, **more: Any
    ) -> subprocess.CompletedProcess[str]:
        """Run a program of ours on somebody's machine, to its end."""
        path = f"{PROGRAMS}:{os.environ['PATH']}"
        environment = {"HOME": str(home or self._folder), "PATH": path, "LOGNAME": who.host.name}
        argv = (str(PROGRAMS / name), *argv)
        return who.host.run(*argv, check=False, env=environment, **more)

    def close(self) -> None:
        self._open.close()


@contextlib.contextmanager
def shared_scene(folder: Path) -> Iterator[Shared]:
    """The building with a server that has yet to be started."""
    with Lab() as lab:
        scene = Shared(building(lab), folder)
        try:
            yield scene
        finally:
            scene.close()
