"""Faults while packets arrive: nothing open past its time, nothing twice, nothing lost in silence.

After each of them the books are checked: what the log calls granted and has
not called ended is what the kernel has.
"""

from __future__ import annotations

import json
import shutil
import signal
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from bench import flood
from tests.daemon import Server, until
from tests.sealing import sealed
from tests.vitals import (
    MEBIBYTE,
    Vitals,
    all_tried,
    assert_balanced,
    assert_unmoved,
    barrage,
    granted,
    openings,
    removals,
    volley,
)
from watchword.lab.hosts import Host, Lab
from watchword.lab.sockets import connect, gets_through, listen, reaches, send_datagram
from watchword.lab.trio import Trio, trio

pytestmark = pytest.mark.system
NFT = "/usr/sbin/nft"


@pytest.fixture
def scene() -> Iterator[Trio]:
    with Lab() as lab:
        yield trio(lab)


@pytest.fixture
def server(scene: Trio, tmp_path: Path) -> Server:
    return Server(scene.server.host, tmp_path).start()


@pytest.fixture
def naming(scene: Trio, tmp_path: Path) -> Server:
    """A server that names the grants whose end it tells."""
    server = Server(scene.server.host, tmp_path)
    server.settings["VERBOSE"] = "1"
    return server.start()


@pytest.fixture(autouse=True)
def service(scene: Trio) -> Iterator[None]:
    with closing(listen(scene.server.host, scene.server.four, 22)):
        yield


def fresh(text: str = "0.0.0.0,tcp/22", seconds: int = 0) -> bytes:
    return sealed(text, sent_at=int(time.time()), seconds=seconds)


def ask(scene: Trio, payload: bytes) -> None:
    send_datagram(scene.caller.host, payload, scene.server.four, 62201)


def others(number: int, seconds: int = 60, first: int = 0) -> Iterator[bytes]:
    """Packets of one length that each let another address in, all of them for the same time."""
    for each in range(first, first + number):
        who = f"10.{100 + each // 10_000}.{100 + each // 100 % 100}.{100 + each % 100}"
        yield fresh(f"{who},tcp/22", seconds)


def from_everywhere(scene: Trio, payloads: Sequence[bytes], rate: float) -> Callable[[], None]:
    """What sends packets of one length, each from another address, through the router."""
    host, router = scene.stranger.host, scene.internet
    for each, interface in ((router, "all"), (router, "stranger"), (scene.server.host, "all")):
        each.sysctl(f"net.ipv4.conf.{interface}.rp_filter", 0)
    octets, size = flood.frames(
        payloads,
        to_mac=mac(router, "stranger"),
        from_mac=mac(host, "eth0"),
        to=scene.server.four,
    )
    return lambda: barrage(host, "eth0", octets, size, rate)


def judged(server: Server) -> list[dict[str, Any]]:
    """What became of packets that somebody has a key for, the first time that they came."""
    others_ = ("hmac-mismatch", "replayed")
    return [each for each in server.judged if each.get("reason") not in others_]


def ask_again(scene: Trio, server: Server, packet: bytes, seen: int) -> bool:
    """Send it, as who gets no answer does; whether it was heard. A full queue loses packets."""
    ask(scene, packet)
    with suppress(AssertionError):
        return bool(until(lambda: len(judged(server)) > seen, 1))
    return False


def mac(host: Host, interface: str) -> bytes:
    [link] = json.loads(host.run("ip", "-j", "link", "show", interface).stdout)
    return bytes.fromhex(link["address"].replace(":", ""))


@contextmanager
def meanwhile(work: Callable[[], object]) -> Iterator[None]:
    """Something that goes on beside the block, and is over behind it."""
    failures: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        thread.join(250)
    if failures:
        raise failures[0]


