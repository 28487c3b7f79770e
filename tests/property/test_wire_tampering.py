"""What an eavesdropper can do with a packet: send it again, and nothing else.

Without the keys no changed byte gets past the HMAC, and nothing is decrypted
to find that out. Where packets have no HMAC, or lose it on the way, what is
accepted is remembered under the plaintext as well, so that it counts once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.contract.replay import firsts
from tests.sealing import message, sealed
from tests.values import KEY, MAC_KEY, NOW, packet, policy, terms
from watchword.edges.replay.memory import MemoryReplayStore
from watchword.model.crypto import CipherMode, Credential, Digest, Secret
from watchword.model.outcomes import Refusal
from watchword.model.policy import Policy
from watchword.model.reasons import Reason
from watchword.model.requests import Request
from watchword.recognise.spa import SpaRecogniser
from watchword.wire.spa import base64text, rijndael
from watchword.wire.spa.errors import Code, SpaError
from watchword.wire.spa.opening import Bunch, Lock, unseal
from watchword.wire.spa.sealing import seal

SEALED_BY = {kind: Credential(KEY, mac_key=MAC_KEY, mac_digest=kind) for kind in Digest}
PACKETS = {kind: sealed(sealed_with=SEALED_BY[kind]) for kind in Digest}
SERVER = policy(
    *(terms(number, credential=each) for number, each in enumerate(SEALED_BY.values(), 1))
)
"""A stanza for each kind of HMAC, all with the same keys."""

every_mac = pytest.mark.parametrize("kind", Digest, ids=lambda kind: kind.name)


@pytest.fixture
def decryptions(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows with every container that is decrypted, by its length."""
    lengths: list[int] = []
    real = rijndael.decrypt

    def counting(container: bytes, key: Secret, mode: CipherMode) -> rijndael.Opened:
        lengths.append(len(container))
        return real(container, key, mode)

    monkeypatch.setattr(rijndael, "decrypt", counting)
    return lengths


def tampered(payload: bytes) -> Iterator[bytes]:
    """Every byte changed to its neighbours in value and spelling, and to what ends a text."""
    text = base64text.ALPHABET
    for place, octet in enumerate(payload):
        near = text.index(octet)
        others = {octet ^ 1, octet ^ 0x80, text[near ^ 1], text[near ^ 32], *b"=A8\0\n\xff"}
        for other in others - {octet}:
            yield payload[:place] + bytes([other]) + payload[place + 1 :]


@every_mac
def test_no_changed_byte_gets_past_an_hmac_and_nothing_is_decrypted(
    kind: Digest, decryptions: list[int]
) -> None:
    payload, lock = PACKETS[kind], Lock(SEALED_BY[kind])
    bunch = Bunch([Lock(credential) for credential in SEALED_BY.values()])
    everything = list(tampered(payload))
    assert len(everything) >= 7 * len(payload)
    for changed in everything:
        assert not lock.fits(changed)
        assert bunch.first_fit(changed) == len(SEALED_BY)
        with pytest.raises(SpaError) as refused:
            unseal(changed, lock)
        assert refused.value.code in (
            Code.INVALID_DATA_HMAC_COMPAREFAIL, Code.INVALID_DATA_ENCODE_NOTBASE64,
        )  # fmt: skip
    assert decryptions == []
    unseal(payload, lock)
    assert len(decryptions) == 1


@every_mac
def test_a_server_with_many_stanzas_decrypts_nothing_of_a_changed_packet(
    kind: Digest, decryptions: list[int]
) -> None:
    recogniser = SpaRecogniser(SERVER)
    request = next(
        each for each in observed(recogniser, PACKETS[kind]) if isinstance(each, Request)
    )
    recogniser.expect(request)  # so that the short way is taken as well
    assert (request.stanza, len(decryptions)) == (int(kind), 1)
    for changed in tampered(PACKETS[kind]):
        [refusal] = observed(recogniser, changed)
        assert isinstance(refusal, Refusal)
        assert (refusal.reason, len(refusal.stanzas)) == (Reason.MAC_MISMATCH, len(SEALED_BY))
    assert len(decryptions) == 1


