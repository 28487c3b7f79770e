"""OpenPGP packets on their way through the gate: the HMAC first, then few key rings at a time."""

from __future__ import annotations

import asyncio
import threading
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Any

import pytest

from tests.sealing import Envelopes, message, sealed
from tests.values import KEY, MAC_KEY, NOW, credential, packet, policy, terms
from watchword.edges.clock import FakeClock
from watchword.edges.firewall.memory import MemoryFirewall
from watchword.edges.gpg_memory import MemoryOpenPgp
from watchword.edges.replay.memory import MemoryJournal, MemoryReplayStore
from watchword.edges.report.lines import MemoryReporter
from watchword.errors import HostError
from watchword.model.crypto import Digest, Secret
from watchword.model.openpgp import (
    Decrypted,
    Keyring,
    OpenPgpCredential,
    Signature,
    SignatureState,
    Signers,
)
from watchword.model.outcomes import Judged
from watchword.model.policy import Policy, Terms
from watchword.model.requests import Claim
from watchword.model.services import Service
from watchword.recognise.spa import SpaRecogniser
from watchword.service.daemon import vault
from watchword.service.daemon.enforcer import Enforcer
from watchword.service.daemon.figures import Figures
from watchword.service.daemon.gate import Gate
from watchword.service.explain import explain
from watchword.wire.spa import base64text, rijndael
from watchword.wire.spa.composing import compose
from watchword.wire.spa.keyed import Mac
from watchword.wire.spa.mac import PREFIX

ALICE = "A" * 40
BY_ALICE = Signature(SignatureState.GOOD, ALICE, trusted=True)
ANYBODY = Signers(fingerprints=frozenset({ALICE}))
RING = Keyring("/ring", passphrase=Secret(b"word"))
WITH_MAC = OpenPgpCredential(RING, ANYBODY, MAC_KEY)
WITHOUT_MAC = OpenPgpCredential(RING, ANYBODY)


def stanza(number: int = 1, openpgp: OpenPgpCredential = WITH_MAC, **more: Any) -> Terms:
    return terms(number, credential=None, openpgp=openpgp, **more)


class House:
    """A whole server without a socket, and gpg in memory."""

    def __init__(self, rules: Policy, envelopes: Envelopes, openpgp: MemoryOpenPgp) -> None:
        self.clock = FakeClock(*NOW)
        self.store, self.reporter = MemoryReplayStore(), MemoryReporter()
        self.firewall = MemoryFirewall(self.clock)
        self.firewall.prepare()
        self.openpgp = openpgp
        self.envelopes = envelopes
        self.known: set[str] = set()
        self.figures = Figures(NOW.wall)
        self.gate = Gate(
            rules,
            SpaRecogniser(rules),
            store=self.store,
            enforcer=Enforcer(self.firewall, MemoryJournal("boot"), self.reporter, self.clock),
            reporter=self.reporter,
            clock=self.clock,
            openpgp=openpgp,
            figures=self.figures,
            known=lambda peer, _: peer in self.known,
        )

    @property
    def judged(self) -> list[Judged]:
        return [each for each in self.reporter.events if isinstance(each, Judged)]

    @property
    def verdicts(self) -> list[str]:
        return [each.refusal.reason.word if each.refusal else "granted" for each in self.judged]

    def arrive(self, *payloads: bytes, source: str = "198.51.100.2") -> None:
        self.openpgp.contents.update(self.envelopes.contents)
        self.gate.receive([packet(each, source=source) for each in payloads])

    async def take(self, *payloads: bytes, source: str = "198.51.100.2") -> list[str]:
        """Send packets; what became of each, in the order of judgement."""
        before = len(self.judged)
        wanted = self.figures.verdicts.total() + len(payloads)
        self.arrive(*payloads, source=source)
        await self.heard(wanted)
        return self.verdicts[before:]

    async def heard(self, count: int) -> None:
        """Until so many are judged; of many alike few are told one by one."""
        async with asyncio.timeout(60):
            while self.figures.verdicts.total() < count:
                await self.gate.settle()
                await asyncio.sleep(0.001)


