"""What the benchmark sends is what it says it sends."""

from __future__ import annotations

import pytest

from bench import flood, packets
from watchword import spa
from watchword.wire.frames import Link, packet_of


def test_a_sealed_packet_opens_with_the_key_of_its_stanza() -> None:
    opened = spa.unseal(packets.sealed("10.1.2.3", stanza=7), spa.Lock(packets.credential(7)))
    assert opened.message.text == "10.1.2.3,tcp/22"


def test_the_stanzas_have_different_keys() -> None:
    with pytest.raises(spa.SpaError):
        spa.unseal(packets.sealed("10.1.2.3", stanza=7), spa.Lock(packets.credential(8)))


def test_a_forged_packet_looks_right_and_opens_nothing() -> None:
    made = packets.forged(20)
    assert len(set(made)) == 20
    assert [spa.flaw(each) for each in made] == [None] * 20
    assert {len(each) for each in made} == {len(packets.sealed("10.0.0.1"))}
    keys = spa.Bunch([spa.Lock(packets.credential(number)) for number in (1, 2)])
    assert {keys.first_fit(each) for each in made} == {2}, "one of the keys fits"


def test_garbage_is_wrong_in_the_way_it_is_called() -> None:
    assert {spa.flaw(each) for each in packets.too_short(20)} == {spa.Reason.LENGTH}
    assert {spa.flaw(each) for each in packets.wrong_alphabet(20)} == {spa.Reason.ALPHABET}
    assert all(each[:1] == b"8" for each in packets.wrong_alphabet(20))
    assert len(set(packets.random_bytes(20))) == 20


def test_no_address_is_given_out_twice() -> None:
    assert not set(packets.fresh_addresses(300)) & set(packets.fresh_addresses(300))


def test_each_frame_of_the_flood_is_a_packet_from_another_address() -> None:
    payloads = packets.forged(300)
    octets, size = flood.frames(
        payloads, to_mac=b"\x02" * 6, from_mac=b"\x04" * 6, to="203.0.113.1"
    )
    assert len(octets) == 300 * size
    made = [packet_of(octets[at : at + size], Link.ETHERNET) for at in range(0, len(octets), size)]
    assert [each.payload for each in made if each] == payloads
    assert len({each.peer for each in made if each}) == 300
    assert {(each.local, each.local_port) for each in made if each} == {("203.0.113.1", 62201)}


def test_a_header_with_its_checksum_sums_to_nothing() -> None:
    header = bytes.fromhex("450000730000400040110000c0a80001c0a800c7")
    assert flood.checksum(header) == 0xB861
    assert flood.checksum(header[:10] + b"\xb8\x61" + header[12:]) == 0
