"""An hour forward, an hour back: grants end when they should, and nothing is accepted twice."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon import Server, until
from tests.sealing import sealed
from tests.vitals import granted, openings
from watchword.lab.hosts import Lab
from watchword.lab.sockets import send_datagram
from watchword.lab.trio import Trio, trio

pytestmark = pytest.mark.system
STEPPING = str(Path(__file__).with_name("stepping.py"))
HOUR = 3600
BOTH_WAYS = pytest.mark.parametrize("step", [HOUR, -HOUR], ids=["forward", "back"])


class Stepped(Server):
    """A server whose wall clock is wrong by as much as the test says."""

    def __init__(self, scene: Trio, folder: Path) -> None:
        super().__init__(scene.server.host, folder)
        self.scene = scene
        self.wrong_by = 0
        (folder / "state").mkdir(mode=0o700)  # all that the server may read while it runs
        self.clock = folder / "state" / "clock"
        self.step(0)
        self.command = [sys.executable, STEPPING, str(self.clock)]

    def step(self, seconds: int) -> None:
        """Set the wall clock; whole at once, as the kernel does it."""
        self.wrong_by += seconds
        fresh = self.clock.with_suffix(".new")
        fresh.write_text(str(self.wrong_by), "ascii")
        fresh.replace(self.clock)

    def packet(self, seconds: int = 0, text: str = "0.0.0.0,tcp/22", sent: int = 0) -> bytes:
        """A packet of a caller whose clock agrees with the server's, but for ``sent``."""
        return sealed(text, sent_at=int(time.time()) + self.wrong_by + sent, seconds=seconds)

    def judge(self, payload: bytes) -> str:
        """Send a packet; what became of it."""
        before = len(self.judged)
        send_datagram(self.scene.caller.host, payload, self.scene.server.four, 62201)
        told = self.wait_for_judgements(before + 1)[before]
        return str(told.get("reason", told["verdict"]))

    def pruned(self) -> None:
        """Wait until the store was pruned by the present clock."""

        def just_now() -> bool:
            last = self.clock.with_suffix(".pruned")
            by = float((last.exists() and last.read_text("ascii")) or 0)
            return abs(by - time.time() - self.wrong_by) < HOUR / 2

        until(just_now)


@pytest.fixture(scope="module")
def scene() -> Iterator[Trio]:
    with Lab() as lab:
        yield trio(lab)


@pytest.fixture
def server(scene: Trio, tmp_path: Path) -> Iterator[Stepped]:
    yield Stepped(scene, tmp_path)
    scene.server.host.end_processes()
    scene.server.host.run("nft", "flush", "ruleset")


def left(server: Stepped) -> float | None:
    """Seconds that the kernel still lets the caller in; None: it does not."""
    return openings(server.host).get((server.scene.caller.four, "tcp/22"))


@BOTH_WAYS
def test_a_live_grant_ends_neither_early_nor_late(server: Stepped, step: int) -> None:
    server.start()
    began = time.monotonic()
    assert server.judge(server.packet(seconds=5)) == "granted"
    server.step(step)
    looks = 0
    while True:
        there, told = left(server) is not None, "Removed rule" in server.log
        if time.monotonic() > began + 4.9:  # what was seen may be its end
            break
        assert there
        assert not told
        looks += 1
        time.sleep(0.1)
    assert looks > 0
    server.wait_for("Removed rule")
    assert left(server) is None


@BOTH_WAYS
def test_a_grant_made_after_a_step_lasts_as_long_as_it_says(server: Stepped, step: int) -> None:
    server.start()
    began = time.monotonic()
    assert server.judge(server.packet(seconds=300)) == "granted"
    server.step(step)
    assert server.judge(server.packet(seconds=200, text="192.0.2.77,tcp/22")) == "granted"
    found = openings(server.host)
    took = time.monotonic() - began
    assert granted(server) == found.keys()
    assert 199 - took <= found["192.0.2.77", "tcp/22"] <= 200
    assert 299 - took <= found[server.scene.caller.four, "tcp/22"] <= 300


@BOTH_WAYS
def test_age_goes_by_the_wall_clock(server: Stepped, step: int) -> None:
    server.start()
    before = server.packet()
    server.step(step)
    assert server.judge(before) == ("too-old" if step > 0 else "from-the-future")
    assert server.judge(server.packet()) == "granted"
    assert server.judge(server.packet(sent=-200)) == "too-old"
    assert server.judge(server.packet(sent=+200)) == "from-the-future"


@BOTH_WAYS
def test_a_restart_after_a_step_keeps_the_end_of_a_grant(server: Stepped, step: int) -> None:
    server.start()
    for seconds in (6, 60):  # a busy machine may need more to start it again
        began = time.monotonic()
        assert server.judge(server.packet(seconds=seconds)) == "granted"
        judged = time.monotonic()
        server.kill()
        server.step(step)
        server.start()
        rest, now = left(server), time.monotonic()
        if rest is not None:
            break
    assert rest is not None
    assert "Restored 1 grants" in server.log
    assert rest <= seconds - (now - judged) + 1  # the listing is in whole seconds
    server.wait_for("Removed rule")
    assert time.monotonic() - began > seconds - 0.1
    assert left(server) is None


def test_a_restart_under_a_wrong_clock_leaves_nothing_open_when_it_is_set_right(
    server: Stepped,
) -> None:
    server.step(HOUR)
    server.start()
    assert server.judge(server.packet(seconds=2)) == "granted"
    server.kill()
    server.step(-HOUR)
    until(lambda: left(server) is None)
    server.start()
    server.wait_for("Removed rule")
    assert left(server) is None


@pytest.mark.requirement("8.4")
@pytest.mark.parametrize("restart", [False, True], ids=["running", "restarted"])
@pytest.mark.parametrize("steps", [(HOUR, -HOUR), (-HOUR, HOUR), (HOUR, -2 * HOUR)], ids=str)
def test_nothing_is_accepted_twice_whatever_the_clock_does(
    server: Stepped, steps: tuple[int, int], restart: bool
) -> None:
    server.start()
    packet = server.packet(seconds=1)
    assert server.judge(packet) == "granted"
    for step in steps:
        server.step(step)
        server.pruned()
        if restart:
            server.stop(signal.SIGKILL)
            server.start()
        assert server.judge(packet) == "replayed"
    until(lambda: left(server) is None)


@pytest.mark.requirement("8.4")
def test_a_clock_that_is_set_back_by_an_hour_makes_no_old_packet_good_again(
    server: Stepped,
) -> None:
    """An hour passes, everything that is over is forgotten, and the clock is set back."""
    server.start()
    packet = server.packet(seconds=1)
    assert server.judge(packet) == "granted"
    until(lambda: left(server) is None)
    server.step(HOUR)
    server.pruned()
    server.step(-HOUR)
    assert server.judge(packet) == "replayed"
    assert left(server) is None
