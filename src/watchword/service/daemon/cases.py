"""One packet on its way through the gate.

In here: what is known of it so far, and what the next stanzas still may say.
Not in here: the way (gate).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from watchword.model.addresses import Address
from watchword.model.outcomes import Finding, Refusal
from watchword.model.packets import Packet
from watchword.model.reasons import Reason
from watchword.model.requests import Request, Sealed


@dataclass(slots=True)
class Case:
    """A packet that is, or may turn out to be, authentic."""

    packet: Packet
    findings: Iterator[Finding]
    refusals: list[Refusal] = field(default_factory=list)
    request: Request | None = None
    """What is to be settled; None while only a key ring knows."""
    claimed: bool = False
    """True: it was never seen before, and is spent."""
    passed_over: set[bytes] = field(default_factory=set)
    """Names of key rings that had no room, or could not be used: they are not asked again."""
    named: tuple[Address, ...] | None = None
    """The addresses of the host that it names; None: nobody was asked for them."""
    away: bool = False
    """True: it waits in a queue, or has been judged there."""

    @property
    def asked(self) -> Request:
        """The request of a case that is being settled, which has one."""
        if self.request is None:
            raise RuntimeError("a case without a request is being settled")
        return self.request


def next_found(findings: Iterator[Finding], refusals: list[Refusal]) -> Request | Sealed | None:
    """What the next stanza found that does not refuse; the refusals before it are kept."""
    for finding in findings:
        if not isinstance(finding, Refusal):
            return finding
        refusals.append(finding)
    return None


def nearest(refusals: Sequence[Refusal]) -> Reason:
    """The reason that came nearest to an open port: what the stanza that was meant has said."""
    return max(refusals, key=lambda each: each.reason.stage).reason
