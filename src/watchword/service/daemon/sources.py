"""The ways by which packets come: opened, kept over a reload, closed.

In here: settings to sources, and which of them go on when settings change.
Not in here: what a source does (edges.capture), who takes packets from it
(reception).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Final, TypeAlias, assert_never

from watchword.edges.capture import hit_log, links
from watchword.edges.capture.file import FileSource
from watchword.edges.capture.hit_group import GroupSource
from watchword.edges.capture.hit_log import LogSource
from watchword.edges.capture.hit_sniff import HitSniffer
from watchword.edges.capture.libpcap import reads_link_header
from watchword.edges.capture.openers import Openers
from watchword.edges.capture.queue import QueueSource
from watchword.edges.capture.requests import Requests
from watchword.edges.capture.sniff import SniffSource
from watchword.edges.capture.tcp import TcpSource
from watchword.edges.capture.udp import UdpSource
from watchword.edges.clock import SystemClock
from watchword.edges.programs import SystemPrograms
from watchword.errors import Complaint, HostError, OperatorError
from watchword.model.daemon_events import (
    AwaitingKnocks,
    HostTrouble,
    InterfaceChanged,
    Listening,
    Queueing,
    ReadingFile,
    Sniffing,
)
from watchword.model.filters import Filter
from watchword.model.outcomes import Event
from watchword.model.services import Proto, Service
from watchword.model.settings import (
    CaptureFile,
    CaptureFilter,
    HttpRequests,
    KnockGroup,
    KnockLog,
    KnockSniffer,
    KnockSource,
    PacketQueue,
    Settings,
    Sniffer,
    SourceSettings,
    TcpPort,
    UdpPort,
)
from watchword.ports import Clock, Interest
from watchword.record import replace
from watchword.service.daemon.twins import Twins
from watchword.wire.bpf import Program

KnockWays: TypeAlias = LogSource | GroupSource | HitSniffer
"""Those that hits come by."""
PacketWays: TypeAlias = UdpSource | TcpSource | SniffSource | FileSource | QueueSource
Source: TypeAlias = PacketWays | KnockWays


KNOCKS: Final = (KnockLog, KnockGroup, KnockSniffer)
HIT_SOURCES: Final = (LogSource, GroupSource, HitSniffer)


class Sources:
    """All that are open, by what the configuration says of them."""

    def __init__(
        self,
        requests: HttpRequests | None,
        tell: Callable[[InterfaceChanged | HostTrouble], None],
        openers: Openers | None = None,
        clock: Clock | None = None,
    ) -> None:
        """``tell`` is told when an interface or a file comes or goes; ``openers``: how sockets and
        files are opened, ourselves if not given; ``clock``: that of the hits."""
        self._requests = Requests(requests)
        self._tell = tell
        self._openers = openers or Openers()
        self._clock = clock or SystemClock()
        self._open: dict[SourceSettings, Source] = {}
        self._twins = Twins()
        self.news: Callable[[], None] = lambda: None
        """Called when ``awaited`` may have changed, except by ``take_over``."""

    def __iter__(self) -> Iterator[Source]:
        return iter(self._open.values())

    @property
    def twins(self) -> Twins | None:
        """Who tells what was seen twice; None: one socket with a port sees every packet once.

        A sniffer may see one on two interfaces, or while a reload replaces it by another.
        """
        ways = [each for each in self._open if not isinstance(each, KNOCKS)]
        sniffed = any(isinstance(each, Sniffer) for each in ways)
        return self._twins if sniffed or len(ways) > 1 else None

    @property
    def awaited(self) -> tuple[str, ...]:
        """Interfaces and files that are to be looked at and cannot be yet, for people."""
        return tuple(
            name
            for source in self
            if isinstance(source, (SniffSource, FileSource, *HIT_SOURCES))
            for name in source.awaited
        )

    def _changed(self, change: InterfaceChanged) -> None:
        self._tell(change)
        self._news()

    def _news(self) -> None:
        self.news()

    async def open(self, wanted: Sequence[SourceSettings]) -> dict[SourceSettings, Source]:
        """Open those of the wanted ones that are not open; what is open goes on.

        Returns the new ones, for ``take_over`` or to be closed. Raises
        HostError or OperatorError: one of them cannot be opened, and then none
        of them is.
        """
        fresh: dict[SourceSettings, Source] = {}
        try:
            for each in wanted:
                if each not in self._open:
                    fresh[each] = await self._opened(each)
        except (HostError, OperatorError):
            await close(fresh.values())
            raise
        return fresh

    async def _opened(self, wanted: SourceSettings) -> Source:
        """What starts programs is done by a thread: packets of other sources go on being judged."""
        match wanted:
            case UdpPort(port):
                return UdpSource(port, self._requests, self._openers.udp)
            case TcpPort(port):
                return TcpSource(port, self._requests, self._openers.tcp)
            case Sniffer():
                tests = await asyncio.to_thread(_filter, wanted.filter, self._openers.compiled)
                return SniffSource(
                    wanted, tests, self._requests, self._changed, self._openers.packets
                )
            case PacketQueue() if not self._openers.queues:
                raise OperatorError(
                    "a netfilter queue is read by a process with CAP_NET_ADMIN, and this has none",
                    hint="end fwknopd and start it again: with a queue it keeps its rights",
                )
            case PacketQueue():
                make = partial(QueueSource, wanted, SystemPrograms(), self._requests, self._tell)
                return await asyncio.to_thread(make)
            case CaptureFile(path):
                tests = await asyncio.to_thread(_filter, wanted.filter, self._openers.compiled)
                return FileSource(
                    path, tests, self._requests, self._tell, self._openers.capture, found=self._news
                )
            case KnockLog() | KnockGroup() | KnockSniffer():
                return self._opened_for_knocks(wanted)
            case _:
                assert_never(wanted)

    def _opened_for_knocks(self, wanted: KnockSource) -> KnockWays:
        match wanted:
            case KnockLog():
                return LogSource(wanted, self._clock, self._told, self._openers.log)
            case KnockGroup(group):
                return GroupSource(group, self._clock, self._openers.group(group))
            case KnockSniffer():
                return HitSniffer(wanted, self._clock, self._told, self._openers.packets)
            case _:
                assert_never(wanted)

    def _told(self, what: InterfaceChanged | HostTrouble) -> None:
        self._tell(what)
        self._news()

    @property
    def of_knocks(self) -> list[KnockWays]:
        """Those that hits come by."""
        return [source for source in self if isinstance(source, HIT_SOURCES)]

    def take_over(
        self, wanted: Sequence[SourceSettings], fresh: dict[SourceSettings, Source]
    ) -> list[Source]:
        """Go on with the wanted ones; returns those that are to be closed now."""
        before, self._open = self._open, {}
        for each in wanted:
            self._open[each] = fresh[each] if each in fresh else before[each]
        return [source for each, source in before.items() if each not in self._open]

    def narrow(self, interest: Interest, requests: HttpRequests | None) -> None:
        """Have every source look for what is of interest now."""
        self._requests.wanted = requests
        for source in self:
            source.narrow(interest)

    async def aclose(self) -> None:
        await close(self)


async def close(sources: Iterable[Source]) -> None:
    for source in sources:
        await source.aclose()


def doubts(settings: Settings) -> list[Complaint]:
    """What these settings want of this machine, and it does not have, or not now."""
    found: list[Complaint] = []
    for each in settings.sources:
        if isinstance(each, (Sniffer, CaptureFile)):
            try:
                found_for = _file_filter if isinstance(each, CaptureFile) else _filter
                found_for(each.filter, Openers().compiled)
            except OperatorError as error:
                found += error.complaints
        if isinstance(each, KnockLog):
            found += hit_log.doubts(each)
        if isinstance(each, (Sniffer, KnockSniffer)):
            there = links.names()
            found += (
                Complaint(
                    f"there is no interface {name}: packets on it are looked at once there is one",
                    hint=f"interfaces are: {', '.join(there)}",
                    fatal=False,
                )
                for name in each.interfaces
                if name not in there
            )
    return found


def begun(wanted: SourceSettings, source: Source) -> Event:
    """The event that this source is looked at from now on."""
    if isinstance(wanted, Sniffer):
        return Sniffing(wanted.interfaces, wanted.filter.text)
    if isinstance(wanted, PacketQueue):
        return Queueing(wanted.port, wanted.number)
    if isinstance(wanted, CaptureFile):
        return ReadingFile(str(wanted.path), wanted.filter.text)
    if isinstance(wanted, KNOCKS) or isinstance(source, HIT_SOURCES):
        return AwaitingKnocks(place_of(wanted))
    proto = Proto.UDP if isinstance(wanted, UdpPort) else Proto.TCP
    return Listening(Service(proto, wanted.port), source.families)


def place_of(wanted: SourceSettings) -> str:
    """Where knocks come from, for people; empty: from nowhere."""
    match wanted:
        case KnockLog(path, pipe):
            return f"the named pipe {path}" if pipe else f"the log {path}"
        case KnockGroup(group):
            return f"NFLOG group {group}"
        case KnockSniffer(interfaces):
            return f"interface {', '.join(interfaces) or 'any'}"
        case _:
            return ""


def _filter(
    wanted: CaptureFilter, compiled: Callable[[str, str], Program]
) -> Filter | Program | None:
    """Raises OperatorError: nobody understands the words."""
    if not wanted.puzzle:
        return wanted.tests
    try:
        return compiled(wanted.text, wanted.puzzle)
    except OperatorError as error:
        raise OperatorError.of(
            [replace(each, place=each.place or wanted.place) for each in error.complaints]
        ) from None


def _file_filter(
    wanted: CaptureFilter, compiled: Callable[[str, str], Program]
) -> Filter | Program | None:
    """The same, for frames that no kernel keeps. Raises OperatorError."""
    found = _filter(wanted, compiled)
    if isinstance(found, Sequence) and reads_link_header(found):
        raise OperatorError(
            f"the capture filter '{wanted.text}' asks for link-layer addresses, "
            "which are not looked at in capture files",
            place=wanted.place,
            hint="have the program that writes the file filter by them",
        )
    return found
