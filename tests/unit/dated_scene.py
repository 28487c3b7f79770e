"""Firewalls whose rules say when they end, with emulators behind them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.contract.firewall import World
from watchword.edges.clock import FakeClock
from watchword.edges.firewall.dated.backend import DatedFirewall
from watchword.edges.firewall.dated.lock import Lock
from watchword.edges.firewall.dated.rule import Tool
from watchword.edges.firewall.dated.sweeper import Sweeper
from watchword.edges.firewall.dated.tools import tool_for
from watchword.model.firewalls import FirewallSettings
from watchword.ports import ProgramRunner


class StillHeir:
    """Does nothing: a test that wants something ended has a sweeper do it."""

    def __init__(self, settings: FirewallSettings, lock: Path) -> None:
        self.alive = True
        self.looks = 0

    def look(self) -> None:
        self.looks += 1

    def close(self) -> None:
        self.alive = False


def world_of(
    settings: FirewallSettings,
    programs: ProgramRunner,
    path: Path,
    wipe: Callable[[], None],
    tools: Callable[[FirewallSettings, ProgramRunner, Path], Tool] = tool_for,
) -> World:
    """As after the server's death: what ends rules is a sweeper of its own."""
    clock = FakeClock()
    backend = DatedFirewall(
        settings, path / "lock", programs=programs, clock=clock, heir=StillHeir, tools=tools
    )
    heir = Sweeper(tools(settings, programs, path), Lock(path / "lock"), clock, alone=True)

    def wait(seconds: float) -> None:
        clock.advance(seconds)
        heir.turn()

    return World(backend, clock, wait, wipe, grain=1.0)
