"""Asks a running daemon what happened lately, and goes on asking.

In here: pages put together, following, and the words for refusals.
Not in here: what is told (recent).
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from watchword.service import asking

_EVERY: Final = 1.0  # seconds between two questions
_PATIENCE: Final = 30  # questions without an answer, while somebody restarts the daemon


def events(
    path: Path, what: str, *, follow: bool, after: int = 0
) -> Iterator[list[dict[str, Any]]]:
    """What is told, oldest first, in pieces; with ``follow`` without an end.

    ``after``: only what has a greater ``number``. A daemon that is started anew meanwhile is
    waited for, and counts anew.
    Raises as ``asking.ask`` does.
    """
    began = None
    while True:
        told = _ask(path, what, after, patience=0 if began is None else _PATIENCE)
        if began is not None and told["began"] != began:
            after, began = 0, told["began"]
            continue
        began = told["began"]
        yield told["events"]
        after = told["next"]
        if told["more"]:
            continue
        if not follow:
            return
        time.sleep(_EVERY)


def _ask(path: Path, what: str, after: int, *, patience: int) -> dict[str, Any]:
    """``patience``: how often it is tried again where nobody answers."""
    for _ in range(patience):
        try:
            return asking.ask(path, what, after=after)
        except asking.NobodyAnswersError:
            time.sleep(_EVERY)
    return asking.ask(path, what, after=after)


def refusal_in_words(told: Mapping[str, Any]) -> Iterator[str]:
    """Some lines for a person."""
    at = local_time(told["at"])
    stanzas = ", ".join(f"#{number}" for number in told["stanzas"])
    by = f", stanza {stanzas}" if stanzas else ""
    if "count" in told:
        yield (
            f"{at}  {told['count']} more ({told['reason']}) in a moment, the last one from "
            f"{_plain(told['source'])}"
        )
        return
    source = f"{_plain(told['source'])} port {told['source_port']}"
    yield f"{at}  {source}: refused ({told['stage']}: {told['reason']}{by})"
    yield f"    {_plain(told['sentence'])}"
    if first := told.get("first"):
        yield f"    it came first at {local_time(first['at'])}, from {_plain(first['source'])}"
    yield f"    remedy: {told['remedy']}"


def local_time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).astimezone().isoformat(" ", "seconds")[:19]


def _plain(text: str) -> str:
    return text if text.isprintable() else "".join(c if c.isprintable() else "?" for c in text)
