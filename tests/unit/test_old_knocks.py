"""Encrypted and shared sequences of fwknop 1.9: golden sequences and scenarios of the original."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, ip_address, ip_network
from typing import Any

import pytest

from tests.old_knocks import (
    BAD_SUM,
    GOLDEN,
    ICMP,
    KEY,
    LINUX_2_4,
    TCP,
    UDP,
    WRONG_KEY,
    Golden,
    heard,
    hit,
    hits,
    in_words,
    octets,
    policy,
    recogniser,
    stanza,
)
from tests.unit.test_pf_os import signatures
from watchword.model.crypto import Secret
from watchword.model.hits import Hit, Look
from watchword.model.moments import Moment
from watchword.model.old_knocks import Element, Encrypted, Shared, Signatures, SystemRule
from watchword.model.policy import Policy
from watchword.model.requests import Request
from watchword.model.services import Service
from watchword.recognise.sequences import SequenceRecogniser
from watchword.wire.knock_message import (
    ANYBODY,
    KnockMessage,
    UnreadableKnockError,
    compose,
    open_message,
    ports_of,
    protocols_of,
    seal,
)

SSH = Service.parse("tcp/22")
EIGHTS = SSH, Service.parse("tcp/9999")
ONE, OTHER = "10.77.0.11", "10.77.0.12"
LINE = Shared(
    (Element(TCP, 7000), Element(UDP, 7001), Element(ICMP, 0), Element(TCP, 7002)), (SSH,)
)
RIGHT = [hit(ONE, 7000), hit(ONE, 7001, UDP), hit(ONE, 0, ICMP), hit(ONE, 7002)]
OPENS = "1 opens tcp/22 for its sender"


def message_of(golden: Golden) -> KnockMessage:
    allow = IPv4Address(golden.allow) if golden.allow else None
    return KnockMessage(allow, golden.protocol, golden.port, golden.user)


# --- the message -----------------------------------------------------------


@pytest.mark.requirement("9.46", partial=True)
@pytest.mark.parametrize("golden", GOLDEN, ids=lambda each: f"vector {each.number}")
def test_our_client_makes_what_the_original_made(golden: Golden) -> None:
    salt = bytes.fromhex(golden.message)[8:16]
    assert compose(message_of(golden)).hex() == golden.plaintext
    sealed = seal(message_of(golden), Secret(golden.key.encode()), salt=salt)
    assert sealed.hex() == golden.message


@pytest.mark.parametrize("golden", GOLDEN, ids=lambda each: f"vector {each.number}")
def test_our_server_reads_what_the_original_made(golden: Golden) -> None:
    """After 32 bytes, as the original's: a name of eight letters or more is cut to eight."""
    found = open_message(bytes.fromhex(golden.message)[:32], Secret(golden.key.encode()))
    user = golden.user if len(golden.user) < 8 else golden.user[:8]
    assert found == replace_user(message_of(golden), user)


def replace_user(message: KnockMessage, user: str) -> KnockMessage:
    return KnockMessage(message.allow, message.protocol, message.port, user)


@pytest.mark.parametrize(
    ("message", "said"),
    [(BAD_SUM, "invalid checksum"), (WRONG_KEY, "bad protocol number: 64"),
     ("00" * 32, "no such beginning")],
)  # fmt: skip
def test_what_is_no_message_is_refused_in_the_words_of_the_original(
    message: str, said: str
) -> None:
    with pytest.raises(UnreadableKnockError, match=f"^{said}$"):
        open_message(bytes.fromhex(message), KEY)


def test_what_cannot_be_said_is_not_made() -> None:
    for wrong in (KnockMessage(None, 6, 65536), KnockMessage(None, 47, 22)):
        with pytest.raises(ValueError, match="no protocol and port"):
            compose(wrong)


def test_a_message_to_port_0_is_none() -> None:
    sealed = seal(KnockMessage(IPv4Address(ONE), 6, 0), KEY, salt=bytes(8))
    with pytest.raises(UnreadableKnockError, match="port 0"):
        open_message(sealed, KEY)
    assert IPv4Address("0.0.0.0") == ANYBODY


