"""What becomes of old knocks at the gate: replays, limits, what is said of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from ipaddress import ip_network
from types import SimpleNamespace
from typing import Any

import pytest

from tests.old_knocks import (
    BAD_SUM,
    KEY,
    TCP,
    hit,
    hits,
    octets,
    stanza,
)
from tests.unit.test_gate import House, verdict
from watchword.dialects.fwknop.voice import Voice
from watchword.dialects.fwknop.voice_json import fields_of
from watchword.edges.capture.hit_memory import MemoryHits
from watchword.errors import HostError
from watchword.grant.knock_limits import KnockLimits
from watchword.model.crypto import Digest
from watchword.model.hits import Hit
from watchword.model.old_knocks import Element, Encrypted, KnockTerms, Shared, SystemRule
from watchword.model.outcomes import Judged
from watchword.model.policy import Policy
from watchword.model.requests import Claim, ReplayKey, Sighting
from watchword.model.services import Service
from watchword.service.daemon.knocks import Knocks

SSH, HIGH = Service.parse("tcp/22"), Service.parse("tcp/9999")
ONE, OTHER = "10.77.0.11", "10.77.0.12"
LINE = Shared((Element(TCP, 7000), Element(TCP, 7001)), (SSH,))


async def given(*batches: Sequence[Hit], at: float) -> MemoryHits:
    """A source that has these, and then ends."""
    source = MemoryHits()
    for batch in batches:
        source.feed(*batch, at=at)
    await source.aclose()
    return source


class KnockHouse(House):
    """A whole server that is knocked at."""

    def __init__(self, *knocks: KnockTerms, **terms: Any) -> None:
        open_services = terms.pop("open_services", frozenset({SSH, HIGH}))
        stanzas = tuple(
            stanza(each, at + 1, open_services=open_services, **terms)
            for at, each in enumerate(knocks)
        )
        super().__init__(policy=Policy(stanzas))
        self.knocks = Knocks(lambda: self.gate, self.reporter.report, self.clock)
        self.knocks.follow(self.policy, [])

    async def hear(self, *batches: Sequence[Hit]) -> list[str]:
        """What became of what was hit."""
        before = len(self.reporter.events)
        await self.knocks.receive(await given(*batches, at=self.clock.now().steady))
        await self.gate.settle()
        await self.enforcer.written()
        self.knocks.close()
        self.judged = [each for each in self.reporter.events[before:] if isinstance(each, Judged)]
        return [verdict(each) for each in self.judged]

    @property
    def said(self) -> list[str]:
        voice = Voice()
        return [text for each in self.judged for _, text in voice(each, debug=False)]


Scene = Callable[[KnockHouse], Coroutine[Any, Any, None]]


def play(scene: Scene, house: KnockHouse) -> None:
    asyncio.run(scene(house))


def pairs() -> list[Hit]:
    return [hit(ONE, 7000), hit(ONE, 7001)]


def test_an_encrypted_sequence_counts_once_whoever_sends_it_again() -> None:
    async def scene(house: KnockHouse) -> None:
        assert await house.hear(hits(octets(16), ONE)) == ["granted"]
        assert house.said == [
            f"successful knock decrypt for {ONE} (SOURCE block: 1)",
            f"add FWKNOP_INPUT {ONE} -> 0.0.0.0/0(tcp/22) ACCEPT rule 30 sec",
        ]
        assert await house.hear(hits(octets(16), OTHER)) == ["replayed"]
        assert house.said == [
            f"encrypted sequence from {OTHER} is a replay, first sent from {ONE}: nothing is opened"
        ]
        house.start()
        assert await house.hear(hits(octets(16), ONE)) == ["replayed"]
        assert await house.hear(hits(octets(1), ONE)) == ["granted"]

    play(scene, KnockHouse(Encrypted(KEY)))


def test_it_is_known_again_although_younger_packets_were_forgotten() -> None:
    """It has no time stamp, and what was forgotten of others says nothing of it."""

    async def scene(house: KnockHouse) -> None:
        now = int(house.clock.now().wall)
        sighting = Sighting(17, ONE, 1, "", 62201, now)
        packet = ReplayKey(bytes(32), bytes(32), sighting, until=now, sent_at=now)
        assert await house.store.claim([packet]) == [Claim.FIRST]
        assert await house.store.forget(now + 10**9) == 1
        assert await house.hear(hits(octets(16))) == ["granted"]
        await house.store.forget(house.clock.now().wall + 10**9)
        assert await house.hear(hits(octets(16))) == ["replayed"]

    play(scene, KnockHouse(Encrypted(KEY), LINE))


def test_a_shared_sequence_may_come_again_and_renews_what_is_open() -> None:
    async def scene(house: KnockHouse) -> None:
        assert await house.hear(pairs()) == ["granted"]
        assert house.said[0] == f"port knock access sequence matched for {ONE} (SOURCE block: 1)"
        house.clock.advance(1)
        assert await house.hear(pairs()) == ["granted"]
        assert house.said[1] == (
            f"source: {ONE} -> 0.0.0.0/0(tcp/22) already allowed to connect in chain: FWKNOP_INPUT"
        )
        assert await house.store.remembered() == 0

    play(scene, KnockHouse(LINE))


@pytest.mark.parametrize("limit", [1, 2])
def test_a_limit_of_n_is_n_grants_for_both_kinds_also_in_one_batch(limit: int) -> None:
    async def scene(house: KnockHouse) -> None:
        encrypted = [hits(octets(number), ONE) for number in (1, 16, 15)]
        told = await house.hear([each for sequence in encrypted for each in sequence])
        assert sorted(told) == ["granted"] * limit + ["knock-limit"] * (3 - limit)
        told = await house.hear(pairs(), pairs(), pairs())
        assert sorted(told) == ["granted"] * limit + ["knock-limit"] * (3 - limit)
        assert house.said[1:3] == [
            f"{ONE} exceeded knock limit (set to {limit} accesses)",
            f"access controls for {ONE} will not be modified",
        ]

    play(scene, KnockHouse(Encrypted(KEY, limit=limit), replace(LINE, limit=limit)))


def test_a_limit_is_each_senders_own_and_refused_knocks_do_not_use_it_up() -> None:
    async def scene(house: KnockHouse) -> None:
        assert await house.hear(hits(octets(16), ONE)) == ["wrong-user"]  # root
        assert await house.hear(hits(octets(17), ONE)) == ["granted"]  # mbr
        assert await house.hear(hits(octets(15), ONE)) == ["knock-limit"]
        assert await house.hear(hits(octets(3), OTHER)) == ["granted"]

    play(scene, KnockHouse(Encrypted(KEY, limit=1), users=frozenset({"mbr"})))


def test_counters_of_made_up_senders_have_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("watchword.grant.knock_limits.MOST", 10)
    limits = KnockLimits()
    for number in range(100):
        knock = replace(LINE, limit=1)
        assert limits.take(stanza(knock), _request(f"10.0.0.{number}")) is None
    assert len(limits._granted) == 10


def _request(source: str) -> Any:
    return SimpleNamespace(packet=SimpleNamespace(peer=source))


def test_callers_get_the_port_that_they_ask_for_only_where_the_stanza_offers_it() -> None:
    async def scene(house: KnockHouse) -> None:
        assert await house.hear(hits(octets(16))) == ["port-not-offered"]
        assert house.open == set()

    play(scene, KnockHouse(Encrypted(KEY, (HIGH,)), open_services=frozenset({HIGH})))


def test_what_one_caller_asked_for_is_not_opened_for_the_next() -> None:
    async def scene(house: KnockHouse) -> None:
        await house.hear(hits(octets(16), ONE))
        await house.hear(hits(octets(17), OTHER))
        assert house.open == {
            f"{ONE} tcp/22", f"{ONE} tcp/9999", f"{OTHER} tcp/22", f"{OTHER} tcp/9999",
        }  # fmt: skip

    play(scene, KnockHouse(Encrypted(KEY, (HIGH,))))


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (bytes.fromhex(BAD_SUM), [
            f"invalid checksum for {ONE}",
            f"sequence decrypt failed for {ONE}",
        ]),
        (octets(18), [
            f"successful knock decrypt for {ONE} (SOURCE block: 1)",
            f"[{ONE}] (SOURCE block: 1) Got 0.0.0.0 when valid source IP was required.",
        ]),
        (octets(1), [
            f"successful knock decrypt for {ONE} (SOURCE block: 1)",
            "username mismatch, expected: mbr, got: root",
        ]),
    ],
)  # fmt: skip
def test_refusals_are_told_in_the_words_of_the_original(message: bytes, said: list[str]) -> None:
    async def scene(house: KnockHouse) -> None:
        await house.hear(hits(message))
        assert house.said == said

    play(scene, KnockHouse(Encrypted(KEY), users=frozenset({"mbr"}), source_required=True))


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        (SystemRule("A:1::a"), f"could not fingerprint OS for {ONE}, expecting OS: A:1::a"),
        (SystemRule(pattern="a"), f"could not fingerprint OS for {ONE}, expecting OS regex: a"),
    ],
)
def test_a_system_that_cannot_be_told_is_said_so(rule: SystemRule, said: str) -> None:
    async def scene(house: KnockHouse) -> None:
        assert await house.hear(pairs()) == ["wrong-operating-system"]
        assert house.said[1] == said

    play(scene, KnockHouse(replace(LINE, system=rule)))


def test_a_knock_is_not_refused_for_the_digest_or_the_age_that_it_does_not_have() -> None:
    async def scene(house: KnockHouse) -> None:
        assert await house.hear(hits(octets(16))) == ["granted"]

    house = KnockHouse(Encrypted(KEY))
    house.policy = replace(house.policy, digests=frozenset({Digest.SHA512}), max_age=1)
    house.start()
    play(scene, house)


def test_a_blacklisted_address_gets_nothing_by_knocking() -> None:
    async def scene(house: KnockHouse) -> None:
        assert await house.hear(hits(octets(16), OTHER)) == ["blacklisted"]

    house = KnockHouse(Encrypted(KEY))
    house.policy = replace(house.policy, blacklist=(ip_network("10.77.0.11/32"),))
    house.start()
    play(scene, house)


def test_a_disk_that_refuses_opens_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(keys: object) -> Any:
        raise HostError("no space left")

    async def scene(house: KnockHouse) -> None:
        monkeypatch.setattr(house.store, "claim", refuse)
        assert await house.hear(hits(octets(16))) == ["replay-store-refused"]
        assert house.open == set()

    play(scene, KnockHouse(Encrypted(KEY)))


def test_an_attempt_that_takes_too_long_is_told_without_another_packet() -> None:
    async def scene(house: KnockHouse) -> None:
        await house.knocks.receive(await given(hits(octets(16))[:20], at=house.clock.now().steady))
        house.clock.advance(0.02)
        async with asyncio.timeout(60):
            while not house.reporter.events:
                await asyncio.sleep(0.005)
        [told] = house.reporter.events
        assert isinstance(told, Judged)
        assert [text for _, text in Voice()(told)] == [f"invalid encrypted sequence {ONE} timeout"]
        house.knocks.close()

    play(scene, KnockHouse(Encrypted(KEY, interval=0.01)))


def test_the_structured_line_says_what_was_knocked() -> None:
    async def scene(house: KnockHouse) -> None:
        await house.hear(hits(octets(16)))
        fields = fields_of(house.judged[0])
        assert (fields["knock"], fields["verdict"], fields["who"]) == ("encrypted", "granted", ONE)

    play(scene, KnockHouse(Encrypted(KEY)))
