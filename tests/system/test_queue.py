"""Packets from a netfilter queue: no socket, no answer, and a rule that goes when we go."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.contract.sources import PacketSourceContract
from tests.daemon import Server, base64, stanza, until
from tests.sealing import sealed
from tests.values import KEY, MAC_KEY
from watchword.edges.capture.queue import QueueSource
from watchword.edges.programs import SystemPrograms
from watchword.errors import HostError
from watchword.lab.hosts import Host, Lab
from watchword.lab.sockets import inside, send_datagram
from watchword.lab.trio import Trio, trio
from watchword.model.settings import PacketQueue
from watchword.ports import Completed, PacketSource
from watchword.wire.carriers import http

pytestmark = [pytest.mark.system, pytest.mark.peer("iptables")]
CHAIN = "FWKNOP_NFQ"


@pytest.fixture(scope="module")
def scene() -> Iterator[Trio]:
    with Lab() as lab:
        yield trio(lab)


def mangled(host: Host) -> list[str]:
    """What both families have in the table, ours and others'."""
    return [host.run(program, "-t", "mangle", "-S").stdout for program in ("iptables", "ip6tables")]


class Programs(SystemPrograms):
    """Programs on a host."""

    def __init__(self, host: Host) -> None:
        super().__init__()
        self._host = host

    def run(self, argv, **more) -> Completed:  # type: ignore[no-untyped-def]
        return super().run([*self._host.prefix, *argv], **more)


class Slow(Programs):
    """Programs that end when they are let."""

    def __init__(self, host: Host) -> None:
        super().__init__(host)
        self.may_end, self.waits = threading.Event(), threading.Event()
        self.may_end.set()
        self.held_up = False
        """Nobody let one end: whoever should have waited for it."""

    def run(self, argv, **more) -> Completed:  # type: ignore[no-untyped-def]
        if not self.may_end.is_set():
            self.waits.set()
            self.held_up = not self.may_end.wait(60)
        return super().run(argv, **more)


class TestQueueSource(PacketSourceContract):
    @pytest.fixture(autouse=True)
    def _on_a_host(self, scene: Trio) -> None:
        self.scene = scene

    def make(self) -> PacketSource:
        host = self.scene.server.host
        return inside(host, lambda: QueueSource(PacketQueue(), Programs(host)))

    def feed(self, source: PacketSource, payload: bytes) -> None:
        send_datagram(self.scene.caller.host, payload, self.scene.server.four, 62201)

    def test_what_is_no_packet_is_counted_and_nothing_is_left_behind(self) -> None:
        good = sealed()

        async def scene() -> tuple[list[bytes], int]:
            source = self.make()
            assert isinstance(source, QueueSource)
            assert all(CHAIN in each for each in mangled(self.scene.server.host))
            for payload in (b"x", b"!" * 200, good):
                self.feed(source, payload)
            async for batch in source.batches():
                found = [each.payload for each in batch]
                break
            counted = source.flaws.total()
            await source.aclose()
            return found, counted

        assert asyncio.run(asyncio.wait_for(scene(), 60)) == ([good], 1)
        assert not any(CHAIN in each for each in mangled(self.scene.server.host))

    def test_packets_go_on_being_looked_at_while_a_program_mends_the_rule(self) -> None:
        host = self.scene.server.host
        programs = Slow(host)

        async def scene() -> None:
            source = inside(host, lambda: QueueSource(PacketQueue(), programs))
            arriving = aiter(source.batches())
            programs.may_end.clear()
            first = asyncio.ensure_future(anext(arriving))
            while not programs.waits.is_set():  # the watch may just be beginning
                host.run("iptables", "-t", "mangle", "-A", CHAIN, "-j", "RETURN")
                await asyncio.sleep(0.05)
            good = sealed()
            self.feed(source, good)
            assert [each.payload for each in await asyncio.wait_for(first, 60)] == [good]
            closing = asyncio.ensure_future(source.aclose())
            await asyncio.sleep(0)
            assert not programs.held_up
            programs.may_end.set()
            await asyncio.wait_for(closing, 60)
            with pytest.raises(StopAsyncIteration):
                await anext(arriving)

        asyncio.run(scene())
        assert not any(CHAIN in each for each in mangled(host))

    def test_a_queue_that_is_taken_is_told_with_the_remedy(self) -> None:
        async def scene() -> None:
            first = self.make()
            with pytest.raises(HostError, match="cannot read netfilter queue 1") as caught:
                self.make()
            assert "another NFQ_QUEUE_NUMBER" in caught.value.hint
            await first.aclose()

        asyncio.run(scene())


