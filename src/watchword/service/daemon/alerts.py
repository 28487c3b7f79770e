"""Sends alerts by mail, behind everything else.

In here: what waits to be sent, how many are sent, what happens when they cannot be.
Not in here: which events are alerts, and their words (dialects.fwknop.voice_mail), the mail
itself (edges.mail).

Nobody waits for a mail. What an overheard packet can bring about at will is told once in an hour
(repetition). Beyond a number alerts of all kinds are counted, and told together.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from typing import Final, TypeAlias

from watchword.dialects.fwknop.voice_mail import alert
from watchword.edges import mail
from watchword.errors import HostError
from watchword.model.daemon_events import HostTrouble
from watchword.model.outcomes import Event
from watchword.model.settings import MailSettings, Settings
from watchword.ports import Clock, ProgramRunner, Reporter
from watchword.service.daemon.pace import Pace
from watchword.service.daemon.repetition import Repetition

AT_ONCE: Final = 20  # mails in a row
PAUSE: Final = 30.0  # seconds until there may be one more
WAITING: Final = 50  # alerts that wait at the most
TROUBLE: Final = 600.0  # seconds for which trouble with the mail itself is told once
LAST: Final = 2.0  # seconds for what waits at the end


Send: TypeAlias = Callable[[MailSettings, str, ProgramRunner], None]


class Alerts:
    """One for a daemon. Does nothing unless the settings name somebody."""

    def __init__(
        self,
        settings: Settings,
        reporter: Reporter,
        clock: Clock,
        programs: ProgramRunner,
        send: Send = mail.send,
    ) -> None:
        """``send`` sends one mail, and blocks."""
        self._send_one = send
        self._reporter = reporter
        self._clock = clock
        self._programs = programs
        self._waiting: deque[str] = deque()
        self._sending = False
        self._untold = 0
        self._repetition = Repetition()
        self._pace = Pace(AT_ONCE, PAUSE, clock.now().steady)
        self._told_trouble = float("-inf")
        self._arrived = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.take_over(settings)

    def take_over(self, settings: Settings) -> None:
        """Go by these settings from now on."""
        self._mail: MailSettings | None = None if settings.dry_run else settings.mail
        self._table = settings.firewall.home
        self._host = (self._mail and self._mail.host) or mail.own_name()

    def hear(self, event: Event) -> None:
        """Take note of an event. Never waits."""
        if self._mail is None or (isinstance(event, HostTrouble) and event.part == "mail"):
            return
        subject = alert(event, self._table, self._host)
        if subject is None:
            return
        if not self._repetition.tells(event, self._clock.now().steady):
            self._arrived.set()  # for the sum at the end of its hour
            return
        if len(self._waiting) >= WAITING or not self._may_send():
            self._untold += 1
        else:
            self._waiting.append(subject)
        self._arrived.set()

    def _may_send(self) -> bool:
        """Whether there may be one more mail now: some in a row, and one in each pause."""
        return self._pace.allows(self._clock.now().steady)

    def open(self) -> None:
        """Begin to send."""
        work = self._send_forever()
        self._task = asyncio.get_running_loop().create_task(work, name="alerts")

    async def _send_forever(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._pause()):
                    await self._arrived.wait()
            self._arrived.clear()
            for each in self._repetition.expire(self._clock.now().steady):
                self._waiting.append(f"[-] {self._host} fwknopd: {each}")
            await self._send_all()
            if self._untold:
                await asyncio.sleep(PAUSE)
                self._sum_up()

    def _pause(self) -> float | None:
        """Seconds until an hour is over whose repetitions are to be summed up; None: none is."""
        deadline = self._repetition.next_deadline()
        return None if deadline is None else max(0.0, deadline - self._clock.now().steady)

    async def _send_all(self) -> None:
        while self._waiting:
            await self._send(self._waiting.popleft())

    def _sum_up(self) -> None:
        """One line for all that was not told, if there may be one by now."""
        if self._untold and self._may_send():
            count, self._untold = self._untold, 0
            text = f"{count} more alerts, which are in the log"
            self._waiting.append(f"[+] {self._host} fwknopd: {text}")
        self._arrived.set()

    async def _send(self, subject: str) -> None:
        if self._mail is None:
            return
        self._sending = True
        try:
            await asyncio.to_thread(self._send_one, self._mail, subject, self._programs)
        except (HostError, RuntimeError) as error:  # no thread can be begun: the next mail may go
            now = self._clock.now().steady
            if now - self._told_trouble >= TROUBLE:
                self._told_trouble = now
                hint = error.hint if isinstance(error, HostError) else ""
                self._reporter.report(HostTrouble("mail", str(error), hint))
        finally:
            self._sending = False

    async def aclose(self) -> None:
        """Send what waits, as far as that takes no more than a moment.

        A program may still run then; who gave us the runner ends it.
        """
        task, self._task = self._task, None
        if task is None:
            return
        try:
            async with asyncio.timeout(LAST):
                while self._waiting or self._sending:
                    await asyncio.sleep(0.01)
        except TimeoutError:
            pass
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
