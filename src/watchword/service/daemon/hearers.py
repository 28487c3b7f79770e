"""Those who hear of every event, beside the log.

In here: that they are told, when they are opened and closed.
Not in here: what each makes of it (audit, alerts, recent).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from watchword.edges import mail
from watchword.edges.programs import SystemPrograms
from watchword.edges.report.lines import LineReporter
from watchword.model.settings import Settings
from watchword.ports import Clock
from watchword.service.daemon.alerts import Alerts, Send
from watchword.service.daemon.audit import Audit
from watchword.service.daemon.recent import Recent
from watchword.service.daemon.webhooks import Webhooks


class Hearers:
    """The audit journal, mails, webhooks, and what happened lately."""

    def __init__(
        self,
        settings: Settings,
        reporter: LineReporter,
        clock: Clock,
        send: Send = mail.send,
        end_mails: Callable[[], None] = lambda: None,
    ) -> None:
        """``send``: how a mail is sent; ``end_mails``: ends what is being sent in that way."""
        self._end_mails = end_mails
        self.recent = Recent(lambda: clock.now().wall, settings.log)
        self._audit = Audit(settings, reporter, clock)
        self._mail_programs = SystemPrograms()
        self._alerts = Alerts(settings, reporter, clock, self._mail_programs, send)
        self._webhooks = Webhooks(settings, reporter, clock)
        hears = (self._audit.hear, self._alerts.hear, self._webhooks.hear, self.recent.hear)
        reporter.also += hears

    def open(self) -> None:
        """Raises HostError: the audit journal cannot be written, or nobody's certificate tried."""
        self._audit.open()
        self._alerts.open()
        self._webhooks.open()

    def take_over(self, settings: Settings) -> None:
        """Go by these settings from now on."""
        self._alerts.take_over(settings)
        self._webhooks.take_over(settings)

    async def aclose(self) -> None:
        """Send and write what waits, as far as that takes no more than a moment."""
        await asyncio.gather(self._alerts.aclose(), self._webhooks.aclose())
        self._mail_programs.end()
        self._end_mails()
        await self._audit.aclose()
