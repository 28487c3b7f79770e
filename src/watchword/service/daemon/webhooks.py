"""Posts alerts to webhooks, behind everything else.

In here: what waits for each place, how often it is tried, how many are posted at all.
Not in here: which events are alerts and their JSON (dialects.fwknop.voice_webhook), the request
itself (edges.webhook).

Nobody waits for a webhook, and no webhook for another one. Whoever can bring alerts about at
will makes no flood of requests: beyond a number they are counted, and told together.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import Callable, Mapping
from threading import Thread
from typing import Any, Final

from watchword.dialects.fwknop import voice_webhook
from watchword.edges import mail, randomness, webhook
from watchword.errors import HostError
from watchword.model.daemon_events import HostTrouble
from watchword.model.outcomes import Event
from watchword.model.settings import Settings, Webhook, WebhookKind, WebhookSettings
from watchword.ports import Clock, Reporter
from watchword.service.daemon.pace import Pace
from watchword.service.daemon.restraint import is_overheard

AT_ONCE: Final = 60  # notices in a row
PAUSE: Final = 2.0  # seconds until there may be one more
OVERHEARD_PAUSE: Final = 60.0  # the same for what an overheard packet brings about
WAITING: Final = 100  # notices that wait for one place at the most
AGAIN: Final = (1.0, 5.0)  # seconds before the second and the third try
TROUBLE: Final = 600.0  # seconds for which trouble with one place is told once
LAST: Final = 2.0  # seconds for what waits at the end
PART: Final = "webhook"


class Webhooks:
    """One for a daemon. Does nothing unless the settings name a place."""

    def __init__(self, settings: Settings, reporter: Reporter, clock: Clock) -> None:
        self._reporter = reporter
        self._clock = clock
        now = clock.now().steady
        self._pace = Pace(AT_ONCE, PAUSE, now)
        self._overheard = Pace(AT_ONCE / 2, OVERHEARD_PAUSE, now)
        """For what an overheard packet is enough for: it takes no room from the rest."""
        self._untold = 0
        self._lines: dict[tuple[Webhook, str], _Line] = {}
        """By place and authorities."""
        self._retired: set[asyncio.Task[None]] = set()
        self._open = False
        self._summing: asyncio.Task[None] | None = None
        self._settings: WebhookSettings | None = None
        self.take_over(settings)

    def take_over(self, settings: Settings) -> None:
        """Go by these settings from now on; what waits for a place that is gone is dropped."""
        self._settings = None if settings.dry_run else settings.webhooks
        self._table = settings.firewall.home
        self._host = (self._settings and self._settings.host) or mail.own_name()
        if self._open:
            try:
                self._fit_lines()
            except HostError as error:
                self._trouble(error)

    def open(self) -> None:
        """Begin to post. Raises HostError: the system's certificates cannot be used."""
        self._open = True
        self._fit_lines()

    def hear(self, event: Event) -> None:
        """Take note of an event. Never waits."""
        found = self._settings
        if found is None or not self._open:
            return
        if isinstance(event, HostTrouble) and event.part == PART:
            return
        fields = voice_webhook.notice(event, self._table, self._host, self._clock.now().wall)
        if fields is None or voice_webhook.kind_of(event) not in found.kinds:
            return
        now = self._clock.now().steady
        if is_overheard(event) and not self._overheard.allows(now):
            self._miss(OVERHEARD_PAUSE)
        elif self._may_post():
            self._post(fields)
        else:
            self._miss()

    async def aclose(self) -> None:
        """Post what waits, as far as that takes no more than a moment."""
        self._open = False
        try:
            async with asyncio.timeout(LAST):
                while any(line.busy for line in self._lines.values()):
                    await asyncio.sleep(0.01)
        except TimeoutError:
            pass
        tasks = [*(line.end() for line in self._lines.values()), *self._retired]
        if self._summing is not None:
            self._summing.cancel()
            tasks.append(self._summing)
        self._lines.clear()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _may_post(self) -> bool:
        """Whether there may be one more notice now: some in a row, and one in each pause."""
        return self._pace.allows(self._clock.now().steady)

    def _miss(self, pause: float | None = None) -> None:
        """One more that is told together with others, some seconds later; None: soon."""
        self._untold += 1
        if self._summing is None:
            work = self._sum_up(PAUSE if pause is None else pause)
            self._summing = asyncio.get_running_loop().create_task(work, name="webhooks")

    async def _sum_up(self, pause: float) -> None:
        """One notice for all that was not told, as soon as there may be one."""
        while self._untold:
            await asyncio.sleep(pause)
            if self._untold and self._may_post():
                count, self._untold = self._untold, 0
                now = self._clock.now().wall
                self._post(voice_webhook.untold(count, self._host, now))
        self._summing = None

    def _post(self, fields: Mapping[str, Any]) -> None:
        body = voice_webhook.body(randomness.key_bytes(8).hex(), fields)
        for line in self._lines.values():
            if not line.take(body) and fields["kind"] != WebhookKind.MORE:
                self._miss()

    def _fit_lines(self) -> None:
        """A line for each place of the settings, and none for another. Raises HostError."""
        found = self._settings
        wanted = (
            {} if found is None else {(each, found.authorities): found for each in found.places}
        )
        for name in self._lines.keys() - wanted.keys():
            task = self._lines.pop(name).end()
            self._retired.add(task)
            task.add_done_callback(self._retired.discard)
        for (place, authorities), settings in wanted.items():
            line = self._lines.get((place, authorities))
            if line is not None:
                line.settings = settings
                continue
            tls = webhook.context(authorities) if place.tls else None
            self._lines[place, authorities] = _Line(
                place, settings, tls, self._trouble, self._clock
            )

    def _trouble(self, error: Exception) -> None:
        hint = getattr(error, "hint", "") or "what it was to be told is in the log"
        self._reporter.report(HostTrouble(PART, str(error), hint))


