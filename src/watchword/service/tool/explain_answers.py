"""An explanation as text for people and as JSON for machines.

In here: what is shown, in which order. Not in here: sentences about reasons and
wishes (dialects.fwknop), judging (explain).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from watchword.dialects.fwknop import (
    explain_commands,
    explain_leads,
    explain_sharing,
    explain_words,
    remedies,
)
from watchword.grant import cycles
from watchword.grant.closing import ClosePermit
from watchword.grant.permits import CommandPermit, Permit, Yes
from watchword.model.outcomes import Refusal
from watchword.service.explain import Explanation, Verdict


def in_words(told: Explanation, places: Mapping[int, str]) -> Iterator[str]:
    packet = told.packet
    when = datetime.fromtimestamp(told.at.wall, UTC).astimezone().isoformat(timespec="seconds")
    yield f"packet of {len(packet.payload)} bytes from {packet.peer}, judged at {when}"
    for verdict in told.verdicts:
        yield f"stanza #{verdict.stanza} ({places[verdict.stanza]}): {_verdict(verdict)}"
    refusal = told.refusal
    if refusal is not None:
        yield from _refused(refusal, _advice(told, refusal))
    elif isinstance(told.permit, CommandPermit):
        found = told.permit
        argv = " ".join(map(repr, found.job.argv))
        yield (
            f"WOULD RUN: {argv} {explain_commands.as_whom(found.job.account, ())}, for "
            f"{found.job.seconds:g} seconds at most, by stanza #{found.request.stanza}"
        )
    elif isinstance(told.permit, ClosePermit):
        yield _would_close(told.permit)
    elif told.permit is not None:
        permit = told.permit
        if permit.cycle is not None:
            for values in cycles.values(permit):
                yield f"WOULD RUN: {cycles.opening(permit.cycle, values).text}"
        yield (
            f"GRANTED: {explain_words.services(permit.services)}"
            f"{explain_leads.lead(permit.lead)} for {_whom(permit)}, "
            f"{permit.seconds} seconds, by stanza #{permit.request.stanza}"
        )
        yield from (f"  {each}" for each in explain_sharing.provisos(permit.sharing))


def _whom(permit: Permit) -> str:
    return ", ".join(map(str, permit.callers))


def _would_close(permit: ClosePermit) -> str:
    what = (
        "whatever it is for"
        if permit.services is None
        else (f"for nothing but {explain_words.services(permit.services)}")
    )
    return (
        f"WOULD CLOSE: each grant of user {permit.request.user!r} for {permit.who}, {what}, "
        f"by stanza #{permit.request.stanza}"
    )


def _verdict(verdict: Verdict) -> str:
    asked = f"{explain_words.request_in_words(verdict.request)}; " if verdict.request else ""
    if verdict.refusal is not None:
        return f"{asked}{remedies.advice(verdict.refusal).sentence}"
    return f"{asked}allowed"


def _advice(told: Explanation, refusal: Refusal) -> remedies.Advice:
    return remedies.IN_REQUEST if told.in_request else remedies.advice(refusal)


def _refused(refusal: Refusal, told: remedies.Advice) -> Iterator[str]:
    yield f"REFUSED ({refusal.reason.stage.name.lower()}): {told.sentence}"
    if first := refusal.original:
        when = datetime.fromtimestamp(first.at, UTC).astimezone().isoformat(timespec="seconds")
        yield f"  it was seen first at {when}, from {first.source} port {first.source_port}"
    yield f"  remedy: {told.remedy}"


def as_json(told: Explanation) -> dict[str, object]:
    refusal, permit = told.refusal, told.permit
    opens = permit if isinstance(permit, Permit) else None
    return {
        "source": told.packet.peer,
        "time": told.at.wall,
        "bytes": len(told.packet.payload),
        "granted": permit is not None,
        "would_run": _programs(permit),
        "stage": refusal.reason.stage.name.lower() if refusal else None,
        "reason": refusal.reason.word if refusal else None,
        "remedy": _advice(told, refusal).remedy if refusal else None,
        "in_http_request": told.in_request,
        "would_open": [str(service) for service in opens.services] if opens else [],
        "leads_to": str(opens.lead) if opens and opens.lead else None,
        "for": str(opens.who) if opens else None,
        "for_all": [str(each) for each in opens.callers] if opens else [],
        "seconds": opens.seconds if opens else None,
        "provisos": list(explain_sharing.provisos(opens.sharing)) if opens else [],
        "would_close": isinstance(permit, ClosePermit),
        "stanzas": [_verdict_as_json(each) for each in told.verdicts],
    }


def _programs(permit: Yes | None) -> list[list[str]]:
    """The words of each program that would be run."""
    if isinstance(permit, CommandPermit):
        return [list(permit.job.argv)]
    if not isinstance(permit, Permit) or permit.cycle is None:
        return []
    terms = permit.cycle
    return [list(cycles.opening(terms, each).argv) for each in cycles.values(permit)]


def _verdict_as_json(verdict: Verdict) -> dict[str, object]:
    refusal, request = verdict.refusal, verdict.request
    return {
        "stanza": verdict.stanza,
        "allowed": verdict.permit is not None,
        "stage": refusal.reason.stage.name.lower() if refusal else None,
        "reason": refusal.reason.word if refusal else None,
        "detail": refusal.detail if refusal else "",
        "user": request.user if request else None,
        "sent_at": request.sent_at if request else None,
    }
