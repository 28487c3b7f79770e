"""Packets over connections: what arrives, what is read of the answer, what a bad other side does.

Everything stays on the loopback.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.relay_double import relaying
from watchword.edges.send import addresses, connections, names, send, sockets
from watchword.errors import HostError
from watchword.model.crypto import Secret
from watchword.model.relays import Login, Relay, RelayKind
from watchword.model.routes import Carrier, Route
from watchword.wire.carriers.http import extract, request

PAYLOAD = b"+/" + b"A" * 200
ANSWER = b"HTTP/1.1 404 Not Found\r\n\r\n"


class Server:
    """Takes one connection, hears it to its end or to a blank line, says something, closes."""

    def __init__(self, say: bytes | Callable[[socket.socket], None], host: str) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.listener = socket.create_server((host, 0), family=family)
        self.port: int = self.listener.getsockname()[1]
        self.heard = b""
        self.caller: tuple[str, int] = ("", 0)
        self._say = say
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            channel, peer = self.listener.accept()
            self.caller = peer[:2]
            with channel, contextlib.suppress(OSError):
                channel.settimeout(60)
                if callable(self._say):
                    self._say(channel)
                    return
                while b"\r\n\r\n" not in self.heard and (piece := channel.recv(4096)):
                    self.heard += piece
                channel.sendall(self._say)

    def all_heard(self) -> bytes:
        self._thread.join(60)
        assert not self._thread.is_alive()
        return self.heard


Serve = Callable[..., Server]


@pytest.fixture
def serve() -> Iterator[Serve]:
    servers: list[Server] = []

    def start(
        say: bytes | Callable[[socket.socket], None] = b"", host: str = "127.0.0.1"
    ) -> Server:
        servers.append(Server(say, host))
        return servers[-1]

    yield start
    for each in servers:
        each.listener.close()


def to(server: Server, carrier: Carrier = Carrier.TCP, **more: object) -> Route:
    host = more.pop("host", server.listener.getsockname()[0])
    return Route(carrier=carrier, host=host, port=server.port, **more)  # type: ignore[arg-type]


def by(kind: RelayKind, server: Server, login: Login | None = None) -> Relay:
    return Relay(kind, "127.0.0.1", server.port, login)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_packet_over_tcp_is_all_that_its_connection_carries(serve: Serve, host: str) -> None:
    server = serve(host=host)
    sent = send(PAYLOAD, to(server))
    assert server.all_heard() == PAYLOAD
    assert (sent.address, sent.port, sent.octets) == (host, server.port, len(PAYLOAD))
    assert not sent.confirmed


def test_tcp_is_confirmed_by_the_servers_system_even_if_nobody_reads(serve: Serve) -> None:
    leave = threading.Event()
    server = serve(lambda _channel: leave.wait(60) and None)
    try:
        sent = send(PAYLOAD, to(server), confirm=True)
    finally:
        leave.set()
    assert sent.confirmed
    assert sent.sign == "the server acknowledged it"


def test_the_source_port_is_kept(serve: Serve) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        chosen = free.getsockname()[1]
    server = serve()
    send(PAYLOAD, to(server, source_port=chosen))
    server.all_heard()
    assert server.caller == ("127.0.0.1", chosen)


def test_a_request_is_that_of_fwknop_and_its_answer_is_not_waited_for(serve: Serve) -> None:
    server = serve(ANSWER)
    sent = send(PAYLOAD, to(server, Carrier.HTTP))
    assert server.all_heard() == request(PAYLOAD, "127.0.0.1")
    assert sent.octets == len(request(PAYLOAD, "127.0.0.1"))
    assert not sent.confirmed


def test_any_answer_in_http_confirms_a_request_and_no_other_does(serve: Serve) -> None:
    sent = send(PAYLOAD, to(serve(ANSWER), Carrier.HTTP), confirm=True)
    assert (sent.confirmed, sent.sign) == (True, "the server answers 404 Not Found")
    for answer in (b"", b"SSH-2.0-x\r\n", b"x" * 10_000):
        sent = send(PAYLOAD, to(serve(answer), Carrier.HTTP), confirm=True)
        assert (sent.confirmed, sent.sign) == (False, "no sign that it arrived")


def test_a_proxy_is_given_the_request_with_the_login_and_the_servers_name(serve: Serve) -> None:
    proxy = serve(b"HTTP/1.0 200 OK\r\n\r\n")
    login = Login("ali ce", Secret(b"pa:ss"))
    route = Route(
        carrier=Carrier.HTTP, host="spa.invalid", port=8080,
        relay=by(RelayKind.HTTP, proxy, login), agent="Fwknop/x",
    )  # fmt: skip
    sent = send(PAYLOAD, route)
    lines = proxy.all_heard().split(b"\r\n")
    assert lines[0].startswith(b"GET http://spa.invalid:8080/-_AAA")
    assert b"User-Agent: Fwknop/x" in lines
    assert b"Proxy-Authorization: Basic YWxpIGNlOnBhOnNz" in lines
    assert (sent.confirmed, sent.sign) == (True, "the proxy answers 200 OK")


@pytest.mark.parametrize("code", [400, 403, 501, 502, 504])
def test_an_answer_that_may_be_the_proxys_own_confirms_nothing(serve: Serve, code: int) -> None:
    proxy = serve(f"HTTP/1.0 {code} Sorry\r\n\r\n".encode("ascii"))
    route = Route(
        carrier=Carrier.HTTP, host="spa.invalid", port=80, relay=by(RelayKind.HTTP, proxy)
    )
    sent = send(PAYLOAD, route)
    assert (sent.confirmed, sent.sign) == (False, f"the proxy answers {code} Sorry")


def endless(channel: socket.socket) -> None:
    while True:
        channel.sendall(b"x" * 65536)


def drip(channel: socket.socket) -> None:
    """One byte after the other, each within any time limit of its own."""
    for byte in b"HTTP/1.1 200 " + b"x" * 1000:
        channel.sendall(bytes([byte]))
        threading.Event().wait(0.1)


def hang(channel: socket.socket) -> None:
    while channel.recv(4096):
        pass
    threading.Event().wait(3)


def garbage(channel: socket.socket) -> None:
    channel.sendall(b"\x16\x03\x01 what is this" * 20)
    hang(channel)


def leave(channel: socket.socket) -> None:
    channel.recv(4096)


BAD: dict[Callable[[socket.socket], None], str] = {
    endless: "not ", drip: "not answer within", hang: "not answer within",
    garbage: "not ", leave: "instead of answering",
}  # fmt: skip
KINDS = {
    RelayKind.SOCKS4: Carrier.TCP, RelayKind.SOCKS5: Carrier.TCP,
    RelayKind.HTTP: Carrier.HTTPS,
}  # fmt: skip


CASES = [
    (bad, kind, carrier)
    for bad in BAD
    for kind, carrier in [*KINDS.items(), (RelayKind.HTTP, Carrier.HTTP)]
    if (bad, carrier) != (leave, Carrier.HTTP)
]


@pytest.mark.parametrize(("bad", "kind", "carries"), CASES)
def test_a_proxy_that_does_not_answer_as_it_should_is_an_error_and_is_left(
    serve: Serve,
    bad: Callable[[socket.socket], None],
    kind: RelayKind,
    carries: Carrier,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connections, "PATIENCE", 0.2)
    proxy = serve(bad)
    route = Route(carrier=carries, host="spa.invalid", port=443, relay=by(kind, proxy))
    with pytest.raises(HostError) as caught:
        send(PAYLOAD, route)
    said = str(caught.value)
    assert said.startswith(f"send_spa_packet: the {kind.value} 127.0.0.1:{proxy.port} ")
    if (kind, bad) not in {(RelayKind.SOCKS4, drip), (RelayKind.SOCKS5, drip)}:
        assert BAD[bad] in said  # those are told from garbage by the first byte
    unknown = "whether the packet arrived is not known."
    assert said.endswith(unknown if carries is Carrier.HTTP else "packet not sent.")


def test_a_proxy_that_breaks_the_connection_may_have_handed_the_request_on(serve: Serve) -> None:
    def reset(channel: socket.socket) -> None:
        channel.recv(4096)
        channel.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        channel.close()

    proxy = serve(reset)
    route = Route(
        carrier=Carrier.HTTP, host="spa.invalid", port=80, relay=by(RelayKind.HTTP, proxy)
    )
    with pytest.raises(HostError) as caught:
        send(PAYLOAD, route)
    said = str(caught.value).splitlines()
    assert "broke the connection" in said[0]
    assert said[1].endswith("whether the packet arrived is not known.")


def test_a_proxy_that_leaves_instead_of_answering_may_have_handed_the_request_on(
    serve: Serve,
) -> None:
    """Some do so when the server ends the connection without a word, as ours does."""
    proxy = serve(leave)
    route = Route(
        carrier=Carrier.HTTP, host="spa.invalid", port=80, relay=by(RelayKind.HTTP, proxy)
    )
    sent = send(PAYLOAD, route)
    assert (sent.confirmed, sent.sign) == (
        False, "the proxy ended the connection without an answer",
    )  # fmt: skip


def test_a_proxy_that_wants_a_login_is_an_error_with_the_remedy(serve: Serve) -> None:
    proxy = serve(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")
    route = Route(
        carrier=Carrier.HTTP, host="spa.invalid", port=80, relay=by(RelayKind.HTTP, proxy)
    )
    with pytest.raises(HostError, match="answers 407 Proxy Authentication Required") as caught:
        send(PAYLOAD, route)
    assert "user:password@" in caught.value.hint


@pytest.mark.parametrize("kind", [RelayKind.SOCKS4, RelayKind.SOCKS5])
@pytest.mark.parametrize("carrier", [Carrier.TCP, Carrier.HTTP])
def test_a_packet_goes_through_a_socks_relay_which_looks_the_name_up(
    serve: Serve, kind: RelayKind, carrier: Carrier, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_up: list[object] = []
    real = sockets.getaddrinfo

    def note(host: str, *more: Any) -> object:
        looked_up.append(host)
        return real(host, *more)

    monkeypatch.setattr(sockets, "getaddrinfo", note)
    server = serve(ANSWER if carrier is Carrier.HTTP else b"")
    with relaying({"spa.invalid": "127.0.0.1"}) as relay:
        route = Route(
            carrier=carrier, host="spa.invalid", port=server.port,
            relay=Relay(kind, "127.0.0.1", relay.port),
        )  # fmt: skip
        sent = send(PAYLOAD, route, confirm=True)
        assert relay.asked == [("spa.invalid", server.port)]
    heard = server.all_heard()
    found = extract(heard)
    assert heard == PAYLOAD if carrier is Carrier.TCP else found and found.payload == PAYLOAD
    assert sent.confirmed
    assert "spa.invalid" not in looked_up


def test_a_socks_relay_with_a_login_lets_in_who_has_it(serve: Serve) -> None:
    server = serve()
    with relaying({}, b"alice:secret") as relay:
        at = ("127.0.0.1", relay.port)
        route = Route(
            carrier=Carrier.TCP, host="127.0.0.1", port=server.port,
            relay=Relay(RelayKind.SOCKS5, *at, Login("alice", Secret(b"wrong"))),
        )  # fmt: skip
        with pytest.raises(HostError, match="does not accept the login") as caught:
            send(PAYLOAD, route)
        assert "wrong" not in f"{caught.value} {caught.value.hint} {route!r}"
        good = Relay(RelayKind.SOCKS5, *at, Login("alice", Secret(b"secret")))
        send(PAYLOAD, Route(carrier=Carrier.TCP, host="127.0.0.1", port=server.port, relay=good))
    assert server.all_heard() == PAYLOAD


def test_a_server_that_refuses_is_told_of_in_fwknops_words() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    for carrier in (Carrier.TCP, Carrier.HTTP):
        with pytest.raises(HostError) as caught:
            send(PAYLOAD, Route(carrier=carrier, host="127.0.0.1", port=port))
        assert str(caught.value) == (
            "send_spa_packet_tcp_or_udp: Could not create socket: Connection refused\n"
            "send_spa_packet: packet not sent."
        )
        assert caught.value.hint == f"tried 127.0.0.1:{port}: see that somebody listens there"
    by = Relay(RelayKind.SOCKS5, "127.0.0.1", port)
    with pytest.raises(HostError) as caught:
        send(PAYLOAD, Route(carrier=Carrier.TCP, host="server.example", port=62201, relay=by))
    assert caught.value.hint == f"tried 127.0.0.1:{port}: see that the proxy listens there"


def test_of_a_zone_that_is_no_interface_here_is_said_that_it_has_to_be() -> None:
    with pytest.raises(HostError, match="error in getaddrinfo") as caught:
        send(PAYLOAD, Route(carrier=Carrier.UDP, host="fe80::1%nosuch0", port=62201))
    assert caught.value.hint == "what stands behind the % has to be an interface of this machine"


def test_a_refused_datagram_is_an_error_where_a_sign_is_wanted() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    route = Route(carrier=Carrier.UDP, host="127.0.0.1", port=port)
    assert send(PAYLOAD, route).octets == len(PAYLOAD)
    with pytest.raises(HostError, match=r"127\.0\.0\.1: Connection refused"):
        send(PAYLOAD, route, confirm=True)


def test_of_several_addresses_a_silent_one_leaves_time_for_the_next(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve()
    shares: list[float] = []
    real = connections._connected

    def connected(kind: int, place: tuple[str, int], source: int, seconds: float) -> socket.socket:
        shares.append(seconds)
        if place[0] == "192.0.2.1":
            raise TimeoutError
        return real(kind, place, source, seconds)

    monkeypatch.setattr(connections, "_connected", connected)
    monkeypatch.setattr(
        names, "looked_up",
        lambda *_: iter([(socket.AF_INET, ("192.0.2.1", server.port)),
                         (socket.AF_INET, ("127.0.0.1", server.port))]),
    )  # fmt: skip
    assert send(PAYLOAD, to(server, host="spa.invalid")).address == "127.0.0.1"
    assert shares[0] <= 5 < shares[1]


def test_the_addresses_of_a_name_come_once_each_and_in_the_wanted_family() -> None:
    assert addresses(Route(carrier=Carrier.UDP, host="::1", port=1)) == ("::1",)
    with pytest.raises(HostError, match="error in getaddrinfo") as caught:
        addresses(Route(carrier=Carrier.UDP, host="::1", port=1, family=4))
    assert caught.value.hint.startswith("only IPv4 addresses were looked for; ")
