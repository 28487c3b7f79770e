"""One line of JSON for each judged packet."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.test_voice import IP, NASTY, SSH, grant, refused
from tests.values import NOW, packet, request
from watchword.dialects.fwknop.voice import structured
from watchword.model.outcomes import Judged, Refusal
from watchword.model.reasons import Reason
from watchword.model.requests import CommandWish, ForwardWish


def fields(event: Judged) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(structured(event))
    return found


def test_a_grant_says_who_got_what_from_which_stanza() -> None:
    event = Judged(
        packet(), NOW.wall, (Refusal(Reason.MAC_MISMATCH, (1, 2)),), request(), grant(stanza=3)
    )
    assert fields(event) == {
        "time": "2026-09-21T14:13:20.000Z",
        "source": IP,
        "source_port": 40000,
        "destination": "203.0.113.1",
        "destination_port": 62201,
        "carrier": "udp",
        "digest": hashlib.sha256(b"").hexdigest(),
        "verdict": "granted",
        "stanzas_tried": 3,
        "stanza": 3,
        "user": "alice",
        "who": "192.0.2.7",
        "services": ["tcp/22"],
        "seconds": 30,
        "grant": "0123456789",
    }


def test_a_refusal_says_how_far_the_packet_came_and_why_no_further() -> None:
    event = refused(
        Refusal(Reason.MAC_MISMATCH, (1,), code=75),
        Refusal(Reason.PORT_NOT_OFFERED, (2,), "tcp/443"),
        wanted=request(stanza=2, services="tcp/443", seconds=60),
    )
    found = fields(event)
    assert (found["verdict"], found["stage"], found["reason"]) == (
        "refused",
        "ports",
        "port-not-offered",
    )
    assert (found["stanza"], found["detail"], found["user"]) == (2, "tcp/443", "alice")
    assert (found["services"], found["seconds"]) == (["tcp/443"], 60)
    assert "code" not in found
    assert "grant" not in found


def test_a_refusal_of_the_library_has_its_number() -> None:
    found = fields(refused(Refusal(Reason.MAC_MISMATCH, (1, 2), code=75)))
    assert found["code"] == 75
    assert found["stanzas_tried"] == 2
    assert "stanza" not in found


def test_a_test_run_says_what_would_have_been() -> None:
    event = Judged(packet(), NOW.wall, (), request(), dry_run=True)
    found = fields(event)
    assert found["verdict"] == "would-grant"
    assert "reason" not in found
    assert found["services"] == ["tcp/22"]


def test_an_unknown_destination_is_left_out() -> None:
    event = Judged(packet(destination=""), NOW.wall, (Refusal(Reason.NO_STANZA),))
    assert "destination" not in fields(event)


def test_a_command_is_not_repeated() -> None:
    command = replace(request(), wish=CommandWish("echo secret"))
    assert "secret" not in structured(Judged(packet(), NOW.wall, (), command))


def test_a_forward_names_what_it_would_open() -> None:
    forward = replace(request(), wish=ForwardWish(SSH, "192.0.2.80", 80, local=False))
    assert fields(Judged(packet(), NOW.wall, (), forward))["services"] == ["tcp/22"]


@given(st.text() | st.just(NASTY))
def test_it_is_one_line_of_ascii_whatever_the_packet_says(text: str) -> None:
    line = structured(refused(Refusal(Reason.WRONG_USER, (1,), text), wanted=request(user=text)))
    assert line.isascii()
    assert line.isprintable()
    assert isinstance(json.loads(line), dict)


def test_no_payload_and_nothing_that_was_encrypted_is_in_it() -> None:
    event = Judged(packet(b"PAYLOAD"), NOW.wall, (Refusal(Reason.MAC_MISMATCH, (1,)),), request())
    line = structured(event)
    assert "PAYLOAD" not in line
    assert request().key.plaintext.hex()[:20] not in line
    assert fields(event)["digest"] == hashlib.sha256(b"PAYLOAD").hexdigest()


@pytest.mark.parametrize(
    ("protocol", "named"),
    [(17, "udp"), (6, "tcp"), (1, "icmp"), (58, "icmpv6"), (47, "ip-47")],
)
def test_it_says_what_carried_the_packet(protocol: int, named: str) -> None:
    event = refused(Refusal(Reason.NO_STANZA))
    event = replace(event, packet=event.packet._replace(protocol=protocol))
    assert fields(event)["carrier"] == named
    assert "connected" not in fields(event)


def test_only_of_a_connection_it_says_that_the_source_answers() -> None:
    event = refused(Refusal(Reason.NO_STANZA))
    event = replace(event, packet=event.packet._replace(protocol=6, connected=True))
    assert fields(event)["connected"] is True
