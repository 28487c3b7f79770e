"""What the gate may say to the hand: every order survives the way, nothing else passes."""

from __future__ import annotations

import contextlib
import json
from dataclasses import fields
from ipaddress import ip_address, ip_network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchword.errors import PeerError
from watchword.model.addresses import Address
from watchword.model.openings import (
    MOST_TICKETS,
    ON_TICKETS,
    Extent,
    Hole,
    Lead,
    Opening,
    SourceNat,
    Tag,
    tickets,
)
from watchword.model.orders import (
    Apply,
    Awaiting,
    CloseByCommand,
    Compile,
    Cut,
    Decrypt,
    Firewall,
    Mail,
    OpenByCommand,
    OpenControl,
    OpenDoor,
    OpenWay,
    Order,
    Plain,
    Prolong,
    Recognise,
    RunCommand,
    Settle,
    Through,
    Unused,
    UseUp,
    Wanted,
    Way,
)
from watchword.model.services import Proto, Service
from watchword.service.apart import letters
from watchword.wire.orders import encode
from watchword.wire.orders_read import decode

ADDRESSES = st.ip_addresses()
SERVICES = st.builds(Service, st.sampled_from(Proto), st.integers(1, 65535))
LEADS = st.none() | st.builds(
    Lead,
    st.none() | ADDRESSES,
    st.integers(1, 65535),
    st.just(False),
    st.none() | st.builds(SourceNat, st.none() | ADDRESSES),
)
EVERYTHING = st.builds(Lead, st.none() | ADDRESSES, st.just(0), st.just(True), st.none())


def network(who: Address, bits: int, first: bool) -> tuple[Address, Extent]:
    bits = 1 + bits % who.max_prefixlen
    whole = ip_network((who, bits), strict=False)
    return whole.network_address, Extent(bits=bits, first=first)


