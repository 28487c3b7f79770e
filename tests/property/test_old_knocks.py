"""Whatever others hit, and whatever came before, an honest old knock is understood."""

from __future__ import annotations

from ipaddress import IPv4Address

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.old_knocks import KEY, heard, hit, hits, in_words, policy
from watchword.model.hits import Hit
from watchword.model.old_knocks import Element, Encrypted, Shared
from watchword.model.services import Service
from watchword.recognise.sequences import SequenceRecogniser
from watchword.wire.knock_message import PREFIX, KnockMessage, open_message, seal

ONE = "10.77.0.11"
LINE = Shared((Element(6, 7000), Element(17, 7001)), (Service.parse("tcp/80"),))
NEAR = st.integers(60990, 61260) | st.integers(6999, 7002) | st.just(61083)


def of_others() -> st.SearchStrategy[list[Hit]]:
    made = st.builds(
        hit,
        st.integers(1, 40).map(lambda number: str(IPv4Address(0x0A4E0000 + number))),
        NEAR,
        st.sampled_from((1, 6, 17)),
    )
    return st.lists(made, max_size=100)


SALTS = st.binary(min_size=8, max_size=8).filter(lambda salt: salt != PREFIX)
"""One that looks like the beginning of a message is one: that happens once in 2**64 times."""
messages = st.builds(
    KnockMessage,
    st.none() | st.integers(1, 2**32 - 1).map(IPv4Address),
    st.sampled_from((6, 17)),
    st.integers(1, 65535),
    st.text("abcxyz", max_size=7),
)


@settings(max_examples=60)
@given(messages, SALTS, of_others(), st.randoms(use_true_random=False))
def test_strangers_spoil_nobodys_sequence(
    message: KnockMessage, salt: bytes, others: list[Hit], draw: object
) -> None:
    some = SequenceRecogniser(policy(Encrypted(KEY), LINE))
    mine = hits(seal(message, KEY, salt=salt), ONE)
    for other in others:
        mine.insert(draw.randint(0, len(mine)), other)  # type: ignore[attr-defined]
    told = [each for each in in_words(heard(some, mine, step=0.0)) if each.startswith("1 opens")]
    who = message.allow or "its sender"
    proto = "tcp" if message.protocol == 6 else "udp"
    assert told == [f"1 opens {proto}/{message.port} for {who}"]


@settings(max_examples=60)
@given(st.lists(NEAR, max_size=60), SALTS)
def test_whatever_somebody_hit_before_his_sequence_counts(ports: list[int], salt: bytes) -> None:
    some = SequenceRecogniser(policy(Encrypted(KEY)))
    mine = hits(seal(KnockMessage(None, 6, 22, "mbr"), KEY, salt=salt), ONE)
    told = in_words(heard(some, [*(hit(ONE, port) for port in ports), *mine], step=0.0))
    assert told[-1] == "1 opens tcp/22 for its sender"


@settings(max_examples=100)
@given(messages, SALTS)
def test_what_is_sealed_is_read_as_it_was(message: KnockMessage, salt: bytes) -> None:
    assert open_message(seal(message, KEY, salt=salt), KEY) == message


@settings(max_examples=60)
@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.sampled_from((61083, 61097, 7000, 7001))), max_size=300
    ),
    st.integers(1, 5),
)
def test_attempts_never_outnumber_their_bound(some_hits: list[tuple[int, int]], most: int) -> None:
    some = SequenceRecogniser(policy(Encrypted(KEY), LINE), most=most)
    for sender, port in some_hits:
        heard(some, [hit(str(IPv4Address(0x0A000000 + sender)), port, 6)])
        assert len(some) <= most
        assert sum(len(watch.attempts) for watch in some.watches) == len(some)
