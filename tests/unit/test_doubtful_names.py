"""A name that leads to one host by the old rules and to another by the new is not looked up."""

from __future__ import annotations

import socket

import pytest

from watchword.edges import dial
from watchword.edges.send import addresses, sockets
from watchword.edges.send.names import ascii_name
from watchword.edges.whereabouts.reaching import Deadline
from watchword.edges.whereabouts.reaching import addresses as resolvers
from watchword.errors import HostError
from watchword.model.routes import Carrier, Route

DOUBTFUL = ["faß.example", "ςίγμα.example", "a\u200cb.example", "a\u200db.example"]


@pytest.mark.parametrize("host", DOUBTFUL)
def test_a_name_that_stands_for_two_is_refused_by_whoever_looks_names_up(
    host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object) -> None:
        raise AssertionError("looked up")

    monkeypatch.setattr(sockets, "getaddrinfo", never)
    monkeypatch.setattr(socket, "getaddrinfo", never)
    for look_up in (
        lambda: addresses(Route(carrier=Carrier.UDP, host=host, port=1)),
        lambda: dial.addresses(host),
        lambda: resolvers(host, 443, 4, socket.SOCK_STREAM, Deadline(1)),
        lambda: ascii_name(host),
    ):
        with pytest.raises(HostError, match="the name stands for two") as caught:
            look_up()
        assert caught.value.hint == "write it as it is in DNS: xn--..."


def test_other_names_of_other_letters_are_looked_up_as_everybody_does() -> None:
    assert ascii_name("bücher.example") == "xn--bcher-kva.example"
