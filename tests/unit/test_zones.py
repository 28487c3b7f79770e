"""An address that is good behind one interface only keeps that interface on its way to a socket."""

from __future__ import annotations

import socket

from watchword.edges import dial
from watchword.edges.path import Objection, Passage
from watchword.edges.send import addresses
from watchword.model.routes import Carrier, Route
from watchword.service.doctor.diagnosis import Seen, Trouble, diagnose

LOOPBACK = socket.if_nametoindex("lo")


def test_an_address_is_found_again_behind_the_same_interface() -> None:
    assert dial.addresses("fe80::1%lo") == ["fe80::1%lo"]
    assert addresses(Route(carrier=Carrier.UDP, host="fe80::1%lo", port=1)) == (
        f"fe80::1%{LOOPBACK}",
    )
    for zone in ("lo", str(LOOPBACK)):
        assert dial.place(f"fe80::1%{zone}", 5) == ("fe80::1", 5, 0, LOOPBACK)
    assert dial.addresses("::1") == ["::1"]
    assert dial.place("192.0.2.1", 5) == ("192.0.2.1", 5)
    assert dial.place("fe80::1%gone0", 5) == ("fe80::1", 5)


def test_what_the_server_itself_says_is_known_as_that() -> None:
    seen = Seen(
        host="home", server="fe80::1%lo", carrier="udp", server_port=62201, address="fe80::1%lo",
        port=22, passage=Passage(Objection.NOBODY, "fe80::1"),
    )  # fmt: skip
    assert diagnose(seen).trouble is Trouble.SERVICE
