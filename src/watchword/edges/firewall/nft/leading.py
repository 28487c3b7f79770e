"""The text of what leads connections on: in our own table, beside whatever hides or lets in.

In here: values in, text for ``nft -f -`` out, and the structure that text makes.
Not in here: elements of openings (pieces), who else looks at the marks (guard, jump, marking).

Before connection tracking knows where a new connection is to go, the rules of ``led`` look its
caller up and mark the packet; then ``lead_on`` translates where it goes to, and, when it leaves
this host, ``seen_as`` translates who seems to have sent it, by the mark. The mark also is what
chains of the operator's let through. It is looked up by what the caller himself wrote, so that
one opening is one key, and nobody gets through by writing what comes of a translation.

The mark is a field of four bits: that it is one of ours, and, in the other three, as whom: 0 as
he is, 1 as this host's interface, from 2 on as one of the addresses of the settings. For each of
these there are sets of their own. (A map to chains would do with one, but with every element
that names a chain the kernel looks through all others for a loop: 40 ms at 60,000.)
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from watchword.edges.firewall.nft import tickets
from watchword.edges.firewall.nft.layout import ExpectedChain, Home, Hook
from watchword.model.addresses import Address
from watchword.model.firewalls import MOST_SNAT, FirewallSettings
from watchword.model.openings import SourceNat

LED, ONCE, LEAD, PORT = "led", "once", "lead", "port"
"""By what was called for: may go on; may by the number; led on to a host and port; to a port of
this host."""
THROUGH, ALL, HOST = "through", "all", "host"
"""By caller: may pass through; may come to whatever; led on to a host."""
LEAD_ON, SEEN_AS, ANSWERS = "lead_on", "seen_as", "answers"
_PREROUTING, _OUTPUT, _POSTROUTING = 0, 3, 4
AHEAD, BEHIND = -105, 95  # of others' translation at -100 and 100: the first one counts
EARLY = -160  # before anybody filters
HERE = "{ local, broadcast, anycast, multicast }"

_ADDRESS = {4: "ip", 6: "ip6"}
_TYPE = {4: "ipv4_addr", 6: "ipv6_addr"}
_FIELD = 0xF
_SERVICES, _CALLERS = "flags timeout; size 65536;", "flags timeout; size 16384;"


def sources(settings: FirewallSettings) -> tuple[SourceNat | None, ...]:
    """As whom others may be seen, in the order of the numbers in the mark."""
    return (None, SourceNat(), *(SourceNat(each) for each in settings.snat[:MOST_SNAT]))


def suffix(source: SourceNat | None) -> str:
    """Behind the names of sets, by as whom their callers are seen; named so that it stays true."""
    if source is None:
        return ""
    return "_masked" if source.address is None else f"_{source.address.packed.hex()}"


def fitting(settings: FirewallSettings, version: int) -> Iterator[tuple[int, SourceNat | None]]:
    """As whom callers of an IP version may be seen, with the numbers in the mark."""
    for number, source in enumerate(sources(settings)):
        if source is None or source.address is None or source.address.version == version:
            yield number, source


def sets(settings: FirewallSettings) -> dict[str, tuple[str, str]]:
    """Whether each is a set or a map, and its definition, by name."""
    found = {}
    for v, address in _TYPE.items():
        for to in ("", "_to"):
            key = " . ".join([*[address] * (2 if to else 1), "inet_proto", "inet_service"])
            for _, source in fitting(settings, v):
                for name in (LED, ONCE) if settings.counts else (LED,):
                    found[f"{name}{v}{suffix(source)}{to}"] = "set", f"type {key}; {_SERVICES}"
            where = f"{address} . inet_service"
            found[f"{LEAD}{v}{to}"] = "map", f"type {key} : {where}; {_SERVICES}"
            found[f"{PORT}{v}{to}"] = "map", f"type {key} : inet_service; {_SERVICES}"
        for name in (THROUGH, ALL):
            for _, source in fitting(settings, v):
                found[f"{name}{v}{suffix(source)}"] = "set", f"type {address}; {_CALLERS}"
        found[f"{HOST}{v}"] = "map", f"type {address} : {address}; {_CALLERS}"
    return found


def field(settings: FirewallSettings) -> int:
    """The bits of a mark that are ours."""
    return settings.mark * _FIELD


def value(settings: FirewallSettings, number: int) -> int:
    return settings.mark | number * 2 * settings.mark


def marking(settings: FirewallSettings, number: int = 0) -> str:
    """A statement that marks a packet as let in, or led on."""
    others = ~field(settings) & 0xFFFFFFFF
    return f"meta mark set meta mark & {others:#010x} | {value(settings, number):#010x}"


def is_marked(settings: FirewallSettings) -> str:
    """A rule that accepts what is marked. As a lookup: iptables-save keeps of it what does nothing
    (jump says why that matters)."""
    return f"meta mark & {settings.mark:#010x} vmap {{ {settings.mark:#010x} : accept }}"


RULES = (
    (f"fib daddr type != {HERE} jump {THROUGH}", "let through"),
    (f"fib daddr type local jump {LED}", "led on"),
)
"""What marks, and then accepts, packets that go on; to stand before any rule that decides about
transit, or about what is hidden. Each with its comment."""


def chains(settings: FirewallSettings) -> dict[str, tuple[str, list[str]]]:
    """By name: what begins a base chain, or nothing, and the rules."""
    ahead = f"type nat hook prerouting priority {AHEAD}; policy accept;"
    behind = f"type nat hook postrouting priority {BEHIND}; policy accept;"
    found = {
        THROUGH: ("", list(_by_caller(settings, THROUGH))),
        LED: ("", [*_by_service(settings), *_by_caller(settings, ALL)]),
        LEAD_ON: (ahead, list(_led_on(settings))),
        SEEN_AS: (behind, list(_seen_as(settings))),
    }
    if settings.output_from:
        # From another port than was called; and iptables-nft gives up a table that has such a rule.
        early = f"type filter hook output priority {EARLY}; policy accept;"
        answer = "ct direction reply ct status & dnat == dnat"
        found[ANSWERS] = (early, [f"{answer} {marking(settings)} accept"])
    return found


def _by_service(settings: FirewallSettings) -> Iterator[str]:
    service = "meta l4proto . th dport"
    for v, address in _ADDRESS.items():
        for number, source in fitting(settings, v):
            name, then = f"{LED}{v}{suffix(source)}", f"{marking(settings, number)} accept"
            yield f"{address} saddr . {address} daddr . {service} @{name}_to {then}"
            yield f"{address} saddr . {service} @{name} {then}"
            for to in ("_to", "") if settings.counts else ():
                once = f"{ONCE}{v}{suffix(source)}{to}"
                yield from tickets.admitting(v, once, then, to=bool(to))


def _by_caller(settings: FirewallSettings, kind: str) -> Iterator[str]:
    for v, address in _ADDRESS.items():
        for number, source in fitting(settings, v):
            name = f"{kind}{v}{suffix(source)}"
            yield f"{address} saddr @{name} {marking(settings, number)} accept"


def _led_on(settings: FirewallSettings) -> Iterator[str]:
    yield "fib daddr type != local return"
    for v, address in _ADDRESS.items():
        service = "meta l4proto . th dport"
        for to in (
            f"{address} saddr . {address} daddr . {service}",
            f"{address} saddr . {service}",
        ):
            name = f"{v}_to" if "daddr" in to else str(v)
            yield f"dnat {address} to {to} map @{LEAD}{name}"
            yield (
                f"meta nfproto ipv{v} meta l4proto {{ tcp, udp }} dnat to :{to} map @{PORT}{name}"
            )
    if settings.own:
        own = ", ".join(f"{each.proto} . {each.port}" for each in sorted(set(settings.own)))
        yield f"meta l4proto . th dport {{ {own} }} return"
    for v, address in _ADDRESS.items():
        yield f"dnat {address} to {address} saddr map @{HOST}{v}"


def _seen_as(settings: FirewallSettings) -> Iterator[str]:
    for number, source in enumerate(sources(settings)):
        if source is None:
            continue
        when = f"meta mark & {field(settings):#010x} == {value(settings, number):#010x}"
        if source.address is None:
            yield f"{when} masquerade"
        else:
            family = _ADDRESS[source.address.version]
            nfproto = f"meta nfproto ipv{source.address.version}"
            yield f"{nfproto} {when} snat {family} to {_quoted(source.address)}"


def _quoted(address: Address) -> str:
    return str(address) if address.version == 4 else f"[{address}]"


def _comment(settings: FirewallSettings) -> str:
    """Names the content of everything here."""
    return f"leads on ({digest((chains(settings), sets(settings)))})"


def digest(whole: object) -> str:
    """Eight hex digits that name some content."""
    return hashlib.blake2s(repr(whole).encode(), digest_size=4).hexdigest()


def expected(settings: FirewallSettings, home: Home) -> tuple[ExpectedChain, ...]:
    """The chains that ``script`` makes."""
    hooks = {
        LEAD_ON: Hook(_PREROUTING, AHEAD, 1),
        SEEN_AS: Hook(_POSTROUTING, BEHIND, 1),
        ANSWERS: Hook(_OUTPUT, EARLY, 1),
    }
    comment = _comment(settings)
    return tuple(
        ExpectedChain(home, name, (comment,) * len(rules), hooks.get(name))
        for name, (_, rules) in chains(settings).items()
    )


def script(settings: FirewallSettings, home: Home) -> list[str]:
    """Lines that make all of it, to stand before the rules that look into it."""
    comment = _comment(settings)
    lines = [
        f"add {kind} {home} {name} {{ {what} }}" for name, (kind, what) in sets(settings).items()
    ]
    for name, (base, rules) in chains(settings).items():
        lines.append(f"add chain {home} {name}" + (f" {{ {base} }}" if base else ""))
        lines.append(f"flush chain {home} {name}")
        lines += [f'add rule {home} {name} {rule} comment "{comment}"' for rule in rules]
    return lines
