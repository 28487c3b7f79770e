"""Every way to put grants into this kernel's firewall, behind an operator's rules that drop."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from tests.system.nft_scene import CLOCK, DNS, SSH, nft
from tests.system.tables_scene import close_doors, open_doors, six
from watchword.edges.firewall.ipset.backend import IpsetFirewall
from watchword.edges.firewall.nft.backend import NftFirewall
from watchword.edges.firewall.slipped import Told, tell_nobody
from watchword.edges.firewall.tables.backend import TablesFirewall
from watchword.edges.programs import SystemPrograms
from watchword.lab.hosts import Host
from watchword.model.firewalls import Attach, FirewallSettings, JumpFrom, NamedSet
from watchword.model.openings import ChangeSet, Opening
from watchword.ports import KeepsNoTags, ProgramRunner

Backend = NftFirewall | TablesFirewall | IpsetFirewall

OPERATORS = """
add table inet filter
add set inet filter friends4 { type ipv4_addr . inet_proto . inet_service; flags timeout; }
add set inet filter friends6 { type ipv6_addr . inet_proto . inet_service; flags timeout; }
add set inet filter to4 { type ipv4_addr . ipv4_addr . inet_proto . inet_service; flags timeout; }
add set inet filter to6 { type ipv6_addr . ipv6_addr . inet_proto . inet_service; flags timeout; }
add chain inet filter input { type filter hook input priority 0; policy drop; }
add rule inet filter input ct state established,related accept
add rule inet filter input meta l4proto ipv6-icmp accept
add rule inet filter input meta mark & 0x01000000 == 0x01000000 accept
add rule inet filter input ip saddr . meta l4proto . th dport @friends4 accept
add rule inet filter input ip6 saddr . meta l4proto . th dport @friends6 accept
add rule inet filter input ip saddr . ip daddr . meta l4proto . th dport @to4 accept
add rule inet filter input ip6 saddr . ip6 daddr . meta l4proto . th dport @to6 accept
add chain inet filter forward { type filter hook forward priority 0; policy drop; }
add rule inet filter forward ct state established,related accept
add rule inet filter forward iifname "eth1" accept
"""
_SETS = tuple(
    NamedSet(version, to, "inet", "filter", f"{'to' if to else 'friends'}{version}")
    for version in (4, 6)
    for to in (False, True)
)
SETTINGS = {
    "guard": FirewallSettings(guarded=(SSH, DNS)),
    "jump": FirewallSettings(
        attach=Attach.JUMP, jump_from=(JumpFrom("inet", "filter", "input"),), leads=True,
        forward_from=(JumpFrom("inet", "filter", "forward"),),
    ),
    "mark": FirewallSettings(attach=Attach.MARK),
    "sets": FirewallSettings(attach=Attach.SETS, sets=_SETS),
    "iptables-nft": FirewallSettings(backend="iptables", exe="iptables-nft", leads=True),
    "iptables-legacy": FirewallSettings(backend="iptables", exe="iptables-legacy", leads=True),
    "ipset": FirewallSettings(backend="ipset", exe="iptables-nft"),
}  # fmt: skip


def make(
    kind: str,
    programs: ProgramRunner | None = None,
    *,
    told: Told = tell_nobody,
    **more: Any,
) -> Backend:
    """A backend that was never prepared, for the namespace of this thread; ``more``: settings."""
    settings = replace(SETTINGS[kind], **more)
    kinds: dict[str, type[Backend]] = {
        each.name: each for each in (NftFirewall, TablesFirewall, IpsetFirewall)
    }
    programs = programs or SystemPrograms()
    return kinds[settings.backend](settings, programs=programs, clock=CLOCK, told=told)


def furnish(host: Host, kind: str) -> None:
    """The operator's rules; the test is in the host."""
    if kind == "guard":
        return
    if SETTINGS[kind].backend == "nftables":
        nft(script=OPERATORS)
    else:
        close_doors(host, SETTINGS[kind].exe)


def clear(host: Host, kind: str) -> None:
    """No rule of anybody's is left."""
    nft("flush", "ruleset")
    if SETTINGS[kind].backend != "nftables":
        open_doors(host, SETTINGS[kind].exe)
        nft("flush", "ruleset")
        subprocess.run(["ipset", "destroy"], check=True)


def realign(backend: Backend, wanted: Iterable[Opening]) -> None:
    """What the daemon does at its start, and whenever it is in doubt."""
    openings = {each.tag: each for each in wanted}
    backend.prepare()
    there = (
        backend.recognise(openings.values())
        if isinstance(backend, KeepsNoTags)
        else backend.installed()
    )
    missing = tuple(each for tag, each in openings.items() if tag not in there)
    backend.apply(ChangeSet(missing, there - openings.keys()))


def saved(kind: str) -> list[tuple[list[str], str]]:
    """Commands, each with what it has to read to make the rules of now again."""
    settings = SETTINGS[kind]
    if settings.backend == "nftables":
        return [(["nft", "-f", "-"], nft("list", "ruleset"))]
    said = [(["ipset", "restore"], _said("ipset", "save"))]
    for each in (settings.exe, six(settings.exe)):
        said.append(([f"{each}-restore"], _said(f"{each}-save")))
    return said


def load(commands: Iterable[tuple[list[str], str]]) -> None:
    for argv, text in commands:
        subprocess.run(argv, input=text, check=True, text=True, capture_output=True)


def _said(*argv: str) -> str:
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout
