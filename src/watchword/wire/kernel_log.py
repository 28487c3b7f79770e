"""Lines of the kernel's log in which a firewall tells of packets (``LOG``, ``nft ... log``).

In here: whose line it is, the packet in it, its time. Not in here: reading files (edges.capture).

Whoever can write such a line can knock for anybody, so a line has to be the kernel's, as far as
it can tell: the tag is ``kernel`` and stands where tags stand, a facility in front is the
kernel's, and everything has the form and the order that the kernel gives it. What the kernel
itself quotes of others, a file's name for example, stands behind words with ``=`` or a quotation
mark in them, which no rule's prefix has. That is no proof: who may write to the log is the
system's business, and is looked at where it is opened (edges.capture.hit_log).

Source: legacy port knocking, section 9. Differences: lines of IPv6 and with ``SEQ=`` are read,
and what is not understood is passed over; only echo requests count of ICMP.
"""

from __future__ import annotations

import re
from enum import Enum
from ipaddress import ip_address
from typing import Final, NamedTuple

from watchword.model.hits import Hit, Look
from watchword.wire.hits import ECHO, ECHO_6, ICMP, TCP, UDP

LONGEST: Final = 4096
"""Characters of a line."""
_KERNEL: Final = 8
"""Priorities below it are of facility kern."""
_TIME: Final = r"(?:[A-Z][a-z]{2} [ 0-9][0-9] [0-9:]{8}|[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.,+Z-]+)"
_HEAD: Final = re.compile(
    rf"(?:<(?P<priority>[0-9]{{1,3}})>)?(?:1 )?(?:{_TIME} )?(?:[^\s<]*[^\s<:\]] )?"
    r"(?P<tag>[^\s:]+)(?::| - - -) ?(?:\[ *(?P<stamp>[0-9]{1,10}\.[0-9]{6})\] ?)?"
)
_PREFIX: Final = r"(?P<prefix>[^=\"']{0,128}?)"
_PACKET: Final = re.compile(
    _PREFIX + r"IN=(?P<interface>\S{1,15}) OUT=\S* (?:(?:PHYS(?:IN|OUT)|MAC[A-Z]*|TUNNEL)=\S* )*"
    r"SRC=(?P<source>[0-9a-fA-F.:]+) DST=(?P<destination>[0-9a-fA-F.:]+) LEN=(?P<length>[0-9]+) "
    r"(?:TOS=\S+ PREC=\S+ TTL=(?P<ttl>[0-9]+) ID=[0-9]+ (?:CE )?(?P<whole>DF )?(?:MF )?"
    r"|TC=[0-9]+ HOPLIMIT=(?P<hops>[0-9]+) FLOWLBL=[0-9]+ )"
    r"(?:OPT \([0-9A-F ]*\) )?PROTO=(?P<carried>.*)"
)
_TCP: Final = re.compile(
    r"TCP SPT=(?P<from>[0-9]+) DPT=(?P<to>[0-9]+) (?:SEQ=(?P<sequence>[0-9]+) ACK=[0-9]+ )?"
    r"WINDOW=(?P<window>[0-9]+) RES=0x[0-9a-f]+ (?P<flags>(?:[A-Z]{3} )*)URGP=[0-9]+"
    r"(?: OPT \((?P<options>[0-9A-F]*)\))?(?: .*)?"
)
_UDP: Final = re.compile(r"UDP SPT=(?P<from>[0-9]+) DPT=(?P<to>[0-9]+) LEN=[0-9]+(?: .*)?")
_ICMP: Final = re.compile(r"ICMP(?P<six>v6)? TYPE=(?P<type>[0-9]+) CODE=[0-9]+(?: .*)?")
_FLAGS: Final = frozenset({"CWR", "ECE", "URG", "ACK", "PSH", "RST", "SYN", "FIN"})
_FIREWALL: Final = ("IN=", "OUT=")


class Other(Enum):
    """A line that is no hit."""

    FOREIGN = "not the kernel's"
    UNCONCERNED = "of the kernel, about something else"
    UNREADABLE = "of the firewall, and not understood"


