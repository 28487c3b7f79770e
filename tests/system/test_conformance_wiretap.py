"""What the kit sees on a loopback belongs to the run in question, however late it is looked at."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from tests.daemon import until
from watchword.conformance import wiretap
from watchword.conformance.wiretap import Wiretap
from watchword.lab.hosts import Host, Lab
from watchword.lab.sockets import connect, listen, send_datagram

pytestmark = pytest.mark.system


@pytest.fixture
def host() -> Iterator[Host]:
    with Lab() as lab:
        yield lab.host("client")


def test_all_that_was_carried_is_seen_at_once_even_if_no_time_is_left(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where the machine stood still in between."""
    monkeypatch.setattr(wiretap, "SETTLE", 0.0)
    with Wiretap(host, []) as tap:
        for number in range(20):
            send_datagram(host, b"x" * (number + 1), "127.0.0.1", 62201)
        seen = [each for each in tap.carried() if each.protocol == socket.IPPROTO_UDP]
        assert [len(each.payload) for each in seen] == list(range(1, 21))
        assert [each for each in tap.carried() if each.protocol == socket.IPPROTO_UDP] == []


def test_an_answer_that_comes_late_is_not_of_the_next_run(host: Host) -> None:
    with Wiretap(host, []) as tap, listen(host, "127.0.0.1", 80) as listener:
        client = connect(host, "127.0.0.1", 80)
        assert client is not None
        with client, listener.accept()[0] as server:
            client.sendall(b"GET / HTTP/1.0\r\n\r\n")
            assert [each.port for each in tap.carried()] == [80]
            server.sendall(b"HTTP/1.0 404 Not Found\r\n\r\n")
            assert until(lambda: client.recv(100, socket.MSG_PEEK))
            assert tap.carried() == []
