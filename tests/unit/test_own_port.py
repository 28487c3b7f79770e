"""Connections from a port that was chosen before."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

import pytest

from watchword.edges.dial import Heard
from watchword.edges.own_port import OwnPort


@pytest.fixture(params=["127.0.0.1", "::1"])
def address(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@contextlib.contextmanager
def bound(address: str) -> Iterator[socket.socket]:
    """A port that refuses connections until somebody listens."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as made:
        made.bind((address, 0))
        yield made


def test_the_other_side_sees_the_port_that_was_declared(address: str) -> None:
    with bound(address) as service:
        service.listen()
        own = OwnPort(address, service.getsockname()[1])
        answer = own.announce() or own.dial(60)
        assert answer.connection is not None
        with answer.connection:
            assert service.accept()[1][1] == own.number
            assert answer.connection.getblocking()


def test_a_refusal_counts_once_it_is_not_a_firewalls_any_more(address: str) -> None:
    with bound(address) as service:
        own = OwnPort(address, service.getsockname()[1])
        first = own.announce()
        answer = first if first is not None else own.dial(60)
        assert answer.heard is Heard.REFUSAL


def test_a_port_that_opens_after_a_refusal_is_reached_from_the_same_port(address: str) -> None:
    with bound(address) as service:
        own = OwnPort(address, service.getsockname()[1])
        own.announce()
        threading.Timer(0.05, service.listen).start()
        answer = own.dial(60, stubborn=60)
        assert answer.connection is not None
        with answer.connection:
            assert service.accept()[1][1] == own.number


def test_while_it_is_tried_nobody_else_gets_the_port(address: str) -> None:
    own = OwnPort(address, 9)
    with (
        contextlib.closing(own),
        bound(address) as other,
        socket.socket(other.family, socket.SOCK_STREAM) as taker,
        pytest.raises(OSError, match="in use"),
    ):
        taker.bind(("", own.number))