@asynccontextmanager
async def house(
    *stanzas: Terms, openpgp: MemoryOpenPgp | None = None
) -> AsyncIterator[tuple[House, Envelopes]]:
    envelopes = Envelopes()
    built = House(policy(*stanzas), envelopes, openpgp or MemoryOpenPgp())
    opening = asyncio.create_task(built.gate.open_forever())
    try:
        yield built, envelopes
    finally:
        opening.cancel()
        with suppress(asyncio.CancelledError):
            await opening


@pytest.mark.parametrize("how", [WITH_MAC, WITHOUT_MAC], ids=["mac", "no mac"])
def test_a_signed_packet_opens_what_it_asks_for(how: OpenPgpCredential) -> None:
    async def scene() -> None:
        async with house(stanza(openpgp=how)) as (server, envelopes):
            assert await server.take(envelopes.sealed(BY_ALICE, sealed_with=how)) == ["granted"]
            assert server.judged[0].request is not None
            assert server.judged[0].request.signer == ALICE
            [opening] = server.firewall.openings
            assert opening.hole.service == Service.parse("tcp/22")

    asyncio.run(scene())


def test_gpg_is_not_run_for_anything_whose_hmac_does_not_match() -> None:
    async def scene() -> None:
        async with house(stanza()) as (server, envelopes):
            other = replace(WITH_MAC, mac_key=Secret(b"another"))
            forged = envelopes.sealed(BY_ALICE, sealed_with=other)
            genuine = bytearray(envelopes.sealed(BY_ALICE, sealed_with=WITH_MAC))
            genuine[5] ^= 1
            assert await server.take(forged, bytes(genuine)) == ["hmac-mismatch"] * 2
            assert server.openpgp.calls == []

    asyncio.run(scene())


@pytest.mark.parametrize(
    ("signatures", "signers", "became"),
    [
        ((), ANYBODY, "signature-missing"),
        ((), Signers(required=False), "granted"),
        ((replace(BY_ALICE, trusted=False),), ANYBODY, "signature-refused"),
        ((replace(BY_ALICE, state=SignatureState.BAD),), ANYBODY, "signature-refused"),
        ((replace(BY_ALICE, state=SignatureState.KEY_EXPIRED),), ANYBODY, "signature-refused"),
        (
            (replace(BY_ALICE, state=SignatureState.KEY_EXPIRED),),
            replace(ANYBODY, any_state=True),
            "granted",
        ),
        ((replace(BY_ALICE, fingerprint="B" * 40),), ANYBODY, "signer-not-listed"),
        ((BY_ALICE,), replace(ANYBODY, ids=frozenset({"B" * 8})), "signer-not-listed"),
        ((BY_ALICE,), Signers(ids=frozenset({"A" * 8})), "granted"),
        (
            (replace(BY_ALICE, state=SignatureState.UNKNOWN_KEY),),
            replace(ANYBODY, any_state=True),
            "signature-refused",
        ),
        (
            (replace(BY_ALICE, state=SignatureState.BAD),),
            replace(ANYBODY, any_state=True),
            "signature-refused",
        ),
        ((replace(BY_ALICE, fingerprint="B" * 40, primary=ALICE),), ANYBODY, "granted"),
        ((BY_ALICE,), Signers(ids=frozenset({"no key: A"})), "signer-not-listed"),
        ((BY_ALICE, replace(BY_ALICE, state=SignatureState.BAD)), ANYBODY, "granted"),
        ((replace(BY_ALICE, state=SignatureState.BAD), BY_ALICE), ANYBODY, "signature-refused"),
    ],
)
def test_the_first_signature_has_to_be_one_that_counts(
    signatures: tuple[Signature, ...], signers: Signers, became: str
) -> None:
    async def scene() -> None:
        how = replace(WITH_MAC, signers=signers)
        async with house(stanza(openpgp=how)) as (server, envelopes):
            assert await server.take(envelopes.sealed(*signatures, sealed_with=how)) == [became]

    asyncio.run(scene())


def test_a_packet_counts_once_and_its_copy_costs_no_gpg() -> None:
    async def scene() -> None:
        async with house(stanza()) as (server, envelopes):
            payload = envelopes.sealed(BY_ALICE, sealed_with=WITH_MAC)
            assert await server.take(payload) == ["granted"]
            assert await server.take(payload, source="192.0.2.66") == ["replayed"]
            assert len(server.openpgp.calls) == 1

    asyncio.run(scene())


