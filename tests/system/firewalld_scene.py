"""A real firewalld, on a bus of its own, in the network namespace of a host in the lab."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon import until
from tests.vitals import command_line
from watchword.edges.firewall.firewalld import bus
from watchword.edges.firewall.firewalld.bus import BusFirewalld
from watchword.errors import HostError
from watchword.lab.hosts import Host

PATIENCE = 60.0  # seconds; not a claim, for a machine that is busy
HEIR = b"watchword.edges.firewall.firewalld.heir_process"
ADDRESS = "DBUS_SYSTEM_BUS_ADDRESS"
_BUS = """\
<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path={path}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow own="*"/>
    <allow send_destination="*"/>
    <allow receive_sender="*"/>
  </policy>
</busconfig>
"""
_CONF = """\
DefaultZone=public
FirewallBackend={backend}
CleanupOnExit={cleanup}
IPv6_rpfilter=no
"""
_PUBLIC = """\
<?xml version="1.0" encoding="utf-8"?>
<zone>
  <short>Public</short>
  <service name="dhcpv6-client"/>
  <port port="62201" protocol="udp"/>
  <rule family="ipv4" priority="-6221">
    <source address="192.0.2.99"/><port port="22" protocol="tcp"/><accept/>
  </rule>
  <rule family="ipv4"><source address="192.0.2.98"/><reject/></rule>
</zone>
"""
"""Nobody reaches ssh, everybody's packets reach fwknopd, and rules of others are there."""


class Firewalld:
    """One firewalld; its files are below a folder of the test's."""

    def __init__(self, host: Host, folder: Path, backend: str, *, cleanup: str = "yes") -> None:
        self.host = host
        self.folder = folder
        self.backend = backend
        self.address = f"unix:path={folder}/bus"
        self.process: subprocess.Popen[bytes] | None = None
        (folder / "etc" / "zones").mkdir(parents=True)
        (folder / "etc" / "zones" / "public.xml").write_text(_PUBLIC, "ascii")
        conf = _CONF.format(backend=backend, cleanup=cleanup)
        (folder / "etc" / "firewalld.conf").write_text(conf, "ascii")
        (folder / "bus.conf").write_text(_BUS.format(path=folder / "bus"), "ascii")
        config = f"--config-file={folder}/bus.conf"
        self.bus = host.start(
            "dbus-daemon", config, "--nofork", "--nopidfile", stderr=subprocess.DEVNULL
        )
        until((folder / "bus").exists, PATIENCE)

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, ADDRESS: self.address}

    def start(self) -> None:
        """Start it, and wait until it answers."""
        self.launch()
        until(self.runs, PATIENCE)

    def launch(self) -> None:
        words = ("firewalld", "--nofork", "--nopid", "--system-config", str(self.folder / "etc"))
        self.process = self.host.start(
            *words,
            env=self.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def runs(self) -> bool:
        with self.known_to_us(), contextlib.suppress(HostError):
            asked = BusFirewalld()
            try:
                return bool(asked.families())
            finally:
                asked.close()
        return False

    @contextlib.contextmanager
    def known_to_us(self) -> Iterator[None]:
        """This process finds it."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv(ADDRESS, self.address)
            yield

    def reload(self, method: str = "reload") -> None:
        """As ``firewall-cmd --reload``, without the time that a program takes."""
        with self.known_to_us():
            asked = BusFirewalld()
            asked._ask(bus._MAIN, method)
            asked.close()

    def send(self, number: int) -> None:
        assert self.process is not None
        os.killpg(self.process.pid, number)

    def kill(self, number: int = signal.SIGKILL) -> None:
        assert self.process is not None
        self.send(number)
        self.process.wait(PATIENCE)
        self.process = None

    def command(self, *words: str) -> str:
        """What firewall-cmd prints."""
        done = self.host.run("firewall-cmd", *words, env=self.environment)
        return done.stdout.strip()

    def ours(self, zone: str = "public") -> list[str]:
        """Rich rules that have our priorities."""
        with self.known_to_us():
            asked = BusFirewalld()
            rules = sorted(asked.rules(zone))
            asked.close()
        return [each for each in rules if "-6220" in each or "-6219" in each]

    def everything(self) -> str:
        """All that an operator can see of it, for now, and for good."""
        now = [self.command(each) for each in ("--list-all-zones", "--list-all-policies")]
        files = sorted(each for each in (self.folder / "etc").rglob("*") if each.is_file())
        return "\n".join([*now, *(f"{each}\n{each.read_text('utf-8')}" for each in files)])

    def in_kernel(self, word: str) -> list[str]:
        """Lines with a word among the rules that the kernel has of firewalld's."""
        if self.backend == "nftables":
            lines = self.host.run("nft", "list", "table", "inet", "firewalld", check=False).stdout
        else:
            lines = "".join(
                self.host.run(each).stdout for each in ("iptables-save", "ip6tables-save")
            )
        return [line.strip() for line in lines.splitlines() if word in line]


def heirs(host: Host) -> list[int]:
    """Processes there that end rules for a server that is gone."""
    found = host.run("ip", "netns", "pids", host.namespace).stdout.split()
    return [int(pid) for pid in found if HEIR in command_line(pid)]
