"""What is believed of listings in which the kernel leaves out elements, or tells them twice."""

from __future__ import annotations

import errno
from collections.abc import Callable, Sequence
from ipaddress import ip_address
from typing import cast

import pytest

from watchword.edges.clock import FakeClock
from watchword.edges.firewall.nft.attributes import (
    NLM_F_DUMP,
    Message,
    Request,
    attribute,
    fields,
    nest,
    read_text,
    walk,
)
from watchword.edges.firewall.nft.elements import DELETE_ELEMENT, GET_ELEMENT, NEW_ELEMENT, key
from watchword.edges.firewall.nft.layout import Home
from watchword.edges.firewall.nft.netlink import Fault, KernelError, Netlink
from watchword.edges.firewall.nft.openings import OpeningSets
from watchword.model.openings import ChangeSet, Hole, Opening, Tag
from watchword.model.services import Service

SSH = Service.parse("tcp/22")
ONE, TWO = Home("inet", "one"), Home("ip", "two")


class Kernel:
    """Stands for the kernel: sets in memory, listings that a test can spoil."""

    def __init__(self) -> None:
        self.sets: dict[tuple[str, str], dict[bytes, bytes]] = {}
        self.spoil: list[Callable[[list[bytes]], list[bytes]]] = []
        """What happens to each of the next listings that are not empty."""
        self.gone: set[str] = set()
        """Tables that are there no more."""
        self.asked = 0
        self.elapsed = 0.0
        """Seconds that its clock has counted down."""

    def transact(self, requests: Sequence[Request]) -> list[Fault]:
        faults = [
            Fault(number, errno.ENOENT, "")
            for number, request in enumerate(requests)
            if request.kind == DELETE_ELEMENT
            and not {_key(each) for each in _elements(request)} <= self._set(request).keys()
        ]
        for request in requests if not faults else ():
            for each in _elements(request):
                if request.kind == NEW_ELEMENT:
                    self._set(request)[_key(each)] = each
                else:
                    del self._set(request)[_key(each)]
        return faults

    def dump(self, request: Request) -> list[Message]:
        assert request.flags & NLM_F_DUMP
        found = list(self._set(request).values())
        if found and self.spoil:
            found = self.spoil.pop(0)(found)
        found = [_with_its_end(each, self.elapsed) for each in found]
        return [_answer(found[at : at + 3]) for at in range(0, len(found), 3)]

    def ask(self, requests: Sequence[Request]) -> list[Message | None]:
        answers: list[Message | None] = []
        for request in requests:
            assert request.kind == GET_ELEMENT
            [asked] = _elements(request)
            there = self._set(request).get(_key(asked))
            answers.append(None if there is None else _answer([_with_its_end(there, self.elapsed)]))
            self.asked += 1
        return answers

    def _set(self, request: Request) -> dict[bytes, bytes]:
        parts = fields(request.payload)
        name = (read_text(parts[1]), read_text(parts[2]))
        if name[0] in self.gone:
            raise KernelError("a listing", errno.ENOENT)
        return self.sets.setdefault(name, {})


def _elements(request: Request) -> list[bytes]:
    return [nest(1, each) for _, each in walk(fields(request.payload)[3])]


def _key(element: bytes) -> bytes:
    [(_, inner)] = walk(element)
    return fields(fields(inner)[1])[1]


def _with_its_end(element: bytes, elapsed: float) -> bytes:
    """As the kernel lists it: with the time that remains."""
    [(_, inner)] = walk(element)
    remaining = int.from_bytes(fields(inner)[4], "big") - round(elapsed * 1000)
    return nest(1, inner, attribute(5, max(0, remaining).to_bytes(8, "big")))


def _answer(elements: Sequence[bytes]) -> Message:
    return Message(NEW_ELEMENT, 0, 0, b"\0" * 4 + nest(3, *elements))


@pytest.fixture
def kernel() -> Kernel:
    return Kernel()


def sets(clock: FakeClock, *homes: Home) -> OpeningSets:
    return OpeningSets(homes, clock)


