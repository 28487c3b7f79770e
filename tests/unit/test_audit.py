"""The audit journal: what is changed, moved or taken out shows."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.test_voice import grant, refused
from tests.values import NOW, packet, request
from watchword.dialects import audit
from watchword.dialects.audit import START, Examination, Link
from watchword.dialects.fwknop import audit_events
from watchword.dialects.fwknop.audit_events import what_happened
from watchword.errors import Complaint
from watchword.model.commands import Account
from watchword.model.daemon_events import (
    AuditAnchored,
    HostTrouble,
    LimitReached,
    ReloadRefused,
    Starting,
    Stopped,
    Stopping,
    Waiting,
)
from watchword.model.openings import Ending
from watchword.model.outcomes import (
    Action,
    Change,
    Changed,
    CommandStarted,
    CycleClosing,
    CycleNotClosed,
    CycleOpening,
    Disowned,
    Event,
    Flooded,
    GrantEnded,
    Judged,
    Refusal,
    Restored,
)
from watchword.model.reasons import Reason
from watchword.service.daemon import audit as audit_service


def chain(count: int, after: Link = START) -> tuple[list[bytes], Link]:
    found, link = [], after
    for number in range(count):
        line, link = audit.entry({"event": "test", "number": number}, link)
        found.append(line)
    return found, link


def examined(
    lines: list[bytes], head: Link | None, anchors: dict[int, set[str]] | None = None
) -> Examination:
    found = Examination(anchors or {})
    found.look_at([("audit.log", number, line) for number, line in enumerate(lines, start=1)])
    found.end(head)
    return found


def flaw(lines: list[bytes], head: Link | None, **more: Any) -> str:
    return str(examined(lines, head, **more).flaw or "")


def test_an_entry_can_be_checked_with_sha256sum() -> None:
    line, link = audit.entry({"event": "started", "version": "1"}, START)
    text, _, digest = line.partition(b',"hash":"')
    assert text == b'{"seq":1,"prev":"' + b"0" * 64 + b'","event":"started","version":"1"'
    assert digest == hashlib.sha256(text).hexdigest().encode() + b'"}\n'
    assert json.loads(line)["hash"] == link.hash
    assert audit.place(line) == link


def test_a_journal_that_nobody_touched_is_whole() -> None:
    lines, head = chain(10)
    found = examined(lines, head)
    assert (found.flaw, found.first, found.last, found.unfinished) == (None, 1, head, False)


@given(st.integers(0, 9), st.data())
def test_any_byte_that_is_changed_shows_and_its_line_is_named(at: int, data: st.DataObject) -> None:
    lines, head = chain(10)
    index = data.draw(st.integers(0, len(lines[at]) - 2))
    octet = data.draw(st.integers(1, 255))
    changed = bytearray(lines[at])
    changed[index] ^= octet
    lines[at : at + 1] = [each + b"\n" for each in bytes(changed[:-1]).split(b"\n")]
    assert flaw(lines, head).startswith((f"audit.log:{at + 1}: ", f"audit.log:{at + 2}: "))


@given(st.integers(0, 8))
def test_an_entry_that_is_taken_out_shows(at: int) -> None:
    lines, head = chain(10)
    del lines[at]
    missing = f"entries {at + 1} to {at + 1} are missing before this one"
    assert flaw(lines, head) == f"audit.log:{at + 1}: {missing}"


@given(st.permutations(range(6)))
def test_the_order_of_entries_counts(order: list[int]) -> None:
    lines, head = chain(6)
    assert bool(flaw([lines[at] for at in order], head)) is (order != sorted(order))


def test_one_entry_that_is_made_anew_does_not_fit_the_next() -> None:
    lines, head = chain(5)
    lines[2], _ = audit.entry({"event": "forged"}, Link(2, audit.place(lines[1]).hash))  # type: ignore[union-attr]
    assert flaw(lines, head) == "audit.log:4: entry 4 does not follow the one before it"


def test_an_end_that_is_cut_off_shows_by_the_note_beside_the_journal_and_by_the_log() -> None:
    lines, head = chain(5)
    cut = "the journal ends with entry 3, and 5 were written: its end was cut off"
    assert flaw(lines[:3], head) == cut
    short = audit.place(lines[2])
    assert flaw(lines[:3], short) == ""
    assert flaw(lines[:3], short, anchors={5: {head.hash}}) == cut
    assert "audit.head" in flaw(lines, None)
    assert flaw([], head).startswith("the journal ends with entry 0")


def test_a_chain_that_was_made_anew_does_not_have_the_anchors_of_the_log() -> None:
    _, head = chain(5)
    line = "Nov 29 11:00:00 host fwknopd[7]: Audit journal: 5 entries, last {}\n"
    anchors = audit.anchors([line.format(head.hash), "Audit journal: 5 entries, last nonsense"])
    assert anchors == {5: {head.hash}}
    link, lines = START, []
    for _ in range(5):
        entry, link = audit.entry({"event": "forged"}, link)
        lines.append(entry)
    assert flaw(lines, link) == ""
    expected = "audit.log:5: entry 5 is not the one that the log has an anchor of"
    assert flaw(lines, link, anchors=anchors) == expected
    good, _ = chain(5)
    assert examined(good, head, anchors).anchored == 1


def test_a_line_without_an_end_is_no_flaw_and_is_not_counted() -> None:
    lines, head = chain(3)
    found = examined([*lines, b'{"seq":4,"pr'], head)
    assert (found.flaw, found.unfinished, found.last.seq) == (None, True, 3)
    assert flaw([lines[0][:-1], *lines[1:]], head) == (
        "audit.log:2: a line before this one has no end"
    )


def rotated(kept_from: int, after: Link, count: int = 2) -> tuple[list[bytes], Link]:
    first, link = audit.entry({"event": "rotated", "kept_from": kept_from}, after)
    more, link = chain(count, link)
    return [first, *more], link


def test_old_files_may_be_gone_as_far_as_a_rotation_says_so_and_no_further() -> None:
    one, link = chain(3)
    two, link = rotated(1, link)
    three, head = rotated(4, link)
    assert flaw(one + two + three, head) == ""
    assert flaw(two + three, head) == ""
    assert examined(two + three, head).first == 4
    assert flaw(three, head) == "entries 4 to 6 are missing: older files were taken away"
    assert "missing before this one" in flaw(one + three, head)
    assert "missing before this one" in flaw(one[1:], audit.place(one[2]))


@pytest.mark.parametrize("event", ["tampered", "lost"])
def test_what_the_daemon_itself_noted_is_a_flaw(event: str) -> None:
    lines, link = chain(2)
    line, head = audit.entry({"event": event}, link)
    assert flaw([*lines, line], head).startswith("audit.log:3: here the daemon ")


def test_the_note_beside_the_journal_has_one_length_and_is_not_guessed_at() -> None:
    link = Link(7, "ab" * 32)
    assert Link.of_head(link.head) == link
    assert len(link.head) == len(START.head)
    for other in (b"", b"x" * 80, link.head[:-1], link.head * 2):
        assert Link.of_head(other) is None


def test_a_line_is_shown_so_that_a_terminal_is_safe() -> None:
    line, _ = audit.entry({"event": "\x1b[2J", "time": "T", "user": "\x1b]0;x\x07"}, START)
    assert audit.shown(line) == '1 T ?[2J user="\\u001b]0;x\\u0007"'
    assert audit.shown(b"rubbish\n") == "(no entry)"


# --- which events are entries ---


def entry_of(event: Event) -> dict[str, Any]:
    found = what_happened(event, NOW.wall)
    assert found is not None
    line, _ = audit.entry(found, START)
    read: dict[str, Any] = json.loads(line)
    assert read["time"] == "2026-09-21T14:13:20.000Z"
    return read


def test_a_grant_and_its_end_are_entries() -> None:
    begun = entry_of(Judged(packet(), NOW.wall, (), request(), grant()))
    assert (begun["event"], begun["verdict"], begun["grant"]) == ("packet", "granted", grant().id)
    over = entry_of(GrantEnded(grant(), Ending.REVOKED, NOW.wall))
    assert (over["event"], over["ending"], over["grant"]) == ("ended", "revoked", grant().id)
    assert (over["who"], over["services"], over["user"]) == ("192.0.2.7", ["tcp/22"], "alice")


def test_an_authentic_packet_that_is_refused_is_an_entry_a_stranger_s_is_not() -> None:
    authentic = refused(Refusal(Reason.REPLAYED), wanted=request())
    assert entry_of(authentic)["reason"] == "replayed"
    assert what_happened(refused(Refusal(Reason.MAC_MISMATCH, (1,))), NOW.wall) is None
    many = Flooded(Reason.REPLAYED, 20, 1.0, "192.0.2.1", NOW.wall)
    assert entry_of(many)["count"] == 20
    strangers = Flooded(Reason.MAC_MISMATCH, 20, 1.0, "192.0.2.1", NOW.wall)
    assert what_happened(strangers, NOW.wall) is None


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (Starting("1.0"), {"event": "started", "version": "1.0"}),
        (Starting("1.0", again=True), {"event": "reloaded"}),
        (ReloadRefused((Complaint("wrong"),)), {"event": "reload-refused", "why": ["wrong"]}),
        (Stopping("SIGTERM"), {"event": "signal", "signal": "SIGTERM"}),
        (LimitReached(5), {"event": "limit-reached", "packets": 5}),
        (Stopped(), {"event": "stopped"}),
        (
            CommandStarted(request(), "reboot", Account("op", "op", 1, 1)),
            {"event": "command", "command": "reboot", "account": "op", "user": "alice"},
        ),
        (CycleOpening(request(), "open"), {"event": "open-command", "command": "open"}),
        (CycleClosing(grant(), "close"), {"event": "close-command", "command": "close"}),
        (CycleNotClosed(grant(), "close", "status 1"), {"event": "close-failed"}),
        (
            Changed(Change(Action.REVOKE, "all", 1000, 7, NOW.wall, "ended 2 grants")),
            {"event": "changed", "action": "revoke", "target": "all", "uid": 1000},
        ),
        (Restored(2, "why"), {"event": "restored", "grants": 2}),
        (Disowned(3), {"event": "disowned", "openings": 3}),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_was_done_is_an_entry(event: Event, expected: dict[str, Any]) -> None:
    assert expected.items() <= entry_of(event).items()


def test_the_page_about_the_journal_names_every_event_in_it() -> None:
    page = (Path(__file__).parents[2] / "docs" / "audit.md").read_text("utf-8")
    documented = set(re.findall(r"^\| `([a-z-]+)` \|", page, re.MULTILINE))
    code = "".join(
        Path(module.__file__ or "").read_text("utf-8") for module in (audit_events, audit_service)
    )
    named = set(re.findall(r'(?:return \(?|else |event=|"event": )"([a-z-]+)"', code))
    assert documented == named | {audit.ROTATED}


@pytest.mark.parametrize("event", [Waiting(), HostTrouble("a", "b"), AuditAnchored(1, "x")])
def test_what_changes_nothing_is_none(event: Event) -> None:
    assert what_happened(event, NOW.wall) is None
