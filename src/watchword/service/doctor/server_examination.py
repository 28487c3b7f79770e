"""Looks at everything about a server that can be seen on its own host.

In here: which looks there are, in which order, what each is fed with.
Not in here: what it means (server_diagnosis, firewall_diagnosis), options and printing
(doctor_server).

Nothing is changed. A packet that no key has sealed is sent to ourselves, and one is made to arrive
at each interface that is sniffed, so that the daemon has something to count; a stranger is made
only where the caller asks for it.
"""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from watchword.dialects.fwknop.translate import Configuration
from watchword.edges import arrival, host_clock, keeping, listeners, randomness, stranger
from watchword.edges.firewall import ruleset
from watchword.edges.firewall.dated.tools import tool_for
from watchword.edges.firewall.firewalld.ways import bus_environment
from watchword.edges.firewall.ruleset import Chain
from watchword.edges.firewall.tables import seen
from watchword.edges.firewall.tables.tools import Tools
from watchword.edges.listeners import Listener
from watchword.edges.programs import SystemPrograms
from watchword.errors import HostError, WatchwordError
from watchword.model.firewalls import FirewallSettings
from watchword.model.services import Proto, Service
from watchword.model.settings import (
    CaptureFile,
    CaptureFilter,
    PacketQueue,
    Sniffer,
    TcpPort,
    UdpPort,
)
from watchword.service import asking
from watchword.service.daemon import process
from watchword.service.doctor import firewall_diagnosis, server_diagnosis, zones_diagnosis
from watchword.service.doctor.findings import Finding, Severity, fault, fine, remark
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
_SALTED: Final = b"Salted__"  # what a message begins with, before it is cut off


