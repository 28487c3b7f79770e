"""The socket at which the daemon answers questions about itself.

In here: who may ask, how much and how long; one JSON line in, one out.
Not in here: the answers (the daemon's), showing them (status).

The socket lies in the run directory with mode 0600, so only the daemon's own
user and root can ask. Each question: ``{"version": 1, "ask": "status"}``.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import Callable, Mapping
from pathlib import Path

from watchword.errors import HostError

NAME = "control.sock"
VERSION = 1
LONGEST = 4096  # bytes of a question
PATIENCE = 2.0  # seconds for a question to come, and for an answer to be taken
AT_ONCE = 8  # questions under way

Answers = Mapping[str, Callable[[], dict[str, object]]]


class Control:
    """Answers at a Unix socket until it is closed."""

    def __init__(self, path: Path, answers: Answers) -> None:
        self._path = path
        self._answers = answers
        self._server: asyncio.Server | None = None
        self._busy = 0

    async def open(self) -> None:
        """Begin to answer. The caller holds the daemon's lock, so a leftover is nobody's.

        Raises HostError: the socket cannot be made there.
        """
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with contextlib.suppress(FileNotFoundError):
                self._path.unlink()
            self._server = await asyncio.start_unix_server(self._serve, self._path, limit=LONGEST)
            self._path.chmod(0o600)  # the umask of the daemon has made it so before
        except OSError as error:
            raise HostError(f"cannot make the socket {self._path}: {error.strerror}") from error

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
            with contextlib.suppress(OSError):
                self._path.unlink()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._busy += 1
        try:
            if self._busy <= AT_ONCE:
                async with asyncio.timeout(PATIENCE):
                    writer.write(self._answer(await reader.readline()))
                    await writer.drain()
        except (TimeoutError, OSError, ValueError):
            pass  # somebody who does not speak, or too much: not worth a line
        finally:
            self._busy -= 1
            writer.close()

    def _answer(self, line: bytes) -> bytes:
        try:
            question = json.loads(line)
            ask = question["ask"] if question["version"] == VERSION else ""
            answer = self._answers[ask]()
        except (ValueError, KeyError, TypeError):
            answer = {"error": "this question is not known here"}
        return json.dumps({"version": VERSION, **answer}).encode("ascii") + b"\n"


def ask(path: Path, what: str) -> dict[str, object]:
    """Put a question to the running daemon.

    Raises HostError: nobody answers there, or not in words we know.
    """
    question = json.dumps({"version": VERSION, "ask": what}).encode("ascii") + b"\n"
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
            sock.settimeout(PATIENCE)
            sock.connect(str(path))
            sock.sendall(question)
            with sock.makefile("rb") as stream:
                answer = json.loads(stream.readline())
    except (OSError, ValueError) as error:
        raise HostError(
            f"no daemon answers at {path}",
            hint="is fwknopd running, and does this command read the same fwknopd.conf?",
        ) from error
    if not isinstance(answer, dict) or "error" in answer:
        raise HostError(f"the daemon at {path} does not know that question: another version?")
    return answer
