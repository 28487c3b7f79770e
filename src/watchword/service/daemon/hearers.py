"""Those who hear of every event, beside the log.

In here: that they are told, when they are opened and closed.
Not in here: what each makes of it (audit, alerts, recent).
"""

from __future__ import annotations

from watchword.edges.programs import SystemPrograms
from watchword.edges.report.lines import LineReporter
from watchword.model.settings import Settings
from watchword.ports import Clock
from watchword.service.daemon.alerts import Alerts
from watchword.service.daemon.audit import Audit
from watchword.service.daemon.recent import Recent


class Hearers:
    """The audit journal, the mails, and what happened lately."""

    def __init__(self, settings: Settings, reporter: LineReporter, clock: Clock) -> None:
        self.recent = Recent(lambda: clock.now().wall, settings.log)
        self._audit = Audit(settings, reporter, clock)
        self._mail_programs = SystemPrograms()
        self._alerts = Alerts(settings, reporter, clock, self._mail_programs)
        reporter.also += [self._audit.hear, self._alerts.hear, self.recent.hear]

    def open(self) -> None:
        """Raises HostError: the audit journal cannot be written."""
        self._audit.open()
        self._alerts.open()

    def take_over(self, settings: Settings) -> None:
        """Go by these settings from now on."""
        self._alerts.take_over(settings)

    async def aclose(self) -> None:
        """Send and write what waits, as far as that takes no more than a moment."""
        await self._alerts.aclose()
        self._mail_programs.end()
        await self._audit.aclose()
