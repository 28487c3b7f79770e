"""nftables, attached both ways, keeps the contract of every firewall backend."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_address

import pytest

from tests.contract.firewall import FirewallContract, World
from tests.system.nft_scene import CLOCK, entered, firewall, guarding, jumping, nft
from watchword.lab.hosts import Lab
from watchword.model.firewalls import Attach, FirewallSettings, JumpFrom, NamedSet

pytestmark = pytest.mark.system

OPERATORS = """
add table inet filter
add chain inet filter input { type filter hook input priority 0; policy drop; }
add chain inet filter forward { type filter hook forward priority 0; policy drop; }
add set inet filter friends4 { type ipv4_addr . inet_proto . inet_service; flags timeout; }
add set inet filter friends6 { type ipv6_addr . inet_proto . inet_service; flags timeout; }
add set inet filter friends4_to { type ipv4_addr . ipv4_addr . inet_proto . inet_service; flags timeout; }
add set inet filter friends6_to { type ipv6_addr . ipv6_addr . inet_proto . inet_service; flags timeout; }
add table ip alone
add chain ip alone input { type filter hook input priority 5; policy accept; }
add table ip6 alone
add chain ip6 alone input { type filter hook input priority 5; policy accept; }
"""  # noqa: E501 - the text as it is


def world_of(settings: FirewallSettings, operators: str) -> Iterator[World]:
    def wipe() -> None:
        nft(script=f"flush ruleset\n{operators}")

    with Lab() as lab:
        alone = lab.host("alone")
        with entered(alone), firewall(settings) as backend:
            nft(script=operators)
            apart = settings.answers_apart
            yield World(backend, CLOCK, time.sleep, wipe, answers_apart=apart)


class TestGuard(FirewallContract):
    column = "nftables guard"

    @pytest.fixture
    def world(self) -> Iterator[World]:
        prefixes = ((4, 24), (6, 64))
        parts = replace(
            guarding(), binds=True, prefixes=prefixes, firsts=prefixes, counts=True, at_once=1000
        )
        yield from world_of(parts, "")


class TestGuardThatLeadsOn(FirewallContract):
    column = "nftables guard"

    @pytest.fixture
    def world(self) -> Iterator[World]:
        snat = (ip_address("203.0.113.1"), ip_address("2001:db8:1::1"))
        forward = (JumpFrom("inet", "filter", "forward"),)
        hung = {"forward_from": forward, "output_from": forward}
        yield from world_of(guarding(leads=True, snat=snat, **hung), OPERATORS)


class TestMark(FirewallContract):
    column = "nftables mark"

    @pytest.fixture
    def world(self) -> Iterator[World]:
        forward = (JumpFrom("inet", "filter", "forward"),)
        settings = FirewallSettings(attach=Attach.MARK, leads=True, output_from=forward)
        yield from world_of(settings, OPERATORS)


class TestSetsOfTheOperators(FirewallContract):
    column = "nftables sets"

    @pytest.fixture
    def world(self) -> Iterator[World]:
        named = tuple(
            NamedSet(version, to, "inet", "filter", f"friends{version}{'_to' if to else ''}")
            for version in (4, 6)
            for to in (False, True)
        )
        settings = FirewallSettings(
            attach=Attach.SETS,
            sets=named,
            leads=True,
            output_from=(JumpFrom("inet", "filter", "forward"),),
        )
        yield from world_of(settings, OPERATORS)


class TestJumpFromOneTable(FirewallContract):
    column = "nftables jump"

    @pytest.fixture
    def world(self) -> Iterator[World]:
        yield from world_of(jumping("inet filter input"), OPERATORS)


class TestJumpThatLeadsOn(FirewallContract):
    column = "nftables jump"

    @pytest.fixture
    def world(self) -> Iterator[World]:
        forward = (JumpFrom("inet", "filter", "forward"),)
        settings = replace(
            jumping("inet filter input"),
            leads=True,
            forward_from=forward,
            output_from=forward,
            answers_apart=True,
        )
        yield from world_of(settings, OPERATORS)


class TestJumpFromSeveralTables(FirewallContract):
    column = "nftables jump"

    @pytest.fixture
    def world(self) -> Iterator[World]:
        places = ("inet filter input", "ip alone input", "ip6 alone input")
        yield from world_of(jumping(*places), OPERATORS)
