"""Reads where the callers of a stanza may be led on to.

In here: NAT_TARGETS, INTERNAL_NET_ACCESS, ENABLE_FORWARD_ACCESS, FORCE_NAT, FORCE_SNAT,
FORCE_MASQUERADE, FORWARD_ALL, DISABLE_DNAT.
Not in here: whether the server leads on at all (translate_nat), the decision (grant.leads).

Source: access.conf, 4.4, 8 and 11. Differences: callers may only name what NAT_TARGETS or
INTERNAL_NET_ACCESS has, where the original lets them name any host; FORCE_NAT, FORCE_SNAT and
SNAT_TRANSLATE_IP take one address for each IP version; FORCE_SNAT works whatever ENABLE_IPT_SNAT
says; FORWARD_ALL without a target for it, and DISABLE_DNAT with one port, are refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv6Address
from typing import Final

from watchword.dialects.fwknop.access_conf import Stanza
from watchword.dialects.fwknop.access_conf_commands import is_on
from watchword.dialects.fwknop.access_conf_lists import UnfitError, networks
from watchword.dialects.fwknop.access_conf_perl import is_off
from watchword.dialects.fwknop.lines import Entry, data_error, shown
from watchword.dialects.fwknop.server_complaints import Complaints
from watchword.model.addresses import Address, canonical
from watchword.model.openings import Lead, SourceNat
from watchword.model.policy import NatTerms, Target
from watchword.model.services import Proto, Service
from watchword.record import record

_HERE: Final = "local"
_TARGET: Final = "write hosts and networks, each with a port if only that is meant, and local for "
_EXAMPLE: Final = (
    _TARGET + "this host: NAT_TARGETS 10.0.0.5:22, 10.0.1.0/24, [fd00::5]:22, local:25"
)


@record
class ServerNat:
    """What fwknopd.conf says of leading on."""

    forwarding: bool = False
    local: bool = False
    sources: tuple[SourceNat, ...] = ()
    """As ``NatTerms.sources``, for stanzas that say nothing of their own."""


def nat_terms(stanza: Stanza, server: ServerNat, complaints: Complaints) -> NatTerms:
    """Where its callers may be led on to. Not to be used after a fatal complaint."""
    reader = _Reader(stanza, server, complaints)
    targets = reader.targets()
    endpoints = reader.endpoints()
    everything = is_on(stanza, "FORWARD_ALL")
    sources = reader.sources(forced=bool(endpoints) or everything)
    unchanged = is_on(stanza, "DISABLE_DNAT")
    if everything:
        reader.check_everything(endpoints, unchanged)
        whole = [Lead(None if unchanged else host, 0, everything=True) for host, _ in endpoints]
        seen = "FORCE_SNAT" in stanza.given or is_on(stanza, "FORCE_MASQUERADE")
        if unchanged and seen:
            whole = [Lead(None, 0, everything=True)]
        forced = tuple(dict.fromkeys(whole))
    else:
        reader.check_unchanged(endpoints, unchanged)
        forced = tuple(Lead(host, port) for host, port in endpoints)
    enabled = not is_off(stanza, "ENABLE_FORWARD_ACCESS")
    if stanza.perl:
        enabled = is_on(stanza, "ENABLE_FORWARD_ACCESS")
    if enabled and not forced and not everything:
        reader.remark_targets(targets)
    return NatTerms(enabled, targets, forced, everything and not forced, sources)


def inside(stanza: Stanza, server: ServerNat) -> frozenset[Service] | None:
    """Services of this host that callers reach by other ports, also of a stanza out of use; a list
    in error has none. None: its callers are led nowhere."""
    if not (server.forwarding or server.local):
        return None
    line = stanza.given.get("NAT_TARGETS")
    try:
        listed = _targets(line.value) if line else ()
    except UnfitError:
        return frozenset()
    ports = [each.port for each in listed if each.network is None and each.port]
    return frozenset(Service(proto, port) for port in ports for proto in Proto)


class _Reader:
    """One stanza under reading."""

    def __init__(self, stanza: Stanza, server: ServerNat, complaints: Complaints) -> None:
        self._stanza = stanza
        self._server = server
        self._complaints = complaints

    def targets(self) -> tuple[Target, ...]:
        found: list[Target] = []
        line = self._stanza.given.get("NAT_TARGETS")
        if line is not None:
            try:
                found += _targets(line.value)
            except UnfitError as unfit:
                self._complaints.refuse(shown(unfit.message, 400), line.place, unfit.hint)
        line = self._stanza.given.get("INTERNAL_NET_ACCESS")
        if line is not None:
            try:
                found += [Target(each) for each in networks(line.value)]
            except UnfitError as unfit:
                self._complaints.refuse(shown(unfit.message, 400), line.place, shown(unfit.hint))
        return tuple(found)

    def endpoints(self) -> list[tuple[Address, int]]:
        """Hosts and ports of FORCE_NAT, at most one for each IP version."""
        line = self._stanza.given.get("FORCE_NAT")
        if line is None:
            return []
        self._check_server(line)
        try:
            found = [_endpoint(each) for each in line.value.split(",")]
        except UnfitError as unfit:
            self._complaints.refuse(shown(unfit.message, 400), line.place, unfit.hint)
            return []
        self._one_of_each(line, [host for host, _ in found])
        return found

    def sources(self, *, forced: bool) -> tuple[SourceNat, ...]:
        """FORCE_SNAT beats FORCE_MASQUERADE, and both what fwknopd.conf says."""
        line = self._stanza.given.get("FORCE_SNAT")
        masquerade = is_on(self._stanza, "FORCE_MASQUERADE")
        if line is None and not masquerade:
            return self._server.sources
        named = line or self._stanza.given["FORCE_MASQUERADE"]
        if not forced:
            label = shown(self._stanza.source.value)
            said = "[*] FORCE_SNAT/FORCE_MASQUERADE requires either FORCE_NAT or FORWARD_ALL"
            self._complaints.refuse(
                data_error(f"{said}: '{label}'", self._stanza.source.place.file),
                named.place,
                "add FORCE_NAT; or set ENABLE_IPT_SNAT in fwknopd.conf, which is for all stanzas",
            )
        self._check_server(named)
        return (SourceNat(),) if line is None else self._addresses(line)

    def _addresses(self, line: Entry) -> tuple[SourceNat, ...]:
        try:
            found = [_address(each.strip()) for each in line.value.split(",")]
        except ValueError:
            self._complaints.refuse(
                f"[*] Fatal: invalid FORCE_SNAT IP '{shown(line.value)}'",
                line.place,
                "write an address of this host, and another of IPv6 if need be",
            )
            return ()
        self._one_of_each(line, found)
        return tuple(SourceNat(each) for each in found)

    def _one_of_each(self, line: Entry, addresses: Sequence[Address]) -> None:
        if len({each.version for each in addresses}) < len(addresses):
            self._complaints.refuse(
                f"{line.name.removesuffix(':')} has two addresses of one IP version",
                line.place,
                "keep one of IPv4 and one of IPv6",
            )

    def _check_server(self, line: Entry) -> None:
        if self._server.forwarding or self._server.local:
            return
        name = line.name.removesuffix(":")
        self._complaints.refuse(
            f"[*] {name} requires either ENABLE_IPT_FORWARDING or ENABLE_IPT_LOCAL_NAT "
            "in fwknopd.conf",
            line.place,
            "add ENABLE_IPT_FORWARDING Y there",
        )

    def check_everything(self, endpoints: Sequence[tuple[Address, int]], unchanged: bool) -> None:
        line = self._stanza.given["FORWARD_ALL"]
        self._check_server(line)
        hosts = [host for host, _ in endpoints if not host.is_unspecified]
        if not unchanged and not hosts:
            self._complaints.refuse(
                "FORWARD_ALL does not say where everything is to go",
                line.place,
                "add DISABLE_DNAT Y, and it goes where its sender wants; or FORCE_NAT HOST 0",
            )

    def check_unchanged(self, endpoints: Sequence[tuple[Address, int]], unchanged: bool) -> None:
        for host, port in endpoints:
            if host.is_unspecified or not port:
                self._complaints.refuse(
                    f"[*] Fatal: invalid FORCE_NAT {'port' if port == 0 else 'IP'} "
                    f"'{port if port == 0 else host}'",
                    self._stanza.given["FORCE_NAT"].place,
                    "write a host and a port from 1 to 65535",
                )
        if not unchanged:
            return
        place = self._stanza.given["DISABLE_DNAT"].place
        if endpoints:
            self._complaints.refuse(
                "DISABLE_DNAT takes away where FORCE_NAT leads to",
                place,
                "remove one of them; with FORWARD_ALL Y everything goes where its sender wants",
            )
        else:
            self._complaints.remark("DISABLE_DNAT has no effect without FORWARD_ALL", place)

    def remark_targets(self, targets: Sequence[Target]) -> None:
        """Said once at start: it is what an operator who comes from fwknop would look for."""
        if self._server.forwarding and not any(each.network for each in targets):
            self._complaints.remark(
                f"access stanza #{self._stanza.number} has no NAT_TARGETS, so its callers are led "
                "on to no other host (fwknop leads them to any)",
                self._stanza.source.place,
                "add what they may reach, such as NAT_TARGETS 10.0.0.5:22",
            )


def _targets(text: str) -> tuple[Target, ...]:
    """Raises UnfitError."""
    return tuple(_target(each.strip()) for each in text.split(","))


def _target(text: str) -> Target:
    host, port = _split(text)
    if host.lower() == _HERE:
        return Target(None, port)
    try:
        found = networks(host)
    except UnfitError as unfit:
        raise UnfitError(
            f"NAT_TARGETS has '{text}', which is no host or network", _EXAMPLE
        ) from unfit
    if len(found) != 1:
        raise UnfitError("NAT_TARGETS has ANY, which is every host there is", _EXAMPLE)
    return Target(found[0], port)


def _split(text: str) -> tuple[str, int | None]:
    """``host``, ``host:port``, ``[host]:port``."""
    host, port = text, ""
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise UnfitError(f"NAT_TARGETS has '{text}', which is no host or network", _EXAMPLE)
        port = rest
    elif text.count(":") == 1:
        host, _, port = text.partition(":")
        port = f":{port}"
    if not port:
        return host, None
    number = _number(port[1:])
    if not 1 <= number <= 65535:
        raise UnfitError(f"NAT_TARGETS has '{text}', whose port is not from 1 to 65535", _EXAMPLE)
    return host, number


def _endpoint(text: str) -> tuple[Address, int]:
    """``10.0.0.5 80``; raises UnfitError with the original's complaints."""
    words = text.split()
    hint = "write an address and a port, such as FORCE_NAT 10.0.0.5 80"
    if len(words) != 2:
        raise UnfitError(
            f"[*] Fatal: invalid FORCE_NAT arg '{text.strip()}', need <IP> <PORT>", hint
        )
    try:
        host = _address(words[0])
    except ValueError:
        raise UnfitError(f"[*] Fatal: invalid FORCE_NAT IP '{words[0]}'", hint) from None
    port = _number(words[1])
    if not 0 <= port <= 65535:
        raise UnfitError(f"[*] Fatal: invalid FORCE_NAT port '{words[1]}'", hint)
    return host, port


def _address(text: str) -> Address:
    """Raises ValueError, also for an address that is no host's."""
    address = canonical(text)
    if "%" in text or address.is_multicast or address.is_loopback or _is_mapped(text):
        raise ValueError(text)
    return address


def _is_mapped(text: str) -> bool:
    try:
        return IPv6Address(text).ipv4_mapped is not None
    except ValueError:
        return False


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= 5 else -1
