"""The text of jumps out of the operator's own chains into ours.

In here: values in, text for ``nft -f -`` out, and the structure that text
makes. Not in here: running it (backend), elements of openings (elements), the
marks that packets carry who are led on (leading).

There are three kinds of chains that may call ours: one that filters what is for this host
(attachment ``jump``), one for what passes through it, and one for what it sends.

Our sets are maps to the verdict ``accept``. In a table that iptables-nft
looks after, iptables-save leaves out what it cannot express: of a rule "in
the set: accept" it would keep "accept", and whoever restored that would let
everybody in. Of a map lookup it keeps a rule that does nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator

from watchword.edges.firewall.nft import leading
from watchword.edges.firewall.nft.layout import SET_SIZE, Call, ExpectedChain, Home, Structure
from watchword.model.firewalls import FirewallSettings

CHAIN = "watchword"
FORWARD, OUTPUT = "watchword_forward", "watchword_output"
MARK = "watchword"
_PREFIX = "watchword_"

_ADDRESS = {4: "ip", 6: "ip6"}
_TYPE = {4: "ipv4_addr", 6: "ipv6_addr"}


def calls(settings: FirewallSettings) -> tuple[Call, ...]:
    """Every rule that is to call a chain of ours, each once, in the order of the settings."""
    wanted = [Call(each, CHAIN) for each in settings.jump_from]
    wanted += [Call(each, FORWARD) for each in settings.forward_from if settings.leads]
    wanted += [Call(each, OUTPUT) for each in settings.output_from]
    return tuple(dict.fromkeys(wanted))


def homes(settings: FirewallSettings) -> tuple[Home, ...]:
    """The operator's tables that hold openings, each once."""
    both = (CHAIN,) if settings.answers_apart else (CHAIN, OUTPUT)
    return _called(settings, both)


def ways_out(settings: FirewallSettings) -> tuple[Home, ...]:
    """Those that hold openings by which answers go out, and nothing else."""
    return _called(settings, (OUTPUT,)) if settings.answers_apart else ()


def _called(settings: FirewallSettings, chains: Collection[str]) -> tuple[Home, ...]:
    called = [call.caller for call in calls(settings) if call.chain in chains]
    places = dict.fromkeys((each.family, each.table) for each in called)
    return tuple(_home(family, table) for family, table in places)


def _home(family: str, table: str) -> Home:
    return Home(family, table, _PREFIX, verdicts=True)


def _maps(home: Home, *, out: bool = False) -> dict[str, str]:
    """By their names; ``out``: of openings by which answers go out, and nothing else."""
    maps = {}
    name = home.answers_name if out else home.set_name
    for v in home.versions:
        for to in (False, True):
            addresses = " . ".join([_TYPE[v]] * (2 if to else 1))
            maps[name(v, to=to)] = (
                f"type {addresses} . inet_proto . inet_service : verdict; "
                f"flags timeout; size {SET_SIZE};"
            )
    return maps


def _all_maps(settings: FirewallSettings) -> Iterator[tuple[Home, str, str]]:
    """Home, name and content."""
    for kind, out in ((homes(settings), False), (ways_out(settings), True)):
        for home in kind:
            yield from ((home, name, what) for name, what in _maps(home, out=out).items())


def _granted(home: Home, settings: FirewallSettings) -> list[str]:
    rules = []
    for v in home.versions:
        address, service = _ADDRESS[v], "meta l4proto . th dport"
        plain, to = home.set_name(v, to=False), home.set_name(v, to=True)
        rules += [
            f"{address} saddr . {service} vmap @{plain}",
            f"{address} saddr . {address} daddr . {service} vmap @{to}",
        ]
    return [*rules, *_led(settings)]


def _led(settings: FirewallSettings) -> list[str]:
    return [leading.is_marked(settings)] if settings.leads else []


def _answers(home: Home, settings: FirewallSettings) -> list[str]:
    """The same openings, seen from the other side; or those that are for this alone."""
    rules = []
    name = home.answers_name if settings.answers_apart else home.set_name
    for v in home.versions:
        address, service = _ADDRESS[v], "meta l4proto . th sport"
        plain, to = name(v, to=False), name(v, to=True)
        rules += [
            f"{address} daddr . {service} vmap @{plain}",
            f"{address} daddr . {address} saddr . {service} vmap @{to}",
        ]
    return rules if settings.answers_apart else [*rules, *_led(settings)]


def _chains(settings: FirewallSettings) -> dict[tuple[Home, str], list[tuple[str, str]]]:
    """The rules of each chain of ours, with comments that name their content."""
    found: dict[tuple[Home, str], list[tuple[str, str]]] = {}
    for caller, name in calls(settings):
        home = _home(caller.family, caller.table)
        maps: dict[str, str] = {}
        if name == FORWARD:
            rules = _led(settings)
        else:
            rules = (_granted if name == CHAIN else _answers)(home, settings)
            maps = _maps(home, out=name == OUTPUT and settings.answers_apart)
        whole = repr((rules, maps))
        digest = hashlib.blake2s(whole.encode(), digest_size=4).hexdigest()
        found[home, name] = [(rule, f"granted ({digest})") for rule in rules]
    return found


def structure(settings: FirewallSettings) -> Structure:
    """What ``script`` makes."""
    return Structure(
        homes=homes(settings),
        chains=tuple(
            ExpectedChain(home, name, tuple(comment for _, comment in rules))
            for (home, name), rules in _chains(settings).items()
        ),
        sets=tuple((home, name) for home, name, _ in _all_maps(settings)),
        calls=calls(settings),
        answers=ways_out(settings),
    )


def script(settings: FirewallSettings, missing: Iterable[Call]) -> str:
    """The whole structure as one transaction for ``nft -f -``.

    Args:
        missing: The calls that do not stand in the operator's chains yet.
    """
    lines = []
    for home, name, what in _all_maps(settings):
        lines.append(f"add map {home} {name} {{ {what} }}")
    for (home, name), rules in _chains(settings).items():
        lines += [f"add chain {home} {name}", f"flush chain {home} {name}"]
        lines += [f'add rule {home} {name} {rule} comment "{comment}"' for rule, comment in rules]
    lines += [
        f'insert rule {each.family} {each.table} {each.chain} jump {name} comment "{MARK}"'
        for each, name in missing
    ]
    return "".join(f"{line}\n" for line in lines)


def removal(
    jumps: Iterable[tuple[Call, int]],
    chains: Iterable[tuple[Home, str]],
    maps: Iterable[tuple[Home, str]],
) -> str:
    """Take out exactly what is ours.

    Args:
        jumps: The rules that call our chains, by handle.
        chains: Our chains that are there.
        maps: Our maps that are there.
    """
    lines = [
        f"delete rule {each.family} {each.table} {each.chain} handle {handle}"
        for (each, _), handle in jumps
    ]
    for home, name in chains:
        lines += [f"flush chain {home} {name}", f"delete chain {home} {name}"]
    lines += [f"delete map {home} {name}" for home, name in maps]
    return "".join(f"{line}\n" for line in lines)