def test_the_same_text_in_another_envelope_is_a_replay() -> None:
    """Whoever changes an OpenPGP message so that it still decrypts gains nothing."""

    async def scene() -> None:
        async with house(stanza(openpgp=WITHOUT_MAC)) as (server, envelopes):
            first = envelopes.sealed(BY_ALICE, sealed_with=WITHOUT_MAC)
            [content] = envelopes.contents.values()
            second = envelopes.sealed(BY_ALICE, sealed_with=WITHOUT_MAC)
            envelopes.contents[list(envelopes.contents)[-1]] = content
            assert await server.take(first) == ["granted"]
            assert await server.take(second) == ["replayed"]

    asyncio.run(scene())


def test_stanzas_with_one_key_ring_share_its_answer() -> None:
    async def scene() -> None:
        for_bob = replace(WITHOUT_MAC, signers=Signers(fingerprints=frozenset({"B" * 40})))
        async with house(stanza(1, for_bob), stanza(2, WITHOUT_MAC)) as (server, envelopes):
            payload = envelopes.sealed(BY_ALICE, sealed_with=WITHOUT_MAC)
            assert await server.take(payload) == ["granted"]
            [judged] = server.judged
            assert judged.grant is not None
            assert judged.grant.stanza == 2
            assert [each.reason.word for each in judged.refusals] == ["signer-not-listed"]
            assert len(server.openpgp.calls) == 1

    asyncio.run(scene())


def test_a_stanza_that_refuses_leaves_the_packet_to_the_next() -> None:
    """It is claimed once, by the first that opened it."""

    async def scene() -> None:
        dns = frozenset({Service.parse("udp/53")})
        async with house(stanza(1, open_services=dns), stanza(2)) as (server, envelopes):
            payload = envelopes.sealed(BY_ALICE, sealed_with=WITH_MAC)
            assert await server.take(payload) == ["granted"]
            [judged] = server.judged
            assert [each.reason.word for each in judged.refusals] == ["port-not-offered"]
            assert await server.take(payload) == ["replayed"]

    asyncio.run(scene())


def test_where_all_stanzas_refuse_it_is_told_once() -> None:
    async def scene() -> None:
        dns = frozenset({Service.parse("udp/53")})
        other = replace(WITH_MAC, keyring=Keyring("/other"))
        stanzas = (stanza(1, open_services=dns), stanza(2, other, open_services=dns))
        async with house(*stanzas) as (server, envelopes):
            payload = envelopes.sealed(BY_ALICE, sealed_with=WITH_MAC)
            assert await server.take(payload) == ["port-not-offered"]
            assert len(server.openpgp.calls) == 2
            assert [each.stanzas for each in server.judged[0].refusals] == [(1,), (2,)]

    asyncio.run(scene())


def test_a_stanza_may_take_both_kinds() -> None:
    async def scene() -> None:
        both = terms(1, openpgp=WITH_MAC)
        async with house(both) as (server, envelopes):
            for size in (310, 700):  # the first is of a length at which either can be
                payload = envelopes.sealed(BY_ALICE, sealed_with=WITH_MAC, octets=size)
                assert await server.take(payload) == ["granted"]
            assert await server.take(sealed(sealed_with=credential(KEY))) == ["granted"]

    asyncio.run(scene())


def test_a_packet_of_the_other_kind_is_told_apart_without_any_trial() -> None:
    async def scene() -> None:
        async with house(stanza(1), terms(2)) as (server, envelopes):
            strange = envelopes.sealed(
                BY_ALICE, sealed_with=replace(WITH_MAC, mac_key=Secret(b"x"))
            )
            await server.take(strange)
            told = [(each.reason.word, each.stanzas) for each in server.judged[0].refusals]
            assert told == [("no-key-for-that-cipher", (2,)), ("hmac-mismatch", (1,))]

    asyncio.run(scene())


