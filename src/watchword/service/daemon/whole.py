"""Work that, once begun, is finished, whoever stops waiting for it.

In here: work for another thread, and work of several steps on this one.
Not in here: what is worked on (enforcer), tasks as such (tasks).

A task that is cancelled at a reload or at the end must leave nothing half done:
no change of the firewall that the ledger does not know of, no end that is told
nowhere. It waits until what it began is done, and is cancelled then.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, ParamSpec, TypeVar

_P = ParamSpec("_P")
_T = TypeVar("_T")


async def aside(work: Callable[[], _T]) -> _T:
    """Have another thread do what may take its time."""
    return await _finished(asyncio.ensure_future(asyncio.to_thread(work)))


def whole(
    method: Callable[_P, Coroutine[Any, Any, _T]],
) -> Callable[_P, Coroutine[Any, Any, _T]]:
    """Have all steps of a coroutine done, once it was called."""

    @wraps(method)
    async def doing(*arguments: _P.args, **named: _P.kwargs) -> _T:
        return await _finished(asyncio.ensure_future(method(*arguments, **named)))

    return doing


async def _finished(doing: asyncio.Future[_T]) -> _T:
    try:
        return await asyncio.shield(doing)
    except asyncio.CancelledError:
        await asyncio.wait([doing])
        if not doing.cancelled():
            doing.exception()  # nobody asks any more how it went
        raise
