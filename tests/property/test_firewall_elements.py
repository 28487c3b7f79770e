"""What holds for every opening, every key and every answer of the kernel."""

from __future__ import annotations

import string
from ipaddress import ip_address
from typing import Literal

from hypothesis import given
from hypothesis import strategies as st

from watchword.edges.clock import FakeClock
from watchword.edges.firewall.memory import MemoryFirewall
from watchword.edges.firewall.nft import attributes, conntrack, elements
from watchword.edges.firewall.nft.attributes import Request
from watchword.edges.firewall.nft.connections import Connection
from watchword.edges.firewall.nft.elements import Live, Place
from watchword.edges.firewall.nft.layout import Home
from watchword.edges.firewall.nft.pieces import Pieces
from watchword.model.firewalls import FirewallSettings
from watchword.model.openings import ChangeSet, Hole, Lead, Opening, SourceNat, Tag
from watchword.model.services import Proto, Service

services = st.builds(Service, st.sampled_from(Proto), st.integers(1, 65535))


def holes_of(version: Literal[4, 6]) -> st.SearchStrategy[Hole]:
    addresses = st.ip_addresses(v=version)
    return st.builds(
        Hole,
        addresses,
        services,
        st.none() | addresses,
        st.none(),
        st.none(),
        st.just(0),
        st.just(False),
    )


def connections_of(version: Literal[4, 6]) -> st.SearchStrategy[Connection]:
    addresses = st.ip_addresses(v=version)
    return st.builds(Connection, addresses, st.integers(0, 65535), addresses, services)


holes = holes_of(4) | holes_of(6)
connections = connections_of(4) | connections_of(6)
tags = st.text("0123456789abcdef", min_size=16, max_size=16).map(Tag)
SEEN_ADDRESSES = (ip_address("10.0.0.1"), ip_address("fd00::1"))
names = st.text(string.ascii_lowercase, min_size=1, max_size=20)


@given(holes)
def test_a_hole_is_its_key(hole: Hole) -> None:
    assert elements.hole(elements.key(hole)) == hole


@given(st.binary(max_size=60))
def test_any_key_is_a_hole_or_none_of_ours(key: bytes) -> None:
    hole = elements.hole(key)
    assert hole is None or elements.hole(elements.key(hole)) == hole


HERE = Home("inet", "watchword")
SEEN = (None, SourceNat(), SourceNat(ip_address("10.0.0.1")), SourceNat(ip_address("fd00::1")))
PIECES = Pieces(HERE, FirewallSettings(leads=True, snat=SEEN_ADDRESSES))


def leads_of(version: Literal[4, 6]) -> st.SearchStrategy[Hole]:
    fitting = [each for each in SEEN if not each or not each.address or _is(each, version)]
    source, address = st.sampled_from(fitting), st.ip_addresses(v=version)
    one = st.builds(Lead, st.none() | address, st.integers(1, 65535), st.just(False), source)
    everything = st.builds(Lead, st.none() | address, st.just(0), st.just(True), source)
    door = holes_of(version)
    led = st.builds(lambda hole, lead: hole._replace(lead=lead), door, one)
    return led | st.builds(lambda hole, lead: Hole(hole.who, None, None, lead), door, everything)


def _is(source: SourceNat, version: int) -> bool:
    return source.address is not None and source.address.version == version


@given(st.lists(st.tuples(leads_of(4) | leads_of(6), tags), max_size=12, unique_by=lambda x: x[1]))
def test_openings_that_lead_somewhere_are_their_pieces(wanted: list[tuple[Hole, Tag]]) -> None:
    listed: dict[Place, list[Live]] = {}
    for hole, tag in wanted:
        assert hole.lead is not None
        for piece in PIECES.of(hole, hole.lead):
            live = Live(piece.slot.key, 9.0, tag, piece.data)
            listed.setdefault(piece.slot.place, []).append(live)
    found, useless = PIECES.read(listed)
    assert found == {tag: (hole, 9.0) for hole, tag in wanted}
    assert useless == {}