def test_a_gpg_that_fails_is_told_and_only_a_new_packet_makes_it_try_again() -> None:
    async def scene() -> None:
        async with house(stanza()) as (server, envelopes):
            payload = envelopes.sealed(BY_ALICE, sealed_with=WITH_MAC)
            [content] = envelopes.contents
            good = envelopes.contents.pop(content)
            server.openpgp.contents[content] = HostError("gpg: took longer than 10 s")
            assert await server.take(payload) == ["gpg-failed"]
            server.openpgp.contents[content] = good
            assert await server.take(payload) == ["gpg-failed"]
            assert len(server.openpgp.calls) == 1
            again = envelopes.sealed(BY_ALICE, sealed_with=WITH_MAC)
            assert await server.take(again) == ["granted"]

    asyncio.run(scene())


class Stuck(MemoryOpenPgp):
    """Key rings of which some hang until they are told to go on."""

    def __init__(self, *stuck: str) -> None:
        super().__init__()
        self.stuck = stuck
        self.go_on = threading.Event()
        self.at_once = 0
        self.most_at_once = 0
        self.begun: list[bytes] = []

    def decrypt(self, keyring: Keyring, message: bytes) -> Decrypted:
        self.begun.append(message)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        if keyring.home in self.stuck:
            self.go_on.wait(30)
        self.at_once -= 1
        return super().decrypt(keyring, message)


def test_a_key_ring_that_hangs_costs_nobody_else_anything() -> None:
    async def scene() -> None:
        slow = replace(WITH_MAC, keyring=Keyring("/slow"), mac_key=Secret(b"slow"))
        openpgp = Stuck("/slow")
        async with house(stanza(1, slow), stanza(2), openpgp=openpgp) as (server, envelopes):
            waiting = [envelopes.sealed(BY_ALICE, sealed_with=slow) for _ in range(8)]
            server.arrive(*waiting)
            await server.heard(8 - vault.PLACES)  # for which there is no room
            assert await server.take(envelopes.sealed(BY_ALICE, sealed_with=WITH_MAC)) == [
                "granted"
            ]
            assert (
                await server.take(
                    *[envelopes.sealed(BY_ALICE, sealed_with=WITH_MAC) for _ in range(3)]
                )
                == ["granted"] * 3
            )
            assert openpgp.most_at_once <= vault.AT_ONCE + vault.AT_ONCE
            openpgp.go_on.set()
            await server.heard(8 + 4)

    asyncio.run(scene())


def test_few_gpg_run_at_once_and_few_packets_of_one_source_wait() -> None:
    async def scene() -> None:
        openpgp = Stuck("/ring")
        async with house(stanza(openpgp=WITHOUT_MAC), openpgp=openpgp) as (server, envelopes):
            many = [envelopes.sealed(BY_ALICE, sealed_with=WITHOUT_MAC) for _ in range(40)]
            server.arrive(*many)
            await server.heard(40 - vault.PLACES)
            assert set(server.figures.verdicts) == {"gpg-busy"}
            openpgp.go_on.set()
            await server.heard(40)
            assert openpgp.most_at_once <= vault.AT_ONCE
            assert server.figures.verdicts["granted"] == vault.PLACES

    asyncio.run(scene())


def test_whoever_has_proved_himself_is_served_before_strangers() -> None:
    async def scene() -> None:
        openpgp = Stuck("/ring")
        async with house(stanza(openpgp=WITHOUT_MAC), openpgp=openpgp) as (server, envelopes):
            for number in range(300):  # spoofed sources, more than there are places
                junk = envelopes.sealed(sealed_with=WITHOUT_MAC)
                server.arrive(junk, source=f"192.0.2.{number % 250}")
            server.known.add("198.51.100.2")
            server.arrive(envelopes.sealed(BY_ALICE, sealed_with=WITHOUT_MAC))
            hers = list(envelopes.contents)[-1]
            dropped = 300 - vault.STRANGERS
            await server.heard(dropped)
            assert server.figures.verdicts == {"gpg-busy": dropped}
            openpgp.go_on.set()
            await server.heard(301)
            assert hers in openpgp.begun[: vault.AT_ONCE]
            assert server.figures.verdicts["granted"] == 1

    asyncio.run(scene())


