"""Puts elements into sets and takes them out, all of it or nothing, and lists them.

In here: one transaction, and the second try when an element came or went
meanwhile; the listing of a set that may be gone.
Not in here: which elements (openings, passes), their bytes (elements).

To delete an element that has just expired is an error that undoes the whole
transaction, and so is to add one that is there. Both are no harm: the keys of
the transaction, and no others, are looked up, and it is sent again with just
the deletions it needs.

A long listing comes in pieces, and for each piece the kernel walks its table
anew and skips as many elements as it told before. When it grows the table in
between, which is soon after many were added, and does not tell us, the walk
has another order: some elements come twice, and as many not at all.
"""

from __future__ import annotations

import errno
from collections.abc import Collection, Container, Sequence
from dataclasses import dataclass, field

from watchword.edges.firewall.nft.attributes import Request
from watchword.edges.firewall.nft.elements import (
    DELETE_ELEMENT,
    NEW_ELEMENT,
    Live,
    Place,
    Slot,
    additions,
    deletions,
    listed,
    listing,
    lookup,
)
from watchword.edges.firewall.nft.netlink import Fault, KernelError, Netlink

_TRIES = 8


@dataclass(slots=True)
class Sheet:
    """What to do in one set. A key in both is replaced."""

    place: Place
    delete: set[bytes] = field(default_factory=set)
    """Keys."""
    add: dict[bytes, bytes] = field(default_factory=dict)
    """Elements by key."""


class Sheets(dict[Place, Sheet]):
    """A sheet for each set that is asked for."""

    def __missing__(self, place: Place) -> Sheet:
        sheet = self[place] = Sheet(place)
        return sheet


def commit(
    netlink: Netlink, sheets: Collection[Sheet], fleeting: Container[Place] = frozenset()
) -> None:
    """Carry out all sheets as one transaction. Raises HostError: nothing was changed.

    ``fleeting``: sets whose elements rules take out. What is to be deleted of those is looked for
    first: a transaction that finds it gone is tried again only after all processors have been
    elsewhere, and the caller's SYN does not wait for that.
    """
    if any(sheet.delete for sheet in sheets if sheet.place in fleeting):
        sheets = _with_what_is_there(netlink, sheets)
    for _ in range(_TRIES):
        requests = list(_requests(sheets))
        faults = netlink.transact(requests) if requests else []
        if not faults:
            return
        for fault in faults:
            if not _harmless(requests, fault):
                raise KernelError("the change", fault.number, fault.words)
        sheets = _with_what_is_there(netlink, sheets)
    raise KernelError("the change", errno.EAGAIN, "the sets change all the time")


def standing(netlink: Netlink, place: Place) -> dict[bytes, Live] | None:
    """The elements of a set, by key; None if there is no such set. Raises HostError.

    Elements that expired while the kernel told of others can make it leave out
    as many that did not. Whoever misses one asks for it by its key (``look_up``).
    """
    found: dict[bytes, Live] = {}
    for _ in range(_TRIES):
        try:
            messages = netlink.dump(listing(place))
        except KernelError as refused:
            if refused.number == errno.ENOENT:
                return None
            raise
        lives = [live for message in messages for live in listed(message.attributes)]
        there = {live.key: live for live in lives}
        if len(there) == len(lives):
            return there
        found |= there
    return found


def look_up(netlink: Netlink, slots: Sequence[Slot]) -> dict[Slot, Live]:
    """Those of the elements that are there: exact, however the sets change."""
    answers = netlink.ask([lookup(slot) for slot in slots])
    return {
        slot: live
        for slot, answer in zip(slots, answers, strict=True)
        if answer is not None
        for live in listed(answer.attributes)
    }


def _requests(sheets: Collection[Sheet]) -> list[Request]:
    """All deletions before all additions."""
    requests: list[Request] = []
    for sheet in sheets:
        requests += deletions(sheet.place, list(sheet.delete))
    for sheet in sheets:
        requests += additions(sheet.place, list(sheet.add.values()))
    return requests


def _harmless(requests: Sequence[Request], fault: Fault) -> bool:
    if fault.request < 0:
        return False
    expected = {DELETE_ELEMENT: errno.ENOENT, NEW_ELEMENT: errno.EEXIST}
    return fault.number == expected[requests[fault.request].kind]


def _with_what_is_there(netlink: Netlink, sheets: Collection[Sheet]) -> list[Sheet]:
    """The same sheets, deleting exactly those of their keys that exist."""
    slots = [Slot(s.place, key) for s in sheets for key in s.delete | s.add.keys()]
    there = look_up(netlink, slots)
    return [
        Sheet(s.place, {k for k in s.delete | s.add.keys() if Slot(s.place, k) in there}, s.add)
        for s in sheets
    ]
