"""Every source of packets and every clock, held to its contract."""

from __future__ import annotations

import socket

from tests.contract.clocks import ClockContract
from tests.contract.sources import PacketSourceContract
from tests.unit.test_udp_source import free_port
from watchword.edges.capture.memory import MemorySource
from watchword.edges.capture.tcp import TcpSource
from watchword.edges.capture.udp import UdpSource
from watchword.edges.clock import FakeClock, SystemClock
from watchword.model.packets import Packet
from watchword.ports import Clock, PacketSource


class TestMemorySource(PacketSourceContract):
    def make(self) -> PacketSource:
        return MemorySource()

    def feed(self, source: PacketSource, payload: bytes) -> None:
        assert isinstance(source, MemorySource)
        source.feed(Packet(payload, "192.0.2.1", 40000, "192.0.2.2", 62201))


class TestUdpSource(PacketSourceContract):
    def make(self) -> PacketSource:
        return UdpSource(free_port())

    def feed(self, source: PacketSource, payload: bytes) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(payload, ("127.0.0.1", int(source.name.partition("/")[2])))


class TestTcpSource(PacketSourceContract):
    def make(self) -> PacketSource:
        return TcpSource(free_port())

    def feed(self, source: PacketSource, payload: bytes) -> None:
        port = int(source.name.partition("/")[2])
        with socket.create_connection(("127.0.0.1", port)) as sender:
            sender.sendall(payload)


class TestSystemClock(ClockContract):
    def make(self) -> Clock:
        return SystemClock()


class TestFakeClock(ClockContract):
    def make(self) -> Clock:
        return FakeClock()
