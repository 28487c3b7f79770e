"""Counts what became of packets, and tells it unless strangers make too much of it.

In here: refusals, before and after a packet has proved itself.
Not in here: which refusals there are (recognise, grant), how much is too much (restraint), grants
(entrance).
"""

from __future__ import annotations

from watchword.model.moments import Moment
from watchword.model.outcomes import Judged, Refusal
from watchword.model.packets import Packet
from watchword.model.reasons import Reason
from watchword.ports import Clock, Reporter
from watchword.service.daemon.cases import Case
from watchword.service.daemon.figures import Figures
from watchword.service.daemon.restraint import Restraint


class Verdicts:
    """For one gate."""

    def __init__(
        self, reporter: Reporter, restraint: Restraint, figures: Figures, clock: Clock
    ) -> None:
        self._reporter = reporter
        self._restraint = restraint
        self._figures = figures
        self._clock = clock

    def refuse(self, judged: Judged, now: Moment) -> None:
        """What no stanza let in, whoever sent it: counted, and told unless there is too much."""
        reason = judged.refusals[-1].reason
        self._figures.verdicts[reason.word] += 1
        if self._told_alone(reason, judged.packet, now.steady):
            self._reporter.report(judged)

    def counted(self, case: Case, reason: Reason) -> bool:
        """Count a refusal; whether it is told on its own."""
        self._figures.verdicts[reason.word] += 1
        return self._told_alone(reason, case.packet, self._clock.now().steady)

    def deny(self, case: Case, refusal: Refusal) -> None:
        """Refuse what is authentic and permitted: counted, and told in any case."""
        case.refusals.append(refusal)
        self._figures.verdicts[refusal.reason.word] += 1
        self.tell(case)

    def tell(self, case: Case, *, dry_run: bool = False) -> None:
        """Everything that was found out about a packet that got nothing."""
        at = self._clock.now().wall
        self._reporter.report(
            Judged(case.packet, at, tuple(case.refusals), case.request, dry_run=dry_run)
        )

    def _told_alone(self, reason: Reason, packet: Packet, steady: float) -> bool:
        return self._restraint.tells(reason, packet.peer, steady, connected=packet.connected)
