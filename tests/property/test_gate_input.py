"""A million packets of a stranger, through everything that looks at a packet before a key fits.

In here: what the sieve and the recogniser say of bytes, and that the gate lets
nothing of it in, whatever it is.
"""

from __future__ import annotations

import asyncio
import gc
import random
import sys
from base64 import b64encode
from collections import Counter
from collections.abc import Iterator

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.sealing import sealed
from tests.values import KEY, MAC_KEY, NOW, credential, packet, policy, symmetric, terms
from watchword.edges.clock import FakeClock
from watchword.edges.firewall.memory import MemoryFirewall
from watchword.edges.gpg_memory import MemoryOpenPgp
from watchword.edges.replay.memory import MemoryJournal, MemoryReplayStore
from watchword.edges.report.lines import MemoryReporter
from watchword.model.crypto import Secret
from watchword.model.outcomes import Refusal
from watchword.model.policy import Policy
from watchword.model.reasons import Reason, Stage
from watchword.recognise.spa import SpaRecogniser
from watchword.service.daemon.enforcer import Enforcer
from watchword.service.daemon.gate import Gate
from watchword.wire.spa.base64text import ALPHABET
from watchword.wire.spa.envelope import flaw
from watchword.wire.spa.lengths import LONGEST, SHORTEST

MILLION = 1_000_000
LONGEST_DATAGRAM = 65_507
WITH_MAC = policy(terms(1), terms(2, credential=credential(Secret(b"k" * 32), Secret(b"m" * 64))))
WITHOUT_MAC = policy(terms(1, credential=credential(KEY, None)))
BOTH = policy(terms(1), terms(2, credential=credential(Secret(b"k" * 32), None)))
POLICIES = pytest.mark.parametrize(
    "rules", [WITH_MAC, WITHOUT_MAC, BOTH], ids=["HMAC", "no HMAC", "both"]
)


def judged(rules: Policy, payload: bytes) -> list[Reason]:
    """What sieve and recogniser say; never a request, never an exception."""
    if (reason := flaw(payload)) is not None:
        return [reason]
    findings = list(SpaRecogniser(rules).observe(packet(payload), NOW))
    assert all(isinstance(each, Refusal) for each in findings)
    return [each.reason for each in findings if isinstance(each, Refusal)]


def text(source: random.Random, size: int) -> bytes:
    """Characters of the alphabet that begin as a packet does."""
    return source.choice((b"8", b"9", b"+", b"/")) + b64encode(source.randbytes(size))[: size - 1]


def strangers(number: int) -> Iterator[bytes]:
    """Nine of ten are bytes of any kind, the tenth looks right from outside."""
    source = random.Random(62201)
    pool = source.randbytes(1 << 20)
    for turn in range(number):
        if turn % 10:
            start = source.randrange(len(pool) - 2000)
            yield pool[start : start + int(source.random() * 2000)]
        else:
            yield text(source, source.randint(SHORTEST, 400))


@POLICIES
def test_a_million_random_packets_are_refused_and_nothing_is_kept_of_them(rules: Policy) -> None:
    number = MILLION if rules is WITH_MAC else MILLION // 20
    recogniser = SpaRecogniser(rules)
    seen: Counter[Reason] = Counter()
    tried = blocks = 0
    for turn, payload in enumerate(strangers(number)):
        if turn == number // 10:
            gc.collect()
            blocks = sys.getallocatedblocks()
        if (reason := flaw(payload)) is not None:
            seen[reason] += 1
            continue
        tried += 1
        for finding in recogniser.observe(packet(payload), NOW):
            assert isinstance(finding, Refusal)
            seen[finding.reason] += 1
    gc.collect()
    assert sys.getallocatedblocks() - blocks < 500
    assert seen[Reason.LENGTH] > 0
    assert seen[Reason.ALPHABET] > number // 2
    assert number // 10 <= tried < number // 5
    assert max(seen, key=lambda reason: reason.stage).stage < Stage.REPLAY


