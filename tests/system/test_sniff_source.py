"""The source that sniffs, on the loopback of a namespace: its contract, and bursts."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.contract.sources import PacketSourceContract
from tests.sealing import sealed
from watchword.dialects.pcap_filter import parse
from watchword.edges.capture import tap
from watchword.edges.capture.knocks import KnockSource
from watchword.edges.capture.sniff import SniffSource
from watchword.edges.clock import SystemClock
from watchword.lab.hosts import Host, Lab
from watchword.lab.sockets import inside
from watchword.model.settings import CaptureFilter, Sniffer
from watchword.ports import Interest, PacketSource
from watchword.wire.spa.envelope import FIRST_CHARACTERS
from watchword.wire.spa.lengths import LONGEST, SHORTEST

pytestmark = pytest.mark.system
PORT = 62201
BURST = 20_000
INTEREST = Interest(SHORTEST, LONGEST, FIRST_CHARACTERS, base64=True)
TEXT = f"udp port {PORT}"


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    with Lab() as lab:
        yield lab.host("alone")


def source(host: Host, **more: object) -> SniffSource:
    tests = parse(TEXT)
    wanted = Sniffer(("lo",), CaptureFilter(TEXT, tests), **more)  # type: ignore[arg-type]
    return inside(host, lambda: SniffSource(wanted, tests))


def sender(host: Host) -> socket.socket:
    return inside(host, lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))


class TestSniffSource(PacketSourceContract):
    @pytest.fixture(autouse=True)
    def _in_a_host(self, host: Host) -> None:
        self.host = host

    def make(self) -> PacketSource:
        return source(self.host)

    def feed(self, source: PacketSource, payload: bytes) -> None:
        with closing(sender(self.host)) as talk:
            talk.sendto(payload, ("127.0.0.1", PORT))


def test_a_burst_of_a_second_s_packets_is_kept_to_the_last_one(host: Host) -> None:
    payload = sealed()

    async def scene() -> tuple[int, int]:
        here = source(host)
        here.narrow(INTEREST)
        with closing(sender(host)) as talk:
            for _ in range(BURST):
                talk.sendto(payload, ("127.0.0.1", PORT))
        count = 0
        async for batch in here.batches():
            count += len(batch)
            if count >= BURST:
                break
        dropped = here.dropped()["kernel: no room for sniffed ones"]
        await here.aclose()
        return count, dropped

    assert asyncio.run(asyncio.wait_for(scene(), 250)) == (BURST, 0)


@pytest.mark.parametrize("old_kernel", [False, True])
@pytest.mark.parametrize("both", [False, True])
def test_what_passes_loopback_is_seen_once(
    host: Host, monkeypatch: pytest.MonkeyPatch, old_kernel: bool, both: bool
) -> None:
    """Going out and coming in are one there. Kernels before 4.20 cannot leave out what goes out."""
    if old_kernel:
        monkeypatch.setattr(tap, "_IGNORE_OUTGOING", 9999)
    first, last = sealed(), sealed()

    async def scene() -> list[bytes]:
        here = source(host, both_directions=both)
        found: list[bytes] = []
        with closing(sender(host)) as talk:
            for payload in (first, last):
                talk.sendto(payload, ("127.0.0.1", PORT))
        async for batch in here.batches():
            found += [each.payload for each in batch]
            if last in found:
                break
        await here.aclose()
        return found

    assert asyncio.run(asyncio.wait_for(scene(), 60)) == [first, last]


def test_what_finds_no_room_is_counted(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tap, "RECEIVE_BUFFER", 4096)

    async def scene() -> int:
        here = source(host)
        with closing(sender(host)) as talk:
            for _ in range(100):
                talk.sendto(sealed(), ("127.0.0.1", PORT))
        dropped = here.dropped()["kernel: no room for sniffed ones"]
        again = here.dropped()["kernel: no room for sniffed ones"]
        await here.aclose()
        assert again == dropped
        return dropped

    assert 0 < asyncio.run(scene()) < 100


def test_garbage_never_wakes_anybody_and_what_is_nearly_right_is_counted(host: Host) -> None:
    good = sealed()
    bad = [b"x" * 200, b"8" * 139, b"8" * 1600, b"8" + b"!" * 200]
    nearly = good[:20] + b"!" + good[21:]

    async def scene() -> tuple[list[bytes], dict[str, int]]:
        here = source(host)
        here.narrow(INTEREST)
        with closing(sender(host)) as talk:
            for payload in (*bad, nearly, good):
                talk.sendto(payload, ("127.0.0.1", PORT))
        async for batch in here.batches():
            found = [each.payload for each in batch]
            break
        dropped = dict(here.dropped())
        await here.aclose()
        return found, dropped

    found, dropped = asyncio.run(asyncio.wait_for(scene(), 60))
    assert found == [good]
    assert dropped == {
        "bytes: alphabet": 1, "no whole packet": 0, "kernel: no room for sniffed ones": 0,
    }  # fmt: skip


def test_a_source_of_knocks_says_when_an_interface_goes_down_and_comes_back(host: Host) -> None:
    async def scene() -> list[tuple[str, ...]]:
        told: list[tuple[str, ...]] = []
        source = inside(host, lambda: KnockSource(("lo",), None, SystemClock()))
        source.news = lambda: told.append(source.awaited)

        async def listen() -> None:
            async for _ in source.batches():
                pass

        listening = asyncio.ensure_future(listen())
        for number, state in enumerate(("down", "up"), start=1):
            await asyncio.to_thread(host.run, "ip", "link", "set", "lo", state)
            async with asyncio.timeout(60):
                while len(told) < number:
                    await asyncio.sleep(0.005)
        listening.cancel()
        await asyncio.wait([listening])
        return told

    assert asyncio.run(scene()) == [("interface lo",), ()]
