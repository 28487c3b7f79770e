"""The socket at which the daemon is asked about itself, and told to change what is open.

In here: who may do which of the two, how much and how long; one JSON line in, one out.
Not in here: the answers (answers), the changes (changes), asking (asking).

The socket lies in the run directory. Root and the daemon's own user may do
everything; the members of one group, if one is named, may ask, and may change
something only if that is said as well. The mode of the socket keeps everybody
else away, and the kernel is asked who connected all the same.

Questions are ``{"version": 1, "ask": "status"}``, changes have ``do`` in place
of ``ask``. A change that was begun is carried through, whoever hangs up.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from watchword.edges.peers import Peer, peer_of
from watchword.edges.socket_paths import reached
from watchword.errors import Complaint, HostError, OperatorError, WatchwordError
from watchword.model.settings import ControlSettings
from watchword.record import record
from watchword.service.asking import LARGEST, NAME, VERSION

__all__ = ["NAME", "Control", "Handler", "Question", "Rights"]

LONGEST = 4096  # bytes of a question
PATIENCE = 2.0  # seconds for a question to come, and for an answer to be taken
WORK = 25.0  # seconds until an answer is given up; a change goes on
AT_ONCE = 8  # questions under way, of root and of others each


@record
class Question:
    """One line of somebody's, decoded."""

    fields: Mapping[str, Any]
    peer: Peer
    root: bool
    """Whether root or the daemon's own user asks."""


Handler: TypeAlias = Callable[[Question], Awaitable[dict[str, object]]]


@record
class Rights:
    """Who may ask, and who may change something."""

    owner: int
    """The daemon's own user id."""
    group: int | None = None
    group_changes: bool = False

    @classmethod
    def of(cls, settings: ControlSettings) -> Rights:
        return cls(os.geteuid(), settings.group, settings.group_changes)

    def is_root(self, peer: Peer) -> bool:
        return peer.uid in (0, self.owner)

    def may_ask(self, peer: Peer) -> bool:
        return self.is_root(peer) or (self.group is not None and self.group in peer.groups)

    def may_change(self, peer: Peer) -> bool:
        return self.is_root(peer) or (self.group_changes and self.may_ask(peer))


