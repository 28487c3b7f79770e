"""Takes hits to the recogniser of old knocks, and what comes of them to the gate.

In here: sources and their filter, the time that attempts have.
Not in here: what hits mean (recognise.sequences), what requests come to (gate).

A reload begins anew with every attempt: whoever was in the middle of one knocks again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from watchword.errors import HostError
from watchword.model.daemon_events import HostTrouble
from watchword.model.moments import Moment
from watchword.model.policy import Policy
from watchword.ports import Clock, HitSource
from watchword.recognise.hearing_sequences import hearing
from watchword.recognise.sequences import Knocked, SequenceRecogniser
from watchword.service.daemon.gate import Gate
from watchword.service.knock.alarm import Alarm


class Knocks:
    """For all sources of hits together."""

    def __init__(
        self, gate: Callable[[], Gate], tell: Callable[[HostTrouble], None], clock: Clock
    ) -> None:
        """``gate``: the one of now; ``tell`` is told of what the machine refuses."""
        self._gate = gate
        self._tell = tell
        self._clock = clock
        self._recogniser: SequenceRecogniser | None = None
        self._alarm = Alarm(self._expire)

    @property
    def attempts(self) -> int:
        """Under way."""
        return len(self._recogniser) if self._recogniser is not None else 0

    def follow(self, policy: Policy, sources: Iterable[HitSource]) -> None:
        """Hear what these stanzas wait for, from now on."""
        self._recogniser = SequenceRecogniser(policy)
        wanted = hearing(self._recogniser.watches)
        for source in sources:
            try:
                source.hear(wanted)
            except HostError as error:
                self._tell(HostTrouble("port knocks", str(error), error.hint))

    async def receive(self, source: HitSource) -> None:
        """Serve a source until it is closed."""
        async for batch in source.batches():
            now = self._clock.now()
            if self._recogniser is None:
                continue
            for at, hit in batch:
                came = Moment(now.wall - now.steady + at, at)
                self._bring(self._recogniser.observe(hit, came), now)
            self._alarm.set(self._recogniser.next_deadline(), now.steady)

    def _bring(self, found: Sequence[Knocked], now: Moment) -> None:
        for knocked in found:
            self._gate().weigh(knocked.packet, iter(knocked.findings), now)

    def _expire(self) -> None:
        if self._recogniser is None:
            return
        now = self._clock.now()
        self._bring(self._recogniser.expire(now), now)
        self._alarm.set(self._recogniser.next_deadline(), now.steady)

    def close(self) -> None:
        self._alarm.cancel()
