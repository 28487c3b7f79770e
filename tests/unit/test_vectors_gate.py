"""What fwknopd opened for its recorded packets, ours opens: its files, its packets, our gate.

In here: ``server.json`` but for OpenPGP (tests.system.test_gpg_vectors) and HTTP
(test_vectors_carriers).
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.played import play, policy_of, recorded
from tests.values import NOW
from watchword.conformance.golden import Vector, credentials_in, load
from watchword.conformance.server_vectors import REFUSABLE
from watchword.conformance.strictness import LONGER_THAN_FWKNOPD_TAKES
from watchword.wire.spa.message import Message, MessageType
from watchword.wire.spa.sealing import seal

VECTORS = {vector["id"]: vector for vector in load("server")}
RECORDED = [
    vector
    for vector in VECTORS.values()
    if "GPG_" not in vector["access_conf"]
    and not vector["id"].startswith("srv-http")
    and vector["id"] not in REFUSABLE
    and "timestamp_offset" not in vector
]
NOT_OPENED = {"srv-equals"}
"""Opened by fwknopd for its lenient reading: another spelling of a packet."""
BY_THE_CLOCK = [vector for vector in VECTORS.values() if "timestamp_offset" in vector]


def by_id(vector: Vector) -> str:
    return str(vector["id"])


def test_no_vector_was_lost() -> None:
    assert len(RECORDED) == 96 - 11 - 18 - 2 - 2
    assert {*map(by_id, BY_THE_CLOCK)} == {"srv-age-100", "srv-age+100"}


@pytest.mark.parametrize("vector", RECORDED, ids=by_id)
def test_what_fwknopd_opens_is_open_and_nothing_else(vector: Vector) -> None:
    came = play(vector)
    if vector["id"] in NOT_OPENED:
        assert (came.open, len(recorded(vector))) == (frozenset(), 1)
    elif vector["id"] in LONGER_THAN_FWKNOPD_TAKES:
        assert came.verdicts == ("granted",)
        assert (len(came.open) > 10, recorded(vector)) == (True, frozenset())
    else:
        assert came.open == recorded(vector)
        assert came.verdicts.count("granted") == bool(vector["rules_added"])


@pytest.mark.parametrize("vector", BY_THE_CLOCK, ids=by_id)
def test_a_time_stamp_within_the_limit_opens_and_one_beyond_it_does_not(vector: Vector) -> None:
    """Their packets were not kept, since they are good for two minutes: they are sealed again."""
    offset = vector["timestamp_offset"]
    [terms] = policy_of(vector).stanzas
    assert terms.credential == next(credentials_in(vector["access_conf"]))
    message = Message(
        random="1234567890123456", user="root", sent_at=int(NOW.wall) + offset,
        version="3.0.0", type=MessageType.ACCESS, text="192.0.2.10,tcp/22",
    )  # fmt: skip
    beyond = replace(message, sent_at=int(NOW.wall) + offset * 121 // 100)

    payload, outside = (
        seal(each, terms.credential, salt=b"saltsalt") for each in (message, beyond)
    )

    assert len(payload) == vector["packets"][0]["payload_len"]
    assert play(vector, payloads=[payload]).open == recorded(vector) != frozenset()
    assert play(vector, payloads=[outside]).open == frozenset()
