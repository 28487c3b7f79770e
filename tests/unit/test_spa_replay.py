"""The two replays that fwknopd lets through cannot be had through the public library (chapter 16).

In here: a receiver that does what the library's documentation says, fed with
the packets of the vectors that show the weaknesses; and one that does what
fwknopd does, to show that the packets are the right ones.
Not in here: the server (test_gate, test_recognise_spa), HTTP.
"""

from __future__ import annotations

import base64

import pytest

from watchword import spa
from watchword.conformance.golden import load

VECTORS = {vector["id"]: vector for vector in load("server")}
KEY = spa.Secret(b"K" * 16)
MAC_KEY = spa.Secret(b"M" * 16)
PREFIX = b"U2FsdGVkX1"


class Receiver:
    """Opens packets and remembers them by some of their digests."""

    def __init__(self, lock: spa.Lock, *, as_fwknopd: bool = False) -> None:
        self.lock = lock
        self.as_fwknopd = as_fwknopd
        self.seen: set[bytes] = set()

    def accepts(self, payload: bytes) -> bool:
        if not self.as_fwknopd and spa.flaw(payload):
            return False
        try:
            opened = spa.unseal(payload, self.lock)
        except spa.SpaError:
            return False
        keys = {spa.packet_digest(payload)}
        if not self.as_fwknopd:
            keys.add(spa.plaintext_digest(opened.plaintext))
        new = not keys & self.seen
        self.seen |= keys
        return new


def keys_of(name: str) -> spa.Credential:
    """The keys of a vector's one stanza."""
    lines = VECTORS[name]["access_conf"].splitlines()
    words = dict(line.split(maxsplit=1) for line in lines)
    mac_key = words.get("HMAC_KEY_BASE64")
    return spa.Credential(
        spa.Secret(base64.b64decode(words["KEY_BASE64"])),
        mac_key=spa.Secret(base64.b64decode(mac_key)) if mac_key else None,
    )


def payloads_of(name: str) -> list[bytes]:
    return [packet["payload"].encode("latin-1") for packet in VECTORS[name]["packets"]]


@pytest.mark.requirement("8.4", partial=True)
def test_a_packet_without_hmac_is_accepted_once_in_whatever_words() -> None:
    name = "srv-replay-variants"
    strict = Receiver(spa.Lock(keys_of(name)))
    lenient = Receiver(spa.LenientLock(keys_of(name)))
    as_fwknopd = Receiver(spa.LenientLock(keys_of(name)), as_fwknopd=True)
    payloads = payloads_of(name)
    assert len(payloads) == 5

    assert [as_fwknopd.accepts(each) for each in payloads] == [True] * 5
    assert [strict.accepts(each) for each in payloads] == [True] + [False] * 4
    assert [lenient.accepts(each) for each in payloads] == [True] + [False] * 4


@pytest.mark.requirement("8.4", partial=True)
def test_the_order_of_the_words_does_not_matter() -> None:
    name = "srv-replay-variants"
    lenient = Receiver(spa.LenientLock(keys_of(name)))
    accepted = [lenient.accepts(each) for each in reversed(payloads_of(name))]
    assert accepted.count(True) == 1


@pytest.mark.requirement("8.4", partial=True)
def test_a_prefix_put_back_in_front_of_a_packet_with_hmac_gains_nothing() -> None:
    name = "srv-http-prefix-replay"
    plain, prefixed = (
        request.split()[1][1:].translate(bytes.maketrans(b"-_", b"+/"))
        for request in payloads_of(name)
    )
    assert prefixed == PREFIX + plain
    strict = Receiver(spa.Lock(keys_of(name)))
    lenient = Receiver(spa.LenientLock(keys_of(name)))
    as_fwknopd = Receiver(spa.LenientLock(keys_of(name)), as_fwknopd=True)

    assert [as_fwknopd.accepts(each) for each in (plain, prefixed)] == [True, True]
    assert [strict.accepts(each) for each in (plain, prefixed)] == [True, False]
    assert [lenient.accepts(each) for each in (plain, prefixed)] == [True, False]


def test_a_lenient_lock_alone_does_not_tell_them_apart_and_the_plaintext_does() -> None:
    """Without ``flaw``, what is left is the digest that the documentation names."""
    message = spa.access(
        spa.ANY_SOURCE, [spa.Service.parse("tcp/22")], user="alice", now=1.0, random=bytes
    )
    credential = spa.Credential(KEY, mac_key=MAC_KEY)
    lock = spa.LenientLock(credential)
    payload = spa.seal(message, credential, salt=b"saltsalt")
    once, again = spa.unseal(payload, lock), spa.unseal(PREFIX + payload, lock)
    assert spa.packet_digest(payload) != spa.packet_digest(PREFIX + payload)
    assert spa.plaintext_digest(once.plaintext) == spa.plaintext_digest(again.plaintext)
    with pytest.raises(spa.SpaError) as refused:
        spa.unseal(PREFIX + payload, spa.Lock(credential))
    assert refused.value.reason is spa.Reason.MAC_MISMATCH
