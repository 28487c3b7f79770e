"""Bars connections that only pass through this host, one by one, in a table of their own.

In here: the text of that table. Not in here: which connections (cutting); what the guard cuts has
sets in its own table (nft.passes).

Such a connection cannot be ended otherwise: no socket here is its, nothing is translated, and
once connection tracking has forgotten it, the next packet of the host behind begins it anew. So
packets of both directions are dropped, before connection tracking sees them, for longer than
either end waits.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from watchword.edges.firewall.nft.connections import Connection
from watchword.edges.firewall.nft.script import run
from watchword.errors import HostError
from watchword.model.firewalls import FirewallSettings
from watchword.ports import NotStartedError, ProgramRunner

_AHEAD = -290  # before connection tracking at -200
_HOURS = 24
_SIZE = 65_536
_KINDS = {4: ("ip", "ipv4_addr"), 6: ("ip6", "ipv6_addr")}


class Bars:
    """One server's table."""

    def __init__(self, settings: FirewallSettings, programs: ProgramRunner) -> None:
        self._table = f"inet {settings.table}_cut"
        self._programs = programs

    def bar(self, connections: Iterable[Connection]) -> None:
        """Drop what either end sends from now on. Raises HostError: it goes on."""
        try:
            run(self._programs, "".join(f"{line}\n" for line in self._script(connections)))
        except HostError as error:
            raise HostError(
                f"what FORWARD_ALL let through may begin again: {error}",
                hint="install the package nftables, or have your rules let nothing out unasked",
            ) from error

    def remove(self) -> None:
        """Take the table away, if there is one. Raises HostError."""
        try:
            listed = self._programs.run(["nft", "list", "tables"]).stdout
        except NotStartedError:  # then nobody has barred anything
            return
        if f"table {self._table}".encode() in listed.splitlines():
            run(self._programs, f"delete table {self._table}\n")

    def _script(self, connections: Iterable[Connection]) -> Iterator[str]:
        """As one transaction; what is barred already stays so."""
        table = self._table
        yield f'add table {table} {{ comment "made by watchword: connections that were cut"; }}'
        for version, (_, address) in _KINDS.items():
            ends = f"{address} . inet_service . {address} . inet_service . inet_proto"
            limits = f"flags timeout; timeout {_HOURS}h; size {_SIZE};"
            yield f"add set {table} barred{version} {{ type {ends}; {limits} }}"
        hook = f"type filter hook prerouting priority {_AHEAD}; policy accept;"
        yield f"add chain {table} ahead {{ {hook} }}"
        yield f"flush chain {table} ahead"
        for version, (ip, _) in _KINDS.items():
            ends = f"{ip} saddr . th sport . {ip} daddr . th dport . meta l4proto"
            yield f"add rule {table} ahead {ends} @barred{version} drop"
        for each in connections:
            there = f"{each.remote} . {each.remote_port}"
            here = f"{each.local} . {each.service.port}"
            for first, second in ((there, here), (here, there)):
                key = f"{first} . {second} . {each.service.proto}"
                yield f"add element {table} barred{each.remote.version} {{ {key} }}"
