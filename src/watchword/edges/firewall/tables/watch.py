"""Notices that other hands changed our chains in iptables, at the price of a system call.

In here: the two ways of hearing it, one for each make of iptables. Not in here:
finding out what they did (chains), putting it right.

With the nft shim the kernel announces each change, with the number of the
socket that made it. The old tables announce nothing: there, the number and size
of a table's rules is asked for. What that does not show is seen by the next
whole look.
"""

from __future__ import annotations

import contextlib
import ctypes
import socket
import struct
from collections.abc import Collection, Mapping
from typing import Protocol

from watchword.edges.firewall.nft.attributes import SUBSYS_NFTABLES, decode, fields, read_text
from watchword.edges.firewall.nft.filters import attach, without
from watchword.edges.firewall.nft.netlink import NETLINK_NETFILTER, SOL_NETLINK, enlarge
from watchword.errors import HostError

_NETLINK_ADD_MEMBERSHIP = 1
_NFNLGRP_NFTABLES = 7
_SO_RCVBUFFORCE = 33
_RECEIVE_BUFFER = 1 << 20
_DATAGRAM = 1 << 17
_TABLE_MESSAGES, _CHAIN_MESSAGES, _RULE_MESSAGES = (0, 2), (3, 5), (6, 8)  # new, deleted
_FAMILIES = {2: 4, 10: 6}  # NFPROTO_IPV4, NFPROTO_IPV6
_PORT_OFFSET = 12  # of nlmsg_pid

_SOL_IP, _SOL_IPV6, _GET_INFO = 0, 41, 64
_INFO = struct.Struct("=32sI5I5III")
_libc = ctypes.CDLL(None, use_errno=True)


Chains = Mapping[tuple[int, str], Collection[str]]
"""What matters to us, by IP version and table: our chains, and those that call them."""


class Watch(Protocol):
    def stirred(self) -> bool:
        """Whether others may have changed our chains since the last ``forget``."""
        ...

    def forget(self) -> None:
        """What happened so far has been dealt with."""
        ...

    def ours(self, makers: Collection[int]) -> None:
        """What these processes change from now on is ours."""
        ...

    def made_by_us(self) -> None:
        """The last change was ours."""
        ...

    def close(self) -> None: ...


def watch_for(
    chains: Chains,
    *,
    legacy: bool,
    everything: bool = False,
) -> Watch:
    """``everything``: to hear of changes of any table, where the kernel announces them.

    Raises HostError.
    """
    return TableSizes(chains) if legacy else Announcements(chains, everything=everything)


class Announcements:
    """Listens to what the kernel says about tables of the nft shim."""

    def __init__(self, chains: Chains, *, everything: bool = False) -> None:
        self._everything = everything
        self._ours: frozenset[int] = frozenset()
        self._chains = chains
        self._stirred = False
        try:
            self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER)
            self._socket.setblocking(False)
            enlarge(self._socket, _SO_RCVBUFFORCE, socket.SO_RCVBUF, _RECEIVE_BUFFER)
            self._socket.bind((0, 0))
            self._socket.setsockopt(SOL_NETLINK, _NETLINK_ADD_MEMBERSHIP, _NFNLGRP_NFTABLES)
        except OSError as error:
            raise HostError(f"cannot listen for changes of the tables: {error}") from error

    def stirred(self) -> bool:
        self._drain()
        return self._stirred

    def forget(self) -> None:
        self._drain()
        self._stirred = False

    def ours(self, makers: Collection[int]) -> None:
        """Programs of the nft shim have their process number as that of their socket.

        Their announcements are not even queued: thousands at once would push out others.
        """
        if self._ours == set(makers):
            return
        self._ours = frozenset(makers)
        with contextlib.suppress(OSError):  # then they are told apart when they are read
            attach(self._socket, without(*self._ours))

    def made_by_us(self) -> None:
        """The kernel tells ours apart by who made them."""

    def close(self) -> None:
        self._socket.close()

    def _drain(self) -> None:
        while True:
            try:
                data = self._socket.recv(_DATAGRAM)
            except BlockingIOError:
                return
            except OSError:  # ENOBUFS: announcements were lost, of who knows what
                self._stirred = True
                continue
            if not self._stirred:
                self._stirred = self._concerns_us(data)

    def _concerns_us(self, data: bytes) -> bool:
        (port,) = struct.unpack_from("=I", data, _PORT_OFFSET)
        if port in self._ours:
            return False
        for message in decode(data):
            subsystem, kind = divmod(message.kind, 256)
            if self._everything and subsystem == SUBSYS_NFTABLES:
                return True
            if subsystem != SUBSYS_NFTABLES or not message.body:
                continue
            parts = fields(message.attributes)
            table = (_FAMILIES.get(message.body[0], 0), read_text(parts.get(1, b"")))
            chains = self._chains.get(table)
            if chains is None:
                continue
            if kind in _TABLE_MESSAGES:
                return True
            # Attribute 2 is the chain of a rule; of a chain it is the handle, and 3 its name.
            name = {_RULE_MESSAGES: 2, _CHAIN_MESSAGES: 3}
            for kinds, attribute in name.items():
                if kind in kinds and read_text(parts.get(attribute, b"")) in chains:
                    return True
        return False


class TableSizes:
    """Compares the numbers and sizes of rules in the kernel's old tables."""

    def __init__(self, chains: Chains) -> None:
        self._tables = sorted(chains)
        self._sockets = {
            4: socket.socket(socket.AF_INET, socket.SOCK_DGRAM),
            **({6: socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)} if self._has(6) else {}),
        }
        self._before = self._sizes()

    def stirred(self) -> bool:
        return self._sizes() != self._before

    def forget(self) -> None:
        self._before = self._sizes()

    made_by_us = forget

    def ours(self, makers: Collection[int]) -> None:
        """It is the last change that is ours or not."""

    def close(self) -> None:
        for each in self._sockets.values():
            each.close()

    def _has(self, version: int) -> bool:
        return any(each == version for each, _ in self._tables)

    def _sizes(self) -> list[bytes]:
        return [self._size(version, name) for version, name in self._tables]

    def _size(self, version: int, name: str) -> bytes:
        """The kernel's struct ipt_getinfo; empty if it has no such table now."""
        buffer = ctypes.create_string_buffer(_INFO.pack(name.encode(), *[0] * 13), _INFO.size)
        length = ctypes.c_uint32(_INFO.size)
        level = _SOL_IP if version == 4 else _SOL_IPV6
        failed = _libc.getsockopt(
            self._sockets[version].fileno(), level, _GET_INFO, buffer, ctypes.byref(length)
        )
        return b"" if failed else buffer.raw