PARTS = st.tuples(ADDRESSES, st.integers(1, 65535).map(Extent)) | st.builds(
    network, ADDRESSES, st.integers(0, 200), st.booleans()
)
NO = st.just(False)
HOLES = st.one_of(
    st.builds(Hole, ADDRESSES, SERVICES, st.none() | ADDRESSES, LEADS, st.none(), st.just(0), NO),
    st.builds(Hole, ADDRESSES, st.none(), st.none(), EVERYTHING, st.none(), st.just(0), NO),
    st.builds(
        lambda part, service, to: Hole(part[0], service, to, None, part[1]),
        PARTS, SERVICES, st.none() | ADDRESSES,
    ),
    st.builds(
        Hole, ADDRESSES, SERVICES, st.none() | ADDRESSES, LEADS, st.none(), st.just(ON_TICKETS), NO,
    ),
    st.builds(
        Hole, ADDRESSES, SERVICES, st.none() | ADDRESSES, st.none(), st.none(),
        st.integers(1, MOST_TICKETS).flatmap(
            lambda first: st.integers(1, MOST_TICKETS + 1 - first).map(
                lambda number: tickets(first, number)
            )
        ),
        NO,
    ),
    st.builds(
        Hole, ADDRESSES, SERVICES, st.none() | ADDRESSES, st.none(), st.none(), st.just(0),
        st.just(True),
    ),
)  # fmt: skip
OPENINGS = st.builds(Opening, HOLES, st.floats(0, 1e11))
TAGS = st.binary(min_size=8, max_size=8).map(lambda octets: Tag(octets.hex()))
NUMBERS = st.integers(0, 10_000)
WORDS = st.lists(st.text(max_size=9), min_size=1, max_size=5).map(tuple)
OF_FIREWALLS = (
    Plain.NAME,
    Plain.PROBE,
    Plain.PREPARE,
    Plain.INSTALLED,
    Plain.INTACT,
    Plain.TEARDOWN,
    Plain.KNOCKED,
    Plain.REST,
)
NAMES = st.text(max_size=9)
ORDERS: st.SearchStrategy[Order] = st.one_of(
    st.sampled_from([each for each in Plain if each not in OF_FIREWALLS]),
    st.builds(Firewall, st.sampled_from(OF_FIREWALLS), st.booleans()),
    st.builds(
        Apply,
        st.lists(
            st.builds(Wanted, OPENINGS, NUMBERS, ADDRESSES, NAMES, NAMES), max_size=4
        ).map(tuple),
        st.frozensets(TAGS, max_size=4),
        st.booleans(),
    ),
    st.builds(Recognise, st.lists(OPENINGS, max_size=4).map(tuple), st.booleans()),
    st.builds(
        Settle,
        st.lists(st.tuples(st.integers(1, 10_000), ADDRESSES), max_size=4).map(tuple),
        st.booleans(),
    ),
    st.builds(Through, st.lists(HOLES, max_size=4).map(tuple)),
    st.builds(Unused, st.lists(HOLES, max_size=4).map(tuple)),
    st.builds(Cut, st.lists(HOLES, max_size=4).map(tuple), st.booleans()),
    st.builds(RunCommand, NUMBERS, st.text(max_size=50), NUMBERS),
    st.builds(
        OpenByCommand, NUMBERS, ADDRESSES, ADDRESSES, st.none() | ADDRESSES, SERVICES,
        NUMBERS, NUMBERS, NUMBERS, st.text(max_size=9),
    ),
    st.builds(OpenDoor, st.integers(1, 10_000), ADDRESSES, NUMBERS),
    st.builds(
        UseUp, st.integers(1, 10_000), st.lists(SERVICES, min_size=1, max_size=32).map(tuple),
        NUMBERS,
    ),
    st.builds(CloseByCommand, WORDS),
    st.builds(Prolong, WORDS, st.floats(0, 1e11), st.text(max_size=9)),
    st.builds(Awaiting, st.lists(st.from_regex("[ a-z0-9/]{0,9}", fullmatch=True)).map(tuple)),
    st.builds(Decrypt, st.binary(max_size=32), st.binary(max_size=99)),
    st.builds(Mail, st.from_regex(r"[+!][ a-zA-Z0-9]{0,20}", fullmatch=True)),
    st.builds(
        OpenWay, st.sampled_from(Way), st.integers(0, 6), st.integers(0, 65535),
        st.text(max_size=9),
    ),
    st.builds(Compile, st.text(max_size=50)),
    st.builds(OpenControl, WORDS, WORDS),
)  # fmt: skip


@given(order=ORDERS)
def test_every_order_says_the_same_on_the_other_side(order: Order) -> None:
    assert decode(encode(order)) == order
    assert letters.read(letters.order(7, order)) == letters.Letter(7, order)


WHOLE = ("who", "service", "destination", "lead", "extent", "ticket", "answers")


def test_an_opening_has_no_part_that_is_left_behind() -> None:
    """Whoever gives openings another part has to write and read it (wire.orders)."""
    assert [each.name for each in fields(Opening)] == ["hole", "until"]
    assert Hole._fields == WHOLE
    assert Lead._fields == ("host", "port", "everything", "source")


@given(octets=st.binary(max_size=200))
def test_noise_is_no_order_and_nothing_worse(octets: bytes) -> None:
    with contextlib.suppress(PeerError):
        decode(octets)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=9,
)


@given(order=ORDERS, data=st.data())
def test_an_order_with_another_value_in_it_is_an_order_or_a_peer_error(
    order: Order, data: st.DataObject
) -> None:
    told: dict[str, Any] = json.loads(encode(order))
    told[data.draw(st.sampled_from(sorted(told)))] = data.draw(VALUES)
    try:
        found = decode(json.dumps(told).encode())
    except PeerError:
        return
    assert decode(encode(found)) == found


