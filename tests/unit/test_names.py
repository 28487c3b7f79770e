"""Hosts that callers name: asked about beside the packets, a bounded number at a time."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network

import pytest

from tests.sealing import sealed
from tests.unit.test_gate import House, play
from tests.values import policy, terms
from watchword.edges.resolve import SystemNames
from watchword.errors import HostError
from watchword.model.addresses import Address
from watchword.model.openings import Lead
from watchword.model.policy import NatTerms, Policy, Target
from watchword.recognise.spa import SpaRecogniser
from watchword.service.daemon.gate import Gate
from watchword.service.daemon.names import AT_ONCE, Names
from watchword.wire.spa.message import MessageType


@dataclass
class Book:
    """A resolver that knows what it was told, and can be held up."""

    known: dict[str, list[str]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    go_on: threading.Event = field(default_factory=threading.Event)

    def addresses(self, host: str) -> Sequence[Address]:
        self.asked.append(host)
        assert self.go_on.wait(60)
        if host not in self.known:
            raise HostError("there is no such host")
        return [ip_address(each) for each in self.known[host]]


def rules() -> Policy:
    lan = Target(ip_network("10.0.0.0/24"))
    mine = terms(open_services=None, nat=NatTerms(targets=(lan,)))
    return policy(mine, forwarding=True)


def wish(host: str, port: int = 8022) -> bytes:
    return sealed(f"198.51.100.2,tcp/{port}", type=MessageType.NAT_ACCESS, nat=f"{host},22")


class Yard(House):
    """A house whose gate asks a book."""

    def __init__(self, book: Book, *, held: bool = False, seconds: float = 60.0) -> None:
        self.book = book
        self.names = Names(book, seconds=seconds)
        if not held:
            book.go_on.set()
        super().__init__(rules())

    def start(self) -> None:
        super().start()
        self.gate = Gate(
            self.policy, SpaRecogniser(self.policy), store=self.store, enforcer=self.enforcer,
            reporter=self.reporter, clock=self.clock, openpgp=None, names=self.names,  # type: ignore[arg-type]
        )  # fmt: skip

    async def answered(self, *payloads: bytes) -> list[str]:
        """What becomes of packets, once everything was asked that has to be."""
        first = await self.take(*payloads)
        assert first == [], "nothing is judged before the answer"
        await self.names.answered()
        return await self.take()

    @property
    def leads(self) -> set[Lead | None]:
        return {opening.hole.lead for opening in self.firewall.openings}


def test_a_name_is_looked_up_and_what_comes_of_it_is_opened() -> None:
    book = Book({"db.example": ["192.0.2.1", "10.0.0.9"]})

    async def scene(house: House) -> None:
        assert isinstance(house, Yard)
        assert await house.answered(wish("db.example")) == ["granted"]
        assert house.leads == {Lead(ip_address("10.0.0.9"), 22)}

    play(scene, Yard(book))


@pytest.mark.parametrize(
    ("host", "reason"),
    [("evil.example", "nat-target-not-allowed"), ("none.example", "nat-name-not-resolved")],
)
def test_a_name_that_leads_out_of_bounds_or_nowhere_opens_nothing(host: str, reason: str) -> None:
    async def scene(house: House) -> None:
        assert isinstance(house, Yard)
        assert await house.answered(wish(host)) == [reason]
        assert house.leads == set()

    play(scene, Yard(Book({"evil.example": ["192.0.2.1", "127.0.0.1", "fd00::1"]})))


def test_other_packets_do_not_wait_for_a_resolver() -> None:
    book = Book({"slow.example": ["10.0.0.9"]})

    async def scene(house: House) -> None:
        assert isinstance(house, Yard)
        assert await house.take(wish("slow.example"), wish("10.0.0.7", 9000)) == ["granted"]
        book.go_on.set()
        await house.names.answered()
        assert await house.take() == ["granted"]

    play(scene, Yard(book, held=True))


def test_an_answer_that_takes_too_long_is_none_and_goes_on_counting() -> None:
    book = Book()

    async def scene(house: House) -> None:
        assert isinstance(house, Yard)
        many = [wish(f"h{number}.example", 8000 + number) for number in range(AT_ONCE + 3)]
        told = await house.answered(*many)
        assert told == ["nat-name-not-resolved"] * len(many)
        assert len(book.asked) == AT_ONCE, "what finds no room is not asked"
        assert await house.answered(wish("late.example")) == ["nat-name-not-resolved"]
        assert "late.example" not in book.asked, "the threads are still away"
        book.go_on.set()

    play(scene, Yard(book, held=True, seconds=0.05))


def test_who_has_no_key_has_nobody_asked() -> None:
    book = Book()

    async def scene(house: House) -> None:
        forged = wish("db.example")[:-6] + b"AAAAAA"
        assert await house.take(forged) == ["hmac-mismatch"]
        assert book.asked == []

    play(scene, Yard(book))


def test_the_gate_is_not_finished_before_its_questions_are() -> None:
    """A reload waits for it: the answer comes to the policy that was asked."""
    book = Book({"db.example": ["10.0.0.9"]})

    async def scene(house: House) -> None:
        assert isinstance(house, Yard)
        await house.take(wish("db.example"))
        finishing = asyncio.ensure_future(house.gate.finish())
        await asyncio.sleep(0)
        assert not finishing.done()
        book.go_on.set()
        await asyncio.wait_for(finishing, 60)
        assert house.leads == {Lead(ip_address("10.0.0.9"), 22)}

    play(scene, Yard(book, held=True))


def test_this_machine_is_asked_for_its_own_names() -> None:
    assert ip_address("127.0.0.1") in SystemNames().addresses("localhost")
    began = time.monotonic()
    for host in ("..", "a" * 70, "with space"):
        with pytest.raises(HostError):
            SystemNames().addresses(host)
    assert time.monotonic() - began < 60
