"""Whether packets reach the daemon: some are made to arrive, and it is asked whether it had them.

In here: by which ways that can be tried, what is sent, recognising it among what was refused.
Not in here: what it means (server_diagnosis), making one arrive at an interface (edges.arrival).

No key has sealed what is sent, so that the daemon has something to count, and opens nothing.
"""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from watchword.dialects.fwknop.translate import Configuration
from watchword.edges import arrival, randomness
from watchword.edges.programs import SystemPrograms
from watchword.errors import WatchwordError
from watchword.model.services import Proto, Service
from watchword.model.settings import (
    CaptureFile,
    CaptureFilter,
    PacketQueue,
    Sniffer,
    TcpPort,
    UdpPort,
)
from watchword.service.doctor import server_diagnosis
from watchword.service.doctor.findings import Finding
from watchword.service.tool import recent_told
from watchword.wire.spa import base64text
from watchword.wire.spa.mac import PREFIX

_USUAL: Final = 62201
_LOOPBACK: Final = "127.0.0.1"
_PORT: Final = re.compile(r"\bport (\d{1,5})\b")
_DECOY: Final = 160  # bytes; as long as a packet with an HMAC
_OURS: Final = 40_000  # the first of the ports that the doctor sends from
_SPREAD: Final = 20_000
_PATIENCE: Final = 2.0  # seconds for the daemon to count a packet
_ANSWERS: Final = 40
"""So often it is asked at the least: a host that is busy answers so late as it counts."""
_SALTED: Final = b"Salted__"  # what a message begins with, before it is cut off


def tried(configuration: Configuration, control: Path) -> Iterator[Finding]:
    """By loopback where that is a way, and at each interface that is sniffed by name."""
    refusals = _Refusals(control)
    named = _sniffed(configuration)
    way, send = _way(configuration)
    if send is not None or not named:
        yield _by_loopback(refusals, way, send)
    for interface, port in named:
        yield _at_interface(refusals, interface, port)


def _by_loopback(refusals: _Refusals, way: str, send: Service | None) -> Finding:
    if send is None:
        return server_diagnosis.capture(None, way)
    try:
        before = refusals.last()
        return _heard(way, refusals.have(_send(send), before))
    except (OSError, WatchwordError) as error:
        return server_diagnosis.capture(None, f"{way}: {error}")


def _at_interface(refusals: _Refusals, interface: str, port: int) -> Finding:
    way = f"at {interface}, UDP port {port}"
    ours = _OURS + int.from_bytes(randomness.key_bytes(2), "big") % _SPREAD
    try:
        before = refusals.last()
        seen = arrival.arrive(
            interface, _decoy(), from_port=ours, to_port=port, programs=SystemPrograms()
        )
        if not seen:
            said = f"{way}: the kernel let nothing of ours arrive there"
            return server_diagnosis.capture(None, said)
        return _heard(way, refusals.have(ours, before))
    except (OSError, WatchwordError) as error:
        return server_diagnosis.capture(None, f"{way}: {error}")


def _heard(way: str, heard: bool | None) -> Finding:
    if heard is None:
        return server_diagnosis.capture(None, f"{way}: it was not told from many others")
    return server_diagnosis.capture(heard, way)


class _Refusals:
    """Those that the daemon tells of at its control socket. Methods raise WatchwordError."""

    def __init__(self, control: Path) -> None:
        self._control = control

    def last(self) -> int:
        """The number of the last one; 0: there was none."""
        return _last(self._since(0), 0)

    def have(self, port: int, after: int) -> bool | None:
        """Whether one is of a packet from a port of ours; None: of too many at once."""
        limit = time.monotonic() + _PATIENCE
        summed_up, answers = False, 0
        while time.monotonic() < limit or answers < _ANSWERS:
            answers += 1
            told = self._since(after)
            after = _last(told, after)
            if any(_is_from(each, port) for each in told):
                return True
            summed_up = summed_up or any("count" in each for each in told)
            time.sleep(0.02)
        return None if summed_up else False

    def _since(self, after: int) -> list[dict[str, Any]]:
        pages = recent_told.events(self._control, "refusals", follow=False, after=after)
        return [each for page in pages for each in page]


def _way(configuration: Configuration) -> tuple[str, Service | None]:
    """How a packet of our own could get to the daemon, in words; None: there is no such way."""
    words = "packets come from a capture file only"
    for each in configuration.settings.sources:
        match each:
            case UdpPort(port) | PacketQueue(port, ""):
                return f"by loopback to UDP port {port}", Service(Proto.UDP, port)
            case TcpPort(port):
                return f"by loopback to TCP port {port}", Service(Proto.TCP, port)
            case Sniffer(interfaces, wanted) if not interfaces or "lo" in interfaces:
                port = _port_of(wanted)
                return f"by loopback, UDP port {port}", Service(Proto.UDP, port)
            case PacketQueue(_, interface):
                words = f"its queue is for packets that come in on {interface}"
            case CaptureFile() | Sniffer():
                pass
    return words, None


def _sniffed(configuration: Configuration) -> list[tuple[str, int]]:
    """Interfaces that are sniffed by name, loopback left out, each with the port to try."""
    sniffers = [each for each in configuration.settings.sources if isinstance(each, Sniffer)]
    return [
        (name, _port_of(each.filter))
        for each in sniffers
        for name in each.interfaces
        if name != "lo"
    ]


def _port_of(wanted: CaptureFilter) -> int:
    """The first that the filter names."""
    found = _PORT.search(wanted.text)
    return int(found[1]) if found else _USUAL


def _last(told: Sequence[Mapping[str, Any]], before: int) -> int:
    """The number of the last of these events; ``before`` if there is none."""
    return int(told[-1]["number"]) if told else before


def _is_from(refused: Mapping[str, Any], port: int) -> bool:
    source = str(refused.get("source", "")).removeprefix("::ffff:")
    return source == _LOOPBACK and refused.get("source_port") == port


def _send(to: Service) -> int:
    """Send what looks like a packet, and that no key has sealed, from the port returned.

    Raises OSError.
    """
    kind = socket.SOCK_DGRAM if to.proto is Proto.UDP else socket.SOCK_STREAM
    with socket.socket(socket.AF_INET, kind) as channel:
        channel.settimeout(_PATIENCE)
        channel.connect((_LOOPBACK, to.port))
        channel.sendall(_decoy())
        return int(channel.getsockname()[1])


def _decoy() -> bytes:
    """What looks like a packet, and no key has sealed."""
    return base64text.encode(_SALTED + randomness.key_bytes(_DECOY))[len(PREFIX) :]