def test_while_the_store_is_locked_packets_are_refused_and_grants_still_end(
    scene: Trio, naming: Server
) -> None:
    server = naming
    ask(scene, fresh(seconds=2))
    server.wait_for_judgements(1)
    [database] = (server.folder / "state").glob("*.sqlite3")
    late = fresh(seconds=30)
    with closing(sqlite3.connect(database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        ask(scene, late)
        refused = server.wait_for_judgements(2)[1]
        assert refused["reason"] == "replay-store-refused"
        assert f"{database} is locked by process" in server.log
        until(lambda: openings(scene.server.host) == {})
        volley(scene.stranger.host, (b"8" * 200 for _ in range(500)), scene.server.four)
        server.wait_for("Removed rule")
        other.execute("ROLLBACK")
    ask(scene, late)
    server.wait_for('"granted"', 2)
    ask(scene, late)
    until(lambda: server.judged[-1].get("reason") == "replayed")
    assert_balanced(server)


def test_a_table_flushed_again_and_again_during_a_flood_is_back_each_time(
    scene: Trio, server: Server
) -> None:
    ask(scene, fresh(seconds=250))
    server.wait_for_judgements(1)
    before = Vitals.of(*server.pids)
    bad = (b"8" + b"A" * 199 for _ in range(60_000))
    with meanwhile(lambda: volley(scene.stranger.host, bad, scene.server.four)):
        for number in range(8):
            scene.server.host.run("nft", "flush", "ruleset")
            seen = len(judged(server))
            packet = fresh(f"10.0.0.{number + 1},tcp/22", 250)
            until(lambda: ask_again(scene, server, packet, seen))  # noqa: B023
            slipped = connect(scene.stranger.host, scene.server.four, 22, 0.1)
            until(lambda: "hidden until granted" in server.ruleset())
            if slipped is not None:
                slipped.close()
    all_tried(server)
    assert_balanced(server)
    assert (scene.caller.four, "tcp/22") in openings(scene.server.host)
    assert not reaches(scene.stranger.host, scene.server.four, 22)
    assert gets_through(scene.caller.host, scene.server.four, 22)
    assert len(judged(server)) == 9  # who asked in the flood was heard, if not always let in
    told = server.log.count("other hands had changed") + server.log.count("firewall works again")
    assert 1 <= told <= 8 * 2
    ask(scene, fresh("192.0.2.77,tcp/22"))
    until(lambda: ("192.0.2.77", "tcp/22") in openings(scene.server.host))
    assert_unmoved(server, before)


def test_thousands_of_grants_that_end_in_one_second_are_closed_while_new_ones_open(
    scene: Trio, naming: Server
) -> None:
    server = naming
    number, share = 2500, 250
    began = time.monotonic()
    from_everywhere(scene, list(others(share, 3, 10_000)), 1250)()
    until_granted(server, share)
    wait = max(11.0, 3 + 3 * (time.monotonic() - began) * number / share)  # for a slow machine
    until(lambda: len(removals(server)) == share)
    end = time.monotonic() + wait
    for first in range(0, number, share):
        from_everywhere(scene, list(others(share, round(end - time.monotonic()), first)), 1250)()
        until_granted(server, share + first)
    until_granted(server, share + number)
    assert_balanced(server)
    assert len(openings(scene.server.host)) == number
    newcomers = others(1000, 250, first=number)
    while time.monotonic() < end + 1.5:
        if time.monotonic() > end - 1.5:
            ask(scene, next(newcomers))
        time.sleep(0.02)
    until(lambda: len(removals(server)) == share + number)
    all_tried(server)
    assert_balanced(server)
    assert len(openings(scene.server.host)) > 0
    assert "firewall:" not in server.log


def test_a_hundred_thousand_forged_sources_cost_no_memory_and_keep_no_caller_out(
    scene: Trio, server: Server
) -> None:
    fire = from_everywhere(scene, [b"8" + b"A" * 199] * 100_000, 25_000)
    volley(scene.stranger.host, (b"8" * size for size in range(140, 1400)), scene.server.four)
    all_tried(server)
    before, began = Vitals.of(*server.pids), time.monotonic()
    with meanwhile(fire):
        for packet in others(25):
            ask(scene, packet)
            time.sleep(0.15)
    figures = all_tried(server)
    seconds = time.monotonic() - began
    assert figures["packets"]["hmac-mismatch"] > 10_000
    assert figures["packets"]["granted"] > 0  # of those who asked once; a slow machine loses most
    assert_unmoved(server, before, 8 * MEBIBYTE)
    assert_balanced(server)
    assert server.log.count("\n") < 175 + 2 * seconds
    ask(scene, fresh())
    until(lambda: gets_through(scene.caller.host, scene.server.four, 22))


@pytest.fixture
def burst() -> list[bytes]:
    return list(others(6000, 250))


def test_a_reload_in_a_burst_of_grants_loses_none(
    scene: Trio, server: Server, burst: list[bytes]
) -> None:
    with meanwhile(lambda: in_step(scene, server, burst)):
        for share in (100, 1000, 2000, 4000):
            until_granted(server, share)
            server.send(signal.SIGHUP)
    until_granted(server, len(burst))
    server.wait_for("Re-starting fwknopd", 2)
    assert_balanced(server)
    assert len(openings(scene.server.host)) == len(burst)


def test_a_stop_in_a_burst_of_grants_finishes_what_it_took_and_leaves_the_rest_to_be_sent_again(
    scene: Trio, server: Server, burst: list[bytes]
) -> None:
    with meanwhile(from_everywhere(scene, burst, 3000)):
        until_granted(server, 1000)
        server.send(signal.SIGTERM)
    until(lambda: server.ended)
    assert server.process is not None
    assert server.process.returncode == 0
    assert_balanced(server)
    before = granted(server)
    server.start()
    server.wait_for(f"Restored {len(before)} grants")
    for at in range(0, len(burst), 500):
        from_everywhere(scene, burst[at : at + 500], 3000)()
        all_tried(server)
    until_granted(server, len(burst) - len(before))
    assert not before & granted(server)
    assert before | granted(server) == openings(scene.server.host).keys()


def in_step(scene: Trio, server: Server, burst: list[bytes]) -> None:
    """Send a burst no faster than it is granted, but for some hundreds; a machine may be busy."""
    for at in range(0, len(burst), 500):
        until_granted(server, at - 1000)
        from_everywhere(scene, burst[at : at + 500], 3000)()


def until_granted(server: Server, number: int) -> None:
    until(lambda: server.log.count('"granted"') >= number)


def test_a_second_daemon_on_the_same_state_is_refused_and_the_first_goes_on(
    scene: Trio, server: Server
) -> None:
    ask(scene, fresh(seconds=250))
    server.wait_for_judgements(1)
    other = Server(scene.server.host, server.folder / "other")
    other.folder.mkdir()
    other.settings |= {"STATE_DIR": server.settings["STATE_DIR"], "UDPSERV_PORT": "4444"}
    other.launch()
    until(lambda: other.ended)
    assert other.process is not None
    assert other.process.returncode == 1
    assert f"PID={server.pid}" in other.log
    assert "STATE_DIR" in other.log
    same = server.program("-f", "-p", server.settings["FWKNOP_RUN_DIR"] + "/fwknopd.pid")
    assert same.returncode == 1
    assert f"PID={server.pid}" in same.stderr
    assert gets_through(scene.caller.host, scene.server.four, 22)
    ask(scene, fresh("192.0.2.77,tcp/22", 250))
    server.wait_for_judgements(2)
    assert_balanced(server)
    server.stop()
    other.start()
    other.wait_for("Restored 2 grants")
    other.stop()


def test_its_run_directory_is_there_again_as_soon_as_somebody_has_removed_it(
    scene: Trio, server: Server
) -> None:
    folder = Path(server.settings["FWKNOP_RUN_DIR"])
    shutil.rmtree(folder, ignore_errors=True)  # it may be there again before rmtree has ended
    server.wait_for("somebody removed")
    until((folder / "control.sock").exists)
    assert "is running" in server.program("-S").stdout
    told = server.tool("status")
    assert told.returncode == 0, told.stderr
    ask(scene, fresh())
    assert server.wait_for_judgements(1)[0]["verdict"] == "granted"
    again = server.program("-f")
    assert (again.returncode, "already running" in again.stderr) == (1, True)
    assert server.program("-R").returncode == 0
    server.wait_for("Re-starting fwknopd")
    assert_balanced(server)
    assert server.program("-K").returncode == 0
    server.wait_for("Shutting Down fwknopd.")
    assert "Traceback" not in server.log


@contextmanager
def failing_nft(scene: Trio, server: Server) -> Iterator[None]:
    """The program nft fails for the daemon, which lives in a mount namespace of its own."""
    enter = ("nsenter", "-t", str(server.pid), "-m", "--")
    scene.server.host.run(*enter, "mount", "--bind", shutil.which("false") or "", NFT)
    try:
        yield
    finally:
        scene.server.host.run(*enter, "umount", NFT)


def told(server: Server) -> int:
    """Lines of the log, without those that repeat a failure in fwknopd's own words."""
    return sum("Error 1 from cmd" not in line for line in server.log.splitlines())


def test_when_nft_fails_grants_go_on_and_a_lost_table_is_told_once_a_second_until_it_is_back(
    scene: Trio, server: Server
) -> None:
    with failing_nft(scene, server):
        ask(scene, fresh(seconds=60))
        assert server.wait_for_judgements(1)[0]["verdict"] == "granted"
        assert gets_through(scene.caller.host, scene.server.four, 22)
        assert_balanced(server)
        began, lines = time.monotonic(), told(server)
        scene.server.host.run("nft", "flush", "ruleset")
        server.wait_for("firewall: ")
        server.wait_for("apply() Error 1 from cmd:'nft ")  # beside it, in fwknopd's words
        ask(scene, fresh("192.0.2.77,tcp/22"))
        assert server.wait_for_judgements(2)[1]["reason"] == "firewall-refused"
        server.wait_for("firewall: ", 5)
        more = told(server) - lines
        seconds = time.monotonic() - began
        assert more <= seconds + seconds / 5 + 6
    until(lambda: (scene.caller.four, "tcp/22") in openings(scene.server.host))
    assert_balanced(server)
    assert not reaches(scene.stranger.host, scene.server.four, 22)
    ask(scene, fresh("192.0.2.78,tcp/22"))
    until(lambda: ("192.0.2.78", "tcp/22") in openings(scene.server.host))
    assert_balanced(server)
