"""Which system sent a SYN, going by how it looks.

In here: the options of a header, holding a look against signatures.
Not in here: the file of signatures (dialects.fwknop.pf_os).

Anybody can make his packets look like those of any system: what is found is a weak hint, and
never more. Source: legacy port knocking, section 10. Difference: of IPv6, which the format
does not know, the longer header is taken off, and there is nothing to be compared with DF.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from watchword.model.hits import Hit, Look
from watchword.model.old_knocks import Measure, OptionRule, Signature, Signatures, Size

_END, _NOTHING, _SEGMENT, _SCALE, _SACK, _STAMP = 0, 1, 2, 3, 4, 8
_LETTERS: Final = {_NOTHING: "N", _SEGMENT: "M", _SCALE: "W", _SACK: "S", _STAMP: "T"}
_LONGER_HEADER: Final = 20  # bytes by which that of IPv6 is longer


class BrokenOptionsError(ValueError):
    """An option names a length that is none."""


class Option(NamedTuple):
    letter: str
    """``N M W S T``, or ``?``."""
    number: int = 0
    """Segment size, scale or time stamp."""


def options_of(octets: bytes) -> list[Option]:
    """The TCP options up to their end, a lone last byte left out. Raises BrokenOptionsError."""
    found: list[Option] = []
    at = 0
    while at < len(octets):
        kind = octets[at]
        if kind == _END:
            break
        if kind == _NOTHING:
            found.append(Option("N"))
            at += 1
            continue
        if at + 1 >= len(octets):
            break
        size = octets[at + 1]
        if size < 2:
            raise BrokenOptionsError(f"{size}-byte len field within TCP options")
        value = octets[at + 2 : at + min(size, 6)]
        found.append(Option(_LETTERS.get(kind, "?"), int.from_bytes(value, "big")))
        at += size
    return found


def systems(hit: Hit, signatures: Signatures) -> frozenset[str]:
    """The names of all systems whose SYNs look like this; empty: none, or there is no look."""
    return frozenset(signature.name for signature in fitting(hit, signatures))


def fitting(hit: Hit, signatures: Signatures) -> list[Signature]:
    """The signatures themselves, in the order of their file."""
    look = hit.look
    if look is None or not look.options:
        return []
    try:
        options = options_of(look.options)
    except BrokenOptionsError:
        return []
    six = len(hit.source) == 16
    if six:
        look = look._replace(length=look.length - _LONGER_HEADER)
    return list(_fitting(look, options, signatures, six=six))


def _fitting(
    look: Look, options: list[Option], signatures: Signatures, *, six: bool
) -> Iterator[Signature]:
    segment = options[0].number if options and options[0].letter == "M" else 0
    for each in signatures.all:
        if not each.ttl - signatures.most_hops < look.ttl <= each.ttl:
            continue
        if not six and each.whole is not None and each.whole != look.whole:
            continue
        if not _fits(each.window, look.window, segment) or not _fits(each.length, look.length):
            continue
        if _alike(each.options, options):
            yield each


def _fits(size: Size, number: int, segment: int = 0) -> bool:
    match size.measure:
        case Measure.ANY:
            return True
        case Measure.EQUAL:
            return number == size.number
        case Measure.MULTIPLE:
            return number % size.number == 0
        case Measure.SEGMENTS:
            return segment > 0 and number == segment * size.number


def _alike(rules: tuple[OptionRule, ...], options: list[Option]) -> bool:
    """Whether a packet's options begin as a signature says; it may have more."""
    if not rules:
        return False
    for at, rule in enumerate(rules):
        if rule.letter not in "NMWST":
            continue
        if at >= len(options) or options[at].letter != rule.letter:
            return False
        if rule.zero and options[at].number:
            return False
        if rule.letter in "MW" and not _fits(rule.size, options[at].number):
            return False
    return True
