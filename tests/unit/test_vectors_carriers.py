"""What the packaged client puts on the wire in every way, and what fwknopd takes out of HTTP.

In here: ``transport.json``, and the vectors of ``server.json`` that come in requests.
Not in here: keys and fields (test_vectors), packets that came by themselves
(test_vectors_server).
"""

from __future__ import annotations

import base64
import re
import struct
from ipaddress import ip_address
from typing import Any

import pytest

from tests.unit.test_vectors_server import VECTORS, opened
from watchword.conformance.golden import Vector, load, payload_of
from watchword.model.crypto import CipherMode, Credential, Digest, Secret
from watchword.model.reasons import Reason
from watchword.wire.carriers.headers import Ends, Ports, icmp_packet, tcp_packet, udp_packet
from watchword.wire.carriers.http import Carried, extract, request
from watchword.wire.carriers.stream import Collector, Progress
from watchword.wire.frames import Link, packet_of
from watchword.wire.spa.grammar import ANY_SOURCE, parse_access
from watchword.wire.spa.opening import Lock, flaw, unseal
from watchword.wire.spa.sealing import packet_digest

TRANSPORTS = {vector["id"]: vector for vector in load("transport")}
STREAMS = [vector for vector in TRANSPORTS.values() if "tcp_stream" in vector]
RAW = [vector for vector in TRANSPORTS.values() if vector["ip_packets"][0]["ttl"] == 255]
OVER_HTTP = [vector for vector in VECTORS.values() if vector["id"].startswith("srv-http")]

REQUESTS: dict[str, dict[str, Any]] = {
    "tr-http": {},
    "tr-http-ua": {"agent": "Mozilla/5.0 test"},
    "tr-http-proxy": {"proxy": "127.0.0.1"},
}
STRICTER = {"srv-http-prefix": 0, "srv-http-prefix-replay": 1}
"""How many packets we open where fwknopd decodes one more: inside HTTP it lets a prefix pass."""
SERVER_CODES = {Reason.LENGTH: 0x1000, Reason.PREFIX: 0x1000, Reason.ALPHABET: 0x1002}


def by_id(vector: Vector) -> str:
    return str(vector["id"])


def described(packet: bytes) -> dict[str, Any]:
    """An IPv4 packet in the words of the vectors."""
    total, _, frag, ttl, protocol = struct.unpack("!2xHHHBB", packet[:10])
    told: dict[str, Any] = {
        "total_length": total, "ttl": ttl, "protocol": protocol, "frag": frag,
        "src": str(ip_address(packet[12:16])), "dst": str(ip_address(packet[16:20])),
    }  # fmt: skip
    content, names, form = packet[20:], "sport dport udp_length udp_checksum", "!HHHH"
    if protocol == 1:
        names, form = "icmp_type icmp_code icmp_checksum icmp_id icmp_seq", "!BBHHH"
    elif protocol == 6:
        names, form = "sport dport seq ack data_offset flags window tcp_checksum", "!HHIIBBHH2x"
    size = struct.calcsize(form)
    told |= dict(zip(names.split(), struct.unpack(form, content[:size]), strict=True))
    if protocol == 6:
        told["data_offset"] >>= 4
    return told | {"payload": content[size:].decode("latin-1")}


def rebuilt(told: dict[str, Any]) -> bytes:
    """The packet that the vector's header values and payload ask for."""
    ends = Ends(ip_address(told["src"]), ip_address(told["dst"]))
    payload = told["payload"].encode("latin-1")
    if told["protocol"] == 1:
        kind, code, drawn = told["icmp_type"], told["icmp_code"], told["icmp_id"]
        return icmp_packet(payload, ends, kind=kind, code=code, echo_id=drawn)
    make = tcp_packet if told["protocol"] == 6 else udp_packet
    return make(payload, ends, Ports(told["sport"], told["dport"]))


def test_no_vector_was_lost() -> None:
    assert len(TRANSPORTS) == 16
    assert (len(STREAMS), len(RAW)) == (4, 8)
    assert {each["id"] for each in STREAMS} == REQUESTS.keys() | {"tr-tcp"}
    assert len(OVER_HTTP) == 18
    assert STRICTER.keys() <= {each["id"] for each in OVER_HTTP}


@pytest.mark.parametrize("vector", TRANSPORTS.values(), ids=by_id)
def test_the_packet_that_travelled_is_the_one_that_was_sealed(vector: Vector) -> None:
    keys = [Secret(base64.b64decode(vector[name])) for name in ("key_b64", "hmac_key_b64")]
    credential = Credential(
        keys[0], CipherMode(vector["mode"]), keys[1], Digest(vector["hmac_type"])
    )
    packet = payload_of(vector)
    assert unseal(packet, Lock(credential)).message.text == "192.0.2.10,tcp/22"
    [captured] = vector["ip_packets"]
    travelled = captured["payload"].encode("latin-1")
    found = extract(travelled, any_agent=True)
    if vector["id"] == "tr-http-proxy":  # that is for a proxy, which makes a plain path of it
        travelled = travelled.replace(b"http://127.0.0.1", b"")
        found = extract(travelled)
    assert (found.payload if found else travelled) == packet
    assert (found is not None) == (vector["id"] in REQUESTS)


@pytest.mark.parametrize("vector", RAW, ids=by_id)
def test_a_raw_packet_is_built_as_the_packaged_client_builds_it(vector: Vector) -> None:
    [captured] = vector["ip_packets"]
    assert described(rebuilt(captured)) == captured


