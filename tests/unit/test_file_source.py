"""Capture files that are there, that grow, and that are begun anew."""

from __future__ import annotations

import asyncio
import contextlib
import os
import struct
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from tests.contract.sources import PacketSourceContract
from tests.pcap_files import ip_capture, udp_capture
from tests.sealing import sealed
from watchword.dialects.pcap_filter import parse
from watchword.edges.capture.file import FileSource
from watchword.edges.capture.requests import Requests
from watchword.errors import HostError, OperatorError
from watchword.model.daemon_events import HostTrouble
from watchword.model.packets import Packet
from watchword.model.settings import HttpRequests
from watchword.ports import PacketSource
from watchword.wire.carriers import http
from watchword.wire.frames import Link
from watchword.wire.pcap import MAX_FRAME, Reader, records

HEAD = 24
SOURCE = "198.51.100.2"


def capture(*payloads: bytes) -> bytes:
    first, *others = (udp_capture(1_000_000.0, SOURCE, each) for each in payloads)
    return first + b"".join(each[HEAD:] for each in others)


class Scene:
    def __init__(self, path: Path, text: str = "", requests: HttpRequests | None = None) -> None:
        self.path = path
        self.told: list[str] = []
        self.found: list[Packet] = []
        self._more = asyncio.Event()
        self.source = FileSource(path, parse(text), Requests(requests), self._tell)

    def _tell(self, trouble: HostTrouble) -> None:
        self.told.append(trouble.message)
        self._more.set()

    async def collect(self) -> None:
        async for batch in self.source.batches():
            self.found += batch
            self._more.set()

    async def payloads(self, count: int) -> list[bytes]:
        async with asyncio.timeout(60):
            while len(self.found) < count:
                await self._more.wait()
                self._more.clear()
        return [each.payload for each in self.found]

    async def is_told(self, what: str) -> None:
        async with asyncio.timeout(60):
            while not any(what in each for each in self.told):
                await self._more.wait()
                self._more.clear()

    def append(self, octets: bytes) -> None:
        with self.path.open("ab") as file:
            file.write(octets)


@contextlib.asynccontextmanager
async def reading(
    path: Path, text: str = "", requests: HttpRequests | None = None
) -> AsyncIterator[Scene]:
    scene = Scene(path, text, requests)
    collecting = asyncio.ensure_future(scene.collect())
    try:
        yield scene
    finally:
        await scene.source.aclose()
        await asyncio.wait_for(collecting, 60)


class TestFileSource(PacketSourceContract):
    @pytest.fixture(autouse=True)
    def _in_a_folder(self, tmp_path: Path) -> None:
        self.path = tmp_path / "c.pcap"
        self.path.touch()

    def make(self) -> PacketSource:
        self.path.unlink()
        self.path.touch()
        return FileSource(self.path, None)

    def feed(self, source: PacketSource, payload: bytes) -> None:
        octets = capture(payload)
        with self.path.open("ab") as file:
            file.write(octets[HEAD if self.path.stat().st_size else 0 :])


def test_what_is_there_is_read_and_what_is_written_later_too(tmp_path: Path) -> None:
    path = tmp_path / "c.pcap"
    payloads = [sealed() for _ in range(200)]
    path.write_bytes(capture(*payloads[:150]))

    async def scene() -> list[bytes]:
        async with reading(path) as here:
            await here.payloads(150)
            for payload in payloads[150:]:
                here.append(capture(payload)[HEAD:])
            return await here.payloads(200)

    assert asyncio.run(scene()) == payloads


def test_a_record_may_arrive_byte_by_byte(tmp_path: Path) -> None:
    path, payload = tmp_path / "c.pcap", sealed()

    async def scene() -> list[bytes]:
        async with reading(path) as here:
            for octet in capture(payload):
                here.append(bytes([octet]))
                await asyncio.sleep(0)
            return await here.payloads(1)

    assert asyncio.run(scene()) == [payload]


def test_a_file_that_is_not_there_is_waited_for(tmp_path: Path) -> None:
    path, payload = tmp_path / "c.pcap", sealed()

    async def scene() -> tuple[list[bytes], list[str]]:
        async with reading(path) as here:
            (tmp_path / "other").write_text("no news for us")
            path.write_bytes(capture(payload))
            return await here.payloads(1), here.told

    found, [told] = asyncio.run(scene())
    assert found == [payload]
    assert "does not exist" in told


