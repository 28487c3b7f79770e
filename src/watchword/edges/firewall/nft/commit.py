"""Puts elements into sets and takes them out, all of it or nothing, and lists them.

In here: one transaction, and the second try when an element came or went
meanwhile; the listing of a set that may be gone.
Not in here: which elements (openings, passes), their bytes (elements).

To delete an element that has just expired is an error that undoes the whole
transaction, and so is to add one that is there. Both are no harm: the keys of
the transaction, and no others, are looked up, and it is sent again with just
the deletions it needs.
"""

from __future__ import annotations

import errno
from collections.abc import Sequence
from dataclasses import dataclass, field

from watchword.edges.firewall.nft.attributes import Message, Request
from watchword.edges.firewall.nft.elements import (
    DELETE_ELEMENT,
    NEW_ELEMENT,
    Place,
    Slot,
    additions,
    deletions,
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


def commit(netlink: Netlink, sheets: Sequence[Sheet]) -> None:
    """Carry out all sheets as one transaction. Raises HostError: nothing was changed."""
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


def dump_if_there(netlink: Netlink, place: Place) -> list[Message]:
    """All elements of a set; none if there is no such set. Raises HostError."""
    try:
        return netlink.dump(listing(place))
    except KernelError as refused:
        if refused.number == errno.ENOENT:
            return []
        raise


def _requests(sheets: Sequence[Sheet]) -> list[Request]:
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


def _with_what_is_there(netlink: Netlink, sheets: Sequence[Sheet]) -> list[Sheet]:
    """The same sheets, deleting exactly those of their keys that exist."""
    slots = [Slot(s.place, key) for s in sheets for key in s.delete | s.add.keys()]
    answers = netlink.ask([lookup(slot) for slot in slots])
    there = {slot for slot, answer in zip(slots, answers, strict=True) if answer is not None}
    return [
        Sheet(s.place, {k for k in s.delete | s.add.keys() if Slot(s.place, k) in there}, s.add)
        for s in sheets
    ]
