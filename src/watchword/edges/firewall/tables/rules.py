"""The rules that openings are in iptables, as fwknopd writes them.

In here: openings into rules, and what can be read back of a rule. Not in here:
putting them in (warden), the chains they are in (chains). No I/O.

A rule says when it ends, in its comment: ``_exp_`` and Unix seconds. It is
written as ``iptables -S`` shows it, so that what stands can be compared with
what should. Source: fwknopd server, section 9.1.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address

from watchword.edges.firewall.plain import service_of
from watchword.edges.firewall.tables.listing import Line
from watchword.model.openings import Hole
from watchword.model.settings import ChainUse

_EXPIRY = re.compile(r"(?:^| )-m comment --comment _exp_([0-9]{1,12})(?= |$)")
_PORT = r"-p (tcp|udp) -m \1 --(?:dport|sport) [0-9]+"
_ADDRESSES = r"(?:-s \S+ )?(?:-d \S+ )?"
_GRANT = re.compile(rf"{_ADDRESSES}(?:{_PORT} )?-m comment --comment _exp_[0-9]+ -j .*")


def lines(hole: Hole, expires: int, way_in: ChainUse, way_out: ChainUse | None) -> Iterator[Line]:
    """The rules of one opening that ends at these Unix seconds.

    Raises HostError: it leads elsewhere.
    """
    who, service, destination = hole.who, service_of(hole), hole.destination
    version = who.version
    protocol = f"-p {service.proto} -m {service.proto}"
    comment = f"-m comment --comment _exp_{expires}"
    theirs, ours = _address(who), None if destination is None else _address(destination)
    there = "" if ours is None else f" -d {ours}"
    yield Line(
        version, way_in.table, way_in.chain,
        f"-s {theirs}{there} {protocol} --dport {service.port} {comment} -j {way_in.target}",
    )  # fmt: skip
    if way_out is not None:
        here = "" if ours is None else f"-s {ours} "
        yield Line(
            version, way_out.table, way_out.chain,
            f"{here}-d {theirs} {protocol} --sport {service.port} {comment} -j {way_out.target}",
        )  # fmt: skip


def expiry(rule: str) -> int | None:
    """When a rule says that it ends, in Unix seconds; None if it does not say so.

    Digits and nothing else: a comment that only looks like one is somebody's own.
    """
    found = _EXPIRY.search(rule)
    return int(found[1]) if found else None


def is_grant(rule: str) -> bool:
    """Whether a rule has the shape of a grant, of ours or of the packaged server's."""
    return _GRANT.fullmatch(rule) is not None


def _address(address: IPv4Address | IPv6Address) -> str:
    """With its prefix, as iptables writes it."""
    mapped = address.ipv4_mapped if address.version == 6 else None
    text = str(address) if mapped is None else f"::ffff:{mapped}"
    return f"{text}/{address.max_prefixlen}"
