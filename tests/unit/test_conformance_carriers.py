"""What is carried is compared with what the recorded client puts on the wire."""

from __future__ import annotations

from dataclasses import replace

import pytest

from watchword.conformance.carriers import Demand, amiss, demands
from watchword.conformance.golden import Vector, load
from watchword.conformance.wiretap import Carried

RECORDED: dict[str, Vector] = {vector["id"]: vector for vector in load("transport")}
DEMANDS: dict[str, Demand] = {demand.name: demand for demand in demands()}


def carried(name: str) -> Carried:
    """What was captured of the recorded client."""
    vector = RECORDED[name]
    [packet] = vector["ip_packets"]
    kind = (packet["icmp_type"], packet["icmp_code"]) if "icmp_type" in packet else None
    payload = vector.get("tcp_stream") or packet["payload"]
    return Carried(
        packet["protocol"], packet["src"], packet.get("sport", 0), packet["dst"],
        packet.get("dport", 0), payload.encode("latin-1"), kind,
    )  # fmt: skip


@pytest.mark.parametrize("name", RECORDED)
def test_the_recorded_client_meets_its_own_record(name: str) -> None:
    """But for the user, who the record is not of."""
    said = list(amiss(carried(name), DEMANDS[name]))
    assert [each for each in said if not each.startswith("user is ")] == []


def test_only_udp_is_demanded_of_every_client() -> None:
    assert {name for name, demand in DEMANDS.items() if demand.mandatory} == {
        "tr-udp", "tr-udp-port", "tr-udp-sport", "tr-rand-port",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("tr-udp", {"port": 62202}, "the port is 62202 instead of 62201"),
        ("tr-udp", {"protocol": 6}, "the protocol is 6 instead of 17"),
        ("tr-udp", {"payload": b"x" * 200}, "the packet cannot be opened: "),
        ("tr-udp", {"destination": "127.0.0.2"}, "the destination is 127.0.0.2 instead of"),
        ("tr-rand-port", {"port": 62}, "port 62 is not drawn from 10000 to 65535"),
        ("tr-udpraw-spoof", {"source": "127.0.0.1"}, "the source is 127.0.0.1 instead of"),
        ("tr-udpraw-spoof", {"source_port": 9}, "the source port is 9 instead of 5555"),
        ("tr-icmp-other", {"kind": (8, 0)}, "type and code is (8, 0) instead of (3, 4)"),
        ("tr-http", {"payload": b"POST / HTTP/1.0\r\n\r\n"}, "b'POST / HTTP/1.0"),
    ],
)
def test_every_difference_is_told(name: str, change: dict[str, object], said: str) -> None:
    wrong = replace(carried(name), **change)  # type: ignore[arg-type]
    assert [each for each in amiss(wrong, DEMANDS[name]) if each.startswith(said)]


def test_the_version_of_an_http_client_is_its_own_affair() -> None:
    recorded = carried("tr-http")
    other = recorded.payload.replace(b"Fwknop/2.6.10", b"Fwknop/3.1-other")
    assert other != recorded.payload
    said = amiss(replace(recorded, payload=other), DEMANDS["tr-http"])
    assert [each for each in said if not each.startswith("user is ")] == []


def test_udp_over_ipv6_asks_for_the_same_of_the_other_loopback() -> None:
    demand = DEMANDS["ipv6-udp"]
    assert (demand.destination, demand.source, demand.port) == ("::1", "::1", 62201)
    assert "127.0.0.1" not in demand.options
    assert not demand.mandatory
