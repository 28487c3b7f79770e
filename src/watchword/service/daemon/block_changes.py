"""Throws the kill switch of a key, and takes that back, at the control socket.

In here: the order of it - write it down, decide by it, end what the key had
opened - and the list of keys.
Not in here: the file and the names (blocks), deciding (grant.decide), who may (control).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from watchword.errors import OperatorError
from watchword.model.openings import Grant
from watchword.model.outcomes import Action
from watchword.model.policy import Policy, Terms
from watchword.ports import Clock
from watchword.service.daemon.answers import whole_number
from watchword.service.daemon.blocks import Block, Blocks
from watchword.service.daemon.changes import GrantChanges
from watchword.service.daemon.control import Handler, Question
from watchword.service.daemon.cycles import Cycles

PAGE: Final = 1000  # stanzas in one answer
_LONGEST: Final = 200  # characters of what describes a stanza


class BlockChanges:
    """Blocks keys for people."""

    def __init__(
        self,
        blocks: Blocks,
        changes: GrantChanges,
        cycles: Cycles,
        clock: Clock,
        *,
        policy: Callable[[], Policy],
        take_over: Callable[[], Awaitable[None]],
    ) -> None:
        """``policy``: of the configuration; ``take_over``: have packets decided by the blocks."""
        self._blocks = blocks
        self._changes = changes
        self._cycles = cycles
        self._clock = clock
        self._policy = policy
        self._take_over = take_over
        self._later: set[asyncio.Task[None]] = set()

    @property
    def handlers(self) -> dict[str, Handler]:
        return {"block": self.block, "unblock": self.unblock}

    async def keys(self, question: Question) -> dict[str, object]:
        """The stanzas with the names of their keys; ``from``: how many to leave out."""
        start = whole_number(question, "from", 0, 1 << 31, default=0)
        stanzas = self._policy().stanzas
        owned = {name for terms in stanzas for name in self._names(terms)}
        lost = [name for name in self._blocks.blocked if name not in owned]
        return {
            "total": len(stanzas),
            "stanzas": [self._row(terms) for terms in stanzas[start : start + PAGE]],
            "blocked_without_stanza": [
                {"key": name, "was": self._blocks.blocked[name].stanza} for name in lost[:PAGE]
            ],
        }

    async def block(self, question: Question) -> dict[str, object]:
        """``stanza`` or ``key``: nothing sealed with it is accepted, and its grants end.

        ``cut``: and the connections that they let in.
        """
        names, target = self._meant(question)
        cut = self._changes.is_to_cut(question)
        owner = self._owner(names)
        block = Block(self._clock.now().wall, question.peer.uid, _described(owner) if owner else "")
        self._blocks.block(names, block)
        await self._take_over()

        wanted = self._opened_by(names)

        told = await self._changes.end(question, Action.BLOCK, target, wanted, cut=cut)
        if self._cycles.opening:
            self._end_later(wanted)
        return {"keys": list(names), **told}

    async def unblock(self, question: Question) -> dict[str, object]:
        """``stanza`` or ``key``: it is as good as before. What was revoked stays so."""
        names, target = self._meant(question)
        was = [name for name in names if name in self._blocks.blocked]
        if not was:
            raise OperatorError(f"{target} is not blocked", hint="see watchword block --list")
        self._blocks.unblock(names)
        await self._take_over()
        self._changes.note(question, Action.UNBLOCK, target, f"unblocked: {', '.join(was)}")
        return {"keys": was}

    def _opened_by(self, names: tuple[str, ...]) -> Callable[[Grant], bool]:
        """Whether a grant was asked for by one of these keys, whatever its stanza's number is now.

        Grants of before keys had names go by the number.
        """
        numbers = {
            terms.number
            for terms in self._policy().stanzas
            if not set(names).isdisjoint(self._names(terms))
        }

        def wanted(grant: Grant) -> bool:
            if not grant.key:
                return grant.stanza in numbers
            return not set(names).isdisjoint(grant.key.split("+"))

        return wanted

    def _end_later(self, wanted: Callable[[Grant], bool]) -> None:
        """What commands are opening just now was decided before; it ends once it is open."""

        async def end() -> None:
            await self._cycles.opened()
            self._cycles.revoke(wanted)

        task = asyncio.get_running_loop().create_task(end())
        self._later.add(task)
        task.add_done_callback(self._later.discard)

    def _meant(self, question: Question) -> tuple[tuple[str, ...], str]:
        """The names of the keys, and what they were called. Raises OperatorError."""
        given = question.fields.keys() & {"stanza", "key"}
        if given == {"stanza"}:
            number = whole_number(question, "stanza", 1, 1 << 31)
            for terms in self._policy().stanzas:
                if terms.number == number:
                    return self._names(terms), f"stanza #{number}"
            raise OperatorError(f"there is no stanza #{number}", hint="see watchword block --list")
        if given == {"key"}:
            name = str(question.fields["key"])
            if name in self._blocks.blocked or self._owner((name,)):
                return (name,), f"key {name}"
            raise OperatorError(
                f"no stanza has a key {name[:_LONGEST]}", hint="see watchword block --list"
            )
        raise OperatorError("name a stanza or a key", hint="see watchword block --list")

    def _owner(self, names: tuple[str, ...]) -> Terms | None:
        """The first stanza that has one of these keys."""
        for terms in self._policy().stanzas:
            if not set(names).isdisjoint(self._names(terms)):
                return terms
        return None

    def _names(self, terms: Terms) -> tuple[str, ...]:
        """Worked out anew only for a policy in which they are not yet."""
        return terms.key_names or self._blocks.names(terms)

    def _row(self, terms: Terms) -> dict[str, object]:
        names = self._names(terms)
        blocks = [self._blocks.blocked[name] for name in names if name in self._blocks.blocked]
        return {
            "stanza": terms.number,
            "place": str(terms.place)[-_LONGEST:],
            "keys": list(names),
            "blocked": bool(blocks),
            "since": blocks[0].at if blocks else None,
            "by": blocks[0].uid if blocks else None,
        }


def _described(terms: Terms) -> str:
    return f"#{terms.number} ({terms.place})"[-_LONGEST:]