@given(leads_of(4) | leads_of(6), tags, st.data())
def test_a_piece_that_is_alone_is_no_opening(hole: Hole, tag: Tag, data: st.DataObject) -> None:
    assert hole.lead is not None
    pieces = PIECES.of(hole, hole.lead)
    if len(pieces) == 1:
        return
    left = data.draw(st.sampled_from(pieces))
    found, useless = PIECES.read({left.slot.place: [Live(left.slot.key, 9.0, tag, left.data)]})
    assert found == {}
    assert useless == {tag: [left.slot]}


@given(st.sampled_from(list(PIECES.places)), st.binary(max_size=40), st.binary(max_size=40), tags)
def test_whatever_is_in_our_maps_is_an_opening_or_of_no_use(
    place: Place, key: bytes, data: bytes, tag: Tag
) -> None:
    found, useless = PIECES.read({place: [Live(key, None, tag, data), Live(b"", 1.0, None)]})
    assert len(found) + len(useless) == 1


@given(connections)
def test_a_connection_is_its_key(connection: Connection) -> None:
    assert Connection.of_key(connection.key) == connection


@given(st.lists(st.tuples(holes, st.floats(0.001, 1e7), tags), max_size=20), st.booleans(), names)
def test_what_is_told_to_the_kernel_reads_back(
    wanted: list[tuple[Hole, float, Tag]], verdicts: bool, name: str
) -> None:
    place = Place(1, "watchword", name, verdicts)
    encoded = [
        elements.opening_element(place, elements.key(hole), seconds, tag)
        for hole, seconds, tag in wanted
    ]
    read = [
        live
        for request in elements.additions(place, encoded)
        for live in elements.listed(request.payload)
    ]
    assert read == [Live(elements.key(hole), None, tag) for hole, _, tag in wanted]


@given(st.lists(st.tuples(st.integers(0x0A00, 0x0AFF), st.binary(max_size=50)), min_size=1))
def test_a_transaction_reads_back_message_by_message(wanted: list[tuple[int, bytes]]) -> None:
    requests = [Request(kind, 1, attributes.attribute(1, data)) for kind, data in wanted]
    first, *middle, last = attributes.decode(attributes.batch(requests, 1))
    assert (first.kind, last.kind) == (16, 17)
    assert [(each.kind, list(attributes.walk(each.attributes))) for each in middle] == [
        (kind, [(1, data)]) for kind, data in wanted
    ]


@given(st.binary(max_size=300))
def test_no_answer_of_the_kernel_breaks_the_reading(data: bytes) -> None:
    for message in attributes.decode(data):
        list(attributes.walk(message.attributes))
    list(elements.listed(data))
    list(elements.listed(attributes.nest(3, attributes.nest(1, data))))
    list(conntrack.read(data))


@given(
    st.lists(
        st.tuples(
            st.lists(st.tuples(holes, st.integers(1, 100)), max_size=4),
            st.integers(0, 60),
        ),
        max_size=8,
    )
)
def test_whatever_is_applied_only_what_is_wanted_last_and_not_over_is_open(
    steps: list[tuple[list[tuple[Hole, int]], int]],
) -> None:
    clock = FakeClock()
    firewall = MemoryFirewall(clock)
    firewall.prepare()
    expected: dict[Hole, Opening] = {}
    for wanted, pause in steps:
        now = clock.now().steady
        openings = {hole: Opening(hole, now + seconds) for hole, seconds in wanted}
        gone = frozenset(expected[hole].tag for hole in openings if hole in expected)
        firewall.apply(ChangeSet(add=tuple(openings.values()), remove=gone))
        expected.update(openings)
        clock.advance(pause)
        expected = {
            hole: each for hole, each in expected.items() if each.until > clock.now().steady
        }
        assert firewall.installed() == {each.tag for each in expected.values()}