def test_only_the_lengths_of_packets_get_past_the_sieve() -> None:
    longest = b"8" * LONGEST_DATAGRAM
    passed = [size for size in range(LONGEST_DATAGRAM + 1) if flaw(longest[:size]) is None]
    assert passed == list(range(SHORTEST, LONGEST + 1))


@POLICIES
def test_every_length_that_gets_past_the_sieve_is_refused_with_a_reason(rules: Policy) -> None:
    for size in range(SHORTEST, LONGEST + 1):
        assert judged(rules, b"8" * size)


@POLICIES
def test_every_single_byte_change_of_a_valid_packet_is_refused(rules: Policy) -> None:
    payload = sealed(sealed_with=symmetric(rules.stanzas[0]))
    other_text = sorted(ALPHABET)
    for at, byte in enumerate(payload):
        for other in (*other_text, 0, 10, 32, 61, 128, 255):
            if other != byte:
                assert judged(rules, payload[:at] + bytes([other]) + payload[at + 1 :])


@POLICIES
def test_every_truncation_and_every_tail_of_a_valid_packet_is_refused(rules: Policy) -> None:
    payload = sealed(sealed_with=symmetric(rules.stanzas[0]))
    for size in range(len(payload)):
        assert judged(rules, payload[:size])
        assert judged(rules, payload[len(payload) - size :])
    for tail in (b"A", b"=", b"==", b"\n", b"\r\n", b" ", b"\0", payload, b"A" * 1000):
        assert judged(rules, payload + tail)
        assert judged(rules, tail + payload)


ANY_PAYLOAD = st.one_of(
    st.binary(max_size=2000),
    st.text("".join(map(chr, ALPHABET)) + "=", min_size=130, max_size=600).map(str.encode),
)


class Sink:
    """A gate that a stranger talks to, and what came of it."""

    def __init__(self, rules: Policy) -> None:
        clock = FakeClock(*NOW)
        self.store, self.reporter = MemoryReplayStore(), MemoryReporter()
        self.firewall = MemoryFirewall(clock)
        self.firewall.prepare()
        self.gate = Gate(
            rules,
            SpaRecogniser(rules),
            store=self.store,
            enforcer=Enforcer(self.firewall, MemoryJournal("boot"), self.reporter, clock),
            reporter=self.reporter,
            clock=clock,
            openpgp=MemoryOpenPgp(),
        )

    async def take(self, payloads: list[bytes]) -> None:
        self.gate.receive([packet(each) for each in payloads if flaw(each) is None])
        await self.gate.finish()


@given(st.lists(ANY_PAYLOAD, max_size=20), st.sampled_from([WITH_MAC, WITHOUT_MAC, BOTH]))
@settings(max_examples=150, deadline=None)
@example([b"8" * 140], BOTH)
@example([b"8" * 400], WITHOUT_MAC)
@example([b"/" * 1500], BOTH)
def test_nothing_that_a_stranger_sends_opens_anything_or_takes_a_valid_packet_s_place(
    payloads: list[bytes], rules: Policy
) -> None:
    sink = Sink(rules)
    valid = sealed(sealed_with=symmetric(rules.stanzas[0]))

    async def scene() -> None:
        await sink.take(payloads)
        assert not list(sink.firewall.openings)
        await sink.take([valid])
        assert len(list(sink.firewall.openings)) == 1

    asyncio.run(scene())


def test_a_thousand_refusals_of_any_kind_that_need_no_key_are_ten_reports() -> None:
    for rules in (WITH_MAC, WITHOUT_MAC, BOTH):
        sink = Sink(rules)
        payload = sealed(sealed_with=symmetric(rules.stanzas[0]))
        broken = payload[:60] + (b"A" if payload[60:61] != b"A" else b"B") + payload[61:]
        asyncio.run(sink.take([broken, b"8" * 450] * 1000))
        assert len(sink.reporter.events) <= 20
        assert MAC_KEY.reveal().decode("ascii") not in repr(sink.reporter.events)
