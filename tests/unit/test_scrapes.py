"""Who gets the metrics, and who does not."""

from __future__ import annotations

import asyncio
import os
import socket
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_address
from pathlib import Path

import pytest

from tests.unit.test_udp_source import free_port
from watchword.edges import scrapes
from watchword.edges.scrapes import Scrapes
from watchword.errors import HostError
from watchword.model.settings import LoopbackPort, MetricsPlace, UnixSocket

PAGE, KIND = "the page\n", "text/x-test"
GET = "GET /metrics HTTP/1.1\r\nHost: localhost:9100\r\n\r\n"
OK = (
    "HTTP/1.1 200 OK\r\nContent-Type: text/x-test\r\nContent-Length: 9\r\n"
    "Connection: close\r\n\r\nthe page\n"
)


@asynccontextmanager
async def serving(place: MetricsPlace, group: int | None = None) -> AsyncIterator[Scrapes]:
    served = Scrapes(lambda: PAGE, KIND)
    await served.bind(place, group)
    await served.serve()
    try:
        yield served
    finally:
        await served.aclose()


async def told(place: MetricsPlace, request: bytes, *, end: bool = False) -> bytes:
    if isinstance(place, UnixSocket):
        reader, writer = await asyncio.open_unix_connection(place.path)
    else:
        reader, writer = await asyncio.open_connection(str(place.address), place.port)
    writer.write(request)
    if end:
        writer.write_eof()
    try:
        async with asyncio.timeout(60):
            return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.close()


def answer(place: MetricsPlace, request: str, *, end: bool = False) -> str:
    async def play() -> bytes:
        async with serving(place):
            return await told(place, request.encode("latin-1"), end=end)

    return asyncio.run(play()).decode()


def port(address: str = "127.0.0.1") -> LoopbackPort:
    return LoopbackPort(ip_address(address), free_port())


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_the_page_is_served_on_loopback(address: str) -> None:
    assert answer(port(address), GET) == OK


def test_the_page_is_served_at_a_unix_socket_whatever_name_is_used(tmp_path: Path) -> None:
    place = UnixSocket(tmp_path / "metrics.sock")
    assert answer(place, GET.replace("localhost:9100", "anything")) == OK
    assert not place.path.exists()


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        ("GET /metrics?name[]=x HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 200),
        ("GET /metrics HTTP/1.0\r\n\r\n", 200),
        ("GET /metrics HTTP/1.1\r\nhost:[::1]:9100\r\n\r\n", 200),
        ("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", 404),
        ("GET /metrics/../x HTTP/1.1\r\nHost: localhost\r\n\r\n", 404),
        ("POST /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n", 405),
        ("GET /metrics HTTP/1.1\r\nHost: evil.example\r\n\r\n", 421),
        ("GET /metrics HTTP/1.1\r\nHost: localhost.evil.example:9100\r\n\r\n", 421),
        ("GET /metrics HTTP/1.1\r\n\r\n", 400),
        ("GET /metrics HTTP/1.1\r\nHost: a\r\nHost: localhost\r\n\r\n", 400),
        ("GET /metrics\r\n\r\n", 400),
        ("\xff\xfe\r\n\r\n", 400),
    ],
)
def test_only_a_get_of_the_page_by_a_name_of_this_host_is_answered(
    request_: str, status: int
) -> None:
    said = answer(port(), request_)
    assert said.startswith(f"HTTP/1.1 {status} ")
    assert (PAGE in said) is (status == 200)


@pytest.mark.parametrize("request_", ["", "GET /metrics HTTP/1.1\r\n", "GET " + "x" * 20_000])
def test_half_a_request_and_one_too_long_get_nothing(request_: str) -> None:
    assert answer(port(), request_, end=len(request_) < 100) == ""


def test_who_does_not_speak_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scrapes, "PATIENCE", 0.05)
    assert answer(port(), "GET /metrics") == ""


def test_as_many_as_there_are_places_are_served_and_no_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(scrapes, "AT_ONCE", 2)
    place = port()

    async def play() -> tuple[bytes, bytes]:
        async with serving(place):
            held = [await asyncio.open_connection(str(place.address), place.port) for _ in "ab"]
            for _ in range(10):
                await asyncio.sleep(0)
            refused = await told(place, GET.encode())
            for reader, writer in held:
                writer.write(GET.encode())
                assert PAGE.encode() in await reader.read()
                writer.close()
            return refused, await told(place, GET.encode())

    refused, served = asyncio.run(play())
    assert (refused, served) == (b"", OK.encode())


@pytest.mark.parametrize("group", [None, os.getgid()])
def test_a_socket_is_root_s_unless_a_group_is_named(tmp_path: Path, group: int | None) -> None:
    path = tmp_path / "metrics.sock"

    async def mode() -> int:
        async with serving(UnixSocket(path), group):
            return stat.S_IMODE(path.stat().st_mode)

    assert asyncio.run(mode()) == (0o600 if group is None else 0o660)


def test_a_leftover_socket_is_replaced_one_in_use_and_a_file_are_not(tmp_path: Path) -> None:
    left = tmp_path / "left.sock"
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(left))
    assert answer(UnixSocket(left), GET) == OK

    async def twice(path: Path) -> None:
        async with serving(UnixSocket(path)), serving(UnixSocket(path)):
            pass

    with pytest.raises(HostError, match="somebody answers there already"):
        asyncio.run(twice(tmp_path / "used.sock"))
    file = tmp_path / "file"
    file.write_text("precious")
    with pytest.raises(HostError, match="no socket"):
        answer(UnixSocket(file), GET)
    assert file.read_text() == "precious"


def test_the_socket_may_have_a_longer_path_than_the_kernel_takes(tmp_path: Path) -> None:
    path = tmp_path / ("f" * 100) / "metrics.sock"
    path.parent.mkdir()

    async def twice() -> None:
        async with serving(UnixSocket(path)):
            assert path.is_socket()
            async with serving(UnixSocket(path)):
                pass

    with pytest.raises(HostError, match="somebody answers there already"):
        asyncio.run(twice())


def test_a_port_that_is_taken_is_told_with_a_hint() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        place = LoopbackPort(ip_address("127.0.0.1"), other.getsockname()[1])
        with pytest.raises(HostError, match="cannot serve metrics at 127") as caught:
            answer(place, GET)
    assert "name another" in caught.value.hint


def test_before_it_serves_nobody_is_answered() -> None:
    place = port()

    async def play() -> None:
        bound = Scrapes(lambda: PAGE, KIND)
        await bound.bind(place)
        try:
            with pytest.raises(ConnectionRefusedError):
                await told(place, GET.encode())
        finally:
            await bound.aclose()

    asyncio.run(play())
