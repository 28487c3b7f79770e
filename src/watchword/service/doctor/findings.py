"""One thing that was found out about a server: how bad it is, and what to do about it."""

from __future__ import annotations

from enum import IntEnum

from watchword.record import record


class Severity(IntEnum):
    """How bad it is. The worst finding decides the exit status."""

    FINE = 0
    REMARK = 1
    WARNING = 2
    FAULT = 3

    @property
    def word(self) -> str:
        return self.name.lower()


@record
class Finding:
    severity: Severity
    topic: str
    """``clock``, ``daemon``, ``capture``, ``attachment``, ``reach``, ``rules``, ``files``,
    ``keys``, ``disk``, ``configuration``."""
    sentence: str
    remedy: str = ""


def fine(topic: str, sentence: str) -> Finding:
    return Finding(Severity.FINE, topic, sentence)


def remark(topic: str, sentence: str, remedy: str = "") -> Finding:
    return Finding(Severity.REMARK, topic, sentence, remedy)


def warning(topic: str, sentence: str, remedy: str) -> Finding:
    return Finding(Severity.WARNING, topic, sentence, remedy)


def fault(topic: str, sentence: str, remedy: str) -> Finding:
    return Finding(Severity.FAULT, topic, sentence, remedy)
