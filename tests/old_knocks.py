"""Golden sequences of the perl client 1.9.12 (old_knocks.json), and hits made of them."""

from __future__ import annotations

import json
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path
from typing import Final, NamedTuple

from watchword.errors import Place
from watchword.model.crypto import Secret
from watchword.model.hits import Hit, Look
from watchword.model.moments import Moment
from watchword.model.old_knocks import Encrypted, KnockTerms
from watchword.model.outcomes import Refusal
from watchword.model.policy import Policy, Terms
from watchword.model.requests import AccessWish, Request
from watchword.recognise.sequences import Knocked, SequenceRecogniser

TCP, UDP, ICMP = 6, 17, 1


class Golden(NamedTuple):
    number: int
    key: str
    allow: str
    protocol: int
    port: int
    user: str
    plaintext: str
    message: str


def _golden() -> tuple[Golden, ...]:
    found = json.loads(Path(__file__).with_suffix(".json").read_text("ascii"))
    assert len(found["vectors"]) == found["count"] > 0
    return tuple(Golden(**each) for each in found["vectors"])


GOLDEN: Final = _golden()
BAD_SUM: Final = "53616c7465645f5f01020304050607082667e9fcbc88f2fe95509adb32041d55"
WRONG_KEY: Final = "53616c7465645f5f0102030405060708a5825c90d25b3f2a85a86dd24f27d978"
BY_NUMBER: Final = {each.number: each for each in GOLDEN}
KEY: Final = Secret(b"testtest12")
HERE: Final = ip_address("10.77.0.1").packed
LINUX_2_4: Final = bytes.fromhex("020405B40402080A012046E40000000001030300")


def octets(number: int) -> bytes:
    return bytes.fromhex(BY_NUMBER[number].message)


def hit(
    source: str, port: int, protocol: int = TCP, source_port: int = 0, look: Look | None = None
) -> Hit:
    return Hit(ip_address(source).packed, HERE, protocol, port, source_port, look=look)


def hits(message: bytes, source: str = "10.77.0.11", offset: int = 61000) -> list[Hit]:
    """What a client that sends it hits, each from a port of its own."""
    return [hit(source, offset + octet, TCP, 40000 + at) for at, octet in enumerate(message)]


def stanza(knock: KnockTerms | None = None, number: int = 1, **terms: object) -> Terms:
    known = Terms(number, Place("access.conf", number), "ANY", None)
    return replace(known, knock=knock or Encrypted(KEY), **terms)  # type: ignore[arg-type]


def policy(*knocks: KnockTerms) -> Policy:
    return Policy(tuple(stanza(each, at + 1) for at, each in enumerate(knocks)))


def recogniser(*knocks: KnockTerms) -> SequenceRecogniser:
    return SequenceRecogniser(policy(*(knocks or (Encrypted(KEY),))))


def heard(
    recogniser: SequenceRecogniser, some: list[Hit], at: float = 100.0, step: float = 0.01
) -> list[Knocked]:
    """All that comes of hits that follow each other."""
    told: list[Knocked] = []
    for each in some:
        told += recogniser.observe(each, Moment(1_800_000_000.0 + at, at))
        at += step
    return told


def in_words(told: list[Knocked]) -> list[str]:
    """``1 opens tcp/22 for 10.77.0.11`` or ``1 refuses: bad protocol number: 64``."""
    said = []
    for knocked in told:
        for finding in knocked.findings:
            if isinstance(finding, Refusal):
                said.append(f"{finding.stanzas[0]} {finding.reason.word}: {finding.detail}")
            elif isinstance(finding, Request) and isinstance(finding.wish, AccessWish):
                what = ",".join(map(str, finding.wish.services))
                said.append(f"{finding.stanza} opens {what} for {finding.allow or 'its sender'}")
    return said