@pytest.mark.requirement("8.8", "8.9", partial=True)
@pytest.mark.parametrize("way", ["moved", "removed", "put over", "cut", "cut and longer at once"])
def test_it_is_followed_through_rotation_and_truncation(tmp_path: Path, way: str) -> None:
    path = tmp_path / "c.pcap"
    first, second = [sealed() for _ in range(3)], [sealed() for _ in range(3)]
    path.write_bytes(capture(*first))

    def rotate(last: bytes) -> None:
        match way:
            case "moved":
                path.rename(tmp_path / "c.pcap.1")
                with (tmp_path / "c.pcap.1").open("ab") as old:
                    old.write(capture(last)[HEAD:])  # the writer was not told yet
                path.write_bytes(capture(*second))
            case "removed":
                path.unlink()
                path.write_bytes(capture(last, *second))
            case "put over":
                other = tmp_path / "new"
                other.write_bytes(capture(last, *second))
                other.rename(path)
            case "cut":
                os.truncate(path, 0)
                with path.open("ab") as file:
                    file.write(capture(last))
            case _:
                path.write_bytes(capture(last, *second, *second, *second))

    async def scene() -> list[bytes]:
        async with reading(path) as here:
            await here.payloads(3)
            last = sealed()
            rotate(last)
            if way == "cut":
                await here.payloads(4)
                for each in second:
                    here.append(capture(each)[HEAD:])
            found = await here.payloads(7)
            assert found[:4] == [*first, last]
            return found

    assert asyncio.run(scene())[4:7] == second


def test_a_damaged_file_is_told_once_and_read_again_when_it_is_begun_anew(tmp_path: Path) -> None:
    path, payload = tmp_path / "c.pcap", sealed()
    damaged = struct.pack("<IIII", 1, 1, MAX_FRAME + 1, 1)

    async def scene() -> tuple[list[bytes], list[str]]:
        async with reading(path) as here:
            path.write_bytes(capture(sealed()) + damaged)
            await here.is_told("is skipped until it is begun anew")
            here.append(capture(sealed())[HEAD:])
            path.rename(tmp_path / "old")
            path.write_bytes(capture(payload))
            return await here.payloads(1), here.told

    found, told = asyncio.run(scene())
    assert found == [payload]
    assert sum("begun anew" in each for each in told) == 1


def test_only_what_the_filter_passes_is_a_packet_and_the_rest_is_counted(tmp_path: Path) -> None:
    path, payload = tmp_path / "c.pcap", sealed()
    asked = http.request(payload, "203.0.113.1")
    path.write_bytes(capture(sealed(), b"x", asked))

    async def scene(text: str, requests: HttpRequests | None, count: int) -> Sequence[bytes]:
        async with reading(path, text, requests) as here:
            found = await here.payloads(count)
            if not requests:
                assert here.source.dropped()["bytes: length"] == 1
            return found

    assert len(asyncio.run(scene("udp port 62201", None, 1))) == 1
    assert asyncio.run(scene("udp", HttpRequests(), 2))[1] == payload

    async def nothing() -> int:
        async with reading(path, "tcp") as here:
            here.append(capture(sealed())[HEAD:])
            path.rename(tmp_path / "old")
            path.write_bytes(b"no capture file, and long enough")
            await here.is_told("this is not a capture file")
            return len(here.found)

    assert asyncio.run(nothing()) == 0


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(HostError, match="no regular file"):
        FileSource(tmp_path / "pipe", None)
    with pytest.raises(HostError, match="No such file"):
        FileSource(tmp_path / "no" / "folder", None)
    with pytest.raises(HostError, match="no regular file"):
        FileSource(tmp_path, None)


@pytest.mark.parametrize("size", [1, 5, 24, 41, 1000])
def test_pieces_of_any_size_give_the_records_of_the_whole(size: int) -> None:
    data = capture(sealed(), b"", sealed())
    reader, found = Reader(), []
    for at in range(0, len(data), size):
        found += reader.feed(data[at : at + size])
    assert found == list(records(data))
    assert reader.link is Link.ETHERNET


def test_a_reader_says_as_soon_as_can_be_that_it_is_no_capture() -> None:
    for octets in (b"x", b"\x0a\x0d\x0d\x0a", ip_capture(1.0, b"")[:20] + bytes([250, 250, 0, 0])):
        with pytest.raises(OperatorError):
            Reader().feed(octets)
    assert Reader().feed(b"\xd4\xc3") == []
