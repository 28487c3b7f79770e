"""Asks the daemon about what connections have said, many at a time.

In here: the line of those whose message is there, in which nobody's crowd keeps others waiting; the
questions.
Not in here: hearing messages (front), the daemon's answer (service.daemon.proofs).

A message of the right length costs nothing, and only the daemon can tell a right one. So whoever
makes connections faster than they can be asked about shares what there is with everybody behind
his address: who has to give way is drawn by lot, so that no moment is better than another. Other
addresses have their turn after one of his.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from watchword.service.asking import LARGEST, VERSION
from watchword.service.front.waiting import Crowd

LINE: Final = 256  # connections that are to be asked about, of one crowd
WHOLE_LINE: Final = 1024  # and of all
TOGETHER: Final = 16  # in one question, which may have 4,096 bytes
ASKING: Final = 2  # questions at a time; the daemon has room for eight, of all fronts
BUSY: Final = (0.02, 0.1, 0.5)  # seconds until it is asked again that hung up: it was full
PATIENCE: Final = 10.0  # seconds for the daemon to answer


@dataclass(slots=True, eq=False)
class _Asked:
    question: dict[str, object]
    told: asyncio.Future[dict[str, Any]]


class Asker:
    """Knows the daemon."""

    def __init__(self, daemon: Path, complain: Callable[[str], None]) -> None:
        self._daemon = daemon
        self._complain = complain
        self._line: dict[Crowd, list[_Asked]] = {}
        """In the order in which they have their turns."""
        self._length = 0
        self._busy: set[asyncio.Task[None]] = set()

    async def ask(self, question: dict[str, object], crowd: Crowd) -> dict[str, Any]:
        """What the daemon says of one connection; empty: nothing, or the connection gave way."""
        asked = _Asked(question, asyncio.get_running_loop().create_future())
        self._line.setdefault(crowd, []).append(asked)
        self._length += 1
        if len(self._line[crowd]) > LINE:
            self._draw(crowd)
        elif self._length > WHOLE_LINE:
            self._draw(max(self._line, key=lambda each: len(self._line[each])))
        if len(self._busy) < ASKING:
            task = asyncio.get_running_loop().create_task(self._work())
            self._busy.add(task)
            task.add_done_callback(self._busy.discard)
        return await asked.told

    async def close(self) -> None:
        for task in list(self._busy):
            task.cancel()
        await asyncio.gather(*self._busy, return_exceptions=True)

    def _draw(self, crowd: Crowd) -> None:
        """One of a crowd has to give way."""
        line = self._line[crowd]
        _answer(self._taken(crowd, random.randrange(len(line))), {})  # noqa: S311  (no secret)

    def _taken(self, crowd: Crowd, number: int) -> _Asked:
        line = self._line[crowd]
        asked = line.pop(number)
        self._length -= 1
        if not line:
            del self._line[crowd]
        return asked

    def _next(self) -> Sequence[_Asked]:
        """Whom the next question is about: one of each crowd in turn."""
        found: list[_Asked] = []
        while self._line and len(found) < TOGETHER:
            crowd = next(iter(self._line))
            asked = self._taken(crowd, 0)
            if crowd in self._line:
                self._line[crowd] = self._line.pop(crowd)  # to the end
            if not asked.told.done():  # otherwise it has gone
                found.append(asked)
        return found

    async def _work(self) -> None:
        while asked := self._next():
            answers = await self._answers([each.question for each in asked])
            for each, told in zip(asked, answers, strict=True):
                _answer(each, told)

    async def _answers(self, questions: Sequence[dict[str, object]]) -> Sequence[dict[str, Any]]:
        """One for each; empty: there is none."""
        try:
            async with asyncio.timeout(PATIENCE):
                told = await self._told(questions)
        except TimeoutError:
            self._complain("the daemon does not answer")
        except OSError as error:
            self._complain(f"the daemon cannot be asked: {error.strerror}")
        except ValueError:
            self._complain("the daemon answers what is no answer")
        else:
            if "error" in told:
                self._complain(f"the daemon says: {told['error']}")
            answers = told.get("proofs")
            if isinstance(answers, list) and len(answers) == len(questions):
                return [each if isinstance(each, dict) else {} for each in answers]
        return [{} for _ in questions]

    async def _told(self, questions: Sequence[dict[str, object]]) -> dict[str, Any]:
        """Raises OSError: nobody answers; ValueError: that is no answer."""
        for pause in BUSY:
            line = await _asked(self._daemon, questions)
            if line:
                break
            await asyncio.sleep(pause)
        told = json.loads(line)
        return told if isinstance(told, dict) else {}


def _answer(asked: _Asked, told: dict[str, Any]) -> None:
    if not asked.told.done():
        asked.told.set_result(told)


async def _asked(path: Path, questions: Sequence[dict[str, object]]) -> bytes:
    """A line; empty: it hung up. Raises OSError: nobody answers; ValueError: it has no end."""
    question = {"version": VERSION, "ask": "prove", "connections": questions}
    reader, writer = await asyncio.open_unix_connection(path, limit=LARGEST)
    try:
        writer.write(json.dumps(question, separators=(",", ":")).encode("ascii") + b"\n")
        await writer.drain()
        return await reader.readline()
    except ConnectionError:  # it hung up before it had read all
        return b""
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
