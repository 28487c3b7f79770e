"""Packets of strangers.

Invariant: any bytes are refused with SpaError, or they are the one packet that
their key, their salt and their plaintext make. So what is accepted has no
second spelling, neither for those who know the key nor for those who do not.

An input is the number of a credential (2 bytes) and a payload.
"""

from __future__ import annotations

import string
from base64 import b64decode
from random import Random

from fuzz import keys
from fuzz.target import Scramble, Target
from watchword.model.crypto import Credential
from watchword.wire.spa import base64text
from watchword.wire.spa.errors import SpaError
from watchword.wire.spa.inspecting import inspect
from watchword.wire.spa.lengths import LONGEST, SHORTEST
from watchword.wire.spa.mac import PREFIX
from watchword.wire.spa.opening import Bunch, Lock, flaw, unseal

_ALPHABET = frozenset((string.ascii_letters + string.digits + "+/").encode("ascii"))
_LONGEST = 1600


def check(octets: bytes) -> str:
    credential, payload = keys.named(octets)
    lock = Lock(credential)
    _check_envelope(payload)
    fits = lock.fits(payload)
    assert fits == (Bunch([lock]).first_fit(payload) == 0)
    body = payload[: max(0, len(payload) - lock.mac_chars)]
    assert fits == (payload == keys.with_mac(body, credential))
    if not len(payload) % 8:  # it takes ten times as long as everything else here
        _check_inspection(payload, lock)
    try:
        opened = unseal(payload, lock)
    except SpaError as error:
        _check_words(error, payload, credential)
        assert not (fits and _opens(lock, payload))
        return f"refused {error.code.value}"
    assert fits
    assert lock.open(payload) == opened
    assert payload == keys.packet(opened.plaintext, credential, salt_of(payload, lock))
    return "accepted"


def _check_envelope(payload: bytes) -> None:
    if flaw(payload) is None:
        assert SHORTEST <= len(payload) <= LONGEST
        assert _ALPHABET.issuperset(payload)


def _check_inspection(payload: bytes, lock: Lock) -> None:
    """What is shown to people is there for any bytes, and cannot steer their terminal."""
    seen = inspect(payload, lock)
    assert all(line.isprintable() for line in str(seen).split("\n"))
    assert (seen.inside is None) != (seen.refused is None)
    assert seen.inside is None or seen.is_canonical
    assert str(inspect(payload))


def _opens(lock: Lock, payload: bytes) -> bool:
    try:
        lock.open(payload)
    except SpaError:
        return False
    return True


def _check_words(error: SpaError, payload: bytes, credential: Credential) -> None:
    said = f"{error} {error!r}".encode("utf-8", "surrogateescape")
    for secret in (credential.key, credential.mac_key):
        assert secret is None or len(secret) < 8 or secret.reveal() not in said
    assert len(payload) < 24 or payload[:24] not in said


def salt_of(payload: bytes, lock: Lock) -> bytes:
    """The salt of a packet whose base64 is sound, read without the product's decoder."""
    text = PREFIX + payload[: len(payload) - lock.mac_chars]
    return b64decode(text + b"=" * (-len(text) % 4))[8:16]


def mutate(octets: bytes, source: Random, scramble: Scramble) -> bytes:
    """Change the text, or the bytes that it stands for and then the MAC after them."""
    number, payload = octets[:2], octets[2:]
    credential, _ = keys.named(octets)
    body = payload[: len(payload) - Lock(credential).mac_chars]
    match source.randrange(6):
        case 0:
            return scramble(octets, _LONGEST)
        case 1 | 2:
            return number + scramble(payload, _LONGEST)
        case 3:
            return number + keys.with_mac(scramble(body, _LONGEST), credential)
        case _:
            return number + keys.with_mac(_other_bytes(body, scramble), credential)


def _other_bytes(body: bytes, scramble: Scramble) -> bytes:
    try:
        container = base64text.decode_leniently(PREFIX + body)
    except ValueError:
        return scramble(body, _LONGEST)
    text = base64text.encode(scramble(container, _LONGEST))
    return text.removeprefix(PREFIX)


TARGET = Target(
    "packets",
    "any payload is refused with SpaError, or is the only spelling of its salt and plaintext",
    check,
    keys.golden_packets,
    mutate,
    words=(PREFIX, b"=", b"==", b"hQ"),
    longest=_LONGEST,
)
