"""Plaintexts behind valid keys, through everything that says yes or no to a request.

Invariant: nothing is permitted but what the plaintext asks for in so many
words, within what the stanza offers; and nothing at all where the inner digest
is not that of the text. What the plaintext asks for is read here a second
time, with nothing of the product's reading.

An input is a byte that chooses the stanza whose key seals it, and then one of
``plaintexts``.
"""

from __future__ import annotations

import hashlib
from base64 import b64decode, b64encode
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address
from itertools import product
from random import Random
from socket import inet_aton
from typing import Final

from fuzz import keys
from fuzz.target import Scramble, Target
from fuzz.targets import plaintexts
from watchword.errors import Place
from watchword.grant.decide import authorise
from watchword.grant.permits import Permit
from watchword.model.crypto import Credential, Digest, Secret
from watchword.model.moments import Moment
from watchword.model.outcomes import Refusal
from watchword.model.packets import Packet
from watchword.model.policy import Policy, Terms
from watchword.model.requests import AccessWish, CommandWish, ForwardWish, Request
from watchword.model.services import Proto, Service
from watchword.recognise.spa import SpaRecogniser

NOW: Final = Moment(1_700_000_000.0, 5_000.0)
PEER: Final = "198.51.100.2"
SSH, DNS, WEB = Service(Proto.TCP, 22), Service(Proto.UDP, 53), Service(Proto.TCP, 80)


def _terms(number: int, **more: object) -> Terms:
    credential = CREDENTIALS[number - 1]
    return Terms(number, Place("access.conf", number), "ANY", credential, **more)  # type: ignore[arg-type]


CREDENTIALS: Final = (
    Credential(Secret(b"first key"), mac_key=Secret(b"first MAC")),
    Credential(Secret(b"second key"), mac_key=Secret(b"second MAC")),
    Credential(Secret(b"second key"), mac_key=Secret(b"third MAC")),
    Credential(Secret(b"fourth key")),
)
STANZAS: Final = (
    _terms(1, open_services=frozenset({SSH, DNS}), max_seconds=60),
    _terms(2, users=frozenset({"alice"}), source_required=True),
    _terms(3, closed_services=frozenset({WEB})),
    _terms(4, open_services=frozenset({SSH}), users=frozenset({"bob"})),
)
POLICY: Final = Policy(STANZAS)
CHOOSY: Final = Policy(STANZAS, digests=frozenset({Digest.SHA256, Digest.SHA512}))
"""The same, for a few digests inside the packet only."""
_RECOGNISER = SpaRecogniser(POLICY)


def check(octets: bytes) -> str:
    which = octets[0] % len(STANZAS) if octets else 0
    sealing = STANZAS[which]
    plaintext = plaintexts.text_of(octets[1:])
    packet = Packet(keys.packet(plaintext, CREDENTIALS[which]), PEER, 40000, "203.0.113.1", 62201)
    said = "refused"
    for finding in _RECOGNISER.observe(packet, NOW):
        if isinstance(finding, Refusal):
            continue
        assert isinstance(finding, Request)
        assert finding.stanza == sealing.number, "a stanza whose key did not seal it"
        assert finding.digest in closing(plaintext), "the inner digest is wrong"
        said = judged(finding, plaintext, sealing)
    return said


def judged(request: Request, plaintext: bytes, terms: Terms) -> str:
    """Hold a request, and what is decided about it, against the text."""
    fields = plaintext.split(b":")[:-1]
    assert_wanted(request, fields)
    answer = authorise(POLICY, request, NOW)
    if isinstance(answer, Refusal):
        return f"not permitted: {answer.reason.word}"
    assert isinstance(answer, Permit), "no stanza here runs commands"
    assert_permitted(answer, fields, terms)
    choosy = isinstance(authorise(CHOOSY, request, NOW), Permit)
    assert choosy == bool(closing(plaintext) & {Digest.SHA256, Digest.SHA512})
    return "permitted"


def closing(plaintext: bytes) -> set[Digest]:
    """Which digest of what is before it the text ends in."""
    encoded, _, digest = plaintext.rpartition(b":")
    found = _folded(digest)
    return {
        kind
        for kind in Digest
        if hashlib.new(kind.name.lower(), encoded, usedforsecurity=False).digest() == found
    }


