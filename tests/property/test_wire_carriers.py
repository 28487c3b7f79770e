"""What holds for every request, stream and raw packet, whoever made it."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address
from itertools import pairwise

from hypothesis import example, given
from hypothesis import strategies as st

from watchword.model.packets import Packet
from watchword.model.reasons import Reason
from watchword.wire.carriers.headers import Ends, Ports, icmp_packet, tcp_packet, udp_packet
from watchword.wire.carriers.http import LONGEST, Carried, extract, request
from watchword.wire.carriers.stream import Collector, Progress
from watchword.wire.frames import ICMP, ICMPV6, TCP, UDP, Link, packet_of
from watchword.wire.spa.base64text import ALPHABET
from watchword.wire.spa.opening import flaw

base64_texts = st.text(ALPHABET.decode("ascii"), min_size=1, max_size=1500).map(str.encode)
addresses = st.ip_addresses(v=4) | st.ip_addresses(v=6)
words = st.sampled_from(
    [
        b"GET /", b"get /", b"POST /", b"GET http://a/", b"A" * 140, b"_-" * 70, b" HTTP/1.0", b"?",
        b"=", b"\r\n", b"\n", b"\r", b" ", b"\t", b"\0", b",", b"User-Agent: Fwknop/2.6.10",
        b"User-Agent: x", b"X-Forwarded-For: ", b"x-forwarded-for:", b"192.0.2.1", b"2001:db8::1",
    ]
)  # fmt: skip
jumble = st.lists(words | st.binary(max_size=8), max_size=12).map(b"".join)
line_ends = st.sampled_from([b"\r\n", b"\n"])
lines = (
    st.sampled_from([b"User-Agent: Fwknop/2", b"X-Forwarded-For: 192.0.2.1", b"Host: a"]) | jumble
)
requests = st.builds(
    lambda path, given, end, rest: end.join([b"GET /" + path + b" HTTP/1.0", *given, b"", rest]),
    st.binary(max_size=10) | base64_texts.map(lambda text: text[:1400]),
    st.lists(lines, max_size=6),
    line_ends,
    jumble,
)
streams = requests | jumble | st.binary(max_size=LONGEST + 200) | base64_texts


@given(base64_texts, addresses.map(str) | st.sampled_from(["a.example", "a_b-c"]))
def test_a_request_is_found_again_whoever_it_goes_to(payload: bytes, host: str) -> None:
    assert extract(request(payload, host)) == Carried(payload)
    assert extract(request(payload, host, agent="x"), any_agent=True) == Carried(payload)
    assert extract(request(payload, host, proxy=host), any_agent=True) is None


@given(addresses, base64_texts)
def test_a_claimed_address_is_read_in_its_one_form(address: IPv4Address, payload: bytes) -> None:
    line = f"\r\nX-Forwarded-For: {address}\r\n".encode("ascii")
    found = extract(request(payload, "a").replace(b"\r\n", line, 1))
    assert found is not None
    plain = getattr(address, "ipv4_mapped", None) or address
    assert found.forwarded_for == (None if plain.is_unspecified else plain)


@given(streams, st.booleans())
@example(b"GET /" * 800 + b" " * 90, True)
def test_any_bytes_are_a_request_or_none(octets: bytes, any_agent: bool) -> None:
    found = extract(octets, any_agent=any_agent)
    if found is None:
        return
    assert octets[:5].lower() == b"get /"
    assert len(found.payload) < len(octets) <= LONGEST
    assert not set(found.payload) & set(b"-_ \t\r\n\v\f")
    assert len(found.forwarded_text) <= 64
    assert found.forwarded_text.isprintable() or not found.forwarded_text
    assert any_agent or b"\nUser-Agent: Fwknop" in octets


@given(streams, st.lists(st.integers(0, LONGEST + 200)), st.booleans())
@example(b"GET /" + b"A" * 140 + b"\r\n\r\nA", [1, 2, 3, 4, 5, 146, 147, 148, 149], True)
@example(b"A" * 1501, [1500], True)
@example(b"GET /" + b"A" * LONGEST + b"\n\n", [LONGEST - 1], True)
def test_where_a_stream_is_cut_makes_no_difference(
    stream: bytes, cuts: list[int], with_requests: bool
) -> None:
    whole, pieces = Collector(requests=with_requests), Collector(requests=with_requests)
    expected = whole.feed(stream)
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    told = [pieces.feed(stream[start:end]) for start, end in pairwise(edges)]
    assert (told[-1], pieces.end()) == (expected, whole.end())
    still_open = told.count(Progress.MORE)
    assert told == [Progress.MORE] * still_open + [expected] * (len(told) - still_open)


@given(streams)
def test_byte_by_byte_gives_the_same_and_is_settled_once(stream: bytes) -> None:
    whole, pieces = Collector(requests=True), Collector(requests=True)
    whole.feed(stream)
    for at in range(len(stream)):
        pieces.feed(stream[at : at + 1])
    assert pieces.end() == whole.end()


@given(streams)
def test_what_is_collected_is_of_one_kind_or_none(stream: bytes) -> None:
    collector = Collector(requests=True)
    progress = collector.feed(stream)
    content = collector.end()
    if content is None:
        return
    assert stream.startswith(content)
    if progress is Progress.WHOLE:
        assert content.endswith((b"\n\r\n", b"\n\n"))
        assert len(content) <= LONGEST
    else:
        assert content == stream
        assert flaw(content) in (None, Reason.PREFIX)


numbers = st.integers(0, 65535)
ports = st.integers(1, 65535)
payloads = st.binary(min_size=1, max_size=1500)
fours = st.builds(Ends, st.ip_addresses(v=4), st.ip_addresses(v=4))
sixes = st.builds(Ends, st.ip_addresses(v=6), st.ip_addresses(v=6))
ends = (fours | sixes).filter(lambda each: not each.source.is_unspecified)
octets = st.integers(0, 255)


@given(payloads, ends, st.builds(Ports, ports, ports), numbers, st.booleans())
def test_a_built_packet_is_read_as_what_it_was_built_from(
    payload: bytes, way: Ends, at: Ports, identification: int, checksums: bool
) -> None:
    for make, protocol in ((udp_packet, UDP), (tcp_packet, TCP)):
        built = make(payload, way, at, identification=identification, checksums=checksums)
        read = Packet(
            payload, str(way.source), at.source, str(way.destination), at.destination, protocol
        )
        assert packet_of(built, Link.RAW) == read
        assert packet_of(built + b"\0\0\0\0", Link.RAW) == read


@given(payloads, ends, octets, octets, numbers)
@example(b"A", Ends(IPv6Address("2001:db8::1"), IPv6Address("2001:db8::2")), 128, 0, 7)
@example(b"A", Ends(IPv4Address("192.0.2.1"), IPv4Address("192.0.2.2")), 8, 0, 7)
def test_a_built_icmp_message_is_read_as_what_it_was_built_from(
    payload: bytes, way: Ends, kind: int, code: int, echo_id: int
) -> None:
    built = icmp_packet(payload, way, kind=kind, code=code, echo_id=echo_id)
    protocol = ICMP if way.version == 4 else ICMPV6
    assert packet_of(built, Link.RAW) == Packet(
        payload, str(way.source), 0, str(way.destination), 0, protocol
    )
