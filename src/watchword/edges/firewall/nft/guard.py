"""The text of attachment ``guard``: a table of our own that hides services.

In here: values in, text for ``nft -f -`` out, and the structure that text
makes. Not in here: running it (backend), elements of openings (elements).

The chain stands after connection tracking and before any destination NAT, so
that it sees the address and port the caller used, published container ports
included. Accept here means "goes on": every other table still has its say.

What it holds to be addressed to this host are its unicast, anycast and
broadcast addresses and multicast groups: a UDP service on the wildcard address
answers on all of them. Protocols without ports are left alone there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from watchword.edges.firewall.nft import crowding, doors, extents, leading, tickets
from watchword.edges.firewall.nft.connections import Connection
from watchword.edges.firewall.nft.layout import (
    PASS_SIZE,
    SET_SIZE,
    ExpectedChain,
    Home,
    Hook,
    Structure,
)
from watchword.model.firewalls import FirewallSettings
from watchword.model.services import Service

MARK = "made by watchword"
CHAIN = "guard"
PRIORITY = -110  # after conntrack (-200) and mangle (-150), before dstnat (-100)
ADOPTED, CUT = "adopted", "cut"

_ADDRESS = {4: "ip", 6: "ip6"}
_TYPE = {4: "ipv4_addr", 6: "ipv6_addr"}
# A SYN asks for a new connection, whatever connection tracking remembers of its ports.
_NO_SYN = "tcp flags & (syn | ack) != syn"
_CUT_OFF = "came in while the guard was gone"
_HERE = "{ local, broadcast, anycast, multicast }"
_NEIGHBOURS = (
    "{ nd-router-solicit, nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert, nd-redirect,"
    " mld-listener-query, mld-listener-report, mld-listener-done, mld2-listener-report }"
)


def _tuple(version: int) -> str:
    address = _ADDRESS[version]
    return f"{address} saddr . th sport . {address} daddr . th dport . meta l4proto"


def _services(services: Iterable[Service]) -> str:
    listed = ", ".join(f"{each.proto} . {each.port}" for each in sorted(set(services)))
    return f"meta l4proto . th dport {{ {listed} }}"


def _under_way(settings: FirewallSettings) -> list[tuple[str, str]]:
    leads = settings.leads
    rules = [("iif lo accept", "this host itself")]
    rules += [
        (f"{_tuple(v)} @{CUT}{v} {'' if leads else 'fib daddr type local '}drop", _CUT_OFF)
        for v in (4, 6)
    ]
    rules += tickets.begun(settings)
    rules += [
        ("ct state related accept", "belongs to a connection"),
        ("ct state established meta l4proto != tcp accept", "under way"),
        (f"ct state established {_NO_SYN} accept", "under way"),
    ]
    for v in (4, 6):
        was_there = f"{_tuple(v)} @{ADOPTED}{v}"
        rules += [
            (f"{was_there} {_NO_SYN} accept", "was there before the guard"),
            (f"meta l4proto udp {was_there} accept", "was there before the guard"),
        ]
    if leads:  # whatever is guarded: who is led on needs not come for that
        rules += leading.RULES
    rules.append((f"fib daddr type != {_HERE} accept", "transit"))
    return rules


def _everything_but(public: tuple[Service, ...]) -> list[tuple[str, str]]:
    rules = [
        (f"icmpv6 type {_NEIGHBOURS} accept", "without these there is no IPv6"),
        (
            "ip6 saddr fe80::/10 udp sport 547 udp dport 546 accept",
            "answers to our DHCPv6 requests",
        ),
        ("udp sport 67 udp dport 68 accept", "answers to our DHCP requests"),
        ("meta l4proto igmp accept", "group membership"),
        (
            "meta l4proto != { tcp, udp, icmp, icmpv6 } "
            "fib daddr type { broadcast, multicast } accept",
            "routing protocols",
        ),
    ]
    if public:
        rules.append((f"{_services(public)} accept", "public"))
    return rules


def _only(settings: FirewallSettings) -> list[tuple[str, str]]:
    if not settings.guarded and not settings.secret_ports:
        return [("accept", "nothing is guarded")]
    rules = [("meta l4proto != { tcp, udp } accept", "not guarded")]
    others = []
    if settings.secret_ports:
        ranges = ", ".join(f"{low}-{high}" for low, high in settings.secret_ports)
        others.append(f"th dport != {{ {ranges} }}")
        if settings.own:
            rules.append((f"{_services(settings.own)} accept", "packets come by it"))
    if settings.guarded:
        others.append(_services(settings.guarded).replace("th dport", "th dport !="))
    return [*rules, (f"{' '.join(others)} accept", "not guarded")]


def _ungoverned(settings: FirewallSettings) -> list[tuple[str, str]]:
    """What is not hidden, and so not our affair."""
    if settings.guard_all:
        return _everything_but(settings.public)
    return _only(settings)


def _granted() -> list[tuple[str, str]]:
    rules = []
    for v, address in _ADDRESS.items():
        service = "meta l4proto . th dport"
        rules += [
            (f"{address} saddr . {service} @open{v} accept", "granted"),
            (f"{address} saddr . {address} daddr . {service} @open{v}_to accept", "granted"),
        ]
    return rules


def _sets(settings: FirewallSettings) -> dict[str, str]:
    """Definition of each set, by name."""
    sets = {}
    for v, address in _TYPE.items():
        limit = f"flags timeout; size {SET_SIZE};"
        sets[f"open{v}"] = f"type {address} . inet_proto . inet_service; {limit}"
        sets[f"open{v}_to"] = f"type {address} . {address} . inet_proto . inet_service; {limit}"
        ends = f"{address} . inet_service . {address} . inet_service . inet_proto"
        for name in (ADOPTED, CUT):
            sets[f"{name}{v}"] = f"type {ends}; size {PASS_SIZE};"
    ours = sets | tickets.sets(settings) | crowding.sets(settings)
    return ours | extents.sets(settings) | doors.sets(settings)


def _rules(settings: FirewallSettings) -> list[tuple[str, str]]:
    """Each rule with its comment. The last comment names this structure's content."""
    rules = _under_way(settings)
    rules += _ungoverned(settings)
    rules += [*_granted(), *extents.rules(settings), *tickets.granted(settings)]
    rules += doors.rules(settings)
    whole: tuple[object, ...] = (rules, _sets(settings), PRIORITY)
    if settings.counts:
        whole = (*whole, tickets.chains(settings))
    if settings.at_once:
        whole = (*whole, crowding.rules(settings, _open_to_all(settings)))
    if settings.leads:
        whole = (*whole, leading.chains(settings), leading.sets(settings))
    return [*rules, ("counter drop", f"hidden until granted ({_digest(repr(whole))})")]


