"""AWS is asked every second while anything is open, and less often when it says so."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path

from tests.fwknopd_files import configure, fatal
from tests.unit.dated_scene import StillHeir
from watchword.edges.clock import FakeClock
from watchword.edges.firewall.dated.aws import SecurityGroup
from watchword.edges.firewall.dated.aws_calls import Group, Inbound, ThrottledError
from watchword.edges.firewall.dated.backend import DatedFirewall
from watchword.edges.firewall.dated.heir import order, ordered
from watchword.edges.firewall.dated.rule import Rule
from watchword.edges.firewall.dated.tools import tool_for
from watchword.edges.programs import MemoryPrograms
from watchword.model.firewalls import FirewallSettings
from watchword.model.openings import Hole
from watchword.model.services import Service

SSH = Service.parse("tcp/22")


class Counted(Group):
    """AWS with nothing in it, which counts how often it is asked, and may have enough of that."""

    def __init__(self) -> None:
        self.looks = 0
        self.throttles: Callable[[], bool] = lambda: False
        self.held: dict[Inbound, str] = {}

    def listed(self) -> dict[Inbound, str]:
        return dict(self.held)

    def glimpsed(self) -> dict[Inbound, str]:
        self.looks += 1
        if self.throttles():
            raise ThrottledError("slower, please", code="RequestLimitExceeded")
        return dict(self.held)


class Time:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Watch:
    """Goes round once a second, as the backend does."""

    def __init__(self, every: float = 1.0) -> None:
        self.calls, self.time = Counted(), Time()
        self.group = SecurityGroup(self.calls, "door", look_every=every, steady=self.time)
        self.at: list[float] = []

    def rounds(self, seconds: int, *, live: bool) -> list[float]:
        """When it looked, in seconds from now on."""
        began, self.at = self.time.now, []
        for _ in range(seconds):
            if self.group.due(live=live):
                self.at.append(self.time.now - began)
                with contextlib.suppress(ThrottledError):
                    self.group.look()
            self.time.now += 1.0
        return self.at


def test_while_anything_is_open_it_is_looked_every_second_and_else_twice_a_minute() -> None:
    watch = Watch()
    assert len(watch.rounds(60, live=True)) == 60
    assert len(watch.rounds(120, live=False)) == 4
    assert watch.rounds(3, live=True) == [0.0, 1.0, 2.0], "a grant is looked after at once"


def test_the_operator_can_have_it_slower() -> None:
    watch = Watch(every=10.0)
    assert watch.rounds(60, live=True) == [0, 10, 20, 30, 40, 50]
    assert Watch(every=90.0).rounds(180, live=False) == [0, 90]


def test_when_aws_has_enough_the_pause_doubles_up_to_half_a_minute_and_comes_down_again() -> None:
    watch = Watch()
    watch.calls.throttles = lambda: True
    assert watch.rounds(120, live=True) == [0, 2, 6, 14, 30, 60, 90]
    watch.calls.throttles = lambda: False
    assert watch.rounds(35, live=True) == [0, 15, 23, 27, 29, 30, 31, 32, 33, 34]


def test_a_slow_operator_is_not_made_faster_by_aws() -> None:
    watch = Watch(every=60.0)
    watch.calls.throttles = lambda: True
    assert watch.rounds(180, live=True) == [0, 60, 120]


def backend(tool: SecurityGroup, path: Path) -> DatedFirewall:
    return DatedFirewall(
        FirewallSettings(backend="aws"), path / "lock", programs=MemoryPrograms(),
        clock=FakeClock(), heir=StillHeir, tools=lambda *_: tool,
    )  # fmt: skip


def test_what_aws_did_not_tell_is_no_disturbance(tmp_path: Path) -> None:
    calls, time = Counted(), Time()
    tool = SecurityGroup(calls, "door", look_every=0.001, steady=time)
    firewall = backend(tool, tmp_path)
    firewall.prepare()
    calls.throttles = lambda: True

    async def scene() -> None:
        woken = asyncio.ensure_future(anext(firewall.disturbances()))
        while calls.looks < 3:
            time.now += 100.0
            await asyncio.sleep(0.001)
        assert not woken.done()
        calls.throttles = lambda: False
        calls.held[Inbound(ip_address("192.0.2.7"), SSH)] = "watchword door _exp_1795961329"
        while not woken.done():
            time.now += 100.0
            await asyncio.sleep(0.001)

    asyncio.run(asyncio.wait_for(scene(), 30))
    calls.throttles = lambda: True
    assert firewall.intact(), "nothing else is known"


def test_a_look_asks_once_and_what_a_grant_needs_is_asked_again() -> None:
    settings = FirewallSettings(backend="aws")
    asked: list[int] = []

    class Asked(Group):
        def _call(self, name: str, attempts: int = 4, **_: object) -> object:
            asked.append(attempts)
            return {"SecurityGroups": [{"IpPermissions": []}]}

    tool = SecurityGroup(Asked(settings.aws), "door", settling=0.0)
    tool.look()
    tool.change((), [Rule(Hole(ip_address("192.0.2.7"), SSH), 9)])
    assert asked == [1, 4, 4]


def test_the_interval_is_taken_from_the_file_and_told_to_the_heir(tmp_path: Path) -> None:
    told = "FIREWALL_BACKEND aws\nAWS_SECURITY_GROUP sg-0123456789abcdef0\n"
    assert configure(told).settings.firewall.aws.look_every == 1.0
    slow = configure(f"{told}AWS_LOOK_INTERVAL 10\n").settings.firewall
    assert slow.aws.look_every == 10.0
    assert ordered(order(slow, tmp_path))[0].aws == slow.aws
    tool = tool_for(slow, MemoryPrograms())
    assert tool.look_every == 1.0, "so that a grant does not wait for its first look"
    assert tool.look_seldom == 30.0
    for wrong in ("0", "3601"):
        assert fatal(f"{told}AWS_LOOK_INTERVAL {wrong}\n")