@pytest.mark.parametrize("vector", TRANSPORTS.values(), ids=by_id)
def test_a_packet_built_like_the_captured_one_is_read_again(vector: Vector) -> None:
    [told] = vector["ip_packets"]
    found = packet_of(rebuilt(told), Link.RAW)
    assert found is not None
    assert found.payload == told["payload"].encode("latin-1")
    assert (found.peer, found.local, found.protocol) == (told["src"], told["dst"], told["protocol"])
    assert (found.peer_port, found.local_port) == (told.get("sport", 0), told.get("dport", 0))


@pytest.mark.requirement("6.1", partial=True)
@pytest.mark.parametrize("name", REQUESTS)
def test_a_request_is_byte_for_byte_the_packaged_client_s(name: str) -> None:
    vector = TRANSPORTS[name]
    written = request(payload_of(vector), "127.0.0.1", **REQUESTS[name])
    assert written == vector["tcp_stream"].encode("latin-1")


@pytest.mark.parametrize("vector", STREAMS, ids=by_id)
def test_a_stream_that_the_packaged_client_sent_is_collected(vector: Vector) -> None:
    stream = vector["tcp_stream"].encode("latin-1")
    collector = Collector(requests=True)
    progress = collector.feed(stream)
    if vector["id"] == "tr-http-proxy":
        assert (progress, collector.end()) == (Progress.HOPELESS, None)
        return
    assert progress is (Progress.WHOLE if vector["id"] in REQUESTS else Progress.MORE)
    assert collector.end() == stream


def payload_in(vector: Vector, sent: dict[str, Any], *, any_agent: bool = False) -> bytes:
    """What a server with this vector's settings goes on with."""
    captured: bytes = sent["payload"].encode("latin-1")
    enabled = "ENABLE_SPA_OVER_HTTP Y" in vector["fwknopd_conf"]
    found = extract(captured, any_agent=any_agent) if enabled else None
    return found.payload if found else captured


@pytest.mark.requirement("6.1", partial=True)
@pytest.mark.requirement("2.14", partial=True)
@pytest.mark.parametrize("vector", OVER_HTTP, ids=by_id)
def test_we_open_what_fwknopd_decodes_from_requests(vector: Vector) -> None:
    payloads = {payload_in(vector, sent) for sent in vector["packets"]}
    found = {each for each in payloads if opened(each, vector["access_conf"])}
    assert len(found) == STRICTER.get(vector["id"], vector["decoded"])
    stored = {base64.b64decode(text + "=") for text in vector["replay_digests_stored"]}
    assert {packet_digest(each) for each in found} <= stored
    assert vector["id"] in STRICTER or len(found) == len(stored)


@pytest.mark.parametrize("vector", OVER_HTTP, ids=by_id)
def test_we_refuse_for_the_reason_that_fwknopd_names(vector: Vector) -> None:
    told = re.findall(r"returned error ([0-9]+)", " ".join(vector["log"]))
    flaws = [flaw(payload_in(vector, sent)) for sent in vector["packets"]]
    refused = [SERVER_CODES[each] for each in flaws if each]
    if vector["id"] in STRICTER:
        assert (flaws[-1], told) == (Reason.PREFIX, [])
    else:
        assert refused == [int(code) for code in told]


def test_another_agent_is_taken_where_any_agent_is() -> None:
    vector = VECTORS["srv-http-ua"]
    [sent] = vector["packets"]
    assert opened(payload_in(vector, sent), vector["access_conf"]) is None
    assert opened(payload_in(vector, sent, any_agent=True), vector["access_conf"])


@pytest.mark.parametrize(
    ("name", "claimed"),
    [
        ("srv-http", None),
        ("srv-http-xff", "203.0.113.9"),
        ("srv-http-xff-named", "203.0.113.9"),
        ("srv-http-xff-list", None),
        ("srv-http-xff-bad", None),
    ],
)
def test_who_is_let_in_is_whom_fwknopd_lets_in(name: str, claimed: str | None) -> None:
    vector = VECTORS[name]
    [sent] = vector["packets"]
    found = extract(sent["payload"].encode("latin-1"))
    assert isinstance(found, Carried)
    assert found.forwarded_for == (ip_address(claimed) if claimed else None)
    inside = opened(found.payload, vector["access_conf"])
    assert inside is not None
    allow, _ = parse_access(inside.message.text)
    who = (found.forwarded_for or sent["src"]) if allow == ANY_SOURCE else allow
    assert f"Added access rule to FWKNOP_INPUT for {who} -> " in " ".join(vector["log"])
    warned = re.search(r"X-Forwarded-For header: value '([^']*)'", " ".join(vector["log"]))
    assert bool(warned) == (found.forwarded_for is None and found.forwarded_text != "")
    assert warned is None or found.forwarded_text.split()[0] == warned[1]


@pytest.mark.requirement("8.4", partial=True)
@pytest.mark.parametrize("name", ["srv-http-prefix", "srv-http-prefix-replay"])
def test_a_prefix_put_back_inside_a_request_does_not_make_a_new_packet(name: str) -> None:
    """Weakness 2 of chapter 16: fwknopd opened the door again, HMAC or not."""
    vector = VECTORS[name]
    found = extract(vector["packets"][-1]["payload"].encode("latin-1"))
    assert found is not None
    assert found.payload.startswith(b"U2FsdGVkX1")
    assert flaw(found.payload) is Reason.PREFIX
    genuine = found.payload.removeprefix(b"U2FsdGVkX1")
    assert opened(genuine, vector["access_conf"])