def _folded(field: bytes) -> bytes:
    try:
        return b64decode(field + b"=" * (-len(field) % 4), validate=True)
    except ValueError:
        return b""


def assert_wanted(request: Request, fields: list[bytes]) -> None:
    """Everything that a request says stands in the text, and in its place."""
    allow, _, rest = _folded(fields[5]).decode("utf-8", "surrogateescape").partition(",")
    assert request.user.encode("ascii") == _folded(fields[1])
    assert request.sent_at == int(fields[2])
    assert request.version.encode("ascii") == fields[3]
    assert request.allow == address_of(allow)
    kind = fields[4]
    match request.wish:
        case CommandWish(command):
            assert (kind, command) == (b"0", rest)
        case AccessWish(services):
            assert kind in (b"1", b"3")
            assert services == services_of(rest)
        case ForwardWish(services, host, port, local):
            assert kind in (b"2", b"4", b"5", b"6")
            assert local == (kind in (b"5", b"6"))
            assert services == services_of(rest)
            target, _, number = _folded(fields[6]).decode("ascii").partition(",")
            assert (host, port) == (target, int(number))
    assert request.seconds == (int(fields[-1]) if kind in (b"3", b"4", b"6") else 0)


def assert_permitted(permit: Permit, fields: list[bytes], terms: Terms) -> None:
    """Access only, to what the stanza offers, for whom and as long as it says."""
    wanted = set(services_of(_folded(fields[5]).decode("ascii").partition(",")[2]))
    assert fields[4] in (b"1", b"3")
    assert set(permit.services) == wanted
    assert len(permit.services) == len(wanted)
    assert terms.open_services is None or wanted <= terms.open_services
    assert not wanted & terms.closed_services
    assert not terms.users or _folded(fields[1]).decode("ascii") in terms.users
    assert abs(int(NOW.wall) - int(fields[2])) <= 120
    asked = address_of(_folded(fields[5]).decode("ascii").partition(",")[0])
    assert permit.who == (ip_address(PEER) if asked is None else asked)
    assert asked is not None or not terms.source_required
    assert not permit.who.is_multicast
    assert not permit.who.is_unspecified
    seconds = int(fields[-1]) if fields[4] == b"3" else 0
    assert permit.seconds == min(seconds or terms.default_seconds, terms.max_seconds) > 0


def services_of(text: str) -> tuple[Service, ...]:
    parts = [item.split("/") for item in text.split(",")]
    return tuple(Service(Proto(name), int(port)) for name, port in parts)


def address_of(text: str) -> IPv4Address | IPv6Address | None:
    """As the C library reads it, through the system's own ``inet_aton``; None for 0.0.0.0."""
    found = IPv6Address(text) if ":" in text else IPv4Address(inet_aton(text))
    return None if int(found) == 0 else found


_ASKED = (
    "198.51.100.2,tcp/22", "0.0.0.0,tcp/22", "2001:db8::7,udp/53", "010.0.0.1,tcp/22,udp/53",
    "198.51.100.2,tcp/22,tcp/80", "0.0.0.0,tcp/80", "224.0.0.1,tcp/22",
)  # fmt: skip


def seeds() -> Iterator[bytes]:
    for number, octets in enumerate(plaintexts.seeds()):
        yield bytes([number % len(STANZAS)]) + octets
    sha256 = list(Digest).index(Digest.SHA256)
    for stanza, text, user, offset in product(
        range(len(STANZAS)), _ASKED, ("alice", "bob"), (0, -120, 121)
    ):
        name, message = (b64encode(each.encode()).rstrip(b"=").decode() for each in (user, text))
        sent_at = int(NOW.wall) + offset
        encoded = f"1234567890123456:{name}:{sent_at}:3.0.0:3:{message}:45"
        yield bytes([stanza, sha256]) + encoded.encode("ascii")


def mutate(octets: bytes, source: Random, scramble: Scramble) -> bytes:
    stanza = octets[:1] if source.randrange(8) else bytes([source.randrange(len(STANZAS))])
    return stanza + plaintexts.mutate(octets[1:], source, scramble)


TARGET = Target(
    "grants",
    "nothing is permitted but what a text with the right digest asks for, and the stanza offers",
    check,
    seeds,
    mutate,
    words=(*plaintexts.TARGET.words, b"1700000000", b"1700000120", b"1699999879"),
    longest=plaintexts.TARGET.longest + 1,
)
