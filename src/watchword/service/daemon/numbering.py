"""The number that a grant's stanza has now.

In here: finding a stanza again by the names of its keys. A reload may have given it another
number since, or taken it away. Not in here: the names (blocks).
"""

from __future__ import annotations

from collections import defaultdict

from watchword.model.openings import Grant
from watchword.model.policy import Policy


class Numbering:
    """One policy's stanzas, by their keys."""

    def __init__(self, policy: Policy) -> None:
        """``policy``: with names of keys (``Blocks.applied``)."""
        self._numbers: defaultdict[str, list[int]] = defaultdict(list)
        for terms in policy.stanzas:
            for name in terms.key_names:
                self._numbers[name].append(terms.number)

    def now(self, grant: Grant) -> int | None:
        """Its stanza's number; None: there is no such stanza any more.

        Of several with one key it is the one that granted, or else the first. Grants of before
        keys had names go by the number that was noted.
        """
        if not grant.key:
            return grant.stanza
        found = [n for name in grant.key.split("+") for n in self._numbers.get(name, ())]
        if grant.stanza in found:
            return grant.stanza
        return min(found, default=None)
