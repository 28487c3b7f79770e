"""Looks at everything about a server that can be seen on its own host.

In here: which looks there are, in which order, what each is fed with.
Not in here: what it means (server_diagnosis, firewall_diagnosis), whether packets arrive
(server_arrivals), options and printing (server).

Nothing is changed. A stranger is made only where the caller asks for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from watchword.dialects.fwknop.translate import Configuration
from watchword.edges import host_clock, keeping, listeners, stranger
from watchword.edges.firewall import ruleset
from watchword.edges.firewall.dated.tools import tool_for
from watchword.edges.firewall.firewalld.system_bus import bus_environment
from watchword.edges.firewall.ruleset import Chain
from watchword.edges.firewall.tables import seen
from watchword.edges.firewall.tables.tools import Tools
from watchword.edges.listeners import Listener
from watchword.edges.programs import SystemPrograms
from watchword.errors import HostError, WatchwordError
from watchword.model.firewalls import FirewallSettings
from watchword.model.services import Proto, Service
from watchword.model.settings import (
    TcpPort,
    UdpPort,
)
from watchword.service import asking
from watchword.service.daemon import process
from watchword.service.doctor import (
    firewall_diagnosis,
    server_arrivals,
    server_diagnosis,
    zones_diagnosis,
)
from watchword.service.doctor.findings import Finding, Severity, fault, fine, remark


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
            yield from server_arrivals.tried(self._configuration, self._control)
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
            return bool(asking.ask(self._control, "status")["firewall_in_step"])
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


def _usable(firewall: FirewallSettings, programs: SystemPrograms) -> Finding:
    """What is hidden is not seen here: others' rules of these firewalls are not read."""
    try:
        tool_for(firewall, programs).check()
    except HostError as error:
        return fault("attachment", str(error), error.hint)
    return fine("attachment", f"grants are rules in {firewall.home}")
