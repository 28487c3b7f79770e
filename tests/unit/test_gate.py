"""The way of a packet from the socket to the judgement, with everything in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from tests.sealing import sealed
from tests.values import NOW, credential, packet, policy, terms
from watchword.edges.clock import FakeClock
from watchword.edges.firewall.memory import MemoryFirewall
from watchword.edges.gpg_memory import MemoryOpenPgp
from watchword.edges.replay.memory import MemoryJournal, MemoryReplayStore
from watchword.edges.report.lines import MemoryReporter
from watchword.errors import HostError
from watchword.model.crypto import Secret
from watchword.model.daemon_events import HostTrouble
from watchword.model.openings import Ending, Grant
from watchword.model.outcomes import Disowned, GrantEnded, Judged, Restored
from watchword.model.packets import Packet
from watchword.model.policy import Policy
from watchword.model.reasons import Reason
from watchword.model.services import Service
from watchword.recognise.spa import SpaRecogniser
from watchword.service.daemon.enforcer import Enforcer
from watchword.service.daemon.gate import Gate
from watchword.service.daemon.keeper import Keeper


@dataclass
class House:
    """A whole server without a socket."""

    policy: Policy = field(default_factory=policy)
    dry_run: bool = False

    def __post_init__(self) -> None:
        self.clock = FakeClock(*NOW)
        self.store = MemoryReplayStore()
        self.journal = MemoryJournal("boot")
        self.firewall = MemoryFirewall(self.clock)
        self.firewall.prepare()
        self.reporter = MemoryReporter()
        self.known: list[str] = []
        self.start()

    def start(self) -> None:
        """Begin anew, as after a crash: what is in memory only is gone."""
        self.enforcer = Enforcer(self.firewall, self.journal, self.reporter, self.clock)
        self.gate = Gate(
            self.policy,
            SpaRecogniser(self.policy),
            store=self.store,
            enforcer=self.enforcer,
            reporter=self.reporter,
            clock=self.clock,
            openpgp=MemoryOpenPgp(),
            recognised=lambda peer, _: self.known.append(peer),
            dry_run=self.dry_run,
        )

    async def take(self, *payloads: bytes, source: str = "198.51.100.2") -> list[str]:
        """Send packets as one batch; what became of each, in the order of judgement."""
        before = len(self.reporter.events)
        self.gate.receive([packet(payload, source=source) for payload in payloads])
        await self.gate.settle()
        await self.enforcer.written()
        return [verdict(each) for each in self.reporter.events[before:] if isinstance(each, Judged)]

    @property
    def open(self) -> set[str]:
        return {f"{opening.hole.who} {opening.hole.service}" for opening in self.firewall.openings}


def verdict(judged: Judged) -> str:
    if judged.grant is not None:
        return "granted"
    if judged.dry_run:
        return "would be granted"
    return judged.refusal.reason.word if judged.refusal else "nothing"


Scene = Callable[[House], Coroutine[Any, Any, None]]


def play(scene: Scene, house: House | None = None) -> House:
    house = house or House()
    asyncio.run(scene(house))
    return house


@pytest.mark.requirement("10.1", "5.17")
def test_one_packet_opens_every_port_it_asks_for() -> None:
    async def scene(house: House) -> None:
        assert await house.take(sealed("198.51.100.2,tcp/22,udp/53")) == ["granted"]
        assert house.open == {"198.51.100.2 tcp/22", "198.51.100.2 udp/53"}

    play(scene)


@pytest.mark.requirement("10.2")
def test_with_all_zeros_the_source_of_the_packet_gets_in() -> None:
    async def scene(house: House) -> None:
        assert await house.take(sealed("0.0.0.0,tcp/22"), source="2001:db8:2::2") == ["granted"]
        assert house.open == {"2001:db8:2::2 tcp/22"}

    play(scene)


@pytest.mark.requirement("8.4")
def test_a_packet_counts_once() -> None:
    async def scene(house: House) -> None:
        payload = sealed()
        assert await house.take(payload) == ["granted"]
        assert await house.take(payload, source="192.0.2.66") == ["replayed"]
        [again] = [each for each in house.reporter.events if isinstance(each, Judged)][1:]
        assert again.refusal is not None
        assert again.refusal.original is not None
        assert again.refusal.original.source == "198.51.100.2"

    play(scene)


@pytest.mark.requirement("8.4")
@pytest.mark.parametrize("max_age", [None, 10 * 86_400])
def test_a_forgotten_packet_does_not_count_when_its_age_is_no_matter_any_more(
    max_age: int | None,
) -> None:
    async def scene(house: House) -> None:
        payload = sealed()
        assert await house.take(payload) == ["granted"]
        house.clock.advance(2 * 86_400)
        await house.enforcer.expire()
        assert await house.store.forget(house.clock.now().wall) == 1
        assert await house.take(payload) == ["too-old"]

        house.policy = replace(house.policy, max_age=max_age)
        house.start()
        assert await house.take(payload, payload) == ["older-than-memory"] * 2
        assert house.open == set()
        fresh = sealed(sent_at=int(house.clock.now().wall))
        assert await house.take(fresh) == ["granted"]

    play(scene)


def test_only_a_new_packet_makes_its_source_known() -> None:
    """An overheard packet, sent again from anywhere, makes nobody known."""

    async def scene(house: House) -> None:
        payload = sealed()
        await house.take(payload)
        for number in range(5):
            await house.take(payload, source=f"192.0.2.{number}")
        await house.take(b"8" * 200, source="192.0.2.99")
        assert house.known == ["198.51.100.2"]

    play(scene)


def test_the_same_packet_twice_in_one_batch_counts_once() -> None:
    async def scene(house: House) -> None:
        payload = sealed()
        assert sorted(await house.take(payload, payload)) == ["granted", "replayed"]

    play(scene)


@pytest.mark.parametrize("restart", [False, True])
def test_an_authentic_packet_is_spent_whatever_becomes_of_it(restart: bool) -> None:
    """Refused for its age, its ports, or by the firewall: it is never accepted later."""

    async def scene(house: House) -> None:
        future = sealed(sent_at=int(NOW.wall) + 500)
        assert await house.take(future) == ["from-the-future"]
        outside = sealed("198.51.100.2,tcp/80")
        assert await house.take(outside) == ["port-not-offered"]
        if restart:
            house.start()
        house.clock.advance(450)
        assert await house.take(future, outside) == ["replayed", "replayed"]
        assert house.open == set()

    offered = frozenset({Service.parse("tcp/22")})
    play(scene, House(policy(terms(open_services=offered), max_age=120)))


def test_a_forged_packet_is_not_remembered() -> None:
    async def scene(house: House) -> None:
        payload = sealed()
        forged = payload[:-1] + (b"A" if payload[-1:] != b"A" else b"B")
        assert await house.take(forged) == ["hmac-mismatch"]
        assert await house.take(payload) == ["granted"]

    play(scene)


def test_a_refusal_of_one_stanza_does_not_stop_the_next() -> None:
    """Same key, different ports: the first stanza that covers the wish grants it."""

    async def scene(house: House) -> None:
        assert await house.take(sealed("198.51.100.2,tcp/443")) == ["granted"]
        [judged] = [each for each in house.reporter.events if isinstance(each, Judged)]
        assert [each.reason for each in judged.refusals] == [Reason.PORT_NOT_OFFERED]
        assert judged.grant is not None
        assert judged.grant.stanza == 2

    ssh, web = (frozenset({Service.parse(each)}) for each in ("tcp/22", "tcp/443"))
    play(scene, House(policy(terms(1, open_services=ssh), terms(2, open_services=web))))


def test_the_first_stanza_that_grants_is_the_last_that_is_asked() -> None:
    """Same key, same ports: one grant, and the second stanza's longer time is nobody's."""

    async def scene(house: House) -> None:
        assert await house.take(sealed()) == ["granted"]
        [judged] = [each for each in house.reporter.events if isinstance(each, Judged)]
        assert judged.refusals == ()
        assert judged.grant is not None
        assert judged.grant.stanza == 1
        house.clock.advance(31)
        assert house.open == set()

    play(scene, House(policy(terms(1, default_seconds=30), terms(2, default_seconds=300))))


def test_a_store_that_cannot_be_written_refuses_and_says_so() -> None:
    async def scene(house: House) -> None:
        house.store.fail_next_claim = True
        payload = sealed()
        assert await house.take(payload) == ["replay-store-refused"]
        assert house.open == set()
        assert any(isinstance(each, HostTrouble) for each in house.reporter.events)
        assert await house.take(sealed()) == ["granted"]

    play(scene)


def test_a_journal_that_cannot_be_written_is_told_and_the_grant_holds() -> None:
    async def scene(house: House) -> None:
        house.journal.fail_next = True
        assert await house.take(sealed()) == ["granted"]
        await house.enforcer.written()
        [trouble] = [each for each in house.reporter.events if isinstance(each, HostTrouble)]
        assert trouble.part == "journal"
        assert house.open == {"198.51.100.2 tcp/22"}

    play(scene)


class BrokenFirewall(MemoryFirewall):
    broken = True

    def prepare(self) -> int:
        if self.broken:
            raise HostError("it is broken")
        return super().prepare()


def test_a_firewall_that_refuses_is_no_grant_and_the_packet_is_spent() -> None:
    async def scene(house: House) -> None:
        firewall = BrokenFirewall(house.clock)
        MemoryFirewall.prepare(firewall)
        house.firewall = firewall
        house.start()
        firewall.fail_next_apply = True
        payload = sealed()
        assert await house.take(payload) == ["firewall-refused"]
        firewall.broken = False
        await house.enforcer.heal()
        assert house.open == set()
        assert await house.take(payload) == ["replayed"]
        assert await house.take(sealed()) == ["granted"]

    play(scene)


def test_a_firewall_that_was_emptied_is_rebuilt_by_the_next_grant() -> None:
    async def scene(house: House) -> None:
        await house.take(sealed("198.51.100.2,tcp/22"))
        house.firewall.disturb()
        house.firewall.fail_next_apply = True
        assert await house.take(sealed("198.51.100.3,tcp/22")) == ["granted"]
        assert house.open == {"198.51.100.2 tcp/22", "198.51.100.3 tcp/22"}

    play(scene)


def test_a_grant_ends_and_the_end_is_told() -> None:
    async def scene(house: House) -> None:
        await house.take(sealed())
        house.clock.advance(30)
        await house.enforcer.expire()
        [ended] = [each for each in house.reporter.events if isinstance(each, GrantEnded)]
        assert ended.ending is Ending.EXPIRED
        assert house.open == set()

    play(scene)


def test_grants_survive_a_restart_and_still_end_on_time() -> None:
    async def scene(house: House) -> None:
        await house.take(sealed())
        house.firewall.disturb()  # as after a reboot of the firewall
        house.start()
        await house.enforcer.resume(flush=False)
        assert house.open == {"198.51.100.2 tcp/22"}
        assert [each for each in house.reporter.events if isinstance(each, Restored)]
        house.clock.advance(30)
        await house.enforcer.expire()
        assert house.open == set()

    play(scene)


def test_a_restart_with_flush_ends_what_was_open() -> None:
    async def scene(house: House) -> None:
        await house.take(sealed())
        house.start()
        await house.enforcer.resume(flush=True)
        assert house.open == set()

    play(scene)


def test_what_the_journal_does_not_know_is_taken_out_of_the_firewall() -> None:
    async def scene(house: House) -> None:
        await house.take(sealed())
        house.journal = MemoryJournal("boot")
        house.start()
        await house.enforcer.resume(flush=False)
        assert house.open == set()
        assert [each for each in house.reporter.events if isinstance(each, Disowned)]

    play(scene)


def test_a_dry_run_judges_and_changes_nothing() -> None:
    async def scene(house: House) -> None:
        assert await house.take(sealed()) == ["would be granted"]
        assert house.open == set()

    play(scene, House(dry_run=True))


def test_one_judgement_is_reported_for_each_packet() -> None:
    async def scene(house: House) -> None:
        payloads = [sealed(), sealed("198.51.100.2,tcp/80"), b"A" * 200]
        verdicts = await house.take(*payloads)
        assert sorted(verdicts) == ["granted", "hmac-mismatch", "port-not-offered"]

    offered = frozenset({Service.parse("tcp/22")})
    play(scene, House(policy(terms(open_services=offered))))


def test_every_packet_of_a_large_burst_is_judged() -> None:
    async def scene(house: House) -> None:
        payloads = [sealed(f"10.0.{n >> 8}.{n & 255},tcp/22") for n in range(1, 1301)]
        batch = [Packet(each, "198.51.100.2", 1, "203.0.113.1", 62201) for each in payloads]
        house.gate.receive(batch)
        await house.gate.settle()
        await house.gate.settle()
        assert len(house.open) == 1300

    play(scene)


def test_the_keeper_ends_when_it_is_told_to_even_as_something_stirs() -> None:
    """Cancelled in the very turn of the loop in which it was woken: it must not go on."""

    async def scene(house: House) -> None:
        keeper = Keeper(
            house.enforcer, house.store, house.journal, reporter=house.reporter, clock=house.clock
        )
        await house.take(sealed())  # so that there is an end to wait for
        for turns in range(8):
            house.enforcer.stirred.clear()
            task = asyncio.ensure_future(keeper.end_grants())
            await asyncio.sleep(0.01)
            house.enforcer.stirred.set()
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            done, _ = await asyncio.wait([task], timeout=60)
            assert done, turns

    play(scene)


def grants(house: House) -> list[tuple[str, float]]:
    return [(each.id, each.until - NOW.steady) for each in house.enforcer.ledger.grants()]


def test_a_second_packet_of_the_same_caller_renews_the_grant() -> None:
    async def scene(house: House) -> None:
        await house.take(sealed(seconds=30))
        [(name, _)] = grants(house)
        house.clock.advance(20)
        assert await house.take(sealed(seconds=30)) == ["granted"]
        assert grants(house) == [(name, 50.0)]
        first, second = [each for each in house.reporter.events if isinstance(each, Judged)]
        assert (first.renewed, second.renewed) == (False, True)
        house.clock.advance(29)
        await house.enforcer.expire()
        assert house.open == {"198.51.100.2 tcp/22"}
        assert not [each for each in house.reporter.events if isinstance(each, GrantEnded)]
        house.clock.advance(1)
        await house.enforcer.expire()
        assert house.open == set()
        await house.enforcer.written()
        assert [(each.id, why) for each, why, _ in house.journal.history] == [
            (name, Ending.EXPIRED)
        ]

    play(scene)


def test_a_shorter_renewal_takes_nothing_away() -> None:
    async def scene(house: House) -> None:
        await house.take(sealed(seconds=90))
        await house.take(sealed(seconds=10))
        assert [end for _, end in grants(house)] == [90.0]
        assert {each.until for each in house.firewall.openings} == {NOW.steady + 90}

    play(scene)


def test_two_packets_of_one_caller_in_one_batch_are_one_grant_in_the_journal_too() -> None:
    async def scene(house: House) -> None:
        noted: list[Sequence[Grant]] = []
        journal_granted = house.journal.granted

        async def granted(grants: Sequence[Grant]) -> None:
            noted.append(grants)
            await journal_granted(grants)

        house.journal.granted = granted  # type: ignore[method-assign]
        assert await house.take(sealed(seconds=30), sealed(seconds=60)) == ["granted"] * 2
        assert [len(each) for each in noted] == [1]
        [grant] = await house.journal.unfinished(house.clock.now())
        assert grant.until == NOW.steady + 60
        assert len(house.enforcer.ledger) == 1

    play(scene)


def test_a_renewal_that_the_firewall_refuses_leaves_the_grant_as_it_was() -> None:
    async def scene(house: House) -> None:
        firewall = BrokenFirewall(house.clock)
        MemoryFirewall.prepare(firewall)
        house.firewall = firewall
        firewall.broken = False
        house.start()
        await house.take(sealed(seconds=30))
        before = grants(house)
        firewall.broken = firewall.fail_next_apply = True
        assert await house.take(sealed(seconds=90), sealed(seconds=60)) == ["firewall-refused"] * 2
        assert grants(house) == before
        firewall.broken = False
        await house.enforcer.heal()
        assert {each.until for each in house.firewall.openings} == {NOW.steady + 30}

    play(scene)


def test_a_grant_is_renewed_after_a_restart_as_well() -> None:
    async def scene(house: House) -> None:
        await house.take(sealed(seconds=30))
        house.start()
        await house.enforcer.resume(flush=False)
        await house.take(sealed(seconds=60))
        assert [end for _, end in grants(house)] == [60.0]

    play(scene)


def test_what_needs_a_key_is_told_however_often_also_where_other_stanzas_do_not_know_it() -> None:
    other = terms(number=2, credential=credential(mac_key=Secret(b"another HMAC key")))
    house = House(policy(terms(users=frozenset({"bob"})), other))

    async def scene(house: House) -> None:
        told = await house.take(*(sealed() for _ in range(50)))
        assert told == ["wrong-user"] * 50

    play(scene, house)
