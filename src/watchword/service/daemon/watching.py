"""Those who watch a daemon from outside: opened, moved by a reload, closed.

In here: when metrics are served, and where.
Not in here: the metrics (metrics), their socket (edges.scrapes), who asks about the daemon by
``watchword status`` (control).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from watchword.dialects.openmetrics import CONTENT_TYPE
from watchword.edges.scrapes import Scrapes
from watchword.errors import HostError
from watchword.model.settings import MetricsPlace, Settings
from watchword.service.daemon import metrics


class Watching:
    """One for a daemon."""

    def __init__(
        self,
        told: Callable[[], Mapping[str, Any]],
        scrapes: Callable[..., Scrapes] = Scrapes,
    ) -> None:
        """``told`` is what the daemon tells about itself, as ``status.Account``; ``scrapes``
        makes what serves a page."""
        self._made = scrapes
        self._told = told
        self._place: MetricsPlace | None = None
        self._scrapes: Scrapes | None = None
        self._next: tuple[MetricsPlace | None, Scrapes | None] | None = None
        self._group: int | None = None
        """Whose members may ask at a Unix socket."""

    async def prepare(self, settings: Settings) -> None:
        """Bind what the settings want, if that is elsewhere; what is there goes on.

        Nothing is answered before ``take_over``. Raises HostError: it cannot be bound.
        """
        await self.give_up()
        self._group = settings.control.group
        if settings.metrics == self._place:
            return
        scrapes = None
        if settings.metrics is not None:
            scrapes = self._made(lambda: metrics.exposition(self._told()), CONTENT_TYPE)
            await scrapes.bind(settings.metrics, self._group)
        self._next = (settings.metrics, scrapes)

    async def take_over(self) -> None:
        """Go on with what was prepared.

        Raises HostError: it cannot be listened at, and what was there goes on.
        """
        if self._next is None:
            if self._scrapes is not None:
                self._scrapes.admit(self._group)
            return
        (place, scrapes), self._next = self._next, None
        if scrapes is not None:
            try:
                await scrapes.serve()
            except HostError:
                await scrapes.aclose()
                raise
        before = self._scrapes
        self._place, self._scrapes = place, scrapes
        if before is not None:
            await before.aclose()

    async def give_up(self) -> None:
        """Close what was prepared and not taken over."""
        if self._next is not None and self._next[1] is not None:
            await self._next[1].aclose()
        self._next = None

    async def aclose(self) -> None:
        await self.give_up()
        if self._scrapes is not None:
            await self._scrapes.aclose()
            self._scrapes = None
