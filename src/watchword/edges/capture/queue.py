"""Datagrams from a netfilter queue: taken out of the packet path, looked at, dropped.

In here: binding a queue by netlink, reading it, the verdicts, keeping the rule up.
Not in here: the rule (queue_rule), messages and attributes (edges.firewall.nft).

There is one verdict: to be dropped. What was in the queue has been seen, and no
socket is to answer it.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import struct
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence

from watchword.edges.capture import channel
from watchword.edges.capture.links import name_of
from watchword.edges.capture.queue_rule import QueueRule
from watchword.edges.capture.requests import Requests, in_words
from watchword.edges.capture.wakings import Wakings
from watchword.edges.firewall.nft.attributes import (
    Request,
    attribute,
    encode,
    number,
    read_number,
)
from watchword.edges.firewall.nft.layout import Home
from watchword.edges.firewall.nft.watch import Watch
from watchword.errors import HostError
from watchword.model.daemon_events import HostTrouble
from watchword.model.packets import Packet
from watchword.model.reasons import Reason
from watchword.model.settings import PacketQueue
from watchword.ports import Interest, PacketSource, ProgramRunner
from watchword.wire.frames import Link, packet_of

LONGEST_QUEUE = 8192  # packets that the kernel keeps for us
RECEIVE_BUFFER = 8 << 20
_SUBSYSTEM = 3 << 8
_PACKET, _CONFIGURE, _VERDICTS = _SUBSYSTEM, _SUBSYSTEM | 2, _SUBSYSTEM | 3
_COMMAND, _PARAMETERS, _LENGTH = 1, 2, 3  # of a configuration
_HEADER, _VERDICT, _INTERFACE, _PAYLOAD = 1, 2, 5, 10  # of packets and verdicts
_BIND = 1
_COPY_PACKETS = 2
_DROP = 0
_COPIED = 4096


class QueueSource:
    """One queue and the rule that fills it."""

    def __init__(
        self,
        wanted: PacketQueue,
        programs: ProgramRunner,
        requests: Requests | None = None,
        tell: Callable[[HostTrouble], None] = lambda trouble: None,
    ) -> None:
        """Bind the queue, then put up the rule. Starts programs: for a thread.

        ``tell`` is told when other hands removed the rule and it cannot be put
        back. Raises HostError: the queue is taken, or this is not allowed.
        """
        self.name = f"nfq/{wanted.number}"
        self.flaws: Counter[Reason] = Counter()
        """How many packets were dropped on their bytes alone, by reason."""
        self._number = wanted.number
        self._requests = requests or Requests()
        self._tell = tell
        self._lost = 0
        self._wakings = Wakings()
        self._rule = QueueRule(wanted, programs)
        self._rule_lock = threading.Lock()
        """Programs change the rule in threads: one thing at a time."""
        self._ending: asyncio.Task[None] | None = None
        self._sock = _bound(wanted.number)
        try:
            self._watch = Watch(0, [Home(family, wanted.table) for family in ("ip", "ip6")])
        except HostError:
            self._sock.close()
            raise
        try:
            self._rule.put_up()
        except HostError:
            self._take_down()
            self._let_go()
            raise

    @property
    def families(self) -> tuple[int, ...]:
        return (4, 6)

    async def batches(self) -> AsyncIterator[Sequence[Packet]]:
        if self._wakings.closed:
            return
        self._wakings.watch(self._sock.fileno())
        mending = asyncio.get_running_loop().create_task(self._keep_the_rule_up())
        try:
            while await self._wakings.come():
                if batch := self._drain():
                    yield batch
        finally:
            mending.cancel()
            await asyncio.wait([mending])
            await self.aclose()

    async def _keep_the_rule_up(self) -> None:
        """Packets are drained meanwhile: a program may take its time."""
        async with contextlib.aclosing(self._watch.wakings()) as wakings:
            async for _ in wakings:
                try:
                    await asyncio.to_thread(self._mend)
                except HostError as error:
                    self._tell(HostTrouble("netfilter queue", str(error), error.hint))

    def _mend(self) -> None:
        """Not once it was taken down, or is about to be. Raises HostError."""
        with self._rule_lock:
            if not self._wakings.closed and not self._rule.stands():
                self._rule.put_up()

    def _drain(self) -> list[Packet]:
        found: list[Packet] = []
        last: bytes | None = None
        waiting, lost = channel.waiting(self._sock, _PACKET)
        self._lost += lost
        for told in waiting:
            last = told.get(_HEADER, b"")[:4] or last
            packet = self._packet(told)
            if packet is not None:
                found.append(packet)
        if last is not None:
            self._drop_up_to(last)
        return found

    def _drop_up_to(self, packet_id: bytes) -> None:
        """One verdict for everything up to this number."""
        payload = attribute(_VERDICT, struct.pack("!I", _DROP) + packet_id)
        request = Request(_VERDICTS, socket.AF_UNSPEC, payload, resource=self._number)
        with contextlib.suppress(OSError):
            self._sock.sendto(encode(request, 0), (0, 0))

    def _packet(self, told: dict[int, bytes]) -> Packet | None:
        packet = packet_of(told.get(_PAYLOAD, b""), Link.RAW)
        if packet is None:
            return None
        name = name_of(read_number(told.get(_INTERFACE, b"\0")))
        return self._requests.sift(packet._replace(interface=name), self.flaws)

    def narrow(self, interest: Interest) -> None:
        """The rule looks at the length; there is no more to ask of it."""

    def dropped(self) -> Mapping[str, int]:
        return {**in_words(self.flaws), "kernel: no room in the queue": self._lost}

    async def aclose(self) -> None:
        """The rule goes first: nothing is queued any more for nobody."""
        self._wakings.close()
        if self._ending is None:
            self._ending = asyncio.get_running_loop().create_task(self._end())
        await asyncio.shield(self._ending)

    async def _end(self) -> None:
        error = await asyncio.to_thread(self._take_down)
        if error is not None:
            self._tell(HostTrouble("netfilter queue", str(error), error.hint))
        self._let_go()

    def _take_down(self) -> HostError | None:
        """The trouble with it, if there is some."""
        with self._rule_lock:
            try:
                self._rule.remove()
            except HostError as error:
                return error
        return None

    def _let_go(self) -> None:
        self._sock.close()
        self._watch.close()


def _bound(queue: int) -> socket.socket:
    """Raises HostError: the queue is taken, or this is not allowed."""
    settings = (
        attribute(_COMMAND, struct.pack("!BxH", _BIND, socket.AF_INET)),
        attribute(_PARAMETERS, struct.pack("!IB", _COPIED, _COPY_PACKETS)),
        number(_LENGTH, LONGEST_QUEUE),
    )
    try:
        return channel.opened(_CONFIGURE, queue, settings, RECEIVE_BUFFER)
    except OSError as error:
        raise _trouble(queue, error) from error


def _trouble(queue: int, error: OSError) -> HostError:
    hint = ""
    if error.errno in (errno.EBUSY, errno.EPERM):
        hint = (
            "run this with CAP_NET_ADMIN; if it does so, another program reads that queue: "
            "choose another NFQ_QUEUE_NUMBER, or, at a reload, end this daemon and start it again"
        )
    return HostError(f"cannot read netfilter queue {queue}: {error.strerror}", hint=hint)


_: type[PacketSource] = QueueSource
