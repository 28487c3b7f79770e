"""The first bytes of a connection: what they are, and what the daemon makes of them."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import replace
from typing import Any

import pytest

from tests.fwknopd_files import STANZA, configure, fatal
from tests.values import MAC_KEY, NOW, policy, request, terms
from watchword.edges.clock import FakeClock
from watchword.edges.peers import Peer
from watchword.errors import OperatorError
from watchword.grant.decide import authorise
from watchword.grant.ledger import Ledger
from watchword.grant.lifecycle import Turn
from watchword.grant.permits import Permit
from watchword.model.callers import Binding, CallerTerms
from watchword.model.crypto import Secret
from watchword.model.openings import Grant
from watchword.model.outcomes import Judged
from watchword.model.policy import Policy
from watchword.model.requests import CommandWish, Request
from watchword.service.daemon import proofs
from watchword.service.daemon.control import Question
from watchword.service.daemon.proofs import Proofs
from watchword.wire.proof import LENGTH, Proof, halves

HOME = "198.51.100.2"


class House:
    """A daemon's memory of proofs, with a ledger and a clock."""

    def __init__(self, rules: Policy | None = None) -> None:
        self.rules = rules or policy(terms(proves=True))
        self.ledger = Ledger()
        self.clock = FakeClock(NOW.wall, NOW.steady)
        self.proofs = Proofs(self.ledger, lambda: self.rules, self.clock)

    def grant(self, asked: Request | None = None) -> tuple[Grant, Proof]:
        """What a packet gets, and what its sender can say of it."""
        asked = asked or request()
        now = self.clock.now()
        answer = authorise(self.rules, replace(asked, sent_at=int(now.wall)), now)
        assert isinstance(answer, Permit)
        grant = self.ledger.admit(answer, now)
        self.proofs.hear(Judged(asked.packet, now.wall, (), asked, grant))
        return grant, Proof(MAC_KEY, asked.key.plaintext)

    def says(self, message: bytes, **other: Any) -> dict[str, object]:
        name, mac = halves(message)
        said = {"from": HOME, "port": 40123, "service": "tcp/22", **other}
        (told,) = self.told([{"name": name.hex(), "mac": mac.hex(), **said}])
        return told

    def told(self, connections: object) -> list[dict[str, object]]:
        fields = {"connections": connections}
        asked = self.proofs.prove(Question(fields, Peer(1, 1000, frozenset()), False))
        answers = asyncio.run(asked)["proofs"]
        assert isinstance(answers, list)
        return answers

    def lets_through(self, message: bytes, **other: Any) -> bool:
        return bool(self.says(message, **other)["proved"])


def test_a_message_is_good_for_one_connection_of_the_caller_to_what_he_was_granted() -> None:
    house = House()
    grant, proof = house.grant()
    assert not house.lets_through(proof.message, **{"from": "198.51.100.3"})
    assert not house.lets_through(proof.message, service="tcp/23")
    assert not house.lets_through(proof.message, service="udp/22")
    told = house.says(proof.message)
    assert told == {
        "proved": True, "answer": proof.answer.hex(), "user": "alice", "grant": grant.id,
        "whose": grant.identity,
    }  # fmt: skip
    assert not house.lets_through(proof.message)
    assert len(house.proofs) == 0


def test_a_wrong_half_is_refused_and_uses_nothing_up() -> None:
    house = House()
    _, proof = house.grant()
    other = Proof(Secret(b"another key"), request().key.plaintext)
    assert not house.lets_through(proof.name + other.mac)
    assert not house.lets_through(other.name + proof.mac)
    assert not house.lets_through(proof.message[:-1])
    assert house.lets_through(proof.message)


def test_each_packet_is_good_for_a_connection_of_its_own_though_it_only_renews() -> None:
    house = House()
    first, one = house.grant()
    second, two = house.grant()
    assert first.id == second.id
    assert house.lets_through(two.message)
    assert house.lets_through(one.message)


