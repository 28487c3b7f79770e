"""The ways by which packets come: opened, kept over a reload, closed.

In here: settings to sources, and which of them go on when settings change.
Not in here: what a source does (edges.capture), who takes packets from it
(reception).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TypeAlias, assert_never

from watchword.edges.capture.requests import Requests
from watchword.edges.capture.tcp import TcpSource
from watchword.edges.capture.udp import UdpSource
from watchword.errors import HostError
from watchword.model.outcomes import Listening
from watchword.model.services import Proto, Service
from watchword.model.settings import HttpRequests, SourceSettings, TcpPort, UdpPort
from watchword.ports import Interest

Source: TypeAlias = UdpSource | TcpSource


class Sources:
    """All that are open, by what the configuration says of them."""

    def __init__(self, requests: HttpRequests | None) -> None:
        self._requests = Requests(requests)
        self._open: dict[SourceSettings, Source] = {}

    def __iter__(self) -> Iterator[Source]:
        return iter(self._open.values())

    async def open(self, wanted: Sequence[SourceSettings]) -> dict[SourceSettings, Source]:
        """Open those of the wanted ones that are not open; what is open goes on.

        Returns the new ones, for ``take_over`` or to be closed. Raises
        HostError: one of them cannot be opened, and then none of them is.
        """
        fresh: dict[SourceSettings, Source] = {}
        try:
            for each in wanted:
                if each not in self._open:
                    fresh[each] = self._opened(each)
        except HostError:
            await close(fresh.values())
            raise
        return fresh

    def _opened(self, wanted: SourceSettings) -> Source:
        match wanted:
            case UdpPort(port):
                return UdpSource(port, self._requests)
            case TcpPort(port):
                return TcpSource(port, self._requests)
            case _:
                assert_never(wanted)

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


def begun(source: Source) -> Listening:
    """The event that this source is looked at from now on."""
    proto, _, port = source.name.partition("/")
    return Listening(Service(Proto(proto), int(port)), source.families)
