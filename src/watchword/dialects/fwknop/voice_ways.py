"""What the server says of the ways by which packets come.

In here: sockets, interfaces, files and queues that it looks at, and their end.
Not in here: the packets (voice_packets), all other events (voice).

Source: fwknopd server, sections 7 and 11; ours where fwknopd says nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias, assert_never

from watchword.dialects.fwknop.voice_words import Line, Priority
from watchword.model.daemon_events import (
    AwaitingKnocks,
    InterfaceChanged,
    InterfaceState,
    LimitReached,
    Listening,
    Queueing,
    ReadingFile,
    Sniffing,
    Waiting,
)

OfWays: TypeAlias = (
    Listening
    | Sniffing
    | ReadingFile
    | Queueing
    | AwaitingKnocks
    | LimitReached
    | InterfaceChanged
    | Waiting
)


def lines(event: OfWays) -> Iterator[Line]:
    match event:
        case Listening():
            yield from _listening(event)
        case Sniffing():
            yield from _sniffing(event)
        case ReadingFile():
            yield Priority.INFO, f"Reading pcap file: {event.path}"
            yield from _filter(event.filter)
        case Queueing():
            where = f"netfilter queue {event.number}"
            yield Priority.INFO, f"Taking packets to UDP port {event.port} from {where}."
        case AwaitingKnocks():
            yield Priority.INFO, f"Taking port knocks from {event.where}."
        case LimitReached():
            yield from _limit(event)
        case InterfaceChanged():
            yield _interface(event)
        case Waiting():
            yield Priority.INFO, "Starting fwknopd main event loop."
        case _:
            assert_never(event)


def _listening(event: Listening) -> Iterator[Line]:
    kind, port = event.service.proto.upper(), event.service.port
    yield Priority.INFO, f"Kicking off {kind} server to listen on port {port}."
    if 6 not in event.families:
        yield Priority.WARNING, "IPv6 is not available: packets are received over IPv4 only."


def _sniffing(event: Sniffing) -> Iterator[Line]:
    for name in event.interfaces or ("any",):
        yield Priority.INFO, f"Sniffing interface: {name}"
    yield from _filter(event.filter)


def _filter(text: str) -> Iterator[Line]:
    if text:
        yield Priority.INFO, f"PCAP filter is: '{text}'"


def _limit(event: LimitReached) -> Iterator[Line]:
    yield Priority.WARNING, f"* Incoming packet count limit of {event.packets} reached"
    yield Priority.INFO, "Gracefully leaving the fwknopd event loop."
    yield Priority.INFO, f"Packet count limit ({event.packets}) reached. Exiting..."


def _interface(event: InterfaceChanged) -> Line:
    name = event.name
    match event.state:
        case InterfaceState.THERE:
            return Priority.INFO, f"The interface {name} is there, and packets on it are looked at."
        case InterfaceState.DOWN:
            return Priority.WARNING, f"The interface {name} is down."
        case InterfaceState.RENAMED:
            return (
                Priority.WARNING,
                f"The interface that was called {name} has another name now; it is still looked "
                f"at until another one is called {name}.",
            )
        case InterfaceState.GONE:
            there = ", ".join(event.others) or "none"
            return (
                Priority.WARNING,
                f"There is no interface {name}: packets on it are looked at once there is one. "
                f"Interfaces are: {there}.",
            )
        case _:
            assert_never(event.state)
