"""Packets from UDP sockets, IPv4 and IPv6.

In here: binding, draining, the destination address of each datagram, the filter
in the kernel.
Not in here: what a packet means (recognise). What cannot be a packet by its
bytes is dropped and counted here, before any object is made for it.

Nothing is ever sent from these sockets: to a stranger the port is as silent as
one that drops.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from functools import lru_cache

from watchword.edges.capture import bpf
from watchword.edges.capture.requests import Requests, in_words
from watchword.errors import HostError
from watchword.model.packets import Packet
from watchword.model.reasons import Reason
from watchword.ports import Interest, PacketSource
from watchword.wire.spa.envelope import flaw

BATCH = 512  # packets of one wake-up: enough to share one disk write, few enough to stay prompt
DATAGRAM = 2048  # longer ones are cut here and refused for their length
RECEIVE_BUFFER = 4 * 1024 * 1024  # about 6,000 packets: what arrives during a slow disk write
_ANCILLARY = socket.CMSG_SPACE(20)
_SO_RCVBUFFORCE = 33  # beyond the system limit, for who may
_SO_MEMINFO = 55  # nine counters, the last of which is of dropped datagrams
_IP_PKTINFO = 8
_IPV6_RECVPKTINFO = 49


@lru_cache(maxsize=256)
def _text(family: int, octets: bytes) -> str:
    return socket.inet_ntop(family, octets)


def _local(ancillary: list[tuple[int, int, bytes]]) -> str:
    """Where a datagram was sent to, from the packet information of its family."""
    for level, _, data in ancillary:
        if level == socket.IPPROTO_IP:
            return _text(socket.AF_INET, data[8:12])
        if level == socket.IPPROTO_IPV6:
            return _text(socket.AF_INET6, data[:16])
    return ""


def bound(family: int, port: int) -> socket.socket:
    """A socket for one family, which is to be a port's. Raises OSError."""
    sock = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    try:
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            sock.setsockopt(socket.IPPROTO_IPV6, _IPV6_RECVPKTINFO, 1)
        else:
            sock.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        with contextlib.suppress(PermissionError):
            sock.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, RECEIVE_BUFFER)
        sock.bind(("::" if family == socket.AF_INET6 else "", port))
    except OSError:
        sock.close()
        raise
    return sock


class UdpSource:
    """One UDP port on every address of this host."""

    def __init__(
        self,
        port: int,
        requests: Requests | None = None,
        bound: Callable[[int, int], socket.socket] = bound,
    ) -> None:
        """Bind the port for each family that this host has.

        ``bound`` makes the socket of a family for a port. Raises HostError if the port is
        taken, or if there is no family at all.
        """
        self.name = f"udp/{port}"
        self.flaws: Counter[Reason] = Counter()
        """How many datagrams were dropped on their bytes alone, by reason."""
        self._requests = requests or Requests()
        self._sockets: list[socket.socket] = []
        self._closed = asyncio.Event()
        for family in (socket.AF_INET, socket.AF_INET6):
            try:
                self._sockets.append(bound(family, port))
            except OSError as error:
                if error.errno in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL):
                    continue
                self._close_sockets()
                raise HostError(
                    f"cannot listen on UDP port {port}: {error.strerror}",
                    hint="another daemon may hold the port: ss -lunp shows which",
                ) from error
        if not self._sockets:
            raise HostError(
                f"cannot listen on UDP port {port}: this host has neither IPv4 nor IPv6"
            )

    @property
    def families(self) -> tuple[int, ...]:
        """Of 4 and 6, those that are listened on."""
        return tuple(4 if each.family == socket.AF_INET else 6 for each in self._sockets)

    async def batches(self) -> AsyncIterator[Sequence[Packet]]:
        loop = asyncio.get_running_loop()
        ready = asyncio.Event()
        for sock in self._sockets:
            loop.add_reader(sock, ready.set)
        closing = loop.create_task(self._closed.wait())
        closing.add_done_callback(lambda _: ready.set())
        try:
            while not self._closed.is_set():
                await ready.wait()
                ready.clear()
                for sock in self._sockets:
                    if sock.fileno() >= 0 and (batch := self._drain(sock)):
                        yield batch
        finally:
            closing.cancel()
            self._close_sockets()

    def _drain(self, sock: socket.socket) -> list[Packet]:
        batch: list[Packet] = []
        port = sock.getsockname()[1]
        receive = sock.recvmsg
        for _ in range(BATCH):
            try:
                payload, ancillary, _, peer = receive(DATAGRAM, _ANCILLARY)
            except BlockingIOError:
                break
            except OSError:
                continue  # an ICMP error of some earlier datagram; nothing of ours
            reason = flaw(payload)
            if reason is None:
                batch.append(Packet(payload, peer[0], peer[1], _local(ancillary), port))
            elif found := self._requests.look_into(payload, peer[0], connected=False):
                where = Packet(found.payload, peer[0], peer[1], _local(ancillary), port)
                batch.append(where._replace(forwarded=found.forwarded))
            else:
                self.flaws[reason] += 1
        return batch

    def narrow(self, interest: Interest) -> None:
        for sock in self._sockets:
            bpf.attach(sock, bpf.datagram_filter(interest))

    def dropped(self) -> Mapping[str, int]:
        """The kernel's share, too: no room in the buffer, or filtered."""
        drops = 0
        for sock in self._sockets:
            if sock.fileno() >= 0:
                memory = sock.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, 36)
                drops += int.from_bytes(memory[32:36], sys.byteorder)
        return {**in_words(self.flaws), "kernel: socket full or filtered": drops}

    async def aclose(self) -> None:
        self._closed.set()
        await asyncio.sleep(0)
        self._close_sockets()

    def _close_sockets(self) -> None:
        for sock in self._sockets:
            if sock.fileno() >= 0:
                with contextlib.suppress(RuntimeError):
                    asyncio.get_running_loop().remove_reader(sock)
                sock.close()


_: type[PacketSource] = UdpSource
