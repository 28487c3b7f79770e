"""Hears of changes that other hands make to our tables.

In here: the multicast socket, the filter that keeps our own changes away from
it, and the waking up. Not in here: finding out what is wrong (survey), putting
it right (backend).

Changes that packets make to sets cause no events, and elements that expire
cause none either: an element that is reported deleted was deleted by somebody.
An element with a tag of ours that somebody adds is from an old dump; one without
a tag is his own affair.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncGenerator, Iterable

from watchword.edges.firewall.nft.attributes import (
    SUBSYS_NFTABLES,
    Message,
    decode,
    fields,
    read_text,
)
from watchword.edges.firewall.nft.elements import DELETE_ELEMENT, NEW_ELEMENT, listed
from watchword.edges.firewall.nft.filters import attach, without
from watchword.edges.firewall.nft.layout import Home
from watchword.edges.firewall.nft.netlink import NETLINK_NETFILTER, SOL_NETLINK, enlarge
from watchword.errors import HostError

_NETLINK_ADD_MEMBERSHIP = 1
_NFNLGRP_NFTABLES = 7
_SO_RCVBUFFORCE = 33
_RECEIVE_BUFFER = 1 << 20
_DATAGRAM = 1 << 17
_DATAGRAMS = 64
"""Read in one go; more wait for the next turn of the loop."""
_TABLE_NAME = 1  # the first attribute of every object of nf_tables
_NEW_GENERATION = SUBSYS_NFTABLES << 8 | 15
PAUSE = 0.05
"""Seconds between two wake-ups, so that a storm of changes costs twenty a second."""
_CALM = 0.3
"""The same, where each of them has all connections looked at."""


class Watch:
    """One socket on the kernel's announcements."""

    def __init__(self, own_port: int, homes: Iterable[Home], *, everybody: bool = False) -> None:
        """``own_port``: of the socket whose changes are ours. ``everybody``: to hear of changes
        of any table. Raises HostError."""
        self.heard = False
        """Somebody changed something of what is listened for."""
        self._everybody = everybody
        self._pause = _CALM if everybody else PAUSE
        self.elements_changed = False
        """Somebody deleted elements of a set of ours, or put in such as are ours, or may have."""
        self._tables = {(home.number, home.table) for home in homes}
        self._woken = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        """Where somebody waits to be woken."""
        self._reading = threading.Lock()
        try:
            self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER)
            self._socket.setblocking(False)
            enlarge(self._socket, _SO_RCVBUFFORCE, socket.SO_RCVBUF, _RECEIVE_BUFFER)
            attach(self._socket, without(own_port))
            self._socket.bind((0, 0))
            self._socket.setsockopt(SOL_NETLINK, _NETLINK_ADD_MEMBERSHIP, _NFNLGRP_NFTABLES)
        except OSError as error:
            raise HostError(f"cannot listen for changes of the ruleset: {error}") from error

    def forget(self) -> None:
        """What was announced so far has been dealt with."""
        with self._reading:
            while self._drain() == _DATAGRAMS:
                pass
            self.elements_changed = self.heard = False
            self._woken.clear()

    def look(self) -> None:
        """Take note of what was announced so far."""
        with self._reading:
            while self._drain() == _DATAGRAMS:
                pass

    async def wakings(self) -> AsyncGenerator[None, None]:
        """Yields after changes, at most every PAUSE seconds, and never loses the last."""
        self._loop = loop = asyncio.get_running_loop()
        loop.add_reader(self._socket, self._hear_some)
        try:
            while True:
                await self._woken.wait()
                self._woken.clear()
                yield
                await asyncio.sleep(self._pause)
        finally:
            loop.remove_reader(self._socket)
            self._loop = None

    def stir(self) -> None:
        """Wake whoever waits: something is not as it should be."""
        self._wake()

    def close(self) -> None:
        self._socket.close()

    def _hear_some(self) -> None:
        with self._reading:
            self._drain()

    def _wake(self) -> None:
        """Also from another thread than that of whoever waits."""
        if self._loop is None:
            self._woken.set()
        else:
            self._loop.call_soon_threadsafe(self._woken.set)

    def _drain(self) -> int:
        """Read what is there, up to a limit; return how many datagrams that was."""
        for count in range(_DATAGRAMS):
            try:
                data = self._socket.recv(_DATAGRAM)
            except BlockingIOError:
                return count
            except OSError:  # ENOBUFS: announcements were lost, of who knows what
                self.elements_changed = self.heard = True
                self._wake()
                return count
            for message in decode(data):
                self._hear(message)
        return _DATAGRAMS

    def _hear(self, message: Message) -> None:
        if message.kind == _NEW_GENERATION:
            if self._everybody:
                self.heard = True
                self._wake()
            return
        if not message.body:
            return
        table = read_text(fields(message.attributes).get(_TABLE_NAME, b""))
        if (message.body[0], table) not in self._tables:
            return
        self.heard = True
        self.elements_changed = self.elements_changed or _changes_openings(message)
        self._wake()


def _changes_openings(message: Message) -> bool:
    if message.kind == NEW_ELEMENT:
        return any(each.tag is not None for each in listed(message.attributes))
    return message.kind == DELETE_ELEMENT