def crowd(clock: FakeClock, seconds: float = 60.0) -> list[Opening]:
    until = clock.now().steady + seconds
    return [Opening(Hole(ip_address("192.0.2.1") + n, SSH), until) for n in range(20)]


def tags(openings: Sequence[Opening]) -> frozenset[Tag]:
    return frozenset(each.tag for each in openings)


def moved(found: list[bytes]) -> list[bytes]:
    """As when the table grows between two pieces: four come twice, four not at all."""
    return [*found[:10], *found[:4], *found[14:]]


def shortened(found: list[bytes]) -> list[bytes]:
    """As when the kernel clears expired ones away between two pieces."""
    return [*found[:5], *found[8:]]


def there(kernel: Kernel, openings: OpeningSets) -> tuple[frozenset[Tag], list[Hole]]:
    return openings.read(cast(Netlink, kernel))


def put(kernel: Kernel, openings: OpeningSets, many: Sequence[Opening]) -> None:
    openings.apply(cast(Netlink, kernel), ChangeSet(add=tuple(many)))


@pytest.mark.parametrize("spoilt", [moved, shortened])
@pytest.mark.parametrize("homes", [(ONE,), (ONE, TWO)])
def test_what_a_listing_left_out_is_asked_for_before_it_is_taken_for_gone(
    kernel: Kernel, spoilt: Callable[[list[bytes]], list[bytes]], homes: tuple[Home, ...]
) -> None:
    clock = FakeClock()
    openings, many = sets(clock, *homes), crowd(clock)
    put(kernel, openings, many)
    before = {name: set(lives) for name, lives in kernel.sets.items()}
    kernel.spoil = [spoilt] * 50
    assert there(kernel, openings) == (tags(many), [])
    assert all(kernel.sets[name].keys() == lives for name, lives in before.items())


def test_a_listing_that_tells_some_twice_is_taken_again_also_by_one_who_knew_of_nothing(
    kernel: Kernel,
) -> None:
    clock = FakeClock()
    many = crowd(clock)
    put(kernel, sets(clock, ONE), many)
    kernel.spoil = [moved, moved]
    assert there(kernel, sets(clock, ONE)) == (tags(many), [])
    assert kernel.asked == 0


def test_what_is_gone_is_told_and_what_is_over_is_not_asked_for(kernel: Kernel) -> None:
    clock = FakeClock()
    openings, many = sets(clock, ONE), crowd(clock)
    short = Opening(Hole(ip_address("198.51.100.1"), SSH), clock.now().steady + 5)
    put(kernel, openings, [*many, short])
    lives = kernel.sets["one", "open4"]
    for each in (many[0], short):
        del lives[key(each.hole)]
    clock.advance(6)
    kernel.elapsed = 6
    assert there(kernel, openings) == (tags(many[1:]), [many[0].hole, short.hole])
    assert kernel.asked == 1


def test_what_somebody_had_end_later_counts_as_gone_and_is_taken_out(kernel: Kernel) -> None:
    clock = FakeClock()
    here, many = sets(clock, ONE), crowd(clock)
    here.apply(cast(Netlink, kernel), ChangeSet(add=tuple(many)))
    clock.advance(2.0)  # and all of its time remains to each
    found, gone = here.read(cast(Netlink, kernel))
    assert (found, len(gone)) == (frozenset(), 20)
    assert not any(kernel.sets.values())


def test_what_only_one_home_has_is_taken_out_there(kernel: Kernel) -> None:
    clock = FakeClock()
    openings, many = sets(clock, ONE, TWO), crowd(clock)
    put(kernel, openings, many)
    first = kernel.sets["one", "open4"]
    del first[key(many[0].hole)]
    assert there(kernel, openings) == (tags(many[1:]), [many[0].hole])
    assert kernel.sets["two", "open4"].keys() == first.keys()


def test_nobody_asks_for_elements_of_a_set_that_is_gone(kernel: Kernel) -> None:
    clock = FakeClock()
    openings, many = sets(clock, ONE), crowd(clock)
    put(kernel, openings, many)
    kernel.gone.add(ONE.table)
    assert there(kernel, openings) == (frozenset(), [each.hole for each in many])
    assert kernel.asked == 0