class Control:
    """Answers at a Unix socket until it is closed."""

    def __init__(
        self,
        path: Path,
        rights: Rights,
        answers: Mapping[str, Handler],
        changes: Mapping[str, Handler],
    ) -> None:
        self._path = path
        self._rights = rights
        self._answers = answers
        self._changes = changes
        self._server: asyncio.Server | None = None
        self._file = (0, 0)
        """Device and number of the socket that was made."""
        self._busy = {True: 0, False: 0}
        """Of root and of others: these do not keep root away."""
        self._working: set[asyncio.Task[dict[str, object]]] = set()

    @property
    def questions(self) -> tuple[Mapping[str, Handler], Mapping[str, Handler]]:
        """Who answers what, and who changes what."""
        return self._answers, self._changes

    async def open(self) -> Sequence[Complaint]:
        """Begin to answer; says what ``admit`` does. A leftover is nobody's: we hold the lock.

        Raises HostError: the socket cannot be made there, or not be given to the group.
        """
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with contextlib.suppress(FileNotFoundError):
                self._path.unlink()
            with reached(self._path) as path:
                self._server = await asyncio.start_unix_server(self._serve, path, limit=LONGEST)
            self._path.chmod(0o600)  # the umask of the daemon has made it so before
            made = self._path.lstat()
            self._file = (made.st_dev, made.st_ino)
        except OSError as error:
            raise HostError(
                f"cannot make the socket {self._path}: {error.strerror or error}",
                hint="see that FWKNOP_RUN_DIR names a folder of fwknopd's own user",
            ) from error
        return self.admit(self._rights)

    @property
    def path(self) -> Path:
        return self._path

    def intact(self) -> bool:
        """Whether it can be found at its path, or is not meant to."""
        if self._server is None:
            return True
        try:
            there = self._path.lstat()
        except OSError:
            return False
        return (there.st_dev, there.st_ino) == self._file

    async def renew(self) -> None:
        """Make the socket again, which somebody removed. Raises HostError, as ``open`` does."""
        before, self._server = self._server, None
        try:
            await self.open()
        except HostError:
            if self._server is not None:
                self._server.close()
            self._server = before
            raise
        if before is not None:
            before.close()

    def admit(self, rights: Rights) -> Sequence[Complaint]:
        """Let these ask from now on, and nobody else; what had to be mended for that.

        Raises HostError: the group could not be let in, and is not.
        """
        self._rights = rights
        mended: Sequence[Complaint] = ()
        try:
            self._path.chmod(0o600)
            if rights.group is not None:
                mended = _let_through(self._path.parent, rights.group)
                os.chown(self._path, -1, rights.group)
                self._path.chmod(0o660)
        except FileNotFoundError as error:
            raise HostError(
                f"somebody removed {self._path}: the daemon cannot be asked any more",
                hint="packets and grants do not need it; it is made again where that is possible",
            ) from error
        except OSError as error:
            raise HostError(
                f"cannot give {self._path} to the group {rights.group}: {error.strerror}",
                hint="take CONTROL_GROUP out of fwknopd.conf, or run fwknopd as root",
            ) from error
        return mended

    async def close(self) -> None:
        """Stop answering; changes that were begun are carried through."""
        server, self._server = self._server, None
        if server is not None:
            server.close()
            with contextlib.suppress(OSError):
                self._path.unlink()
        if self._working:
            await asyncio.wait(list(self._working), timeout=WORK)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            peer = peer_of(writer.get_extra_info("socket"))
        except OSError:
            writer.transport.abort()
            return
        root = self._rights.is_root(peer)
        self._busy[root] += 1
        try:
            if self._busy[root] <= AT_ONCE:
                async with asyncio.timeout(PATIENCE):
                    line = await reader.readline()
                answer = await self._answer(line, peer)
                async with asyncio.timeout(PATIENCE):
                    writer.write(answer)
                    await writer.drain()
                    writer.close()
                    await writer.wait_closed()
        except (TimeoutError, OSError, ValueError):
            pass  # somebody who does not speak, or too much: not worth a line
        finally:
            self._busy[root] -= 1
            writer.transport.abort()

    async def _answer(self, line: bytes, peer: Peer) -> bytes:
        try:
            answer = await self._worked_out(*self._understood(line, peer))
        except WatchwordError as error:
            answer = refusal(error)
        text = json.dumps({"version": VERSION, **answer}).encode("ascii") + b"\n"
        if len(text) > LARGEST:
            raise ValueError(f"an answer of {len(text)} bytes: its maker has to bound it")
        return text

    def _understood(self, line: bytes, peer: Peer) -> tuple[Handler, Question]:
        """What is to be done. Raises OperatorError: it is not known, or not allowed."""
        try:
            fields = json.loads(line)
            known = fields["version"] == VERSION and ("ask" in fields) != ("do" in fields)
            handlers = self._answers if "ask" in fields else self._changes
            handler = handlers[fields["ask" if "ask" in fields else "do"]] if known else None
        except (ValueError, KeyError, TypeError, RecursionError):
            handler = None
        if handler is None:
            raise OperatorError(
                "the daemon does not know this question",
                hint="it answers " + ", ".join(sorted({**self._answers, **self._changes})) + "; if "
                "this command is newer than the daemon, restart that",
            )
        rights = self._rights
        if not (rights.may_ask if handlers is self._answers else rights.may_change)(peer):
            raise OperatorError(
                f"user id {peer.uid} may not do that",
                hint="do it as root; see CONTROL_GROUP and CONTROL_GROUP_CHANGES in fwknopd.conf",
            )
        return handler, Question(fields, peer, rights.is_root(peer))

    async def _worked_out(self, handler: Handler, question: Question) -> dict[str, object]:
        """Not cut short when the asker goes away. Raises WatchwordError."""

        async def work() -> dict[str, object]:
            return await handler(question)

        task = asyncio.get_running_loop().create_task(work())
        self._working.add(task)
        task.add_done_callback(self._working.discard)
        done, _ = await asyncio.wait([task], timeout=WORK)
        if not done:
            raise HostError("it takes long, and goes on", hint="see the log of fwknopd")
        return task.result()


def refusal(error: WatchwordError) -> dict[str, object]:
    if isinstance(error, OperatorError):
        first = error.complaints[0]
        return {"error": first.message, "hint": first.hint, "whose": "operator"}
    hint = error.hint if isinstance(error, HostError) else ""
    return {"error": str(error), "hint": hint, "whose": "host"}


def _let_through(folder: Path, group: int) -> Sequence[Complaint]:
    """Members of a group may reach what lies in a folder; they need not see what that is.

    Nor may anybody but its owner write there: he could put another socket in the place of ours.
    Says what had to be mended. Raises HostError: everybody may write there. Raises OSError.
    """
    status = folder.stat()
    if status.st_mode & 0o002:
        raise HostError(
            f"everybody may write in {folder}, and put another socket in the place of ours",
            hint=f"chmod o-w {folder}, or have FWKNOP_RUN_DIR name a folder of fwknopd's own",
        )
    others_write = status.st_mode & 0o020
    passes = status.st_mode & 0o001 or (status.st_gid == group and status.st_mode & 0o010)
    if not others_write and passes:
        return ()
    folder.chmod(status.st_mode & 0o7707 | 0o010)
    os.chown(folder, -1, group)
    if not others_write:
        return ()
    text = (
        f"group {status.st_gid} could write in {folder}, and put another socket in the place of "
        "ours; that was taken from it"
    )
    hint = "FWKNOP_RUN_DIR has to name a folder in which fwknopd's own user alone may write"
    return [Complaint(text, hint=hint, fatal=False)]