@pytest.mark.requirement("9.48", partial=True)
def test_ports_follow_the_offset() -> None:
    assert ports_of(octets(1), 61000)[:9] == [
        61083, 61097, 61108, 61116, 61101, 61100, 61095, 61095, 61038,
    ]  # fmt: skip
    assert ports_of(octets(13), 55000)[:10] == [
        55083, 55097, 55108, 55116, 55101, 55100, 55095, 55095, 55208, 55014,
    ]  # fmt: skip


@pytest.mark.requirement("9.49", partial=True)
def test_protocols_alternate_beginning_with_tcp() -> None:
    assert protocols_of(octets(14), rotate=True) == [TCP, UDP] * 16
    assert protocols_of(octets(14), rotate=False) == [TCP] * 32


# --- encrypted sequences ---------------------------------------------------


def test_a_sequence_asks_for_what_its_message_says_and_what_the_stanza_opens() -> None:
    told = heard(recogniser(Encrypted(KEY, EIGHTS)), hits(octets(16)))
    assert in_words(told) == [f"1 opens tcp/22,tcp/9999 for {ONE}"]


def test_a_sequence_may_ask_for_its_sender_and_then_ipv6_will_do() -> None:
    told = heard(recogniser(), [
        Hit(ip_address("2001:db8::7").packed, ip_address("2001:db8::1").packed, 6, 61000 + each)
        for each in octets(18)
    ])  # fmt: skip
    assert in_words(told) == [OPENS]
    assert told[0].packet.peer == "2001:db8::7"


def test_icmp_opens_what_the_stanza_opens_and_nothing_else() -> None:
    assert in_words(heard(recogniser(Encrypted(KEY, (SSH,))), hits(octets(19)))) == [
        f"1 opens tcp/22 for {ONE}"
    ]
    assert in_words(heard(recogniser(), hits(octets(19)))) == ["1 port-not-offered: icmp"]


def test_a_message_of_48_hits_opens_after_32_and_the_next_one_is_read() -> None:
    told = heard(recogniser(), [*hits(octets(23)), *hits(octets(16))])
    assert in_words(told) == [f"1 opens tcp/22 for {ONE}"] * 2


def test_other_ports_between_the_hits_do_no_harm_and_protocols_do_not_matter() -> None:
    some = hits(octets(16))
    some[20:20] = [hit(ONE, 80), hit(ONE, 61300, UDP), hit(ONE, 0, ICMP)]
    some[-12::2] = [each._replace(protocol=UDP) for each in some[-12::2]]
    assert in_words(heard(recogniser(), some)) == [f"1 opens tcp/22 for {ONE}"]


def test_a_hit_too_many_spoils_the_sequence_and_one_sent_again_on_its_way_does_not() -> None:
    some = hits(octets(16))
    doubled = [*some[:20], some[19]._replace(source_port=1), *some[20:]]
    again = [*some[:20], some[19], *some[20:]]
    assert in_words(heard(recogniser(), doubled))[0].startswith("1 knock-unreadable")
    assert in_words(heard(recogniser(), again)) == [f"1 opens tcp/22 for {ONE}"]


def test_a_client_may_send_all_hits_from_one_port() -> None:
    some = [
        each._replace(source_port=40000, sequence=at) for at, each in enumerate(hits(octets(16)))
    ]
    assert in_words(heard(recogniser(), some)) == [f"1 opens tcp/22 for {ONE}"]
    pair = replace(LINE, sequence=(Element(TCP, 7000), Element(TCP, 7002)))
    some = [hit(ONE, port, source_port=40000) for port in (7000, 7002)]
    assert in_words(heard(recogniser(pair), some)) == [OPENS]


def test_a_sequence_may_begin_within_the_last_hits_of_one_that_came_to_nothing() -> None:
    spoilt = hits(octets(16))[:28]
    told = in_words(heard(recogniser(), [*spoilt, *hits(octets(17))]))
    assert told[0].startswith("1 knock-unreadable")
    assert told[1:] == [f"1 opens tcp/22 for {OTHER}"]