def test_with_its_grant_a_message_ends_too() -> None:
    house = House()
    _, proof = house.grant()
    house.clock.advance(31)
    assert not house.lets_through(proof.message)
    grant, revoked = house.grant()
    house.ledger.withdraw(grant.id, Turn.REVOKED)
    assert not house.lets_through(revoked.message)


def test_where_nothing_has_to_be_proved_nothing_is_remembered() -> None:
    house = House(policy(terms()))
    _, proof = house.grant()
    assert len(house.proofs) == 0
    assert not house.lets_through(proof.message)


def test_a_flood_of_valid_packets_is_remembered_as_far_as_it_makes_sense() -> None:
    house = House()
    said = [house.grant()[1] for _ in range(proofs.EACH + 3)]
    assert len(house.proofs) == proofs.EACH
    assert not house.lets_through(said[0].message)
    assert house.lets_through(said[-1].message)
    house.clock.advance(31)
    house.grant(request(allow="192.0.2.9"))
    assert len(house.proofs) == 1


def test_a_grant_that_is_bound_to_a_port_is_proved_from_that_port_alone() -> None:
    callers = CallerTerms(binding=Binding.REQUIRED)
    house = House(policy(terms(proves=True, callers=callers)))
    asked = replace(request(), wish=CommandWish("admit tcp/22 port 40123"))
    _, proof = house.grant(asked)
    assert not house.lets_through(proof.message, port=40124)
    assert house.lets_through(proof.message)


def test_within_a_prefix_any_address_may_prove_it() -> None:
    callers = CallerTerms(prefixes=((4, 24),), widen=True)
    house = House(policy(terms(proves=True, callers=callers)))
    _, proof = house.grant()
    assert not house.lets_through(proof.message, **{"from": "198.51.101.2"})
    assert house.lets_through(proof.message, **{"from": "198.51.100.77"})


@pytest.mark.parametrize("field", ["name", "mac", "from", "port", "service"])
def test_what_is_no_question_is_an_error_of_who_asks(field: str) -> None:
    house = House()
    _, proof = house.grant()
    sound: dict[str, Any] = {"from": HOME, "port": 1, "service": "tcp/22"}
    sound |= {"name": proof.name.hex(), "mac": proof.mac.hex()}
    for wrong in ({**sound, field: "x"}, {**sound, field: None}):
        for connections in ([wrong], wrong, [sound, wrong], None):
            with pytest.raises(OperatorError, match="no question about a proof"):
                house.told(connections)
    assert house.lets_through(proof.message)


def test_many_are_asked_about_at_once_and_each_has_an_answer_of_its_own() -> None:
    house = House()
    (_, one), (_, two) = house.grant(), house.grant()
    place: dict[str, Any] = {"from": HOME, "port": 1, "service": "tcp/22"}
    said = [one.name + two.mac, one.message, two.message, one.message]
    asked = [{**place, "name": each[:16].hex(), "mac": each[16:].hex()} for each in said]
    assert [each["proved"] for each in house.told(asked)] == [False, True, True, False]


def test_the_message_is_of_one_length_and_shows_nothing_that_stays_the_same() -> None:
    made = [Proof.of_packet(MAC_KEY, b"text %d" % number) for number in range(64)]
    assert {len(each.message) for each in made} == {LENGTH}
    columns = zip(*(each.message for each in made), strict=True)
    assert min(len(set(column)) for column in columns) > 32
    assert Proof(MAC_KEY, hashlib.sha256(b"text 0").digest()).message == made[0].message
    assert repr(made[0]) == "<proof>"


def test_prove_is_read_and_needs_an_hmac_key() -> None:
    [stanza] = configure("GUARD_SERVICES ALL", STANZA + "PROVE Y").policy.stanzas
    assert stanza.proves
    bare = "".join(line for line in STANZA.splitlines(True) if not line.startswith("HMAC"))
    assert "PROVE needs an HMAC key" in "\n".join(fatal("GUARD_SERVICES ALL", bare + "PROVE Y"))
