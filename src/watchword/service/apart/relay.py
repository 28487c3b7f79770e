"""The control socket, which the hand has made and the gate answers at.

In here: making it, closing it, letting others at it, as the gate says; each question goes to the
gate, and its reply back to who asked. Root's word that something may last longer is noted here.
Not in here: who may ask, and how (service.daemon.control), the answers (service.daemon.desk), the
message to the gate (answers) and from it (letters).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from itertools import count
from typing import Any

from watchword.errors import Complaint, HostError, OperatorError
from watchword.model.orders import OpenControl, Order, Plain
from watchword.ports import ForbiddenError
from watchword.service import asking
from watchword.service.apart.answers import Asked
from watchword.service.apart.licences import Licences
from watchword.service.apart.rulebook import Rulebook
from watchword.service.apart.ways import Ways
from watchword.service.daemon.control import WORK, Control, Handler, Question, Rights
from watchword.service.daemon.run_files import RunFiles


class Relay:
    """Between those who ask and the gate. Everything on the loop."""

    def __init__(
        self,
        book: Rulebook,
        ways: Ways,
        licences: Licences,
        say: Callable[[Asked], None],
        found_by: RunFiles | None,
    ) -> None:
        """``say`` tells the gate, without waiting; ``found_by`` looks after the socket's file."""
        self._book = book
        self._ways = ways
        self._licences = licences
        self._say = say
        self._found_by = found_by
        self._control: Control | None = None
        self._asked: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._numbers = count(1)
        self._closing: set[asyncio.Task[None]] = set()

    async def serve(self, order: Order) -> Sequence[Complaint]:
        """Do as the gate says: ``OpenControl``, or plainly ``SHUT`` or ``ADMIT``.

        Raises ForbiddenError: it is not as the order takes for granted. Raises HostError.
        """
        settings = (self._book.coming or self._book.now).settings
        rights = Rights.of(settings.control)
        if order is Plain.ADMIT and self._control is not None:
            self._ways.admit_to_metrics(settings)
            return self._control.admit(rights)
        if order is Plain.SHUT and self._control is not None:
            self._shut(self._control)
            return ()
        if isinstance(order, OpenControl) and self._control is None:
            return await self._open(order, rights)
        raise ForbiddenError("the control socket is not like that")

    async def _open(self, order: OpenControl, rights: Rights) -> Sequence[Complaint]:
        path = self._book.now.settings.run_dir / asking.NAME
        answers = {name: self._handler(name) for name in order.answers}
        changes = {name: self._handler(name) for name in order.changes}
        self._control = control = Control(path, rights, answers, changes)
        mended = await control.open()
        if self._found_by is not None:
            self._found_by.take(control)
        return mended

    def _shut(self, control: Control) -> None:
        """Not waited for: what is under way there, the gate has yet to answer."""
        self._control = None
        task = asyncio.get_running_loop().create_task(control.close())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    def replied(self, number: int, reply: dict[str, Any]) -> None:
        """The gate answers a question; nobody may be waiting for it any more."""
        waiting = self._asked.get(number)
        if waiting is not None and not waiting.done():
            waiting.set_result(reply)

    async def close(self) -> None:
        """No gate will answer any more."""
        for waiting in self._asked.values():
            waiting.cancel()
        if self._control is not None:
            await self._control.close()

    def _handler(self, name: str) -> Handler:
        async def relay(question: Question) -> dict[str, object]:
            number = next(self._numbers)
            self._asked[number] = reply = asyncio.get_running_loop().create_future()
            fields, peer = dict(question.fields), question.peer
            if name == "extend" and question.root and fields.get("beyond_policy") is True:
                self._license(fields.get("grant"), fields.get("seconds"))
            self._say(Asked(number, name, fields, peer.pid, peer.uid, peer.groups, question.root))
            try:
                return _unpacked(await reply)
            finally:
                del self._asked[number]

        return relay

    def _license(self, grant: object, seconds: object) -> None:
        if isinstance(grant, str) and isinstance(seconds, int) and seconds > 0:
            self._licences.give(grant, float(seconds), WORK)


def _unpacked(reply: dict[str, Any]) -> dict[str, object]:
    """What the gate answered. Raises what it says is wrong."""
    if "error" in reply:
        kind = OperatorError if reply.get("whose") == "operator" else HostError
        raise kind(str(reply["error"]), hint=str(reply.get("hint", "")))
    return reply
