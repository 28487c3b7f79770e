"""A port that a packet can be sent from."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from watchword.edges.free_ports import free_udp_port


@pytest.fixture(params=[socket.AF_INET, socket.AF_INET6], ids=["IPv4", "IPv6"])
def taken(request: pytest.FixtureRequest) -> Iterator[int]:
    """A port that somebody has in one of the families."""
    with socket.socket(request.param, socket.SOCK_DGRAM) as channel:
        channel.bind(("", 0))
        yield channel.getsockname()[1]


def test_a_port_that_somebody_has_is_passed_over(taken: int) -> None:
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as channel:
        channel.bind(("", 0))
        free = channel.getsockname()[1]
    drawn = iter([taken, taken, free])
    assert free_udp_port(lambda: next(drawn)) == free


def test_where_every_port_is_taken_the_system_chooses(taken: int) -> None:
    assert free_udp_port(lambda: taken) == 0
