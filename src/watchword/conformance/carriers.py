"""Holds a client program against what the recorded client puts on the wire.

In here: each transport of ``transport.json``, live on the loopback of a throw-away
host, and UDP over IPv6 besides.
Not in here: what the packet inside says beyond what was asked for (clients).

UDP is demanded. A client that refuses one of the others, with an exit status and
nothing sent, is passed over for it: it need not know every carrier.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from watchword.conformance import golden
from watchword.conformance.clients import differences, open_sealed
from watchword.conformance.findings import Finding, Verdict
from watchword.conformance.golden import Vector
from watchword.conformance.runs import run
from watchword.conformance.wiretap import Carried, Wiretap
from watchword.lab.hosts import Lab, can_make_namespaces
from watchword.model.crypto import CipherMode, Credential, Digest, Secret
from watchword.spa import Message, MessageType, SpaError
from watchword.wire.frames import TCP, UDP

GROUP: Final = "carrier"
LISTENING: Final = (62201, 80, 3128)
"""TCP ports that the vectors connect to."""
MANDATORY: Final = {"tr-udp", "tr-udp-port", "tr-udp-sport", "tr-rand-port"}
RANDOM_PORTS: Final = range(10000, 65536)
"""What ``-r`` may draw."""
_CREDENTIAL: Final = Credential(
    Secret(b"transport-key-1"), CipherMode.CBC, Secret(b"transport-hmac-1"), Digest.SHA256
)
_WANTED: Final = Message(
    random="", user="tester", sent_at=0, version="3.0.0", type=MessageType.ACCESS,
    text="192.0.2.10,tcp/22",
)  # fmt: skip
_AGENT: Final = re.compile(rb"(?<=User-Agent: Fwknop/)[^\r\n]+")
_URL_SAFE: Final = bytes.maketrans(b"-_", b"+/")


@dataclass(frozen=True, slots=True)
class Demand:
    """One command line, and what has to be seen of it."""

    name: str
    options: tuple[str, ...]
    protocol: int
    destination: str
    port: int | None
    """None: a port of RANDOM_PORTS, or there are no ports."""
    source: str
    source_port: int | None
    """None: any."""
    kind: tuple[int, int] | None
    around: tuple[bytes, bytes] = (b"", b"")
    """What stands before and after the packet; the packet is url-safe where this is not empty."""

    @property
    def mandatory(self) -> bool:
        return self.name in MANDATORY


def demands() -> Iterator[Demand]:
    """Those of the vectors, and UDP over IPv6, which the recorded client does not have."""
    for vector in golden.load("transport"):
        yield _demand(vector)
    plain = _demand(golden.load("transport")[0])
    options = tuple("::1" if option == "127.0.0.1" else option for option in plain.options)
    yield Demand("ipv6-udp", options, UDP, "::1", plain.port, "::1", None, None)


def judge(program: Sequence[str]) -> Iterator[Finding]:
    """One finding for each carrier, or one that says why this machine cannot try them."""
    if why := can_make_namespaces():
        yield Finding(GROUP, "all", Verdict.SKIP, why)
        return
    with Lab() as lab:
        host = lab.host("client")
        with Wiretap(host, LISTENING) as tap:
            for demand in demands():
                yield _seen(program, demand, host.prefix, tap)


def _demand(vector: Vector) -> Demand:
    [recorded] = vector["ip_packets"]
    options = tuple(vector["argv"][1:])
    raw = any(option in options for option in ("tcpraw", "udpraw", "icmp"))
    kind = (recorded["icmp_type"], recorded["icmp_code"]) if "icmp_type" in recorded else None
    return Demand(
        name=vector["id"],
        options=options,
        protocol=recorded["protocol"],
        destination=recorded["dst"],
        port=None if kind or "-r" in options else recorded["dport"],
        source=recorded["src"],
        source_port=recorded["sport"] if raw and "-S" in options else None,
        kind=kind,
        around=_around(vector),
    )


def _around(vector: Vector) -> tuple[bytes, bytes]:
    """What HTTP puts around the packet."""
    stream = str(vector.get("tcp_stream", vector["packet"]))
    packet = vector["packet"]
    inside = packet if packet in stream else packet.translate(str.maketrans("+/", "-_"))
    before, after = stream.split(inside)
    return before.encode("latin-1"), after.encode("latin-1")


def _seen(program: Sequence[str], demand: Demand, before: Sequence[str], tap: Wiretap) -> Finding:
    ran = run(program, demand.options, before=before)
    sent = [each for each in tap.carried() if not _is_noise(each, demand)]
    if not sent and not ran.ended_well and not demand.mandatory:
        return Finding(GROUP, demand.name, Verdict.SKIP, f"the program declines: {ran}")
    if not sent:
        return Finding(GROUP, demand.name, Verdict.FAIL, f"nothing is sent; {ran}")
    wrong = list(amiss(sent[0], demand))
    if len(sent) > 1:
        wrong.append(f"{len(sent)} packets are sent instead of one")
    verdict = Verdict.FAIL if wrong else Verdict.PASS
    return Finding(GROUP, demand.name, verdict, "; ".join(wrong))


def _is_noise(one: Carried, demand: Demand) -> bool:
    """What the kernel answers: to closed ports, and with ICMP echo."""
    answers = one.kind is not None and (demand.kind is None or one.kind != demand.kind)
    return answers or (demand.protocol == TCP and one.source_port == demand.port)


def amiss(one: Carried, demand: Demand) -> Iterator[str]:
    """Every difference between what was carried and what was demanded, in words."""
    for what, found, wanted in (
        ("the protocol", one.protocol, demand.protocol),
        ("the destination", one.destination, demand.destination),
        ("the source", one.source, demand.source),
        ("type and code", one.kind, demand.kind),
    ):
        if found != wanted:
            yield f"{what} is {found} instead of {wanted}"
    if demand.port is None and demand.kind is None and one.port not in RANDOM_PORTS:
        yield f"port {one.port} is not drawn from {RANDOM_PORTS[0]} to {RANDOM_PORTS[-1]}"
    if demand.port is not None and one.port != demand.port:
        yield f"the port is {one.port} instead of {demand.port}"
    if demand.source_port not in (None, one.source_port):
        yield f"the source port is {one.source_port} instead of {demand.source_port}"
    yield from _content_amiss(one.payload, demand.around)


def _content_amiss(payload: bytes, around: tuple[bytes, bytes]) -> Iterator[str]:
    before, after = (_AGENT.sub(b"", text) for text in around)
    text = _AGENT.sub(b"", payload)
    if not (text.startswith(before) and text.endswith(after)):
        yield f"{text[:40]!r} does not look as recorded"
        return
    packet = text[len(before) : len(text) - len(after)]
    if before:
        packet = packet.translate(_URL_SAFE)
    try:
        yield from differences(_WANTED, open_sealed(packet, _CREDENTIAL).message)
    except SpaError as error:
        yield f"the packet cannot be opened: {error.code.label}"
