"""A front with a daemon that misbehaves, over loopback."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from watchword.service.front import asking, waiting
from watchword.service.front.front import Front, Place, listeners
from watchword.service.front.waiting import Waiting, crowd
from watchword.wire.proof import ANSWER, LENGTH


class House:
    """A front, what it says, and a daemon that answers one line for each question."""

    def __init__(self, folder: Path, **more: Any) -> None:
        self.said: list[str] = []
        self.asked: list[dict[str, Any]] = []
        self.socket = folder / "control.sock"
        self.answer: bytes | None = None
        """All that the daemon says; None: what ``proofs`` says of each connection."""
        self.full = False
        self.hangs_up = 0
        """So often it says nothing at all."""
        self.proofs: Callable[[dict[str, Any]], dict[str, Any]] = lambda _: {"proved": False}
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
        question = json.loads(await reader.readline())
        self.asked.append(question)
        self.hangs_up -= 1
        if self.hangs_up >= 0:
            writer.close()
            return
        proofs = [self.proofs(each) for each in question["connections"]]
        writer.write(self.answer or json.dumps({"proofs": proofs}).encode() + b"\n")
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
            return await asyncio.wait_for(reader.read(), 60)
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
        (b"\n", "the daemon answers what is no answer"),
        (b'{"error": "you may not"}\n', "the daemon says: you may not"),
        (b'{"proofs": true}\n', ""),
        (b'{"proofs": [true]}\n', ""),
        (b'{"proofs": [{"proved": true}]}\n', ""),
        (b'{"proofs": [{"proved": 1, "answer": "00112233445566778899aabbccddeeff"}]}\n', ""),
        (b'{"proofs": [{"proved": true, "answer": "00112233445566778899aabbccddeeff"}, {}]}\n', ""),
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
    assert house.asked[0]["connections"][0]["from"] == "127.0.0.1"


def test_a_daemon_that_is_full_is_asked_again(play: Any) -> None:
    async def scene(house: House) -> None:
        house.hangs_up = 2
        house.proofs = lambda _: {"proved": True, "answer": "00" * ANSWER, "user": "", "grant": ""}
        async with house.open():
            reader, writer = await house.comer(bytes(LENGTH))
            assert await asyncio.wait_for(reader.readexactly(ANSWER), 60) == bytes(ANSWER)
            writer.close()

    with socket.create_server(("127.0.0.1", 0)) as service:
        house = play(scene, service=service.getsockname()[:2])
    assert len(house.asked) == 3
    assert house.said[0].endswith("goes through")


def test_a_daemon_that_stays_full_lets_nobody_through_and_it_is_told(play: Any) -> None:
    async def scene(house: House) -> None:
        house.hangs_up = 99
        async with house.open():
            assert await house.hears(bytes(LENGTH)) == b""

    house = play(scene)
    assert len(house.asked) == 3
    assert house.said == ["the daemon answers what is no answer"]


def test_two_kinds_of_trouble_in_turn_are_told_once_each(play: Any) -> None:
    async def scene(house: House) -> None:
        async with house.open(daemon=False):
            for number in range(4):
                house.socket.unlink(missing_ok=True)
                if number % 2:
                    house.socket.write_text("no socket")
                assert await house.hears(bytes(LENGTH)) == b""

    said = "the daemon cannot be asked: "
    none, refused = "No such file or directory", "Connection refused"
    assert play(scene).said == [said + none, said + refused]


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


def test_of_those_who_say_nothing_the_one_that_has_waited_longest_goes(
    play: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "WAITING", 3)

    async def scene(house: House) -> None:
        async with house.open():
            there = [await house.comer(b"x") for _ in range(5)]
            for reader, _ in there[:2]:
                with contextlib.suppress(ConnectionError):
                    assert await asyncio.wait_for(reader.read(), 60) == b""
            for reader, writer in there[2:]:
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(reader.read(), 0.05)
                writer.close()

    play(scene, seconds=30.0)


def test_who_has_said_it_when_he_is_accepted_makes_room_for_nobody(
    play: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "WAITING", 3)

    async def scene(house: House) -> None:
        port = house.listeners[0].getsockname()[1]
        with contextlib.ExitStack() as there:

            def comes(octets: bytes) -> socket.socket:
                made = there.enter_context(socket.create_connection(("127.0.0.1", port), 60))
                made.sendall(octets)
                return made

            # All of them are there before the front looks at the first.
            before = [comes(b"") for _ in range(10)]
            owner = comes(bytes(LENGTH))
            after = [comes(b"x") for _ in range(20)]
            async with house.open():
                assert await asyncio.to_thread(owner.recv, 1) == b""
                assert len(house.asked) == 1
                assert len(before + after) == 30

    assert play(scene, seconds=30.0).asked[0]["connections"][0]["name"] == "00" * 16


def test_nobodys_messages_keep_those_of_other_addresses_waiting(
    play: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "LINE", 3)
    monkeypatch.setattr(asking, "WHOLE_LINE", 5)
    monkeypatch.setattr(asking, "TOGETHER", 2)
    monkeypatch.setattr(asking, "ASKING", 1)

    async def scene(house: House) -> None:
        house.proofs = lambda connection: {"number": connection["number"]}
        async with house.open():
            asker = asking.Asker(house.socket, house.said.append)

            async def ask(number: int, crowd: tuple[int, int]) -> tuple[int, dict[str, Any]]:
                return number, await asker.ask({"number": number}, crowd)

            flood, other, third = (4, 1), (4, 2), (6, 1)
            comers = [flood] * 9 + [other, third]
            told = await asyncio.gather(*(ask(*each) for each in enumerate(comers)))
        assert dict(told)[9] == {"number": 9}
        assert dict(told)[10] == {"number": 10}
        assert sum(answer != {} for _, answer in told) == 5
        asked = [each["number"] for one in house.asked for each in one["connections"]]
        assert asked[1:3] == [9, 10]

    play(scene)


def test_who_has_most_gives_way_where_there_are_too_many_of_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(waiting, "ALL_WAITING", 4)
    names: dict[Any, str] = {object(): name for name in ("a1", "b1", "b2", "b3", "c1")}
    there = Waiting()
    gone = [there.add(each, (4, ord(name[0]))) for each, name in names.items()]
    assert [names.get(each) for each in gone] == [None] * 4 + ["b1"]
    there.remove(list(names)[1])  # b1 again, which has gone
    gone = [there.longest() for _ in range(5)]
    assert [names.get(each) for each in gone] == ["b2", "a1", "b3", "c1", None]


def test_without_descriptors_who_has_waited_longest_makes_room(
    play: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scene(house: House) -> None:
        loop = asyncio.get_running_loop()
        accept, refusals = loop.sock_accept, [OSError(errno.EMFILE, "Too many open files")]

        async def sometimes(listener: socket.socket) -> Any:
            found = await accept(listener)
            if refusals and house.listeners[0].fileno() == listener.fileno() and house.full:
                found[0].close()
                raise refusals.pop()
            return found

        monkeypatch.setattr(loop, "sock_accept", sometimes)
        async with house.open():
            first, second = await house.comer(b"x"), await house.comer(b"x")
            for _ in range(20):  # turns of the loop, until both have been accepted
                await asyncio.sleep(0.005)
            house.full = True
            third = await house.comer(b"x")
            with contextlib.suppress(ConnectionError):
                assert await asyncio.wait_for(first[0].read(), 60) == b""
            assert house.said == ["somebody has to go: Too many open files"]
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(second[0].read(), 0.05)
            for _, writer in (first, second, third):
                writer.close()

    play(scene, seconds=30.0)


def test_of_ipv6_a_whole_network_is_one_crowd() -> None:
    assert crowd(ip_address("2001:db8::1")) == crowd(ip_address("2001:db8::ffff:1"))
    assert crowd(ip_address("2001:db8::1")) != crowd(ip_address("2001:db8:0:1::1"))
    assert crowd(ip_address("192.0.2.1")) != crowd(ip_address("192.0.2.2"))


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
            house.proofs = lambda _: fields
            reader, writer = await house.comer(bytes(LENGTH))
            there.append(writer)
            return bool(await asyncio.wait_for(reader.read(ANSWER), 60))

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
