"""How often a sender gets something by knocking (KNOCK_LIMIT).

In here: the count, which begins with the daemon and outlives its reloads.
Not in here: what is granted (ledger), attempts that come to nothing (recognise.sequences).

Source: legacy port knocking, section 6. Difference: n means n grants, for both kinds of knocks.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Final

from watchword.model.old_knocks import Encrypted, KnockTerms
from watchword.model.outcomes import Refusal
from watchword.model.policy import Terms
from watchword.model.reasons import Reason
from watchword.model.requests import Request

MOST: Final = 65_536
"""Senders that are counted; beyond it the one who knocked longest ago is forgotten."""


class KnockLimits:
    """Counts what each sender was granted at each stanza."""

    def __init__(self) -> None:
        self._granted: OrderedDict[Hashable, int] = OrderedDict()

    def take(self, terms: Terms, request: Request) -> Refusal | None:
        """Count one more grant, unless the stanza has a limit and its sender has had as many."""
        knock = terms.knock
        if knock is None or knock.limit is None:
            return None
        at = (_identity(knock), request.packet.peer)
        had = self._granted.pop(at, 0)
        self._granted[at] = min(had + 1, knock.limit)
        if len(self._granted) > MOST:
            self._granted.popitem(last=False)
        if had < knock.limit:
            return None
        return Refusal(Reason.KNOCK_LIMIT, (terms.number,), str(knock.limit))


def _identity(knock: KnockTerms) -> Hashable:
    """What stays the same when a stanza gets another number."""
    if isinstance(knock, Encrypted):
        return knock.kind, knock.key.reveal(), knock.offset
    return knock.kind, knock.sequence