def test_what_waits_for_a_key_ring_is_given_to_the_gate_after_a_reload() -> None:
    async def scene() -> None:
        openpgp = Stuck("/ring")
        async with house(stanza(), openpgp=openpgp) as (server, envelopes):
            payloads = [envelopes.sealed(BY_ALICE, sealed_with=WITH_MAC) for _ in range(4)]
            server.arrive(*payloads)
            while openpgp.at_once < vault.AT_ONCE:
                await asyncio.sleep(0.001)
            left = server.gate.abandon()
            assert sorted(each.payload for each in left) == sorted(payloads)
            openpgp.go_on.set()
            await asyncio.sleep(0.05)
            await server.gate.finish()
            assert server.judged == []

    asyncio.run(scene())


def test_answers_are_remembered_up_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vault, "ANSWERS", 2)

    async def scene() -> None:
        async with house(stanza()) as (server, envelopes):
            payloads = [envelopes.sealed(BY_ALICE, sealed_with=WITH_MAC) for _ in range(3)]
            await server.take(*payloads)
            before = len(server.openpgp.calls)
            assert await server.take(payloads[0]) == ["replayed"]
            assert len(server.openpgp.calls) == before + 1

    asyncio.run(scene())


def test_keyrings_tell_nobody_their_passphrase() -> None:
    assert "word" not in repr(WITH_MAC)
    assert b"word" not in RING.name
    assert RING.name != Keyring("/ring").name


def test_a_packet_goes_through_thousands_of_stanzas_of_one_key_ring() -> None:
    """One ring, and a stanza for each person, told apart by who signed."""

    async def scene() -> None:
        signers = [Signers(fingerprints=frozenset({f"{number:040}"})) for number in range(3000)]
        people = [
            stanza(number, replace(WITHOUT_MAC, signers=each))
            for number, each in enumerate(signers, 1)
        ]
        async with house(*people, stanza(3001, WITHOUT_MAC)) as (server, envelopes):
            payload = envelopes.sealed(BY_ALICE, sealed_with=WITHOUT_MAC)
            assert await server.take(payload) == ["granted"]
            assert await server.take(envelopes.sealed(sealed_with=WITHOUT_MAC)) == [
                "signature-missing"
            ]
            assert len(server.openpgp.calls) == 2

    asyncio.run(scene())


def test_packets_that_find_no_room_go_on_to_their_other_stanzas() -> None:
    async def scene() -> None:
        slow = replace(WITHOUT_MAC, keyring=Keyring("/slow"))
        openpgp = Stuck("/slow")
        stanzas = [stanza(number, slow) for number in range(1, 400)]
        async with house(*stanzas, terms(400), openpgp=openpgp) as (server, envelopes):
            for number in range(300):
                junk = envelopes.sealed(sealed_with=WITHOUT_MAC)
                server.arrive(junk, source=f"192.0.2.{number % 250}")
            await server.heard(300 - vault.STRANGERS - vault.AT_ONCE)
            assert set(server.figures.verdicts) == {"gpg-busy"}
            assert await server.take(sealed(sealed_with=credential(KEY))) == ["granted"]
            openpgp.go_on.set()

    asyncio.run(scene())


def test_a_packet_that_is_sent_again_without_end_costs_no_memory() -> None:
    async def scene() -> None:
        async with house(stanza(openpgp=WITHOUT_MAC)) as (server, envelopes):
            junk = envelopes.sealed(sealed_with=WITHOUT_MAC)
            envelopes.contents.clear()  # nothing that gpg can open
            assert await server.take(junk) == ["not-decrypted"]
            tracemalloc.start()
            try:
                before, _ = tracemalloc.get_traced_memory()
                for number in range(20_000):
                    server.arrive(bytes(bytearray(junk)), source=f"192.0.2.{number % 250}")
                after, _ = tracemalloc.get_traced_memory()
            finally:
                tracemalloc.stop()
            assert after - before < 500_000
            assert len(server.openpgp.calls) == 1

    asyncio.run(scene())


def test_what_a_stanza_without_hmac_makes_of_a_packet_is_not_taken_for_another_s_answer() -> None:
    """The MAC of the second is garbage to the first, which takes it for a part of the message."""

    async def scene() -> None:
        async with house(stanza(1, WITHOUT_MAC), stanza(2, WITH_MAC)) as (server, envelopes):
            for octets in range(700, 712):
                payload = envelopes.sealed(BY_ALICE, sealed_with=WITH_MAC, octets=octets)
                assert await server.take(payload) == ["granted"]

    asyncio.run(scene())