@pytest.mark.parametrize(
    "told",
    [
        {"do": "mail", "subject": "-oQ/tmp"},
        {"do": "awaiting", "what": ["eth0\nMAINPID=1"]},
        {"do": "awaiting", "what": ["x"] * 1025},
        {"do": "awaiting", "what": "eth0"},
        {"do": "mail", "subject": "a\nBcc: somebody"},
        {"do": "mail", "subject": "x" * 1001},
        {"do": "close", "argv": []},
        {"do": "close", "argv": "ls"},
        {"do": "command", "stanza": True, "command": "id", "policy": 0},
        {"do": "command", "stanza": -1, "command": "id", "policy": 0},
        {"do": "firewall", "what": "reread", "coming": False},
        {"do": "firewall", "what": "prepare", "coming": 0},
        {"do": "prepare"},
        {"do": "reread", "more": 1},
        {"do": "prolong", "argv": ["x"], "until": 1e300},
        {"do": "apply", "add": [], "remove": ["0123"], "coming": False},
        {"do": "apply", "add": [], "remove": ["0123456789abcdeg"], "coming": False},
        {"do": "way", "way": "shadow", "family": 4, "port": 1, "path": ""},
    ],
)
def test_an_order_that_is_not_exactly_of_its_form_is_none(told: dict[str, object]) -> None:
    with pytest.raises(PeerError):
        decode(json.dumps(told).encode())


@pytest.mark.parametrize(
    "who", ["fe80::1%x;reboot", "fe80::1%eth0", b"fe80::1%x;id".hex(), "fe80::1", "192.0.2.1"]
)
def test_an_address_is_its_bytes_and_brings_no_interface_into_a_command(who: str) -> None:
    """Its text, behind which anything may stand (RFC 4007), is read nowhere."""
    told: dict[str, Any] = {
        "do": "open", "stanza": 1, "who": "c0000201", "source": "c0000201", "destination": None,
        "proto": "tcp", "port": 22, "ends": 1, "seconds": 1, "policy": 0, "grant": "",
    }  # fmt: skip
    assert isinstance(decode(json.dumps(told).encode()), OpenByCommand)
    for name in ("who", "source", "destination"):
        with pytest.raises(PeerError):
            decode(json.dumps({**told, name: who}).encode())
    rest = [None, None, 0, False]
    for row in ([who, "tcp", 22, None, *rest], ["c0000201", "tcp", 22, who, *rest]):
        with pytest.raises(PeerError):
            decode(json.dumps({"do": "cut", "holes": [row], "coming": False}).encode())


def test_a_service_may_only_be_missing_where_everything_is_led_on() -> None:
    hole = Hole(ip_address("192.0.2.1"), None, None, Lead(None, 0, everything=True))
    row = ["c0000201", "", 0, None, None, None, 0, False]
    with pytest.raises(PeerError):
        decode(json.dumps({"do": "cut", "holes": [row], "coming": False}).encode())
    assert decode(encode(Cut((hole,)))) == Cut((hole,))


@pytest.mark.parametrize(
    ("lead", "part", "ticket"),
    [
        ([None, 22, False, None], None, 0),
        (None, [40123, 0, False], 0),
        (None, None, ON_TICKETS),
        (None, None, 1),
    ],
)
def test_answers_go_to_a_whole_address_and_lead_nowhere(
    lead: object, part: object, ticket: int
) -> None:
    for answers, taken in ((False, True), (True, False), (1, False)):
        row = ["c0000201", "tcp", 22, None, lead, part, ticket, answers]
        order = json.dumps({"do": "cut", "holes": [row], "coming": False}).encode()
        with contextlib.nullcontext() if taken else pytest.raises(PeerError):
            decode(order)


def test_a_reply_is_an_object_of_bounded_size() -> None:
    assert letters.read(letters.reply(3, {"a": 1})) == letters.Letter(3, None, {"a": 1})
    for octets in (b"", b"r" + bytes(8) + b"[]", b"r" + bytes(8) + b"{", b"x" + bytes(8) + b"{}"):
        with pytest.raises(PeerError):
            letters.read(octets)
    with pytest.raises(PeerError):
        letters.read(b"r" + bytes(8) + b'{"a":"' + b"x" * (1 << 20) + b'"}')
