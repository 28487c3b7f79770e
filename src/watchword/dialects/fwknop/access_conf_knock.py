"""Reads what a stanza says of port knocks: encrypted and shared sequences of fwknop 1.9.

In here: SHARED_SEQUENCE, ENCRYPT_SEQUENCE, PORT_OFFSET, KNOCK_INTERVAL, KNOCK_LIMIT,
MIN_TIME_DIFF, MAX_TIME_DIFF, REQUIRE_OS, REQUIRE_OS_REGEX.
Not in here: which stanzas are knocked at (access_conf_perl), where knocks come from
(translate_knocks), the other lines (access_conf_stanza).

Source: legacy port knocking, sections 5 to 7. Differences: numbers are checked; REQUIRE_OS_REGEX
is what it says; a limit of n is n grants.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from watchword.dialects.fwknop.access_conf import Stanza
from watchword.dialects.fwknop.access_conf_keys import UnusableError, keyless, keys
from watchword.dialects.fwknop.access_conf_lists import UnfitError, service_list
from watchword.dialects.fwknop.key_strength import REMEDY, weakness
from watchword.dialects.fwknop.lines import Entry, shown
from watchword.dialects.fwknop.server_complaints import Complaints
from watchword.model.old_knocks import (
    HIGHEST_OFFSET,
    INTERVAL,
    LOWEST_PORT,
    MOST_HITS,
    Element,
    Encrypted,
    KnockTerms,
    Shared,
    SystemRule,
)
from watchword.model.services import Service
from watchword.record import record
from watchword.wire.knock_message import READ_USER

SHARED: Final = "SHARED_SEQUENCE"
_LONGEST: Final = 86_400  # seconds
_MOST_GRANTS: Final = 1_000_000
_ICMP: Final = Element(1, 0)


@record
class _Common:
    services: tuple[Service, ...]
    interval: float
    limit: int | None
    system: SystemRule | None


def knock_terms(stanza: Stanza, complaints: Complaints, *, may_open: bool) -> KnockTerms | None:
    """What has to be knocked. None: that has been complained about.

    ``may_open``: whether the stanza can do without OPEN_PORTS, because callers may ask for any
    port, or because a command opens.
    """
    reader = _Reader(stanza, complaints)
    common = _Common(
        services=reader.services(may_open=may_open),
        interval=reader.number("KNOCK_INTERVAL", INTERVAL, 1, _LONGEST),
        limit=reader.number("KNOCK_LIMIT", 0, 1, _MOST_GRANTS) or None,
        system=reader.system(),
    )
    if SHARED in stanza.given:
        return _shared(reader, common)
    return _encrypted(reader, common)


def cut_users(users: frozenset[str]) -> frozenset[str]:
    """Names as they arrive in a sequence: of longer ones only the first eight bytes are read."""
    octets = (user.encode("utf-8", "surrogateescape")[:READ_USER] for user in users)
    return frozenset(user.decode("utf-8", "surrogateescape") for user in octets)


def _encrypted(reader: _Reader, common: _Common) -> Encrypted | None:
    stanza, complaints = reader.stanza, reader.complaints
    try:
        credential = keys(stanza).credential
        if credential is None:
            raise keyless(stanza)
    except UnusableError as unusable:
        complaints.add(unusable.complaint)
        return None
    reader.idle("MIN_TIME_DIFF", "MAX_TIME_DIFF", why="it is for shared sequences")
    if weak := weakness(credential.key):
        line = stanza.last_of("KEY", "KEY_BASE64") or stanza.source
        complaints.remark(f"{line.name.removesuffix(':')} {weak}", line.place, REMEDY)
    complaints.remark(
        f"access stanza #{stanza.number} is knocked at with an encrypted sequence: whoever watches "
        "one can guess at its key, and nothing but a sum of eight bits protects it",
        stanza.source.place,
        "have callers who can send SPA packets, with an HMAC key in a stanza of 2.6",
    )
    return Encrypted(
        key=credential.key,
        services=common.services,
        offset=reader.number("PORT_OFFSET", LOWEST_PORT, 1, HIGHEST_OFFSET),
        interval=common.interval,
        limit=common.limit,
        system=common.system,
    )


def _shared(reader: _Reader, common: _Common) -> Shared | None:
    stanza, complaints = reader.stanza, reader.complaints
    sequence = reader.sequence()
    least = reader.number("MIN_TIME_DIFF", 0, 0, _LONGEST) or None
    most = reader.number("MAX_TIME_DIFF", 0, 0, _LONGEST) or None
    if least is not None and most is not None and most <= least:
        complaints.refuse(
            f"MAX_TIME_DIFF is {most}, and no hit can come later than MIN_TIME_DIFF ({least}) and "
            "earlier than that",
            stanza.given["MAX_TIME_DIFF"].place,
            "write a MAX_TIME_DIFF that is greater",
        )
    reader.idle("PORT_OFFSET", why="it is for encrypted sequences")
    if "REQUIRE_USERNAME" in stanza.given:
        complaints.refuse(
            "REQUIRE_USERNAME, and a shared sequence names no user: nobody could come in",
            stanza.given["REQUIRE_USERNAME"].place,
            "remove the line, or have callers send SPA packets",
        )
    complaints.remark(
        f"access stanza #{stanza.number} is knocked at with a shared sequence: whoever watches it "
        "once can knock it again, as often as he likes",
        stanza.source.place,
        "have callers who can send SPA packets",
    )
    return Shared(
        sequence=sequence,
        services=common.services,
        interval=common.interval,
        limit=common.limit,
        system=common.system,
        longer_than=least,
        shorter_than=most,
    )


class _Reader:
    """One stanza under reading, and where to complain."""

    def __init__(self, stanza: Stanza, complaints: Complaints) -> None:
        self.stanza = stanza
        self.complaints = complaints

    def number(self, name: str, default: int, least: int, most: int) -> int:
        line = self.stanza.given.get(name)
        if line is None:
            return default
        text = line.value
        if text.isascii() and text.isdecimal() and least <= int(text[:12]) <= most:
            return int(text[:12])
        self.complaints.refuse(
            f"{name} is '{shown(text)}'",
            line.place,
            f"write a whole number from {least} to {most}, or remove the line",
        )
        return default

    def services(self, *, may_open: bool) -> tuple[Service, ...]:
        line = self.stanza.given.get("OPEN_PORTS")
        if line is None:
            if not may_open or SHARED in self.stanza.given:
                self.complaints.refuse(
                    f"OPEN_PORTS is missing: '{shown(self.stanza.source.value)}' would open "
                    "nothing",
                    self.stanza.source.place,
                    "add OPEN_PORTS and what a knock opens, such as tcp/22",
                )
            return ()
        try:
            return tuple(dict.fromkeys(service_list(line.value)))
        except UnfitError:
            return ()  # which is complained about where the list is read for packets

    def sequence(self) -> tuple[Element, ...]:
        line = self.stanza.given[SHARED]
        entries = [each.strip() for each in line.value.split(",")]
        found = [_element(each) for each in entries]
        wrong = next((text for text, each in zip(entries, found, strict=True) if each is None), "")
        if None in found or not 1 < len(found) <= MOST_HITS:
            self._no_sequence(line, wrong, len(found))
            return (_ICMP, _ICMP)
        return tuple(each for each in found if each is not None)

    def _no_sequence(self, line: Entry, wrong: str, count: int) -> None:
        why = f"has '{shown(wrong)}'" if wrong or count == 1 else f"has {count} hits"
        self.complaints.refuse(
            f"SHARED_SEQUENCE {why}",
            line.place,
            f"write 2 to {MOST_HITS} of tcp/PORT, udp/PORT and icmp, separated by commas",
        )

    def system(self) -> SystemRule | None:
        """REQUIRE_OS, or REQUIRE_OS_REGEX."""
        given = self.stanza.given
        name, pattern = given.get("REQUIRE_OS"), given.get("REQUIRE_OS_REGEX")
        if name is not None and pattern is not None:
            self.complaints.refuse(
                "REQUIRE_OS and REQUIRE_OS_REGEX: only one of them can count",
                pattern.place,
                "remove one of the two lines",
            )
        if name is not None:
            return SystemRule(name=name.value)
        if pattern is None:
            return None
        try:
            re.compile(pattern.value)
        except re.error as error:
            self.complaints.refuse(
                f"REQUIRE_OS_REGEX is no regular expression: {error}",
                pattern.place,
                "mend it, or use REQUIRE_OS",
            )
            return None
        return SystemRule(pattern=pattern.value)

    def idle(self, *names: str, why: str) -> None:
        for name in names:
            if name in self.stanza.given:
                place = self.stanza.given[name].place
                self.complaints.remark(f"{name} has no effect: {why}", place, "remove the line")


def _element(text: str) -> Element | None:
    try:
        return Element.parse(text.lower())
    except ValueError:
        return None


def asks_for_system(knocks: Sequence[KnockTerms | None]) -> bool:
    """Whether signatures are needed at all."""
    return any(knock is not None and knock.system is not None for knock in knocks)
