"""The page about structured events says of every field what the code does."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final

import pytest

from tests.unit.test_voice import grant
from tests.values import NOW, packet, request
from watchword.dialects.fwknop.voice import structured
from watchword.model.commands import Cycle, Ran
from watchword.model.hits import KnockKind
from watchword.model.openings import Caller, Extent, Lease
from watchword.model.outcomes import Judged, Refusal
from watchword.model.reasons import Reason
from watchword.model.requests import CommandWish, ForwardWish
from watchword.model.services import Service

PAGE: Final = Path(__file__).parents[2] / "docs" / "events.md"
_ROW = re.compile(r"^\| `(?P<name>\w+)` \| (?P<kind>[a-z ]+) \| (?P<when>[^|]+) \|", re.MULTILINE)
_KINDS: Final[dict[str, Callable[[Any], bool]]] = {
    "string": lambda value: isinstance(value, str),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "number": lambda value: isinstance(value, (int, float)) and not isinstance(value, bool),
    "boolean": lambda value: isinstance(value, bool),
    "list of strings": lambda value: (
        isinstance(value, list) and all(isinstance(each, str) for each in value)
    ),
}

_SHARED: Final[dict[str, Any]] = {
    "extent": Extent(bits=24, first=True),
    "also": (Caller(ip_address("2001:db8::7")),),
    "tickets": (1, 2),
    "door_until": NOW.steady + 3,
    "lease": Lease.QUEUE,
}


def table() -> dict[str, tuple[str, str]]:
    """Type and condition of each field, as documented."""
    found = _ROW.findall(PAGE.read_text("utf-8"))
    assert len({name for name, _, _ in found}) == len(found)
    return {name: (kind, when) for name, kind, when in found}


def judgements() -> Iterator[Judged]:
    """Judgements of every kind, with everything that can be known of a packet."""
    ssh = (Service.parse("tcp/22"),)
    sniffed = packet(b"p" * 200)._replace(interface="eth0", forwarded="192.0.2.9")
    over_tcp = packet(b"p" * 200)._replace(protocol=6, connected=True)
    for reason in Reason:
        refusal = Refusal(reason, (1,), "something", code=75)
        yield Judged(sniffed, NOW.wall, (refusal,), request(seconds=30))
        yield Judged(over_tcp, NOW.wall, (replace(refusal, stanzas=(1, 2)),))
    yield Judged(over_tcp, NOW.wall, (), request(), grant())
    yield Judged(over_tcp, NOW.wall, (), request(), replace(grant(), cycle=Cycle()))
    yield Judged(over_tcp, NOW.wall, (), request(), grant(**_SHARED))
    bound = grant(extent=Extent(port=40123))
    yield Judged(sniffed._replace(knock=KnockKind.SHARED), NOW.wall, (), request(), bound)
    yield Judged(over_tcp, NOW.wall, (), request(), dry_run=True)
    command = replace(request(), wish=CommandWish("true"))
    yield Judged(over_tcp, NOW.wall, (), command, ran=Ran(0, 0.25))
    yield Judged(over_tcp, NOW.wall, (), command, ran=Ran(None, 0.25, "took too long"))
    yield Judged(over_tcp, NOW.wall, (), command, closed=("0011223344",))
    forward = replace(request(), wish=ForwardWish(ssh, "192.0.2.80", 80, local=False))
    yield Judged(over_tcp, NOW.wall, (), forward)


EVENTS: Final = [json.loads(structured(event)) for event in judgements()]


def test_the_page_has_every_field_and_no_other() -> None:
    assert {name for event in EVENTS for name in event} == table().keys()


@pytest.mark.parametrize("name", table())
def test_each_field_is_of_the_type_that_the_page_gives(name: str) -> None:
    fits = _KINDS[table()[name][0]]
    values = [event[name] for event in EVENTS if name in event]
    assert [value for value in values if not fits(value)] == []


def test_what_the_page_calls_always_there_is() -> None:
    always = [name for name, (_, when) in table().items() if when == "always"]
    assert {"time", "source", "carrier", "digest", "verdict"} <= set(always)
    assert [(name, e) for e in EVENTS for name in always if name not in e] == []


def test_the_page_has_every_verdict_stage_and_reason() -> None:
    text = PAGE.read_text("utf-8")
    words = {event[name] for event in EVENTS for name in ("verdict", "stage", "reason", "by")
             if name in event}  # fmt: skip
    assert len(words) > len(Reason)
    assert sorted(word for word in words if f"`{word}`" not in text) == []
    reasons = set(re.findall(r"`([a-z-]+)`", text.split("## Stages and reasons")[1]))
    known = {reason.word for reason in Reason} | {reason.stage.name.lower() for reason in Reason}
    assert reasons - known == set()


def test_the_example_on_the_page_is_one_of_ours() -> None:
    [example] = re.findall(r"^    (\{.*\})$", PAGE.read_text("utf-8"), re.MULTILINE)
    assert example == structured(
        Judged(
            packet(b"an example")._replace(protocol=6, connected=True),
            NOW.wall,
            (Refusal(Reason.PORT_NOT_OFFERED, (1,), "tcp/443"),),
            request(services="tcp/443", seconds=60),
        )
    )