def test_a_key_ring_that_failed_is_not_asked_again_for_the_next_stanza() -> None:
    async def scene() -> None:
        async with house(*(stanza(n, WITHOUT_MAC) for n in range(1, 101))) as (server, envelopes):
            payload = envelopes.sealed(BY_ALICE, sealed_with=WITHOUT_MAC)
            [content] = envelopes.contents
            envelopes.contents[content] = HostError("gpg: took longer than 5 s")
            assert await server.take(payload) == ["gpg-failed"]
            assert len(server.openpgp.calls) == 1
            assert len(server.judged[0].refusals) == 100

    asyncio.run(scene())


def test_packets_that_find_no_room_are_not_sent_round_the_same_key_ring() -> None:
    async def scene() -> None:
        openpgp = Stuck("/ring")
        stanzas = [stanza(number, WITHOUT_MAC) for number in range(1, 101)]
        async with house(*stanzas, openpgp=openpgp) as (server, envelopes):
            for number in range(600):
                junk = envelopes.sealed(sealed_with=WITHOUT_MAC)
                server.arrive(junk, source=f"192.0.2.{number % 250}")
            await server.heard(600 - vault.STRANGERS - vault.AT_ONCE)
            assert server.gate.sealed <= vault.STRANGERS
            openpgp.go_on.set()

    asyncio.run(scene())


def test_a_machine_without_room_for_another_thread_goes_on() -> None:
    class NoRoom(MemoryOpenPgp):
        def decrypt(self, keyring: Keyring, message: bytes) -> Decrypted:
            if not self.calls:
                self.calls.append((keyring, message))
                raise OSError(24, "Too many open files")
            return super().decrypt(keyring, message)

    async def scene() -> None:
        async with house(stanza(), openpgp=NoRoom()) as (server, envelopes):
            first, second = (envelopes.sealed(BY_ALICE, sealed_with=WITH_MAC) for _ in range(2))
            assert await server.take(first) == ["gpg-failed"]
            assert await server.take(second) == ["granted"]

    asyncio.run(scene())


def test_a_packet_that_is_claimed_already_is_not_judged_anew_after_a_reload() -> None:
    async def scene() -> None:
        dns = frozenset({Service.parse("udp/53")})
        openpgp = Stuck("/other")
        other = replace(WITH_MAC, keyring=Keyring("/other"))
        stanzas = (stanza(1, open_services=dns), stanza(2, other))
        async with house(*stanzas, openpgp=openpgp) as (server, envelopes):
            server.arrive(envelopes.sealed(BY_ALICE, sealed_with=WITH_MAC))
            while not openpgp.at_once:
                await server.gate.settle()
                await asyncio.sleep(0.001)
            assert server.gate.abandon() == []
            assert server.verdicts == ["port-not-offered"]  # the nearest; the last is gpg-busy
            assert server.figures.verdicts == {"gpg-busy": 1}
            openpgp.go_on.set()

    asyncio.run(scene())


def test_explain_says_of_a_stanza_with_both_kinds_of_key_what_the_gate_does() -> None:
    """A symmetric packet that its MAC makes as long as an OpenPGP one."""
    symmetric = replace(credential(KEY), mac_digest=Digest.SHA512)
    both = terms(1, credential=symmetric, openpgp=replace(WITH_MAC, mac_digest=Digest.SHA512))
    ports = ",".join(f"tcp/{port}" for port in range(22, 33))
    asked = message(f"198.51.100.2,{ports}", digest=Digest.SHA512)
    plaintext = compose(asked)
    assert symmetric.mac_key is not None
    container = rijndael.encrypt(plaintext, symmetric.key, symmetric.mode, bytes(8))
    body = base64text.encode(container)[len(PREFIX) :]
    payload = body + base64text.encode(Mac(symmetric.mac_key, Digest.SHA512).of(body))
    assert len(payload) >= 400

    async def scene() -> None:
        async with house(both) as (server, _):
            assert await server.take(payload) == ["granted"]

    asyncio.run(scene())
    never_seen = (Claim.FIRST, None)
    told = explain(packet(payload), policy(both), NOW, lambda key: never_seen, MemoryOpenPgp())
    assert told.permit is not None
    assert [verdict.stanza for verdict in told.verdicts] == [1]
