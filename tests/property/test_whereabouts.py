"""What holds for everything that a resolver may answer, and for every way to name one."""

from __future__ import annotations

import contextlib
from ipaddress import IPv4Address, IPv6Address

from hypothesis import example, given
from hypothesis import strategies as st

from tests.unit.test_whereabouts_wire import SAMPLE_4, TRANSACTION, message
from watchword.dialects.fwknop.client_resolvers import resolvers, web
from watchword.errors import OperatorError, PeerError
from watchword.model.addresses import Address
from watchword.wire.whereabouts import claims, stun, web_answer

addresses = st.ip_addresses(v=4) | st.ip_addresses(v=6)
heads = st.sampled_from(
    [
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.0 302 x\r\nLocation: /\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n",
        b"",
    ]
)
rests = st.binary(max_size=60) | st.lists(
    st.sampled_from([b"5", b"\r\n", b"\n", b"0", b"abcde", b";", b"1.2.3.4"]), max_size=12
).map(b"".join)


def masked(address: Address) -> bytes:
    """The value of XOR-MAPPED-ADDRESS for an address, by the RFC's words."""
    mask = bytes.fromhex("2112a442") + TRANSACTION
    family = 1 if address.version == 4 else 2
    octets = bytes(one ^ two for one, two in zip(address.packed, mask, strict=False))
    return bytes([0, family, 0, 0]) + octets


@given(addresses)
def test_the_address_in_a_stun_answer_is_the_one_that_was_put_in(address: Address) -> None:
    datagram = message(0x0101, (0x0020, masked(address)))
    assert stun.answer(datagram, TRANSACTION) == address


@given(st.binary(max_size=80), st.sampled_from([b"\x01\x01", b"\x01\x11"]))
@example(SAMPLE_4[20:], b"\x01\x01")
def test_any_datagram_is_passed_over_or_an_address_or_refused(body: bytes, kind: bytes) -> None:
    head = kind + len(body).to_bytes(2, "big") + bytes.fromhex("2112a442") + TRANSACTION
    for datagram in (body, head + body):
        with contextlib.suppress(PeerError):
            found = stun.answer(datagram, TRANSACTION)
            assert found is None or isinstance(found, IPv4Address | IPv6Address)


@given(heads, rests)
def test_any_answer_is_read_or_refused_and_the_same_however_it_comes(
    head: bytes, rest: bytes
) -> None:
    octets = head + rest
    try:
        whole = web_answer.read(octets, ended=True)
    except PeerError:
        return
    assert whole is not None
    assert len(whole.body) <= web_answer.BODY_LIMIT
    for size in range(len(octets)):
        early = web_answer.read(octets[:size], ended=False)
        assert early in (None, whole)


@given(st.binary(max_size=60), st.sampled_from([4, 6]))
def test_any_text_is_an_address_of_the_family_or_refused(text: bytes, version: int) -> None:
    for read in (claims.leading, claims.whole):
        with contextlib.suppress(PeerError):
            assert read(text, version).version == version


@given(addresses)
def test_an_address_is_read_as_it_is_written_or_is_nobodys(address: Address) -> None:
    text = str(address).encode()
    try:
        assert claims.leading(text, address.version) == address
    except PeerError:
        odd = address.version == 6 and (address.ipv4_mapped is not None or address.is_loopback)
        assert odd or int(address) in (0, 2**32 - 1) or address.is_multicast


@given(
    st.text(max_size=40) | st.from_regex(r"(https?|stun|dns):[\w.:/@\[\],]{0,30}", fullmatch=True)
)
@example("dns:a@b/TXT,stun:[::1]:5,https://h")
def test_any_list_is_resolvers_that_can_be_written_down_and_read_again(text: str) -> None:
    with contextlib.suppress(OperatorError):
        found = resolvers(text)
        assert resolvers(",".join(map(str, found))) == found


@given(st.text(max_size=40))
def test_any_url_is_a_page_or_a_mistake(text: str) -> None:
    with contextlib.suppress(OperatorError):
        page = web(text)
        assert page.path.startswith("/")
        assert page.path.isascii()