class _Line:
    """What waits for one place."""

    def __init__(
        self,
        place: Webhook,
        settings: WebhookSettings,
        tls: ssl.SSLContext | None,
        trouble: Callable[[Exception], None],
        clock: Clock,
    ) -> None:
        self.settings = settings
        self._place = place
        self._tls = tls
        self._trouble = trouble
        self._clock = clock
        self._waiting: deque[bytes] = deque()
        self._arrived = asyncio.Event()
        self._posting = False
        self._down = False
        """The last one did not get there: the next is tried once."""
        self._told = float("-inf")
        work = self._post_forever()
        self._task = asyncio.get_running_loop().create_task(work, name=f"webhook {place}")

    @property
    def busy(self) -> bool:
        return bool(self._waiting) or self._posting

    def take(self, body: bytes) -> bool:
        """Put it into the line; False: that is full."""
        if len(self._waiting) >= WAITING:
            return False
        self._waiting.append(body)
        self._arrived.set()
        return True

    def end(self) -> asyncio.Task[None]:
        self._task.cancel()
        return self._task

    async def _post_forever(self) -> None:
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            while self._waiting:
                self._posting = True
                try:
                    await self._deliver(self._waiting.popleft())
                finally:
                    self._posting = False

    async def _deliver(self, body: bytes) -> None:
        for pause in (*(() if self._down else AGAIN), None):
            try:
                await _aside(lambda: self._post(body))
            except (HostError, RuntimeError, OSError) as error:
                if pause is None or isinstance(error, webhook.RefusedError):
                    self._down = True
                    self._tell(error)
                    return
                await asyncio.sleep(pause)
            else:
                self._down = False
                return

    def _post(self, body: bytes) -> None:
        settings = self.settings
        webhook.post(self._place, body, key=settings.key, tls=self._tls, seconds=settings.seconds)

    def _tell(self, error: Exception) -> None:
        now = self._clock.now().steady
        if now - self._told >= TROUBLE:
            self._told = now
            self._trouble(error)


async def _aside(work: Callable[[], None]) -> None:
    """Do what blocks in a thread that nobody waits for at the end of the process.

    Raises what the work raises; RuntimeError if there is no thread to be had.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()

    def settle(error: BaseException | None) -> None:
        if not done.cancelled():
            done.set_result(None) if error is None else done.set_exception(error)

    def run() -> None:
        error: BaseException | None = None
        try:
            work()
        except Exception as failed:  # whoever waits is told
            error = failed
        try:
            loop.call_soon_threadsafe(settle, error)
        except RuntimeError:
            return  # the daemon has ended meanwhile

    Thread(target=run, name="webhook", daemon=True).start()
    await done