def test_what_began_anew_has_its_time_from_its_own_beginning_on() -> None:
    """Also where others that began later stand before it."""
    some = recogniser(Encrypted(KEY, interval=10))
    first = hits(octets(16))
    heard(some, [*first[:28], *hits(octets(17))[:3]], at=100.0, step=0.0)
    heard(some, [hit(OTHER, 61083)], at=101.0)
    heard(some, hits(octets(17))[3:31], at=102.0, step=0.0)
    assert in_words(heard(some, hits(octets(17))[31:], at=110.5)) == []


def test_only_stanzas_that_are_for_a_hit_begin_with_it() -> None:
    networks = (ip_network("10.77.0.12/32"),)
    each_alone: tuple[dict[str, Any], ...] = (
        {"sources": networks},
        {"barred": (ip_network("10.77.0.11/32"),)},
        {"destinations": networks},
        {"interfaces": frozenset({"eth1"})},
        {"expires": 1.0},
    )
    for changes in each_alone:
        some = SequenceRecogniser(Policy((stanza(Encrypted(KEY), **changes),)))
        assert in_words(heard(some, hits(octets(16)))) == [], changes
    wide = (ip_network("10.77.0.0/24"),)
    here = stanza(Encrypted(KEY), sources=wide, interfaces=frozenset({"eth0"}))
    some = SequenceRecogniser(Policy((here,)))
    seen = [each._replace(interface="eth0") for each in hits(octets(16))]
    assert in_words(heard(some, seen)) == [f"1 opens tcp/22 for {ONE}"]


def test_another_offset_is_another_door() -> None:
    there = recogniser(Encrypted(KEY, offset=55000))
    assert in_words(heard(there, hits(octets(16)))) == []
    assert in_words(heard(there, hits(octets(16), offset=55000))) == [f"1 opens tcp/22 for {ONE}"]


def test_senders_do_not_disturb_each_other() -> None:
    pairs = zip(hits(octets(16), ONE), hits(octets(17), OTHER), strict=True)
    told = heard(recogniser(), [each for pair in pairs for each in pair])
    assert in_words(told) == [f"1 opens tcp/22 for {ONE}", f"1 opens tcp/22 for {OTHER}"]


def test_a_sequence_may_begin_anew_at_any_time() -> None:
    """The original fails at the first whole sequence after half of one, and at the second."""
    told = heard(recogniser(), [*hits(octets(1))[:16], *hits(octets(16)), *hits(octets(17))])
    assert in_words(told) == [f"1 opens tcp/22 for {ONE}", f"1 opens tcp/22 for {OTHER}"]


def test_a_hit_lost_in_the_beginning_costs_this_sequence_and_not_the_next() -> None:
    told = heard(recogniser(), [*hits(octets(1))[:3], *hits(octets(1))[4:], *hits(octets(16))])
    assert in_words(told) == [f"1 opens tcp/22 for {ONE}"]


def test_the_last_hit_has_to_come_before_the_interval_is_over() -> None:
    some = hits(octets(16))
    late = recogniser(Encrypted(KEY, interval=2))
    told = heard(late, some[:31], step=0.0) + heard(late, some[31:], at=102.0)
    assert in_words(told) == ["1 knock-too-late: "]
    early = recogniser(Encrypted(KEY, interval=2))
    told = heard(early, some[:31], step=0.0) + heard(early, some[31:], at=101.9)
    assert in_words(told) == [f"1 opens tcp/22 for {ONE}"]


def test_time_is_up_without_another_packet() -> None:
    some = recogniser(Encrypted(KEY, interval=2))
    heard(some, hits(octets(16))[:9], step=0.0)
    assert some.next_deadline() == 102.0
    assert in_words([*some.expire(Moment(0.0, 102.0))]) == ["1 knock-too-late: "]
    assert (len(some), some.next_deadline()) == (0, None)


def test_each_stanza_tries_its_own_key() -> None:
    two = recogniser(Encrypted(Secret(b"wrongkey12")), Encrypted(KEY))
    [knocked] = heard(two, hits(octets(16)))
    assert in_words([knocked])[1:] == [f"2 opens tcp/22 for {ONE}"]


