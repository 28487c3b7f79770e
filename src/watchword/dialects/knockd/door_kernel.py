"""Whether the kernel may follow a door: ``Kernel = yes``, of our own.

In here: what a door must not ask for, then, and why; which firewall can. Not in here: how the
kernel does it (edges.firewall.nft.doors).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from watchword.dialects.knockd.door_draft import Draft
from watchword.errors import Complaint
from watchword.model.doors import Door
from watchword.model.firewalls import Attach, FirewallSettings


def kernel(draft: Draft) -> bool:
    """Whether it follows this door. What speaks against it is complained about, all of it."""
    if draft.kernel is None:
        return False
    for why, hint in _reasons(draft):
        draft.refuse(
            draft.kernel,
            f"[{draft.section.name}] cannot be followed by the kernel: {why}",
            f"leave Kernel = yes out, or {hint}",
        )
    return True


def unfit(doors: Sequence[Door], firewall: FirewallSettings) -> Iterator[Complaint]:
    """What is to be followed by the kernel, and this firewall cannot have it done."""
    if firewall.backend in ("nftables", "memory") and firewall.attach is Attach.GUARD:
        return
    for door in doors:
        if door.kernel:
            said = f"[{door.name}] cannot be followed by the kernel: only a guard in nftables can"
            hint = "leave Kernel = yes out, or the other firewall"
            yield Complaint(said, door.place, hint)


def _reasons(draft: Draft) -> Iterator[tuple[str, str]]:
    if draft.commands:
        yield "it runs no commands", "write Open = and services in their place"
    elif draft.closed:
        yield "what Close ends is in a ledger that it does not know", "have Close in another door"
    elif not draft.services:
        yield "there is nothing that it opens", "write Open = and services"
    if draft.one_time is not None:
        yield "it can mark no one-time sequence as used", "leave One_Time_Sequences out"
    if draft.secret is not None:
        yield "it knows no sequence that follows from a secret", "leave Secret out"
    if draft.care.failures is not None:
        yield "it does not count who failed", "leave Max_Failures out"
    if draft.flags.wanted & draft.flags.unwanted:
        yield "no packet has the flags that it waits for", "mend TCPFlags"
    if len(draft.sequence) > 1 and draft.seq_timeout <= 0:
        yield "there is no time for its sequence", "write seq_timeout = and seconds"
