"""What fwknopd decodes and remembers, packet by packet; and the two replays that it lets through.

In here: what can be said of a packet with a stanza's keys alone. What the
server makes of it (ages, users, rules, HTTP) is tested where that is done.
"""

from __future__ import annotations

import base64

import pytest

from watchword.conformance.golden import Vector, credentials_in, load
from watchword.conformance.strictness import LONGER_THAN_FWKNOPD_TAKES, STRICTER_THAN_FWKNOPD
from watchword.model.reasons import Reason
from watchword.wire.spa.errors import SpaError
from watchword.wire.spa.opening import Lock, Opened, flaw
from watchword.wire.spa.sealing import packet_digest, plaintext_digest

VECTORS = {vector["id"]: vector for vector in load("server")}


def is_in_scope(vector: Vector) -> bool:
    conf = vector["access_conf"] + vector["fwknopd_conf"]
    has_payloads = all(packet.get("payload") for packet in vector["packets"])
    by_source = vector["id"] == "srv-source-mismatch"  # a good packet from elsewhere
    http = vector["id"].startswith("srv-http")
    return has_payloads and not ("GPG_" in conf or http or by_source)


IN_SCOPE = [vector for vector in VECTORS.values() if is_in_scope(vector)]


def opened(payload: bytes, access_conf: str) -> Opened | None:
    """Try every stanza; None if the envelope is bad or no stanza opens it."""
    if flaw(payload):
        return None
    for credential in credentials_in(access_conf):
        try:
            lock = Lock(credential)
            if lock.fits(payload):
                return lock.open(payload)
        except SpaError:
            continue
    return None


def distinct(vector: Vector) -> dict[bytes, Opened]:
    """Every different payload of the vector that opens."""
    payloads = {packet["payload"].encode("latin-1") for packet in vector["packets"]}
    found = {payload: opened(payload, vector["access_conf"]) for payload in payloads}
    return {payload: each for payload, each in found.items() if each}


def test_no_vector_was_lost() -> None:
    assert len(VECTORS) == 96
    assert len(IN_SCOPE) == 64
    assert STRICTER_THAN_FWKNOPD.keys() | LONGER_THAN_FWKNOPD_TAKES <= {
        each["id"] for each in IN_SCOPE
    }


@pytest.mark.parametrize("vector", IN_SCOPE, ids=lambda vector: str(vector["id"]))
def test_we_open_what_fwknopd_decodes(vector: Vector) -> None:
    found = distinct(vector)
    if vector["id"] in LONGER_THAN_FWKNOPD_TAKES:
        assert len(found) == 1
        assert vector["decoded"] == 0
        return
    assert len(found) == STRICTER_THAN_FWKNOPD.get(vector["id"], vector["decoded"])
    if vector["id"] not in STRICTER_THAN_FWKNOPD:
        stored = {base64.b64decode(text + "=") for text in vector["replay_digests_stored"]}
        assert {packet_digest(payload) for payload in found} == stored


@pytest.mark.requirement("8.4", partial=True)
def test_a_captured_packet_in_other_words_is_no_new_packet() -> None:
    """Weakness 1 of chapter 16: fwknopd accepts all five."""
    vector = VECTORS["srv-replay-variants"]
    original, *variants = (packet["payload"].encode() for packet in vector["packets"])
    genuine = opened(original, vector["access_conf"])
    assert genuine
    assert len(variants) == 4
    for variant in variants:
        again = opened(variant, vector["access_conf"])
        assert again is None or plaintext_digest(again.plaintext) == plaintext_digest(
            genuine.plaintext
        )
    assert [opened(variant, vector["access_conf"]) for variant in variants] == [None] * 4


@pytest.mark.requirement("8.4", partial=True)
def test_a_packet_with_its_prefix_put_back_is_no_new_packet() -> None:
    """Weakness 2 of chapter 16: inside HTTP, and with a valid HMAC, fwknopd accepts it again."""
    vector = VECTORS["srv-http-prefix-replay"]
    [credential] = credentials_in(vector["access_conf"])
    requests = [packet["payload"] for packet in vector["packets"]]
    plain, prefixed = (
        request.split()[1][1:].translate({ord("-"): "+", ord("_"): "/"}).encode()
        for request in requests
    )
    assert prefixed == b"U2FsdGVkX1" + plain

    assert flaw(plain) is None
    assert Lock(credential).fits(plain)
    assert flaw(prefixed) is Reason.PREFIX
    assert not Lock(credential).fits(prefixed)
