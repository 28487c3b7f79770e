"""What happened lately: bounded, complete as far as it goes, and without anybody's secrets."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.sealing import sealed
from tests.unit.test_grant_changes import MEMBER
from tests.values import KEY, MAC_KEY, NOW, packet, policy, request, terms
from watchword.errors import OperatorError
from watchword.grant.decide import authorise
from watchword.grant.granting import granted
from watchword.grant.permits import Permit
from watchword.model.daemon_events import ReadingFile, Starting
from watchword.model.openings import Ending, Grant
from watchword.model.outcomes import Event, Flooded, GrantEnded, Judged, Refusal
from watchword.model.reasons import Reason
from watchword.model.settings import LogSettings
from watchword.service import asking
from watchword.service.daemon.control import Question
from watchword.service.daemon.recent import MOST, Recent
from watchword.service.tool import recent_told


def recent(*events: Event) -> Recent:
    found = Recent(lambda: NOW.wall, LogSettings())
    for each in events:
        found.hear(each)
    return found


def told(what: Callable[[Question], Any], **fields: object) -> dict[str, Any]:
    answer: dict[str, Any] = asyncio.run(what(Question(fields, MEMBER, root=False)))
    return answer


def grant() -> Grant:
    permit = authorise(policy(terms()), request(), NOW)
    assert isinstance(permit, Permit)
    return granted(permit, NOW)


def refused(reason: Reason, *, authentic: bool = False, **more: Any) -> Judged:
    asked = request() if authentic else None
    sent = packet(sealed(), source="192.0.2.7")
    return Judged(sent, NOW.wall, (Refusal(reason, (1,), **more),), asked)


def test_events_are_told_in_order_with_their_lines() -> None:
    found = recent(
        Starting("1"), refused(Reason.MAC_MISMATCH), GrantEnded(grant(), Ending.REVOKED, NOW.wall)
    )
    events = told(found.log)["events"]
    assert [each["event"] for each in events] == ["starting", "judged", "grant-ended"]
    assert [each["number"] for each in events] == [1, 2, 3]
    assert events[0]["lines"][0] == "Starting fwknopd"
    assert (events[1]["verdict"], events[1]["reason"]) == ("refused", "hmac-mismatch")
    assert events[2]["lines"][0].endswith("revoked")


def test_refusals_come_with_what_to_do_about_them() -> None:
    found = recent(
        Starting("1"),
        refused(Reason.MAC_MISMATCH),
        refused(Reason.TOO_OLD, authentic=True, detail="300"),
        Judged(packet(), NOW.wall, (Refusal(Reason.MAC_MISMATCH, (1,)),), request(), grant()),
        Flooded(Reason.MAC_MISMATCH, 70, 1.0, "192.0.2.9", NOW.wall),
    )
    first, second, flood = told(found.refusals)["events"]
    assert (first["source"], first["stage"], first["stanzas"]) == ("192.0.2.7", "hmac", [1])
    assert "HMAC_KEY_BASE64" in first["remedy"]
    assert "300 seconds old" in second["sentence"]
    assert (flood["count"], flood["source"]) == (70, "192.0.2.9")
    lines = [line for each in (first, second, flood) for line in recent_told.refusal_in_words(each)]
    assert "192.0.2.7 port 40000: refused (age: too-old, stanza #1)" in lines[3]
    assert lines[6].endswith("70 more (hmac-mismatch) in a moment, the last one from 192.0.2.9")


def test_who_asks_again_is_told_what_came_since() -> None:
    found = recent(Starting("1"), Starting("1", again=True))
    first = told(found.log)
    assert told(found.log, after=first["next"])["events"] == []
    found.hear(refused(Reason.MAC_MISMATCH))
    assert [each["number"] for each in told(found.log, after=first["next"])["events"]] == [3]
    assert told(found.log, after=first["next"])["began"] == first["began"]


@pytest.mark.parametrize(
    "reason", [Reason.REPLAYED, Reason.TOO_OLD, Reason.KEY_BLOCKED, Reason.BEYOND_MEMORY]
)
def test_who_overheard_a_packet_pushes_nothing_out_either(reason: Reason) -> None:
    found = recent(Starting("1"), refused(Reason.WRONG_USER, authentic=True))
    for _ in range(3 * MOST):
        found.hear(refused(reason, authentic=True))
        found.hear(Flooded(reason, 7, 1.0, "192.0.2.9", NOW.wall))
    events = told(found.log)["events"]
    assert [each["number"] for each in events[:2]] == [1, 2]


def test_strangers_push_out_nothing_but_their_own() -> None:
    found = recent(Starting("1"), refused(Reason.WRONG_USER, authentic=True))
    for _ in range(3 * MOST):
        found.hear(refused(Reason.MAC_MISMATCH))
        found.hear(Flooded(Reason.MAC_MISMATCH, 7, 1.0, "192.0.2.9", NOW.wall))
    events = told(found.log)["events"]
    assert [each["number"] for each in events[:2]] == [1, 2]
    assert len(events) == MOST + 2


def test_an_answer_is_bounded_and_the_rest_is_for_the_next() -> None:
    found = recent(*(ReadingFile("/" + "x" * 900, "") for _ in range(MOST)))
    numbers, after, pages, more = [], 0, 0, True
    while more:
        page = told(found.log, after=after)
        assert len(json.dumps(page)) < asking.LARGEST
        numbers += [each["number"] for each in page["events"]]
        after, pages, more = page["next"], pages + 1, page["more"]
    assert numbers == list(range(1, MOST + 1))
    assert pages == 2


def test_what_only_a_debugger_hears_of_is_left_out() -> None:
    found = recent(refused(Reason.LENGTH), ReadingFile("/f", ""))
    assert [each["event"] for each in told(found.log)["events"]] == ["reading-file"]


def test_nothing_of_keys_and_packets_is_told() -> None:
    judged = refused(Reason.WRONG_USER, authentic=True, detail="eve", expected="alice,bob")
    text = json.dumps([told(recent(judged).log), told(recent(judged).refusals)])
    payload = judged.packet.payload.decode("ascii")
    for secret in (payload, payload[20:60], KEY.reveal().hex(), MAC_KEY.reveal().hex()):
        assert secret not in text
    refusals = json.dumps(told(recent(judged).refusals))
    assert "alice,bob" not in refusals


@pytest.mark.parametrize("after", [-1, "1", None, 1.5, 1 << 60])
def test_after_is_a_number(after: object) -> None:
    with pytest.raises(OperatorError, match="after has to be"):
        told(recent().log, after=after)


def test_words_of_a_refusal_move_no_cursor() -> None:
    found = recent(replace(refused(Reason.TOO_OLD, authentic=True, detail="\x1b[2J\n")))
    [each] = told(found.refusals)["events"]
    assert all(line.isprintable() for line in recent_told.refusal_in_words(each))


def test_following_goes_on_over_a_restart(monkeypatch: pytest.MonkeyPatch) -> None:
    answers: list[dict[str, Any] | Exception] = [
        {"events": [{"event": "a"}], "next": 5, "more": False, "began": 1.0},
        asking.NobodyAnswersError("gone"),
        {"events": [], "next": 5, "more": False, "began": 2.0},
        {"events": [{"event": "b"}], "next": 1, "more": True, "began": 2.0},
        {"events": [{"event": "c"}], "next": 2, "more": False, "began": 2.0},
    ]
    asked: list[int] = []

    def ask(_: Path, what: str, after: int) -> dict[str, Any]:
        asked.append(after)
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(asking, "ask", ask)
    monkeypatch.setattr(time, "sleep", lambda _: None)
    pieces = recent_told.events(Path("x"), "log", follow=True)
    assert [[each["event"] for each in next(pieces)] for _ in range(3)] == [["a"], ["b"], ["c"]]
    assert asked == [0, 5, 5, 0, 1]