@pytest.fixture(scope="module")
def server(scene: Trio, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(scene.server.host, tmp_path_factory.mktemp("server"))
    server.settings |= {
        "ENABLE_NFQ_CAPTURE": "Y", "GUARD_SERVICES": "ALL", "ENABLE_SPA_OVER_HTTP": "Y",
    }  # fmt: skip
    server.access = stanza(OPEN_PORTS="")
    yield server.start()
    assert server.stop() == 0
    assert not any(CHAIN in each for each in mangled(server.host))


@pytest.mark.peer("fwknop")
def test_the_packaged_client_gets_in_although_no_port_is_open(
    scene: Trio, server: Server, tmp_path: Path
) -> None:
    assert "Taking packets to UDP port 62201 from netfilter queue 1." in server.log
    assert server.host.run("ss", "-Hlntup").stdout == ""
    before = len(server.judged)
    scene.caller.host.run(
        "/usr/bin/fwknop", "--rc-file", str(tmp_path / "rc"), "--no-save-args",
        "-A", "tcp/22", "-a", scene.caller.four, "-D", scene.server.four,
        "--key-base64-rijndael", base64(KEY), "--key-base64-hmac", base64(MAC_KEY),
    )  # fmt: skip
    told = server.wait_for_judgements(before + 1)[before]
    assert (told["verdict"], told["interface"]) == ("granted", "eth0")
    assert f"{scene.caller.four} . tcp . 22 " in server.ruleset()


def test_both_families_and_requests_are_taken(scene: Trio, server: Server) -> None:
    payloads = [sealed("0.0.0.0,tcp/23", sent_at=int(time.time())) for _ in range(2)]
    for target, octets in (
        (scene.server.six, payloads[0]),
        (scene.server.four, http.request(payloads[1], scene.server.four)),
    ):
        before = len(server.judged)
        send_datagram(scene.caller.host, octets, target, 62201)
        assert server.wait_for_judgements(before + 1)[before]["verdict"] == "granted"


def test_a_stranger_gets_no_answer_whatever_the_length(scene: Trio, server: Server) -> None:
    caller = scene.stranger.host
    talk = inside(caller, lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    with closing(talk):
        talk.connect((scene.server.four, 62201))
        talk.settimeout(0.3)
        for payload in (b"x", b"8" * 200):
            talk.send(payload)
            with pytest.raises(TimeoutError):  # an ICMP error would be ConnectionRefusedError
                talk.recv(100)


@pytest.mark.parametrize(
    "vandalism",
    [
        ("nft", "flush", "ruleset"),
        ("iptables", "-t", "mangle", "-F", CHAIN),
        ("iptables", "-t", "mangle", "-D", "PREROUTING", "1"),
    ],
    ids=" ".join,
)
def test_a_rule_that_other_hands_remove_is_put_back(
    scene: Trio, server: Server, vandalism: tuple[str, ...]
) -> None:
    wanted = mangled(server.host)
    scene.server.host.run(*vandalism)
    until(lambda: mangled(server.host) == wanted)
    before = len(server.judged)
    payload = sealed("0.0.0.0,tcp/24", sent_at=int(time.time()))
    send_datagram(scene.caller.host, payload, scene.server.four, 62201)
    assert server.wait_for_judgements(before + 1)[before]["verdict"] == "granted"


def test_what_a_killed_daemon_leaves_is_taken_out_by_a_flush(scene: Trio, tmp_path: Path) -> None:
    other = Server(scene.caller.host, tmp_path)
    other.settings |= {"ENABLE_NFQ_CAPTURE": "Y", "GUARD_SERVICES": "tcp/22"}
    other.start()
    other.stop(9)  # type: ignore[arg-type]
    assert all(CHAIN in each for each in mangled(other.host))
    assert other.program("--fw-flush").returncode == 0
    assert not any(CHAIN in each for each in mangled(other.host))