class Examination:
    """One look at the server of one configuration."""

    def __init__(self, configuration: Configuration, control: Path, *, probe: bool) -> None:
        self._configuration = configuration
        self._settings = configuration.settings
        self._control = control
        self._probe = probe
        self._pid = process.holder(self._settings.pid_file)
        self._listeners = listeners.listeners()
        self._own = tuple(_own(configuration))

    def look(self) -> Iterator[Finding]:
        """Every finding, good ones included, in the order of a check by hand."""
        yield from server_diagnosis.configuration(self._configuration.complaints)
        yield server_diagnosis.clock(host_clock.synchronised(), self._configuration.policy.max_age)
        others = [each for each in listeners.namesakes("fwknopd") if each != self._pid]
        yield from server_diagnosis.daemon(self._pid, others)
        yield from server_diagnosis.ports(self._own, self._holders(), self._pid)
        if self._pid is not None:
            yield from self._captures()
        yield from self._firewall()
        yield from self._files()
        folder = self._settings.state_dir
        yield server_diagnosis.disk(folder, keeping.room(folder))

    def _holders(self) -> list[Listener]:
        """Who listens; what the daemon's other process holds is the daemon's."""
        return [
            replace(each, pid=self._pid or 0)
            if each.pid and listeners.parent(each.pid) == self._pid
            else each
            for each in self._listeners
        ]

    def _captures(self) -> Iterator[Finding]:
        """By loopback where that is a way, and at each interface that is sniffed by name."""
        named = _sniffed(self._configuration)
        way, send = _way(self._configuration)
        if send is not None or not named:
            yield self._capture(way, send)
        for interface, port in named:
            yield self._arrival(interface, port)

    def _arrival(self, interface: str, port: int) -> Finding:
        way = f"at {interface}, UDP port {port}"
        ours = _OURS + int.from_bytes(randomness.key_bytes(2), "big") % _SPREAD
        try:
            before = _last(self._refused_since(0), 0)
            seen = arrival.arrive(
                interface, _decoy(), from_port=ours, to_port=port, programs=SystemPrograms()
            )
            if not seen:
                said = f"{way}: the kernel let nothing of ours arrive there"
                return server_diagnosis.capture(None, said)
            heard = self._is_refused(ours, before)
        except (OSError, WatchwordError) as error:
            return server_diagnosis.capture(None, f"{way}: {error}")
        if heard is None:
            return server_diagnosis.capture(None, f"{way}: it was not told from many others")
        return server_diagnosis.capture(heard, way)

    def _capture(self, way: str, send: Service | None) -> Finding:
        if send is None:
            return server_diagnosis.capture(None, way)
        try:
            before = _last(self._refused_since(0), 0)
            heard = self._is_refused(_send(send), before)
        except (OSError, WatchwordError) as error:
            return server_diagnosis.capture(None, f"{way}: {error}")
        if heard is None:
            return server_diagnosis.capture(None, f"{way}: it was not told from many others")
        return server_diagnosis.capture(heard, way)

    def _is_refused(self, port: int, after: int) -> bool | None:
        """Whether the daemon tells of the packet from a port of ours; None: of too many at once."""
        limit = time.monotonic() + _PATIENCE
        summed_up = False
        while time.monotonic() < limit:
            told = self._refused_since(after)
            after = _last(told, after)
            if any(_is_from(each, port) for each in told):
                return True
            summed_up = summed_up or any("count" in each for each in told)
            time.sleep(0.02)
        return None if summed_up else False

    def _refused_since(self, after: int) -> list[dict[str, Any]]:
        """Refusals after the one of a number."""
        pages = recent_told.events(self._control, "refusals", follow=False, after=after)
        return [each for page in pages for each in page]

    def _status(self) -> dict[str, Any]:
        return asking.ask(self._control, "status")

    def _firewall(self) -> Iterator[Finding]:
        firewall, policy = self._settings.firewall, self._configuration.policy
        programs = SystemPrograms(bus_environment())
        if firewall.in_dated_rules:
            yield _usable(firewall, programs)
            return
        if firewall.in_zones:
            yield from zones_diagnosis.examined(firewall, policy, self._own, programs)
            return
        try:
            there = self._ruleset(programs)
        except HostError as error:
            yield fault("attachment", str(error), error.hint)
            return
        attached = list(firewall_diagnosis.attachment(firewall, there, self._in_step()))
        yield from attached
        translated = firewall_diagnosis.published(firewall, there)
        reached = firewall_diagnosis.reach(firewall, policy, self._listeners, translated, self._own)
        broken = any(each.severity is Severity.FAULT for each in attached)
        # Of a guard that is not there nothing good is said.
        yield from (each for each in reached if not (broken and each.severity is Severity.FINE))
        yield from firewall_diagnosis.rules(firewall, policy, there)
        yield from self._other_make(programs)
        if self._probe:
            ports = _tcp_ports(self._listeners, translated)
            try:
                yield from firewall_diagnosis.probed(firewall, stranger.try_ports(ports, programs))
            except HostError as error:
                yield remark("reach", f"no stranger could try: {error}", error.hint)

    def _ruleset(self, programs: SystemPrograms) -> list[Chain]:
        """Raises HostError."""
        firewall = self._settings.firewall
        if not firewall.in_iptables:
            return ruleset.chains(programs)
        return seen.chains(Tools(firewall.exe, programs), firewall.input.table)

    def _other_make(self, programs: SystemPrograms) -> Iterator[Finding]:
        """What packets have to pass besides: rules of that make of tables that is not ours."""
        firewall = self._settings.firewall
        with suppress(HostError):  # without the program there are no rules of its make
            if not (firewall.in_iptables and Tools(firewall.exe, programs).is_legacy()):
                yield from server_diagnosis.old_tables(seen.old_tables())
                return
            yield from server_diagnosis.new_tables(ruleset.chains(programs))

    def _in_step(self) -> bool | None:
        if self._pid is None:
            return None
        try:
            return bool(self._status()["firewall_in_step"])
        except WatchwordError:
            return None

    def _files(self) -> Iterator[Finding]:
        settings = self._settings
        read = [Path(each) for each in self._configuration.files]
        homes = [
            Path(terms.openpgp.keyring.home)
            for terms in self._configuration.policy.stanzas
            if terms.openpgp is not None and terms.openpgp.keyring.home
        ]
        kept = [each for each in settings.state_dir.glob("*") if each.is_file()]
        tests = {Path(each.place.file) for each in self._configuration.tests}
        private = [*read, *homes, settings.state_dir, *kept]
        public = [settings.run_dir, *tests]
        loose = [
            (found, path in private)
            for path in dict.fromkeys([*private, *public])
            if (found := keeping.looseness(path)) is not None
        ]
        folders = dict.fromkeys(
            folder
            for path in (*read, *homes, settings.state_dir, settings.run_dir, *tests)
            for folder in keeping.loose_folders(path)
        )
        gone = [each for each in (settings.state_dir, settings.run_dir) if not each.is_dir()]
        yield from server_diagnosis.files(loose, folders, gone)


def _own(configuration: Configuration) -> Iterator[Service]:
    """The ports that packets come to, by sockets."""
    for each in configuration.settings.sources:
        if isinstance(each, UdpPort):
            yield Service(Proto.UDP, each.port)
        elif isinstance(each, TcpPort):
            yield Service(Proto.TCP, each.port)


def _tcp_ports(found: Iterable[Listener], translated: Iterable[Service]) -> list[int]:
    listening = {each.service for each in found if not each.address.is_loopback}
    return sorted({each.port for each in listening | {*translated} if each.proto is Proto.TCP})


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


def _usable(firewall: FirewallSettings, programs: SystemPrograms) -> Finding:
    """What is hidden is not seen here: others' rules of these firewalls are not read."""
    try:
        tool_for(firewall, programs).check()
    except HostError as error:
        return fault("attachment", str(error), error.hint)
    return fine("attachment", f"grants are rules in {firewall.home}")
