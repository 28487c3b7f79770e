"""Which packets change anything at doors, for a filter in the kernel.

In here: from doors to tests of packets. Not in here: programs for the kernel (edges.capture).

What it lets through is looked at again, so it may let through more.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from ipaddress import ip_network

from watchword.model.doors import TCP, UDP, Flag
from watchword.model.filters import All, Any, Direction, Filter, FlagsAre, HostIs, PortIs
from watchword.recognise.watches import Watch

_EVERY_DATAGRAM = PortIs(0, 65535, frozenset({UDP}), direction=Direction.DESTINATION)
_BEGINNING = FlagsAre(int(Flag.SYN), int(Flag.ACK))


def hearing(watches: Iterable[Watch], local: Collection[bytes]) -> Filter | None:
    """What is of interest; None: nothing is."""
    places: dict[bytes | None, list[Filter]] = {}
    for watch in watches:
        if watch.courses:
            places.setdefault(watch.target, []).extend(_of_door(watch))
    found: list[Filter] = []
    for target, tests in places.items():
        hosts = local if target is None else (target,)
        if hosts:
            found.append(All((_any([_sent_to(each) for each in sorted(hosts)]), _any(tests))))
    return _any(found) if found else None


def _of_door(watch: Watch) -> list[Filter]:
    tests: list[Filter] = []
    flags = watch.door.flags
    if tcp := _ports(watch, TCP):
        rule = FlagsAre(int(flags.wanted), int(flags.unwanted))
        tests.append(All((rule, tcp)) if flags.wanted or flags.unwanted else tcp)
    if udp := _ports(watch, UDP):
        tests.append(udp)
    if watch.strict:
        tests.append(_BEGINNING)
    if watch.minds_udp:
        tests.append(_EVERY_DATAGRAM)
    return tests


def _ports(watch: Watch, protocol: int) -> Filter | None:
    """Neighbouring ports as one range."""
    spots = {spot for course in watch.courses for spot in course.spots}
    ranges: list[list[int]] = []
    for port in sorted(spot >> 1 for spot in spots if spot & 1 == (protocol == TCP)):
        if ranges and ranges[-1][1] == port - 1:
            ranges[-1][1] = port
        else:
            ranges.append([port, port])
    tests: list[Filter] = [
        PortIs(first, last, frozenset({protocol}), direction=Direction.DESTINATION)
        for first, last in ranges
    ]
    return _any(tests) if tests else None


def _sent_to(address: bytes) -> Filter:
    return HostIs(ip_network(address), Direction.DESTINATION)


def _any(tests: list[Filter]) -> Filter:
    return tests[0] if len(tests) == 1 else Any(tuple(tests))
