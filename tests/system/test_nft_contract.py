"""nftables, attached both ways, keeps the contract of every firewall backend."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.contract.firewall import FirewallContract, World
from tests.system.nft_scene import CLOCK, entered, firewall, guarding, jumping, nft
from watchword.lab.hosts import Lab
from watchword.model.settings import FirewallSettings

pytestmark = pytest.mark.system

OPERATORS = """
add table inet filter
add chain inet filter input { type filter hook input priority 0; policy drop; }
add table ip alone
add chain ip alone input { type filter hook input priority 5; policy accept; }
add table ip6 alone
add chain ip6 alone input { type filter hook input priority 5; policy accept; }
"""


def world_of(settings: FirewallSettings, operators: str) -> Iterator[World]:
    def wipe() -> None:
        nft(script=f"flush ruleset\n{operators}")

    with Lab() as lab:
        alone = lab.host("alone")
        with entered(alone), firewall(settings) as backend:
            nft(script=operators)
            yield World(backend, CLOCK, time.sleep, wipe)


class TestGuard(FirewallContract):
    @pytest.fixture
    def world(self) -> Iterator[World]:
        yield from world_of(guarding(), "")


class TestJumpFromOneTable(FirewallContract):
    @pytest.fixture
    def world(self) -> Iterator[World]:
        yield from world_of(jumping("inet filter input"), OPERATORS)


class TestJumpFromSeveralTables(FirewallContract):
    @pytest.fixture
    def world(self) -> Iterator[World]:
        places = ("inet filter input", "ip alone input", "ip6 alone input")
        yield from world_of(jumping(*places), OPERATORS)