def test_a_sequence_is_known_again_by_its_salt_and_another_one_is_not() -> None:
    same_salt = seal(KnockMessage(None, TCP, 23), KEY, salt=octets(16)[8:16])
    first, again, other, salted = (
        heard(recogniser(), hits(message, source))[0].findings[0]
        for message, source in (
            (octets(16), ONE), (octets(16), OTHER), (octets(1), ONE), (same_salt, ONE),
        )
    )  # fmt: skip
    assert isinstance(first, Request)
    assert isinstance(again, Request)
    assert isinstance(other, Request)
    assert isinstance(salted, Request)
    assert first.key.plaintext == salted.key.plaintext
    assert not first.repeatable
    assert first.key.plaintext == again.key.plaintext
    assert (first.key.sent_at, first.key.until) == (again.key.sent_at, None)
    assert first.key.plaintext != other.key.plaintext


# --- shared sequences ------------------------------------------------------


def test_the_right_order_opens() -> None:
    assert in_words(heard(recogniser(LINE), RIGHT)) == [OPENS]


@pytest.mark.parametrize(
    "some",
    [
        [RIGHT[1], RIGHT[0], *RIGHT[2:]],
        [RIGHT[0], hit(ONE, 7001, TCP), *RIGHT[2:]],
        [RIGHT[0], hit(ONE, 80), *RIGHT[1:]],
        [RIGHT[0], RIGHT[0], *RIGHT[1:]],
        RIGHT[:3],
    ],
    ids=["order", "protocol", "foreign port", "first one twice", "not all"],
)
def test_anything_else_does_not(some: list[Hit]) -> None:
    assert in_words(heard(recogniser(LINE), some)) == []


def test_the_wrong_hit_begins_nothing_so_two_spare_ones_do_no_harm() -> None:
    assert in_words(heard(recogniser(LINE), [RIGHT[0], RIGHT[0], *RIGHT])) == [OPENS]


def test_what_others_hit_meanwhile_does_not_matter() -> None:
    some = [RIGHT[0], hit(OTHER, 80), *RIGHT[1:]]
    assert in_words(heard(recogniser(LINE), some)) == [OPENS]


@pytest.mark.requirement("8.21")
@pytest.mark.parametrize(
    ("least", "most", "gap", "said"),
    [
        (1, None, 0.0, "Sequence min_time (1 seconds) not met"),
        (1, None, 1.0, "Sequence min_time (1 seconds) not met"),
        (1, None, 1.01, ""),
        (None, 2, 1.99, ""),
        (None, 2, 2.0, "Sequence max_time (2 seconds) exceeded"),
        (1, 4, 2.5, ""),
        (1, 4, 4.0, "Sequence min/max_time exceeded"),
    ],
)
def test_each_hit_has_to_come_in_time(
    least: float | None, most: float | None, gap: float, said: str
) -> None:
    pair = replace(LINE, sequence=LINE.sequence[:2], longer_than=least, shorter_than=most)
    told = in_words(heard(recogniser(pair), RIGHT[:2], step=gap))
    if said:
        assert told == [f"1 knock-out-of-time: {said}: udp/7001 (port sequence num: 1)"]
    else:
        assert told == [OPENS]


def test_the_interval_counts_for_shared_sequences_as_well() -> None:
    short = replace(LINE, interval=2)
    assert in_words(heard(recogniser(short), RIGHT, step=0.7)) == []
    assert in_words(heard(recogniser(short), RIGHT, step=0.6)) == [OPENS]


def test_a_shared_sequence_is_worth_the_same_each_time() -> None:
    some = recogniser(LINE)
    [first] = heard(some, RIGHT)[0].findings
    [again] = heard(some, RIGHT, at=200.0)[0].findings
    assert isinstance(first, Request)
    assert isinstance(again, Request)
    assert first.repeatable
    assert first.key.plaintext != again.key.plaintext  # so that their grants have names


# --- systems ---------------------------------------------------------------