@given(st.data(), st.sampled_from(Digest))
def test_no_edit_of_a_packet_gets_past_an_hmac(data: st.DataObject, kind: Digest) -> None:
    payload = bytearray(PACKETS[kind])
    for _ in range(data.draw(st.integers(1, 3))):
        start, cut = data.draw(st.integers(0, len(payload))), data.draw(st.integers(0, 40))
        payload[start : start + cut] = data.draw(st.binary(max_size=4) | st.sampled_from(PIECES))
    assume(bytes(payload) != PACKETS[kind])
    for lock in map(Lock, SEALED_BY.values()):
        assert not lock.fits(bytes(payload)) or bytes(payload) in PACKETS.values()


PIECES = [*PACKETS.values(), b"U2FsdGVkX1", b"=", b"=="]


@pytest.mark.parametrize("length", [0, 1, 21, 22, 42, 44, 64, 85, 86, 87])
def test_a_mac_of_another_length_is_a_mismatch_and_no_error(length: int) -> None:
    for kind, credential in SEALED_BY.items():
        lock, payload = Lock(credential), PACKETS[kind]
        body = payload[: -lock.mac_chars]
        if length != lock.mac_chars:
            assert not lock.fits(body + payload[-lock.mac_chars :][:length].ljust(length, b"A"))


def observed(recogniser: SpaRecogniser, payload: bytes) -> list[object]:
    return list(recogniser.observe(packet(payload), NOW))


def request_of(rules: Policy, payload: bytes) -> Request:
    [request] = [
        each for each in observed(SpaRecogniser(rules), payload) if isinstance(each, Request)
    ]
    return request


def test_a_packet_that_lost_its_hmac_is_a_replay_where_a_stanza_needs_none() -> None:
    """One key in two stanzas, one of them without HMAC: the weaker one opens what is left."""
    bare = Credential(KEY)
    rules = policy(terms(1), terms(2, credential=bare))
    lock = Lock(Credential(KEY, mac_key=MAC_KEY))
    payload = sealed()
    stripped = payload[: -lock.mac_chars]

    # Without its HMAC the packet is what a client without one would have sent.
    whole, left = request_of(policy(terms(1)), payload), request_of(rules, stripped)
    assert (left.stanza, left.wish) == (2, whole.wish)
    for first, second in ((whole, left), (left, whole)):
        store = MemoryReplayStore()
        assert asyncio.run(firsts(store, [first.key])) == [True]
        assert asyncio.run(firsts(store, [second.key])) == [False]


@pytest.mark.parametrize("mode", [mode for mode in CipherMode if mode is not CipherMode.ASYMMETRIC])
def test_one_packet_and_one_text_have_one_memory_in_every_stanza_that_opens_it(
    mode: CipherMode,
) -> None:
    """CBC and legacy mode open each other's packets when a key is long enough."""
    asked = message()
    payload = seal(asked, Credential(KEY, mode), salt=b"saltsalt")
    modes = (CipherMode.CBC, CipherMode.LEGACY, mode)
    keys = set()
    for other in modes:
        rules = policy(terms(1, credential=Credential(KEY, other)))
        for found in observed(SpaRecogniser(rules), payload):
            if isinstance(found, Request):
                keys.add((found.key.packet, found.key.plaintext))
    assert len(keys) == 1


@given(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1))
def test_another_salt_is_another_packet_and_the_same_text(one: int, other: int) -> None:
    """Only who has the key can make it, and it is refused all the same."""
    assume(one != other)
    asked = replace(message(), random="1234567890123456")
    requests = [
        request_of(policy(), seal(asked, Credential(KEY, mac_key=MAC_KEY), salt=salt.to_bytes(8)))
        for salt in (one, other)
    ]
    store = MemoryReplayStore()
    assert asyncio.run(firsts(store, [each.key for each in requests])) == [True, False]
