"""What a caller asks for in words, behind a valid key.

Invariant: it is refused, or everybody whom it lets in stands in the words, or in the packet, and is
within what the stanza has; and the process that may change the firewall would open the same.

An input is what follows the first word of the message.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address, ip_network
from typing import Final

from fuzz.target import Target
from watchword.errors import Place
from watchword.grant.decide import authorise
from watchword.grant.granting import granted
from watchword.grant.permits import Permit
from watchword.grant.warrants import against
from watchword.model.callers import Binding, CallerTerms
from watchword.model.crypto import Credential, Secret
from watchword.model.moments import Moment
from watchword.model.openings import Caller, Opening
from watchword.model.orders import Wanted
from watchword.model.outcomes import Refusal
from watchword.model.packets import Packet
from watchword.model.policy import Policy, Terms
from watchword.model.requests import CommandWish, ReplayKey, Request, Sighting
from watchword.model.services import Proto, Service

NOW: Final = Moment(1_700_000_000.0, 5_000.0)
PEER: Final = ip_address("198.51.100.2")
SSH, DNS = Service(Proto.TCP, 22), Service(Proto.UDP, 53)
PREFIXES: Final = ((4, 24), (6, 64))
BARRED: Final = ip_network("203.0.113.0/24")
CALLERS: Final = CallerTerms(Binding.OFFERED, PREFIXES, more=2)
POLICY: Final = Policy(
    (
        Terms(
            1,
            Place("access.conf", 1),
            "ANY",
            Credential(Secret(b"key"), mac_key=Secret(b"MAC")),
            open_services=frozenset({SSH, DNS}),
            max_seconds=60,
            callers=CALLERS,
        ),
    ),
    blacklist=(BARRED,),
)
_KEY: Final = ReplayKey(bytes(32), bytes(32), Sighting(17, str(PEER), 1, "", 62201, NOW.wall))


def check(octets: bytes) -> str:
    text = octets.decode("utf-8", "replace")
    packet = Packet(b"", str(PEER), 40000, "203.0.113.1", 62201)
    wish = CommandWish(f"admit {text}")
    asked = Request(1, packet, "alice", int(NOW.wall), "3.0.0", wish, None, 0, _KEY)
    answer = authorise(POLICY, asked, NOW)
    if isinstance(answer, Refusal):
        return f"refused: {answer.reason.word}"
    assert isinstance(answer, Permit), "no command is run here"
    assert set(answer.services) <= {SSH, DNS}
    assert 0 < answer.seconds <= 60
    words = text.split()
    named = {each for at, each in enumerate(words) if at and words[at - 1] == "also"}
    grant = granted(answer, NOW)
    assert len(grant.callers) <= 1 + CALLERS.more
    for caller in grant.callers:
        assert_allowed(caller, named, words)
    for hole in grant.holes:
        assert not against(POLICY, Wanted(Opening(hole, grant.until), 1, PEER), NOW)
    return f"let in: {len(grant.callers)}"


def assert_allowed(caller: Caller, named: set[str], words: list[str]) -> None:
    who, extent = caller
    whole = ip_network((who, extent.bits if extent and extent.bits else who.max_prefixlen))
    asked = [PEER, *(ip_address(each) for each in named)]
    mapped = [getattr(each, "ipv4_mapped", None) or each for each in asked]
    assert any(each.version == whole.version and each in whole for each in mapped)
    assert whole.version != BARRED.version or not whole.overlaps(BARRED)
    assert not who.is_multicast
    if extent is not None and extent.port:
        assert str(extent.port) in {each.lstrip("0") for each in words}
    elif extent is not None:
        assert (who.version, extent.bits) in PREFIXES


def seeds() -> Iterator[bytes]:
    yield from (
        b"tcp/22 port 40123",
        b"tcp/22,udp/53 port 1 for 9",
        b"tcp/22 prefix 24 also 2001:db8::7",
        b"tcp/22 also 192.0.2.1 also 2001:db8::7",
        b"tcp/22 also 203.0.113.9",
        b"tcp/22 prefix 16",
        b"tcp/80 port 9",
        b"tcp/22 also ::ffff:192.0.2.1 for 9999",
        b"tcp/22",
    )


TARGET = Target(
    "admits",
    "what is asked for in words is refused, or everybody whom it lets in is named and allowed",
    check,
    seeds,
    words=(
        b"tcp/22", b"udp/53", b" port ", b" prefix ", b" also ", b" for ", b"24", b"64",
        b"198.51.100.2", b"2001:db8::", b"::ffff:", b"224.0.0.1", b"%eth0",
    ),
    longest=300,
)  # fmt: skip