def _open_to_all(settings: FirewallSettings) -> list[str]:
    return [rule for rule, _ in _ungoverned(settings)]


def _digest(whole: str) -> str:
    return hashlib.blake2s(whole.encode(), digest_size=4).hexdigest()


def home(settings: FirewallSettings) -> Home:
    return Home("inet", settings.table)


def structure(settings: FirewallSettings) -> Structure:
    """What ``script`` makes."""
    ours = home(settings)
    comments = tuple(comment for _, comment in _rules(settings))
    led = leading.sets(settings) if settings.leads else {}
    return Structure(
        homes=(ours,),
        chains=(
            ExpectedChain(ours, CHAIN, comments, Hook(0, PRIORITY, 1)),
            *tickets.expected(settings, ours),
            *crowding.expected(settings, ours, _open_to_all(settings)),
            *(leading.expected(settings, ours) if settings.leads else ()),
            *(
                ExpectedChain(ours, each.name, tuple(said for _, said in each.rules), each.hook)
                for each in doors.chains(settings)
            ),
        ),
        families=((ours, doors.CHAIN),),
        sets=tuple((ours, name) for name in [*_sets(settings), *led]),
        strange=() if settings.leads else ((ours, leading.LEAD_ON),),
        own=ours,
    )


def script(
    settings: FirewallSettings,
    adopted: Iterable[Connection] = (),
    cut: Iterable[Connection] = (),
) -> str:
    """The whole structure as one transaction for ``nft -f -``.

    Sent over a structure that stands, it replaces the rules and keeps the
    elements of all sets. The first chain rule lets go on what is under way,
    so there is no moment at which a live connection has no rule.
    """
    table = str(home(settings))
    lines = [f'add table {table} {{ comment "{MARK}"; }}']
    lines += tickets.script(settings, home(settings))
    if settings.leads:
        lines += leading.script(settings, home(settings))
    lines += [f"add set {table} {name} {{ {what} }}" for name, what in _sets(settings).items()]
    lines += [
        f"add chain {table} {CHAIN} "
        f"{{ type filter hook prerouting priority {PRIORITY}; policy accept; }}",
        f"flush chain {table} {CHAIN}",
    ]
    lines += [
        f'add rule {table} {CHAIN} {rule} comment "{comment}"' for rule, comment in _rules(settings)
    ]
    lines += doors.script(settings, table)
    lines += crowding.script(settings, home(settings), _open_to_all(settings))
    for name, connections in ((ADOPTED, adopted), (CUT, cut)):
        lines += _elements(table, name, connections)
    return "".join(f"{line}\n" for line in lines)


def _elements(table: str, name: str, connections: Iterable[Connection]) -> list[str]:
    lines = []
    by_version: dict[int, list[str]] = {4: [], 6: []}
    for each in sorted(connections, key=str):
        by_version[each.remote.version].append(
            f"{each.remote} . {each.remote_port} . {each.local} . {each.service.port}"
            f" . {each.service.proto}"
        )
    for version, elements in by_version.items():
        if elements:
            listed = ", ".join(elements)
            lines.append(f"add element {table} {name}{version} {{ {listed} }}")
    return lines


def removal(settings: FirewallSettings) -> str:
    return f"delete table {home(settings)}\n"
