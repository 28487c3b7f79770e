"""Keys of a door that go beyond knockd's rules; all of our own.

In here: ``Strict``, ``Besides``, ``Ignore_Repeats``, ``Step_Timeout``, ``Max_Failures``;
``Secret``, ``Knocks`` and ``Every`` of a sequence that follows from a secret and the time.
Not in here: what they do (recognise.watches), the sequence itself (wire.rotating).
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from watchword.dialects.knockd.door_draft import Draft, Read, services, whole_number, yes_or_no
from watchword.dialects.knockd.lines import Directive
from watchword.model.crypto import Secret
from watchword.model.doors import FailureLimit, Rotation
from watchword.wire.rotating import SHORTEST_SECRET

FEWEST, MOST = 3, 16
"""Knocks of a sequence that follows from a secret."""
SHORTEST, LONGEST = 5, 3600
"""Seconds for which one is the current one."""
_RATE: Final = re.compile(r"([0-9]{1,6})\s*/\s*([0-9]{1,6})")


def rotation(draft: Draft) -> Rotation | None:
    """How the sequence follows from a secret; None: it does not."""
    if draft.secret is None:
        return None
    if draft.sequence or draft.one_time is not None:
        draft.refuse(
            draft.section.place,
            "Secret and other sequences cannot stand in one door",
            "leave Sequence and One_Time_Sequences out",
        )
    return Rotation(draft.secret, draft.knocks, draft.every)


def secret(text: str) -> Secret:
    """A secret in base64. Raises ValueError with what is wrong; it never quotes the text."""
    try:
        octets = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("the secret is no base64") from None
    if len(octets) < SHORTEST_SECRET:
        raise ValueError(f"the secret has {len(octets)} bytes, and needs {SHORTEST_SECRET}")
    return Secret(octets)


def _change(draft: Draft, **changes: object) -> None:
    draft.care = replace(draft.care, **changes)  # type: ignore[arg-type]  # the callers name fields


def _strict(draft: Draft, directive: Directive, value: str) -> None:
    _change(draft, strict=yes_or_no(directive, value, draft.complaints))


def _besides(draft: Draft, directive: Directive, value: str) -> None:
    _change(draft, besides=frozenset(services(draft, directive, value)))


def _ignore_repeats(draft: Draft, directive: Directive, value: str) -> None:
    _change(draft, ignore_repeats=yes_or_no(directive, value, draft.complaints))


def _step_timeout(draft: Draft, directive: Directive, value: str) -> None:
    seconds = whole_number(draft, directive, value)
    if seconds is not None and seconds <= 0:
        draft.refuse(directive.place, "Step_Timeout is no time", "write seconds, such as 5")
    elif seconds is not None:
        _change(draft, step_timeout=seconds)


def _max_failures(draft: Draft, directive: Directive, value: str) -> None:
    found = _RATE.fullmatch(value)
    if found is None or not int(found[1]) or not int(found[2]):
        draft.refuse(
            directive.place, f"{value!r} is no limit", "write a number and seconds, such as 3/60"
        )
        return
    _change(draft, failures=FailureLimit(int(found[1]), int(found[2])))


def _secret(draft: Draft, directive: Directive, value: str) -> None:
    try:
        draft.secret = secret(value)
    except ValueError as error:
        draft.refuse(
            directive.place, str(error), "make one: head -c 32 /dev/urandom | base64, as one line"
        )


def _within(draft: Draft, directive: Directive, value: str, least: int, most: int) -> int | None:
    found = whole_number(draft, directive, value)
    if found is None or least <= found <= most:
        return found
    draft.refuse(directive.place, f"{found} is out of range", f"write {least} to {most}")
    return None


def _knocks(draft: Draft, directive: Directive, value: str) -> None:
    draft.knocks = _within(draft, directive, value, FEWEST, MOST) or draft.knocks


def _every(draft: Draft, directive: Directive, value: str) -> None:
    draft.every = _within(draft, directive, value, SHORTEST, LONGEST) or draft.every


CARE: Final[Mapping[str, Read]] = {
    "strict": _strict,
    "besides": _besides,
    "ignore_repeats": _ignore_repeats,
    "step_timeout": _step_timeout,
    "max_failures": _max_failures,
    "secret": _secret,
    "knocks": _knocks,
    "every": _every,
}