@pytest.mark.requirement("8.23", partial=True)
@pytest.mark.parametrize("kind", ["encrypted", "shared"])
@pytest.mark.parametrize(
    ("rule", "ttl", "said"),
    [
        (SystemRule("Linux:2.4::Linux 2.4/2.6"), 47, ""),
        (SystemRule(pattern="LINUX 2\\.[46]"), 47, ""),
        (SystemRule("OpenBSD:3.0-3.9::OpenBSD 3.0-3.9"), 47, "Linux:2.4::Linux 2.4/2.6"),
        (SystemRule(pattern="bsd"), 47, "Linux:2.4::Linux 2.4/2.6"),
        (SystemRule("Linux:2.4::Linux 2.4/2.6"), 44, "nothing"),
    ],
)
def test_a_knock_has_to_come_from_the_system_that_is_asked_for(
    kind: str, rule: SystemRule, ttl: int, said: str
) -> None:
    known = signatures("S4:64:1:60:M*,S,T,N,W0:\tLinux:2.4::Linux 2.4/2.6\n")
    knock = Encrypted(KEY, system=rule) if kind == "encrypted" else replace(LINE, system=rule)
    some = SequenceRecogniser(replace(policy(knock), signatures=Signatures(known)))
    look = Look(ttl, 60, True, 5840, LINUX_2_4)
    sequence = hits(octets(18)) if kind == "encrypted" else RIGHT
    told = in_words(heard(some, [sequence[0]._replace(look=look), *sequence[1:]]))
    wrong = f"1 wrong-operating-system: {said.replace('nothing', '')}"
    assert told == [wrong if said else OPENS]


def test_a_system_that_was_told_once_does_not_count_for_the_next_sequence() -> None:
    known = signatures("S4:64:1:60:M*,S,T,N,W0:\tLinux:2.4::Linux 2.4/2.6\n")
    knock = Encrypted(KEY, system=SystemRule(pattern="linux"))
    some = SequenceRecogniser(replace(policy(knock), signatures=Signatures(known)))
    look = Look(64, 60, True, 5840, LINUX_2_4)
    heard(some, [each._replace(look=look) for each in hits(octets(16))])
    assert in_words(heard(some, hits(octets(17)))) == ["1 wrong-operating-system: "]


# --- bounds ----------------------------------------------------------------


def test_made_up_senders_are_forgotten_before_one_who_got_further() -> None:
    some = SequenceRecogniser(policy(Encrypted(KEY)), most=100)
    sequence = hits(octets(16))
    heard(some, sequence[:2])
    for number in range(5000):
        heard(some, [hit(str(IPv4Address(0x0B000000 + number)), 61083)])
    assert len(some) == 100
    assert in_words(heard(some, sequence[2:])) == [f"1 opens tcp/22 for {ONE}"]


def test_made_up_senders_who_got_further_leave_room_to_begin() -> None:
    some = SequenceRecogniser(policy(LINE), most=8)
    for number in range(10):
        source = f"198.51.100.{number}"
        heard(some, [hit(source, 7000), hit(source, 7001, UDP)])
    heard(some, RIGHT[:1])
    heard(some, [hit("198.51.101.1", 7000)])
    assert in_words(heard(some, RIGHT[1:])) == [OPENS]
    assert len(some) == 7


def test_a_sender_whose_own_attempt_makes_room_for_another_one_is_followed_at_that() -> None:
    other = replace(LINE, sequence=(Element(TCP, 8000), Element(TCP, 8001)))
    some = SequenceRecogniser(policy(LINE, other), most=3)
    heard(some, [hit(ONE, 8000), *(hit(f"198.51.100.{number}", 7000) for number in (1, 2))])
    assert in_words(heard(some, RIGHT)) == [OPENS]
    assert len(some) == 2
    heard(some, [hit(f"198.51.100.{number}", 7000) for number in range(3, 9)])
    assert len(some) == 3


def test_what_does_not_begin_like_a_sequence_is_not_followed() -> None:
    some = recogniser(Encrypted(KEY), LINE)
    heard(some, [hit(ONE, port) for port in range(60000, 62000) if port != 61083])
    assert len(some) == 0
