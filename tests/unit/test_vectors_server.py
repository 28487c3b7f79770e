"""What fwknopd decodes and remembers, packet by packet; and the two replays that it lets through.

In here: what can be said of a packet with a stanza's keys alone. What the
server makes of it (ages, users, rules, HTTP) is tested where that is done.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator

import pytest

from watchword.conformance.golden import Vector, load
from watchword.model.crypto import CipherMode, Credential, Digest, Secret
from watchword.model.outcomes import Reason
from watchword.wire.spa.errors import SpaError
from watchword.wire.spa.opening import Lock, Opened, flaw
from watchword.wire.spa.sealing import packet_digest, plaintext_digest

VECTORS = {vector["id"]: vector for vector in load("server")}

STRICTER = {
    "srv-replay-variants": 1,  # five spellings, of which four are none
    "srv-equals": 0,
    "srv-age-text": 0,
}
"""How many packets we open where fwknopd, which reads leniently, decodes more."""
LONGER_THAN_FWKNOPD_TAKES = {
    "srv-wire417-pt256-hmac", "srv-cap-sha1-over", "srv-cap-sha256-over",
    "srv-cap-sha384-over", "srv-cap-sha512-over", "srv-cap-sha3_256-over",
    "srv-cap-sha3_512-over",
}  # fmt: skip
"""Authentic packets of 400 and more characters with their MAC: fwknopd takes them for OpenPGP
before it looks, unless the stanza has commands; we look."""


def is_in_scope(vector: Vector) -> bool:
    conf = vector["access_conf"] + vector["fwknopd_conf"]
    has_payloads = all(packet.get("payload") for packet in vector["packets"])
    by_source = vector["id"] == "srv-source-mismatch"  # a good packet from elsewhere
    http = vector["id"].startswith("srv-http")
    return has_payloads and not ("GPG_" in conf or http or by_source)


IN_SCOPE = [vector for vector in VECTORS.values() if is_in_scope(vector)]


def credentials(access_conf: str) -> Iterator[Credential]:
    """The keys of each stanza; just enough of a reader for these files."""
    for stanza in re.split(r"^SOURCE\b", access_conf, flags=re.MULTILINE)[1:]:
        words = dict(line.split(maxsplit=1) for line in stanza.splitlines()[1:])
        key = base64.b64decode(words.get("KEY_BASE64", "")) or words["KEY"].encode()
        mode = CipherMode[words.get("ENCRYPTION_MODE", "cbc").upper()]
        mac_key = base64.b64decode(words.get("HMAC_KEY_BASE64", "")) or None
        mac_key = words["HMAC_KEY"].encode() if "HMAC_KEY" in words else mac_key
        yield Credential(
            Secret(key[:16] if mode is CipherMode.LEGACY else key),
            mode,
            Secret(mac_key) if mac_key else None,
            Digest[words.get("HMAC_DIGEST_TYPE", "sha256").upper()],
        )


def opened(payload: bytes, access_conf: str) -> Opened | None:
    """Try every stanza; None if the envelope is bad or no stanza opens it."""
    if flaw(payload):
        return None
    for credential in credentials(access_conf):
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
    assert STRICTER.keys() | LONGER_THAN_FWKNOPD_TAKES <= {each["id"] for each in IN_SCOPE}


@pytest.mark.parametrize("vector", IN_SCOPE, ids=lambda vector: str(vector["id"]))
def test_we_open_what_fwknopd_decodes(vector: Vector) -> None:
    found = distinct(vector)
    if vector["id"] in LONGER_THAN_FWKNOPD_TAKES:
        assert len(found) == 1
        assert vector["decoded"] == 0
        return
    assert len(found) == STRICTER.get(vector["id"], vector["decoded"])
    if vector["id"] not in STRICTER:
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
    [credential] = credentials(vector["access_conf"])
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
