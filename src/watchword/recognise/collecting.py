"""One stanza that is knocked at, and how a hit changes one sender's attempt.

In here: the rules of encrypted and of shared sequences. Not in here: whose attempt a hit
concerns, how many there may be, what becomes of a whole sequence (sequences).

Source: legacy port knocking, sections 5 and 6. Differences: a hit that was sent again on its way
is overlooked; an encrypted sequence may begin anew at any time; the time between first and last
hit counts for shared sequences, too.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final, TypeAlias

from watchword.model.hits import Hit, Look
from watchword.model.old_knocks import PORTS, Encrypted, Shared
from watchword.model.outcomes import Refusal
from watchword.model.policy import Terms
from watchword.model.reasons import Reason
from watchword.wire.knock_message import COLLECTED, PREFIX

LOOKS: Final = 4
"""Of one attempt that are kept: an honest sender has one."""
_TCP: Final = 6


class Attempt:
    """One sender at one stanza."""

    __slots__ = ("last", "looks", "octets", "source", "times", "watch")

    def __init__(self, watch: Watch, source: bytes) -> None:
        self.watch = watch
        self.source = source
        self.octets = bytearray()
        """What was collected: bytes of an encrypted sequence, for a shared one one for each hit."""
        self.times: list[float] = []
        """When each of them came, steady seconds."""
        self.looks: list[Look] = []
        self.last: Hit | None = None
        """The hit before."""

    def __len__(self) -> int:
        return len(self.octets)

    @property
    def began(self) -> float:
        return self.times[0]

    @property
    def is_message(self) -> bool:
        """Of an encrypted sequence: whether more than the beginning, which all have, was hit."""
        return len(self) > len(PREFIX)

    def take(self, octet: int, now: float) -> None:
        self.octets.append(octet)
        self.times.append(now)

    def keep(self, last: int) -> None:
        """Forget all but the last ones."""
        del self.octets[:-last], self.times[:-last]

    def is_sent_again(self, hit: Hit) -> bool:
        """Whether a hit is the one before, which was sent again because nobody answered."""
        last = self.last
        return (
            last is not None
            and hit.protocol == last.protocol == _TCP
            and hit.source_port == last.source_port != 0
            and hit.port == last.port
            and hit.sequence == last.sequence
        )

    def note(self, hit: Hit) -> None:
        self.last = hit
        look = hit.look
        if look is not None and look.options and look not in self.looks:
            self.looks.append(look)
            del self.looks[:-LOOKS]


class _Base:
    """What both kinds of stanzas have."""

    def __init__(self, terms: Terms, interval: float) -> None:
        self.terms = terms
        self.interval = interval
        self.attempts: OrderedDict[Attempt, None] = OrderedDict()
        """By their beginnings, nearly: what began anew may stand a few hits too late."""


class EncryptedWatch(_Base):
    """Collects bytes."""

    def __init__(self, terms: Terms, knock: Encrypted) -> None:
        super().__init__(terms, knock.interval)
        self.knock = knock
        self.first_port = knock.offset + PREFIX[0]

    def begins(self, hit: Hit) -> bool:
        return self.heeds(hit) and hit.port == self.first_port

    def heeds(self, hit: Hit) -> bool:
        """Whether a hit changes anything; others do no harm."""
        return 0 <= hit.port - self.knock.offset < PORTS

    def step(self, attempt: Attempt, hit: Hit, now: float) -> bool | Refusal:
        """Take a hit; whether the attempt goes on or is complete. What begins like a message
        begins one, whatever came before."""
        attempt.take(hit.port - self.knock.offset, now)
        octets = attempt.octets
        if octets.endswith(PREFIX):
            attempt.keep(len(PREFIX))
        elif len(octets) <= len(PREFIX) and not PREFIX.startswith(octets):
            return self.resume(attempt)
        return True

    def is_complete(self, attempt: Attempt) -> bool:
        return len(attempt) == COLLECTED

    def resume(self, attempt: Attempt) -> bool:
        """After a message that was none: whether its end may be the beginning of one."""
        for length in range(len(PREFIX) - 1, 0, -1):
            if len(attempt) > length and attempt.octets.endswith(PREFIX[:length]):
                attempt.keep(length)
                return True
        return False


class SharedWatch(_Base):
    """Waits for one hit after the other."""

    def __init__(self, terms: Terms, knock: Shared) -> None:
        super().__init__(terms, knock.interval)
        self.knock = knock
        self.first_port = knock.sequence[0].port

    def begins(self, hit: Hit) -> bool:
        return (hit.protocol, hit.port) == self.knock.sequence[0]

    def heeds(self, hit: Hit) -> bool:
        """Whatever the sender hits counts."""
        return True

    def step(self, attempt: Attempt, hit: Hit, now: float) -> bool | Refusal:
        """Take a hit; whether the attempt goes on or is complete. The wrong one ends it, and
        begins nothing."""
        at = len(attempt)
        if (hit.protocol, hit.port) != self.knock.sequence[at]:
            return False
        if at:
            late = self._out_of_time(now - attempt.times[-1])
            if late:
                return Refusal(
                    Reason.KNOCK_OUT_OF_TIME,
                    (self.terms.number,),
                    f"{late}: {self.knock.sequence[at]} (port sequence num: {at})",
                )
        attempt.take(0, now)
        return True

    def is_complete(self, attempt: Attempt) -> bool:
        return len(attempt) == len(self.knock.sequence)

    def _out_of_time(self, gap: float) -> str:
        least, most = self.knock.longer_than, self.knock.shorter_than
        early = least is not None and gap <= least
        late = most is not None and gap >= most
        if least is not None and most is not None and (early or late):
            return "Sequence min/max_time exceeded"
        if early:
            return f"Sequence min_time ({least:g} seconds) not met"
        return f"Sequence max_time ({most:g} seconds) exceeded" if late else ""


Watch: TypeAlias = EncryptedWatch | SharedWatch


def watch_of(terms: Terms) -> Watch | None:
    """None: the stanza is not knocked at."""
    match terms.knock:
        case Encrypted() as knock:
            return EncryptedWatch(terms, knock)
        case Shared() as knock:
            return SharedWatch(terms, knock)
        case None:
            return None