class Logged(NamedTuple):
    """A line that is one."""

    hit: Hit
    stamp: float | None
    """The kernel's own time, seconds; None: the line has none."""


def read(line: str, prefixes: tuple[str, ...] = ()) -> Logged | Other:
    """What a line says.

    ``prefixes``: with one of these the rule's text has to begin; empty: any will do.
    """
    head = _HEAD.match(line[:LONGEST])
    if head is None or head["tag"] != "kernel":
        return Other.FOREIGN
    if head["priority"] is not None and int(head["priority"]) >= _KERNEL:
        return Other.FOREIGN
    text = line[head.end() : LONGEST]
    if not all(each in text for each in _FIREWALL):
        return Other.UNCONCERNED
    found = _PACKET.fullmatch(text.rstrip())
    if found is not None and prefixes and not found["prefix"].startswith(prefixes):
        return Other.UNCONCERNED
    hit = _hit(found) if found is not None else None
    stamp = head["stamp"]
    return Other.UNREADABLE if hit is None else Logged(hit, float(stamp) if stamp else None)


def _hit(found: re.Match[str]) -> Hit | None:
    try:
        return _checked_hit(found)
    except ValueError:
        return None


def _checked_hit(found: re.Match[str]) -> Hit | None:
    """Raises ValueError: an address or a number that is none."""
    source, destination = ip_address(found["source"]), ip_address(found["destination"])
    if source.version != destination.version or (source.version == 6) != (found["ttl"] is None):
        return None
    ends = (source.packed, destination.packed)
    carried, interface = found["carried"], found["interface"]
    if (tcp := _TCP.fullmatch(carried)) is not None:
        return _segment(found, tcp, ends)
    if (udp := _UDP.fullmatch(carried)) is not None:
        ports = _number(udp["to"]), _number(udp["from"])
        return Hit(*ends, UDP, *ports, interface=interface)
    icmp = _ICMP.fullmatch(carried)
    if icmp is None or (icmp["six"] is not None) != (source.version == 6):
        return None
    if int(icmp["type"]) != (ECHO_6 if icmp["six"] else ECHO):
        return None
    return Hit(*ends, ICMP, 0, interface=interface)


def _segment(found: re.Match[str], tcp: re.Match[str], ends: tuple[bytes, bytes]) -> Hit | None:
    flags = set(tcp["flags"].split())
    if not flags or not flags <= _FLAGS:
        return None
    look = None
    if "SYN" in flags:
        options = tcp["options"] or ""
        six = found["ttl"] is None
        look = Look(
            _number(found["hops"] if six else found["ttl"], 255),
            _number(found["length"]),
            six or found["whole"] is not None,
            _number(tcp["window"]),
            bytes.fromhex(options) if len(options) % 2 == 0 else b"",
        )
    sequence = _number(tcp["sequence"], 0xFFFFFFFF) if tcp["sequence"] else -1
    ports = _number(tcp["to"]), _number(tcp["from"])
    return Hit(*ends, TCP, *ports, sequence, look, found["interface"])


def _number(digits: str, most: int = 65535) -> int:
    """Raises ValueError: it is more than fits, or not as the kernel writes it."""
    if len(digits) > 10 or int(digits) > most or (digits[0] == "0" and len(digits) > 1):
        raise ValueError(f"{digits[:12]} is no number up to {most}")
    return int(digits)


class Stamps:
    """Turns the kernel's own times into the steady clock's.

    A line was written before it was read, and the one that was read soonest after it was
    written tells most of how the two clocks stand to each other.
    """

    def __init__(self) -> None:
        self._ahead: float | None = None
        self._last = 0.0

    def note(self, stamp: float | None, now: float) -> None:
        """A line with this time was read at that one, steady seconds. For all lines that were
        read at once, before the times of any are asked for."""
        if stamp is None:
            return
        if self._ahead is None or stamp < self._last:  # first of all, or the machine began anew
            self._ahead = now - stamp
        self._last = stamp
        self._ahead = min(self._ahead, now - stamp)

    def at(self, stamp: float | None, now: float) -> float:
        """When a line that was noted was written; one without a time: now."""
        if stamp is None or self._ahead is None:
            return now
        return min(stamp + self._ahead, now)
