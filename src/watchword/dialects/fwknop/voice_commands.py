"""What the server says of commands: of callers, and of stanzas that open and close by them.

In here: how they begin and how they end, in the words of fwknopd 2.6.10.
Not in here: refusals before anything begins (voice_reasons), the order of it
all (voice_packets).

Source: fwknopd server, section 10.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from watchword.dialects.fwknop.voice_reasons import line
from watchword.dialects.fwknop.voice_words import Line, Priority
from watchword.model.commands import Cycle
from watchword.model.openings import Ending, Grant
from watchword.model.outcomes import (
    CommandStarted,
    CycleClosing,
    CycleNotClosed,
    CycleOpening,
    Judged,
)
from watchword.model.reasons import Reason
from watchword.model.requests import Request

_COMMAND: Final = 300  # characters of a command; the original's messages hold fewer
_E, _W, _I = Priority.ERR, Priority.WARNING, Priority.INFO


def begun(event: CommandStarted | CycleOpening) -> Iterator[Line]:
    """A command begins: a caller's, or a stanza's that opens."""
    if isinstance(event, CycleOpening):
        yield _I, f"{_at(event.request)} Running CMD_CYCLE_OPEN command: {event.command}"
        return
    account, command = event.account, event.command[:_COMMAND]
    at = _at(event.request)
    yield _I, f"{at} Processing SPA Command message: command='{command}'."
    whom = ""
    if account is not None:
        whom = (
            f" setuid/setgid user/group to {account.user}/{account.group} "
            f"(UID={account.uid},GID={account.gid})"
        )
    yield _I, f"{at} Running command '{command}'{whom}"


def goes_on(grant: Grant, cycle: Cycle) -> Iterator[Line]:
    """A cycle is prolonged, and no command was run for that."""
    yield _I, f"{_of(grant)} The command cycle is open, and goes on."
    yield from _closes(grant, cycle)


def closing(event: CycleClosing | CycleNotClosed) -> Line:
    """A command that closes begins, or has failed."""
    at = f"[{event.grant.who}] (stanza #{event.grant.stanza})"
    if isinstance(event, CycleNotClosed):
        failed = f"{at} CMD_CYCLE_CLOSE command failed, and what it closes may be open: {event.why}"
        return _E, f"{failed}; {_what_next(event)}"
    why = "Timer expired" if event.ending is Ending.EXPIRED else "Ended before its time"
    if event.tries:
        why = f"Trying again after {event.tries} that failed"
    return _I, f"{at} {why}, running CMD_CYCLE_CLOSE command: {event.command}"


def _what_next(event: CycleNotClosed) -> str:
    """Who has to do something about a command that has failed to close."""
    if event.at_start:
        return "the next start tries it again"
    if event.again is not None:
        return f"it is tried again in {event.again:g} seconds"
    return (
        f"GIVEN UP after {event.tries}. Close it by hand ({event.command[:_COMMAND]}), "
        f"then: watchword revoke {event.grant.id}"
    )


def was_begun(event: Judged) -> bool:
    """Whether a command was, whose beginning has been told."""
    if event.grant is not None:
        cycle = event.grant.cycle
        return cycle is not None and not cycle.renewal
    last = event.refusals[-1].reason if event.refusals else None
    return event.ran is not None or last in (Reason.COMMAND_NOT_STARTED, Reason.CYCLE_FAILED)


def _at(request: Request) -> str:
    return f"[{request.packet.peer}] (stanza #{request.stanza})"


def _of(grant: Grant) -> str:
    return f"[{grant.source}] (stanza #{grant.stanza})"


def _closes(grant: Grant, cycle: Cycle) -> Iterator[Line]:
    """When what will close it is run. Without such a command the original says nothing."""
    seconds = round(grant.ends - grant.began)
    for each in cycle.closings:
        text = f"{_of(grant)} Running CMD_CYCLE_CLOSE command in {seconds} seconds: {each.text}"
        yield _I, text


def outcome(event: Judged, request: Request) -> Iterator[Line]:
    """What came of commands whose beginning has been told."""
    if event.grant is not None and event.grant.cycle is not None:
        yield from _closes(event.grant, event.grant.cycle)
    elif event.ran is None and event.refusals[-1].reason is Reason.CYCLE_FAILED:
        yield line(event.refusals[-1], event.packet, f"(stanza #{request.stanza})")
    else:
        yield from _ended(event, request)


def _ended(event: Judged, request: Request) -> Iterator[Line]:
    """How a command ended. The original has 255 for what cannot be started."""
    at = _at(request)
    ran = event.ran
    if ran is None:
        for call in ("execvpe", "execvp"):  # 2.6.10, 2.6.11
            yield _E, f"run_extcmd(): {call}() failed: {event.refusals[-1].detail}"
        yield _I, f"{at} CMD_EXEC: command returned 0, pid_status: 255"
    elif ran.status is None:
        yield _W, f"{at} CMD_EXEC: the command was ended: {ran.trouble}"
    else:
        status = ran.status if ran.status >= 0 else 128 - ran.status
        yield _I, f"{at} CMD_EXEC: command returned 0, pid_status: {status}"
        if status and ran.said:
            yield _W, f"{at} CMD_EXEC: it said: {ran.said}"
