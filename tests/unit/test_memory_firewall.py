"""The firewall in memory keeps the contract, and does what tests tell it to."""

from __future__ import annotations

import pytest

from tests.contract.firewall import FirewallContract, World, tags
from watchword.edges.clock import FakeClock
from watchword.edges.firewall.memory import MemoryFirewall
from watchword.errors import HostError
from watchword.model.openings import Feature


class TestMemoryFirewall(FirewallContract):
    column = ""

    @pytest.fixture
    def world(self) -> World:
        clock = FakeClock()
        backend = MemoryFirewall(clock)
        return World(backend, clock, lambda seconds: void(clock.advance(seconds)), backend.disturb)


def void(_: object) -> None: ...


def prepared() -> tuple[MemoryFirewall, World]:
    clock = FakeClock()
    backend = MemoryFirewall(clock)
    backend.prepare()
    return backend, World(backend, clock, lambda _: None, backend.disturb)


def test_it_fails_once_when_told_to_and_changes_nothing() -> None:
    backend, world = prepared()
    there, other = world.opening(), world.opening("192.0.2.8")
    world.add(there)
    backend.fail_next_apply = True
    with pytest.raises(HostError):
        world.add(other)
    assert backend.installed() == tags(there)
    world.add(other)
    assert backend.installed() == tags(there, other)


def test_its_openings_can_be_looked_at() -> None:
    backend, world = prepared()
    there = world.opening()
    world.add(there)
    assert backend.openings == {there}


def test_it_can_be_disturbed_without_losing_what_is_open() -> None:
    backend, world = prepared()
    there = world.opening()
    world.add(there)
    backend.disturb(lose=False)
    assert not backend.intact()
    assert backend.installed() == tags(there)


def test_it_takes_over_connections_the_first_time_only() -> None:
    backend = MemoryFirewall(FakeClock())
    backend.adopts = 3
    assert [backend.prepare(), backend.prepare()] == [3, 0]
    backend.disturb()
    assert backend.prepare() == 0


def test_it_can_be_less_able() -> None:
    backend = MemoryFirewall(FakeClock(), features=frozenset({Feature.IPV4}))
    assert backend.probe() == {Feature.IPV4}
