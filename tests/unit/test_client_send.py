"""Which of a server's addresses a packet goes to."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest

from watchword.edges import dial
from watchword.edges.send import names, raw, send, sockets
from watchword.errors import HostError
from watchword.model.routes import Carrier, Route

SIX = (socket.AF_INET6, "::1")
FOUR = (socket.AF_INET, "127.0.0.1")
NOWHERE = (socket.AF_INET6, "2001:db8:ffff::1")
"""Documentation addresses lead nowhere; a machine without IPv6 has no way there, either."""


def udp(host: str, port: int, family: int | None = None) -> Route:
    return Route(carrier=Carrier.UDP, host=host, port=port, family=family)


@pytest.fixture
def port() -> Iterator[int]:
    """A port that is listened on in both families."""
    with (
        socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as six,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as four,
    ):
        six.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        six.bind(("::1", 0))
        four.bind(("127.0.0.1", six.getsockname()[1]))
        yield six.getsockname()[1]


def resolve_to(monkeypatch: pytest.MonkeyPatch, *found: tuple[int, str]) -> None:
    """Have every name resolve to these addresses, in this order."""

    def getaddrinfo(host: bytes, port: int, family: int, kind: int) -> list[Any]:
        assert (host, kind) == (b"server.example", socket.SOCK_DGRAM)
        return [
            (each, kind, 17, "", (address, port)) for each, address in found
            if family in (socket.AF_UNSPEC, each)
        ]  # fmt: skip

    monkeypatch.setattr(sockets, "getaddrinfo", getaddrinfo)


@pytest.mark.parametrize(
    ("order", "family", "address"),
    [
        ((SIX, FOUR), None, "::1"),
        ((FOUR, SIX), None, "127.0.0.1"),
        ((SIX, FOUR), 4, "127.0.0.1"),
        ((FOUR, SIX), 6, "::1"),
    ],
)
def test_the_systems_order_decides_unless_a_family_is_chosen(
    order: tuple[tuple[int, str], ...],
    family: int | None,
    address: str,
    port: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    resolve_to(monkeypatch, *order)
    sent = send(b"x" * 200, udp("server.example", port, family))
    assert (sent.address, sent.port, sent.octets) == (address, port, 200)


def test_an_address_that_cannot_be_reached_gives_way_to_the_next(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Blocked(socket.socket):
        def connect(self, endpoint: Any) -> None:
            if endpoint[0] == NOWHERE[1]:
                raise OSError(101, "Network is unreachable")
            super().connect(endpoint)

    monkeypatch.setattr(sockets, "socket", Blocked)
    resolve_to(monkeypatch, NOWHERE, FOUR)
    assert send(b"x", udp("server.example", port)).address == "127.0.0.1"

    resolve_to(monkeypatch, NOWHERE)
    with pytest.raises(HostError) as caught:
        send(b"x", udp("server.example", port))
    assert str(caught.value) == (
        "send_spa_packet: 2001:db8:ffff::1: Network is unreachable\n"
        "send_spa_packet: packet not sent."
    )


@pytest.mark.parametrize("host", ["a\0b", "127.0.0.1\0b", "ä" * 70, "no such host"])
def test_what_is_no_host_is_refused(host: str) -> None:
    with pytest.raises(HostError, match="packet not sent"):
        send(b"x", udp(host, 62201))
    with pytest.raises(HostError, match="has no address"):
        dial.addresses(host)


@pytest.mark.parametrize("carrier", [Carrier.UDP, Carrier.TCP])
def test_a_port_to_send_from_that_cannot_be_had_is_named(carrier: Carrier) -> None:
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken,
        socket.create_server(("127.0.0.1", 0), family=socket.AF_INET) as listening,
    ):
        taken.bind(("127.0.0.1", 0))
        holder = taken if carrier is Carrier.UDP else listening
        port = holder.getsockname()[1]
        with pytest.raises(HostError, match="Address already in use") as caught:
            send(b"x" * 200, Route(carrier, "127.0.0.1", 9, source_port=port))
    assert f"port {port}" in caught.value.hint


def test_a_forged_name_takes_the_family_that_it_has_an_address_of(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The server's name comes with IPv6 first, and the forged one is of IPv4 only."""
    known = {"server.example": [SIX, FOUR], "site.example": [(socket.AF_INET, "198.51.100.77")]}

    def looked_up(host: str, port: int, family: int | None) -> Iterator[tuple[int, Any]]:
        found = [each for each in known[host] if family != (4 if each[0] is SIX[0] else 6)]
        if not found:
            raise names.UnresolvedError("no address", hint="none")
        return iter([(kind, (address, port)) for kind, address in found])

    wire = Wire()
    monkeypatch.setattr(names, "looked_up", looked_up)
    monkeypatch.setattr(raw, "_open", lambda *_: wire)
    monkeypatch.setattr(raw, "_ear", lambda *_: Wire())
    route = Route(Carrier.UDP_RAW, "server.example", 62201, source="site.example", source_port=4000)
    assert send(b"x" * 200, route).address == "127.0.0.1"
    [packet] = wire.sent
    assert socket.inet_ntoa(packet[12:16]) == "198.51.100.77"


class Wire:
    """Takes packets, and keeps them."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def sendto(self, content: bytes, _place: object) -> int:
        self.sent.append(content)
        return len(content)
