"""Packets over TCP on loopback: whole, in pieces, in requests, and from those who mean harm."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Sequence
from ipaddress import ip_network

import pytest

from tests.sealing import sealed
from tests.unit.test_udp_source import free_port
from watchword.edges.capture import tcp
from watchword.edges.capture.requests import Requests
from watchword.edges.capture.tcp import TcpSource
from watchword.errors import HostError
from watchword.model.addresses import Network
from watchword.model.packets import Packet
from watchword.model.reasons import Reason
from watchword.model.settings import HttpRequests
from watchword.wire.carriers import http


def port_of(source: TcpSource) -> int:
    return int(source.name.partition("/")[2])


class Scene:
    """A source that is being listened to."""

    def __init__(self, source: TcpSource) -> None:
        self.source = source
        self.found: list[Packet] = []
        self._more = asyncio.Event()

    async def collect(self) -> None:
        async for batch in self.source.batches():
            self.found += batch
            self._more.set()

    async def packets(self, count: int) -> Sequence[Packet]:
        async with asyncio.timeout(60):
            while len(self.found) < count:
                await self._more.wait()
                self._more.clear()
        return self.found

    async def connect(
        self, host: str = "127.0.0.1"
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(host, port_of(self.source))

    async def send(self, *pieces: bytes, host: str = "127.0.0.1") -> None:
        _, writer = await self.connect(host)
        writer.transport.get_extra_info("socket").setsockopt(
            socket.IPPROTO_TCP, socket.TCP_NODELAY, 1
        )
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.002)
        writer.close()


@contextlib.asynccontextmanager
async def listening(requests: HttpRequests | None = None) -> AsyncIterator[Scene]:
    scene = Scene(TcpSource(free_port(), Requests(requests)))
    collecting = asyncio.ensure_future(scene.collect())
    await asyncio.sleep(0)
    try:
        yield scene
    finally:
        await scene.source.aclose()
        await asyncio.wait_for(collecting, 60)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("size", [1, 7, 1500])
def test_a_packet_arrives_in_pieces_of_any_size(host: str, size: int) -> None:
    payload = sealed()
    pieces = [payload[at : at + size] for at in range(0, len(payload), size)]

    async def scene() -> Packet:
        async with listening() as here:
            await here.send(*pieces, host=host)
            [packet] = await here.packets(1)
            return packet

    packet = asyncio.run(scene())
    assert packet.payload == payload
    assert (packet.peer, packet.local, packet.protocol) == (host, host, 6)
    assert packet.connected


def test_who_does_not_close_is_read_to_the_end_of_a_second_and_gets_not_a_byte() -> None:
    payload = sealed()

    async def scene() -> tuple[bytes, Sequence[Packet]]:
        async with listening() as here:
            reader, writer = await here.connect()
            writer.write(payload)
            heard = await asyncio.wait_for(reader.read(), 60)
            writer.close()
            return heard, await here.packets(1)

    heard, [packet] = asyncio.run(scene())
    assert heard == b""
    assert packet.payload == payload


@pytest.mark.parametrize("said", [b"", b"GET / HTTP/1.0\r\n\r\n", b"\x16\x03\x01", b"8" * 500])
def test_whoever_says_something_else_is_held_as_long_and_hears_nothing(
    said: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tcp, "IDLE", 0.1)

    async def scene() -> tuple[bytes, float]:
        async with listening(HttpRequests()) as here:
            reader, writer = await here.connect()
            began = asyncio.get_running_loop().time()
            writer.write(said)
            heard = await asyncio.wait_for(reader.read(), 60)
            writer.close()
            return heard, asyncio.get_running_loop().time() - began

    heard, took = asyncio.run(scene())
    assert heard == b""
    assert took > 0.09


def test_who_sends_byte_by_byte_is_ended_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tcp, "IDLE", 0.2)
    monkeypatch.setattr(tcp, "LONGEST_LIFE", 0.3)

    async def scene() -> int:
        async with listening() as here:
            _, writer = await here.connect()
            for _ in range(200):
                writer.write(b"8")
                await asyncio.sleep(0.02)
                if not here.source.connections:
                    break
            writer.close()
            return here.source.connections

    assert asyncio.run(scene()) == 0


def test_who_sends_without_end_is_ended_after_some_kilobytes() -> None:
    async def scene() -> int:
        async with listening() as here:
            _, writer = await here.connect()
            with pytest.raises(ConnectionError):  # noqa: PT012 - the socket buffers hide when
                for _ in range(200):
                    writer.write(b"8" * 65536)
                    await writer.drain()
            return here.source.connections

    assert asyncio.run(scene()) == 0


def test_one_source_has_few_connections_and_its_oldest_goes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tcp, "MOST_OF_ONE", 3)
    payload = sealed()

    async def scene() -> tuple[bytes, int, int, Sequence[Packet]]:
        async with listening() as here:
            idle = [await here.connect() for _ in range(4)]
            ended = await asyncio.wait_for(idle[0][0].read(), 0.9)
            await here.send(payload)
            found = await here.packets(1)
            counts = (here.source.connections, here.source.dropped()["too many connections"])
            for _, writer in idle:
                writer.close()
            return ended, *counts, found

    ended, connections, turned_out, [packet] = asyncio.run(scene())
    assert ended == b""
    assert connections <= 3
    assert turned_out == 2
    assert packet.payload == payload


def test_when_all_places_are_taken_a_packet_still_gets_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tcp, "MOST", 5)
    payload = sealed()

    async def scene() -> tuple[int, Sequence[Packet]]:
        async with listening() as here:
            idle = [await here.connect() for _ in range(12)]
            await here.send(payload)
            found = await here.packets(1)
            connections = here.source.connections
            for _, writer in idle:
                writer.close()
            return connections, found

    connections, [packet] = asyncio.run(scene())
    assert connections <= 5
    assert packet.payload == payload


def test_what_follows_a_packet_spoils_it_and_is_counted() -> None:
    async def scene() -> tuple[int, dict[Reason, int]]:
        async with listening() as here:
            await here.send(sealed() + b"\n")
            await here.send(b"8" * 139)
            good = sealed()
            await here.send(good)
            found = await here.packets(1)
            return len(found), dict(here.source.flaws)

    count, flaws = asyncio.run(scene())
    assert count == 1
    assert sum(flaws.values()) == 2


@pytest.mark.requirement("2.14", partial=True)
@pytest.mark.parametrize("wanted", [None, HttpRequests()], ids=["N", "Y"])
def test_a_request_carries_a_packet_if_that_is_asked_for(wanted: HttpRequests | None) -> None:
    payload, other = sealed(), sealed()

    async def scene() -> list[bytes]:
        async with listening(wanted) as here:
            asked = http.request(payload, "203.0.113.1")
            await here.send(asked[:30], asked[30:200], asked[200:])
            await here.send(other)
            await here.packets(1 if wanted is None else 2)
            return [each.payload for each in here.found]

    found = asyncio.run(scene())
    assert found == ([other] if wanted is None else [payload, other])


@pytest.mark.parametrize(
    ("proxies", "header", "forwarded", "asker"),
    [
        ("127.0.0.0/8", b"X-Forwarded-For: 192.0.2.7\r\n", "192.0.2.7", "192.0.2.7"),
        ("127.0.0.0/8", b"X-Forwarded-For: 2001:db8::7\r\n", "2001:db8::7", "2001:db8::7"),
        ("127.0.0.0/8", b"X-Forwarded-For: 1.1.1.1, 2.2.2.2\r\n", "1.1.1.1, 2.2.2.2", "127.0.0.1"),
        ("127.0.0.0/8", b"X-Forwarded-For: 0.0.0.0\r\n", "0.0.0.0", "127.0.0.1"),
        ("127.0.0.0/8", b"", "", "127.0.0.1"),
        ("192.0.2.0/24", b"X-Forwarded-For: 192.0.2.7\r\n", "", "127.0.0.1"),
    ],
)
def test_only_a_listed_proxy_is_believed_about_whom_it_speaks_for(
    proxies: str, header: bytes, forwarded: str, asker: str
) -> None:
    listed: tuple[Network, ...] = (ip_network(proxies),)
    whole = http.request(sealed(), "203.0.113.1")
    asked = whole.removesuffix(b"\r\n") + header + b"\r\n"

    async def scene() -> Packet:
        async with listening(HttpRequests(proxies=listed)) as here:
            await here.send(asked)
            [packet] = await here.packets(1)
            return packet

    packet = asyncio.run(scene())
    assert packet.forwarded == forwarded
    assert (str(packet.asker), packet.peer) == (asker, "127.0.0.1")


def test_a_port_that_is_taken_is_told_with_a_hint() -> None:
    async def scene() -> None:
        first = TcpSource(free_port())
        try:
            with pytest.raises(HostError, match="cannot listen on TCP port") as caught:
                TcpSource(port_of(first))
            assert "ss -ltnp" in caught.value.hint
        finally:
            await first.aclose()

    asyncio.run(scene())
