"""What holding a program against a demand came to.

In here: one finding. Not in here: demands and how they are tried, tables.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    PASS = "pass"  # noqa: S105  (no password)
    FAIL = "fail"
    SKIP = "skip"
    """Could not be judged here: a program or a privilege is missing."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One demand, and whether the program met it."""

    group: str
    """What the demand is about: ``mode``, ``digest``, ``hmac``, ``type``, ``gpg``, ``refusal``."""
    name: str
    """Unique within the group, for example ``CTR`` or a vector's id."""
    verdict: Verdict
    detail: str = ""
    """What was expected and what came instead, or why it could not be judged."""
