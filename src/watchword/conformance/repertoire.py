"""Which vectors a server is tried with, and which of them stand for all.

In here: trials made of the positive, lenient and negative vectors, and of garbage.
Pure: nothing is sent from here.
Not in here: packets for gpg (openpgp_trials), vectors that were recorded at a server
(server_vectors).
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from watchword.conformance import golden, openpgp_trials, server_vectors
from watchword.conformance.golden import Vector
from watchword.conformance.strictness import BEYOND_2038
from watchword.conformance.trials import (
    SENDER,
    SENDER_SIX,
    SHORTEST_VISIBLE,
    Knock,
    Must,
    Target,
    Trial,
    Unseen,
    stanza,
    targets_of,
    watched,
)
from watchword.model.crypto import CipherMode, Credential, Secret
from watchword.model.services import Proto, Service
from watchword.spa import VERSION, Message, MessageType, seal

NOT_SAYABLE: Final = "no stanza can have its keys"


def plan(everything: bool = False) -> tuple[list[Trial], list[Unseen]]:
    """All trials, or those that stand for all: a vector is taken if anything about it is new."""
    found = list(_found(everything))
    trials = [each for each in found if isinstance(each, Trial)]
    unseen = [each for each in found if isinstance(each, Unseen)]
    if not everything and (others := _packets(_found(everything=True)) - _packets(found)):
        name = f"{len(others)} packets more"
        unseen.append(Unseen("selection", name, "others stand for them; --all tries them"))
    return [*trials, _over_six(), _garbage()], unseen


def _found(everything: bool) -> Iterator[Trial | Unseen]:
    yield from _positive(everything)
    yield from _negative(everything)
    yield from openpgp_trials.trials(everything)
    yield from server_vectors.trials(everything)


def _packets(found: Iterable[Trial | Unseen]) -> set[str]:
    return {knock.name for each in found if isinstance(each, Trial) for knock in each.knocks}


def _positive(everything: bool) -> Iterator[Trial | Unseen]:
    vectors = [
        {**vector, "file": file}
        for file in golden.files_of_kind("positive")
        for vector in golden.load(file)
    ]
    if not everything:
        vectors = [vector for vector in vectors if not vector.get("lenient")]
    hidden = {vector["id"]: why for vector in vectors if (why := _cannot_be_seen(vector))}
    seen = [vector for vector in vectors if vector["id"] not in hidden]
    for vector in vectors:
        if vector["id"] in hidden:
            yield Unseen(_group_of(vector), vector["id"], hidden[vector["id"]])
    for vector in seen if everything else stand_for_all(seen):
        yield _of_positive(vector)


def _group_of(vector: Vector) -> str:
    if vector.get("lenient"):
        return "lenient"
    if not _is_access(vector):
        return "not enabled"
    return "client packets" if vector["file"] == "client" else vector["file"].replace("_", " ")


def _is_access(vector: Vector) -> bool:
    return vector["fields"]["message_type"] in (MessageType.ACCESS, MessageType.TIMEOUT_ACCESS)


def _cannot_be_seen(vector: Vector) -> str:
    """Why nobody could tell whether a server does what this asks for; empty if one can."""
    if not _sayable(vector["encryption"]):
        return NOT_SAYABLE
    if vector.get("lenient") or not _is_access(vector):
        return ""
    if not targets_of(str(golden.text_of(vector["fields"]["message"]))):
        return "nobody can call from the address that it names"
    if 0 < vector["fields"]["client_timeout"] < SHORTEST_VISIBLE:
        return "it opens for too short a time to be seen"
    return ""


def _of_positive(vector: Vector) -> Trial:
    credential = golden.credential_of(vector["encryption"], vector["hmac"])
    must, targets = Must.SHUT, watched(SENDER)
    if vector.get("lenient"):
        must = Must.EITHER
    elif _is_access(vector):
        must, targets = Must.OPEN, targets_of(str(golden.text_of(vector["fields"]["message"])))
    return _single(_group_of(vector), vector, must, targets, credential)


def _single(
    group: str, vector: Vector, must: Must, targets: tuple[Target, ...], credential: Credential
) -> Trial:
    knock = Knock(vector["id"], golden.payload_of(vector), must, targets)
    return Trial(group, (knock,), stanza(credential), (credential,))


def _sayable(encryption: Vector) -> bool:
    """Whether a stanza can have this key and this mode at all.

    fwknopd cuts the key of a legacy stanza to 16 bytes; only the library takes longer ones.
    """
    modes = {each.value for each in CipherMode} - {CipherMode.ASYMMETRIC.value}
    longest = 16 if encryption["mode"] == CipherMode.LEGACY else 32
    return encryption["mode"] in modes and 0 < encryption["key_len"] <= longest


def stand_for_all(vectors: Sequence[Vector]) -> list[Vector]:
    """Every vector that has something that none before it has."""
    seen: set[tuple[str, object]] = set()
    chosen = []
    for vector in vectors:
        features = set(_features(vector))
        if not features <= seen:
            chosen.append(vector)
            seen |= features
    return chosen


def _features(vector: Vector) -> Iterator[tuple[str, object]]:
    keys = vector.get("encryption") or vector["decode"]
    mac = vector.get("hmac") or vector.get("decode", {}).get("hmac")
    yield "mode", keys["mode"]
    yield "key length", keys["key_len"] if keys["key_len"] in (1, 16, 31, 32) else "another"
    yield "HMAC", mac["type"] if mac else None
    if "error" in vector:
        yield "error", vector["error"]
        return
    yield "file", vector["file"]
    yield "made by", vector["source"]
    yield "digest", vector["digest"]["type"]
    yield "type", vector["fields"]["message_type"]
    yield "version", vector["fields"]["version"]
    if _is_access(vector):
        yield "message", str(vector["fields"]["message"])


def _negative(everything: bool) -> Iterator[Trial | Unseen]:
    vectors = []
    for vector in golden.all_of_kind("negative"):
        if _configurable(vector["decode"]):
            vectors.append(vector)
        else:
            yield Unseen("refusal", vector["id"], NOT_SAYABLE)
    for vector in vectors if everything else stand_for_all(vectors):
        credential = golden.credential_of(vector["decode"], vector["decode"]["hmac"])
        must = Must.EITHER if vector["id"] in BEYOND_2038 else Must.SHUT
        yield _single("refusal", vector, must, watched(SENDER), credential)


def _configurable(decode: Vector) -> bool:
    mac = decode["hmac"]
    return _sayable(decode) and (not mac or (1 <= mac["type"] <= 7 and 0 < mac["key_len"] <= 128))


def _over_six() -> Trial:
    """A packet over IPv6 for an IPv6 address, which fwknop 2.6 does not know."""
    credential = Credential(Secret(b"key for IPv6"), mac_key=Secret(b"HMAC key for IPv6"))
    message = Message(
        random="2001000000000068", user="alice", sent_at=1700000000, version=VERSION,
        type=MessageType.ACCESS, text=f"{SENDER_SIX},tcp/22",
    )  # fmt: skip
    target = Target(SENDER_SIX, Service(Proto.TCP, 22))
    payload = seal(message, credential, salt=b"six-salt")
    knock = Knock("over IPv6", payload, Must.OPEN, (target,), SENDER_SIX)
    return Trial("ipv6", (knock,), stanza(credential), (credential,), optional=True)


def _garbage() -> Trial:
    """What strangers may send that is no packet at all; the same in every run."""
    draw = random.Random(62201)  # noqa: S311  (to be the same, not to be secret)
    letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    noise = {
        "an empty datagram": b"",
        "one byte": b"9",
        "139 letters": bytes(draw.choices(letters, k=139)),
        "140 letters": bytes(draw.choices(letters, k=140)),
        "250 letters that begin like a packet": b"9" + bytes(draw.choices(letters, k=249)),
        "1472 letters": bytes(draw.choices(letters, k=1472)),
        "200 zero bytes": bytes(200),
        "200 bytes at random": draw.randbytes(200),
        "1400 bytes at random": draw.randbytes(1400),
        "an HTTP request": b"GET /" + b"A" * 200 + b" HTTP/1.1\r\nUser-Agent: Fwknop\r\n\r\n",
        "format characters": b"%n%s%x" * 40,
    }
    knocks = tuple(
        Knock(name, octets, Must.SHUT, watched(SENDER)) for name, octets in noise.items()
    )
    return Trial("garbage", knocks, "", ())
