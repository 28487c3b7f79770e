"""Connections that exist, whether or not connection tracking knows them.

In here: one connection as a packet from its peer shows it, its key in our
sets, and the reading of the kernel's socket tables.
Not in here: connections led on to containers (conntrack), which of them may
go on (known).
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Container, Iterator
from ipaddress import IPv4Address, IPv6Address, ip_network
from pathlib import Path
from typing import NamedTuple, TypeAlias

from watchword.errors import HostError
from watchword.model.addresses import Address
from watchword.model.openings import Extent, Hole
from watchword.model.services import Proto, Service

_TABLES = {"tcp": Proto.TCP, "tcp6": Proto.TCP, "udp": Proto.UDP, "udp6": Proto.UDP}
# Of the calling thread: the namespace of the process may be another one.
_PROC = Path("/proc/thread-self/net")

# Established, half open, and closing. TIME_WAIT (06) has no data left to lose.
_ALIVE = {"01", "03", "04", "05", "08", "09", "0B", "0C"}
_LISTENING = {Proto.TCP: "0A", Proto.UDP: "07"}

_PORT = struct.Struct("!H2x")


Prefixes: TypeAlias = Collection[tuple[int, int]]
"""IP versions and lengths."""


def prefixes_of(holes: Collection[Hole]) -> Prefixes:
    """The lengths of networks that these holes are for."""
    return {
        (each.who.version, each.extent.bits) for each in holes if each.extent if each.extent.bits
    }


class Connection(NamedTuple):
    """Both ends, as in a packet that comes in before any destination NAT."""

    remote: Address
    remote_port: int
    local: Address
    service: Service
    """Protocol and local port."""

    @property
    def key(self) -> bytes:
        """In the order of our sets: source, its port, destination, its port, protocol."""
        return b"".join(
            (
                self.remote.packed,
                _PORT.pack(self.remote_port),
                self.local.packed,
                _PORT.pack(self.service.port),
                bytes((self.service.proto.number, 0, 0, 0)),
            )
        )

    def came_through(self, holes: Container[Hole], prefixes: Prefixes = ()) -> bool:
        """Whether one of these holes let it in. ``prefixes``: lengths that some of them have."""
        return any(each in holes for each in self.ways(prefixes))

    @property
    def doors(self) -> tuple[Hole, ...]:
        """The holes for just this caller that may have let it in, wherever they lead."""
        who, service, here = self.remote, self.service, self.local
        bound = Extent(port=self.remote_port) if self.remote_port else None
        return (
            Hole(who, service),
            Hole(who, service, here),
            Hole(who, None),
            Hole(who, service, extent=bound),
            Hole(who, service, here, extent=bound),
        )

    def ways(self, prefixes: Prefixes) -> Iterator[Hole]:
        """The same, and those for the networks of these lengths around it."""
        yield from self.doors
        for version, bits in prefixes:
            if version == self.remote.version:
                network = ip_network((self.remote, bits), strict=False).network_address
                for first in (False, True):
                    extent = Extent(bits=bits, first=first)
                    yield Hole(network, self.service, extent=extent)

    @classmethod
    def of_key(cls, key: bytes) -> Connection | None:
        """Read a key back; None if it is none of ours."""
        size = {20: 4, 44: 16}.get(len(key))
        protos = {each.number: each for each in Proto}
        if size is None or key[-4] not in protos:
            return None
        family = IPv4Address if size == 4 else IPv6Address
        (remote_port,) = _PORT.unpack_from(key, size)
        (port,) = _PORT.unpack_from(key, 2 * size + 4)
        if not port:
            return None
        local = family(key[size + 4 : 2 * size + 4])
        return cls(family(key[:size]), remote_port, local, Service(protos[key[-4]], port))


class Sockets(NamedTuple):
    """What the socket tables say."""

    connections: frozenset[Connection]
    """TCP and connected UDP, loopback left out."""
    listening: frozenset[Service]
    """What this host offers to whoever asks."""


def read_sockets() -> Sockets:
    """All sockets of this network namespace. Raises HostError."""
    connections: set[Connection] = set()
    listening: set[Service] = set()
    for name, proto in _TABLES.items():
        try:
            text = (_PROC / name).read_text("ascii")
        except FileNotFoundError:
            continue  # a kernel without IPv6
        except OSError as error:
            raise HostError(f"cannot read the table of {name} sockets: {error}") from error
        for state, local, remote, service in _rows(text, proto):
            if state == _LISTENING[proto] and not remote[1]:
                listening.add(service)
            elif state in _ALIVE and remote[1] and not (local.is_loopback or remote[0].is_loopback):
                connections.add(Connection(remote[0], remote[1], local, service))
    return Sockets(frozenset(connections), frozenset(listening))


def _rows(table: str, proto: Proto) -> Iterator[tuple[str, Address, tuple[Address, int], Service]]:
    for line in table.splitlines()[1:]:
        words = line.split(maxsplit=4)
        if len(words) < 4:
            continue
        local, port = _end(words[1])
        if port:  # a socket that is being born or dies has none
            yield words[3], local, _end(words[2]), Service(proto, port)


def _end(text: str) -> tuple[Address, int]:
    """``0100007F:0016``: 32-bit words in the machine's order, and the port."""
    digits, _, port = text.partition(":")
    words = [int(digits[at : at + 8], 16) for at in range(0, len(digits), 8)]
    packed = struct.pack(f"={len(words)}I", *words)
    if len(words) == 1:
        return IPv4Address(packed), int(port, 16)
    six = IPv6Address(packed)
    return six.ipv4_mapped or six, int(port, 16)
