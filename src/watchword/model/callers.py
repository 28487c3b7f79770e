"""For whom a stanza lets its callers ask, beyond one whole address.

In here: values. Not in here: keywords (dialects), whether a packet may have it (grant.callers).
"""

from __future__ import annotations

from enum import StrEnum

from watchword.model.addresses import Address, Network
from watchword.model.openings import Feature
from watchword.record import record


class Binding(StrEnum):
    """Whether a grant is for connections from one port of the caller's only."""

    NEVER = "never"
    OFFERED = "offered"  # to who asks for it
    REQUIRED = "required"  # who does not ask for it is refused


@record
class CallerTerms:
    """As they stand, they are those of fwknop: one address, whoever names it."""

    binding: Binding = Binding.NEVER
    prefixes: tuple[tuple[int, int], ...] = ()
    """IP version and length of each prefix that may be let in whole; sorted."""
    widen: bool = False
    """True: each grant is for the longest of them around the address, if there is one."""
    first: bool = False
    """True: of a prefix only the first address that connects is let in."""
    and_source: bool = False
    """True: who names another address is let in from where the packet came from, too."""
    more: int = 0
    """So many addresses may a packet name beside the first."""
    only: tuple[Network, ...] | None = None
    """What addresses may be named, beside the one that the packet came from; None: any."""

    @property
    def asked_in_words(self) -> bool:
        """Whether there is something that an access message has no field for."""
        return self.binding is not Binding.NEVER or bool(self.prefixes) or self.more > 0

    @property
    def features(self) -> frozenset[Feature]:
        """What a firewall has to be able to do for it."""
        needed = set()
        if self.binding is not Binding.NEVER:
            needed.add(Feature.SOURCE_PORT)
        if self.prefixes:
            needed |= {Feature.PREFIX, Feature.FIRST} if self.first else {Feature.PREFIX}
        return frozenset(needed)

    def longest(self, version: int) -> int:
        """The length of the smallest prefix of an IP version; 0: there is none."""
        return max((bits for v, bits in self.prefixes if v == version), default=0)

    def may_name(self, address: Address) -> bool:
        """Whether a packet that came from elsewhere may have it let in."""
        return self.only is None or any(address in network for network in self.only)


ONE_ADDRESS = CallerTerms()
"""What a stanza allows that says nothing of it."""
