"""A front with a daemon that misbehaves, over loopback."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from watchword.service.front import front
from watchword.service.front.front import Front, Place, listeners
from watchword.wire.proof import ANSWER, LENGTH


class House:
    """A front, what it says, and a daemon that answers one line for each question."""

    def __init__(self, folder: Path, **more: Any) -> None:
        self.said: list[str] = []
        self.asked: list[dict[str, Any]] = []
        self.socket = folder / "control.sock"
        self.answer = b'{"proved": false}\n'
        place = replace(Place((("127.0.0.1", 0),), ("127.0.0.1", 9), self.socket), **more)
        self.listeners = listeners(place)
        self._front = Front(place, self.said.append)

    @contextlib.asynccontextmanager
    async def open(self, *, daemon: bool = True) -> AsyncIterator[None]:
        server = await asyncio.start_unix_server(self._serve, self.socket) if daemon else None
        task = asyncio.create_task(self._front.serve(self.listeners))
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            if server is not None:
                server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.asked.append(json.loads(await reader.readline()))
        writer.write(self.answer)
        writer.close()

    async def comer(self, octets: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        port = self.listeners[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(octets)
        return reader, writer

    async def hears(self, octets: bytes) -> bytes:
        """All that somebody hears who says this."""
        reader, writer = await self.comer(octets)
        with contextlib.closing(writer), contextlib.suppress(ConnectionError):
            return await asyncio.wait_for(reader.read(), 10)
        return b""


@pytest.fixture
def play(tmp_path: Path) -> Callable[[Callable[[House], Coroutine[Any, Any, None]]], House]:
    def run(scene: Callable[[House], Coroutine[Any, Any, None]], **more: Any) -> House:
        house = House(tmp_path, **more)
        asyncio.run(scene(house))
        return house

    return run


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"no answer\n", "the daemon answers what is no answer"),
        (b"[]\n", ""),
        (b"", "the daemon answers what is no answer"),
        (b'{"error": "you may not"}\n', "the daemon says: you may not"),
        (b'{"proved": true}\n', ""),
        (b'{"proved": 1, "answer": "00112233445566778899aabbccddeeff"}\n', ""),
    ],
)
def test_whatever_the_daemon_says_but_yes_nobody_gets_through_and_it_is_told_once(
    play: Any, answer: bytes, said: str
) -> None:
    async def scene(house: House) -> None:
        house.answer = answer
        async with house.open():
            for _ in range(3):
                assert await house.hears(bytes(LENGTH)) == b""

    house = play(scene)
    assert house.said == ([said] if said else [])
    assert len(house.asked) == 3
    assert house.asked[0]["ask"] == "prove"
    assert house.asked[0]["from"] == "127.0.0.1"


def test_without_a_daemon_nobody_gets_through_and_it_is_told_once(play: Any) -> None:
    async def scene(house: House) -> None:
        async with house.open(daemon=False):
            for _ in range(3):
                assert await house.hears(bytes(LENGTH)) == b""

    assert play(scene).said == ["the daemon cannot be asked: No such file or directory"]


def test_nothing_is_asked_before_the_whole_message_is_there(play: Any) -> None:
    async def scene(house: House) -> None:
        async with house.open():
            assert await house.hears(bytes(LENGTH - 1)) == b""

    assert play(scene, seconds=0.2).asked == []


def test_of_those_who_wait_the_one_that_has_waited_longest_goes(
    play: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(front, "WAITING", 3)

    async def scene(house: House) -> None:
        async with house.open():
            waiting = [await house.comer(b"x") for _ in range(5)]
            for reader, _ in waiting[:2]:
                with contextlib.suppress(ConnectionError):
                    assert await asyncio.wait_for(reader.read(), 10) == b""
            for reader, writer in waiting[2:]:
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(reader.read(), 0.05)
                writer.close()

    play(scene, seconds=30.0)


def test_no_key_has_all_the_connections_that_may_go_through(play: Any) -> None:
    async def scene(house: House) -> None:
        async def comes(whose: str) -> bool:
            fields = {
                "proved": True,
                "answer": "00" * ANSWER,
                "user": "",
                "grant": "",
                "whose": whose,
            }
            house.answer = json.dumps(fields).encode() + b"\n"
            reader, writer = await house.comer(bytes(LENGTH))
            there.append(writer)
            return bool(await asyncio.wait_for(reader.read(ANSWER), 10))

        there: list[asyncio.StreamWriter] = []
        async with house.open():
            assert [await comes("mallory") for _ in range(4)] == [True, True, True, False]
            assert [await comes("alice") for _ in range(2)] == [True, False]
            for each in there:
                each.close()

    with socket.create_server(("127.0.0.1", 0)) as service:
        said = play(scene, most=4, service=service.getsockname()[:2]).said
    assert [each.partition(" is turned away: ")[2] for each in said if "turned away" in each] == [
        "3 of the same key go through",
        "4 connections go through",
    ]


def test_a_port_that_is_taken_is_said_to_be() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        place = Place((("127.0.0.1", taken.getsockname()[1]),), ("127.0.0.1", 9), Path("x"))
        with pytest.raises(OSError, match="in use"):
            listeners(place)
