"""Looks at what stands in the kernel, by netlink, starting no program.

In here: tables, chains, rules and sets as values; whether they are what a
structure expects. Not in here: making them (guard, jump, backend), elements
(elements).

Two surveys are equal if nothing was replaced in between: handles are never
used twice in a table.
"""

from __future__ import annotations

import errno
from typing import NamedTuple

from watchword.edges.firewall.nft.attributes import (
    AF_UNSPEC,
    NLM_F_ACK,
    NLM_F_DUMP,
    SUBSYS_NFTABLES,
    Message,
    Request,
    fields,
    read_number,
    read_text,
    text,
    walk,
)
from watchword.edges.firewall.nft.layout import (
    FAMILIES,
    Call,
    ExpectedChain,
    Home,
    Hook,
    Structure,
)
from watchword.edges.firewall.nft.netlink import KernelError, Netlink
from watchword.record import record

_GET_TABLE, _GET_CHAIN, _GET_RULE, _GET_SET = (SUBSYS_NFTABLES << 8 | n for n in (1, 4, 7, 10))
# Attribute numbers of each kind of object; the table's name is 1 in all of them.
_TABLE_NAME, _TABLE_FLAGS, _TABLE_HANDLE, _TABLE_USERDATA = 1, 2, 4, 6
_CHAIN_HANDLE, _CHAIN_NAME, _CHAIN_HOOK, _CHAIN_POLICY = 2, 3, 4, 5
_HOOK_NUMBER, _HOOK_PRIORITY = 1, 2
_RULE_CHAIN, _RULE_HANDLE, _RULE_EXPRESSIONS, _RULE_USERDATA = 2, 3, 4, 7
_SET_NAME, _SET_FLAGS, _SET_KEY_TYPE, _SET_HANDLE = 2, 3, 4, 16
_IS_MAP, _TIMEOUTS = 0x8, 0x10
_EXPR_NAME, _EXPR_DATA, _IMMEDIATE_DATA, _DATA_VERDICT, _VERDICT_CHAIN = 1, 2, 2, 2, 2
_COMMENT = 0  # type of the user data that nft shows as comment
_DORMANT = 1


@record
class Table:
    handle: int
    comment: str
    dormant: bool
    """True: none of its chains sees a packet."""


@record
class Rule:
    handle: int
    comment: str
    jumps_to: str
    """The chain it jumps to; empty: none."""


@record
class Chain:
    handle: int
    hook: Hook | None
    rules: tuple[Rule, ...]


class SetSeen(NamedTuple):
    """A set or map."""

    handle: int
    key: int
    """What its keys are, six bits for each part; the kernel does not look at it, nft does."""
    timeouts: bool
    """Whether its elements can end by themselves."""
    is_map: bool


@record
class Survey:
    """What was found of a structure; None where nothing was."""

    tables: tuple[Table | None, ...]
    """As in ``Structure.tables``."""
    chains: tuple[Chain | None, ...]
    sets: tuple[SetSeen | None, ...]
    jumps: tuple[tuple[int, ...] | None, ...]
    """For each call the handles of the rules that make it; None: there is no such caller."""
    strange: tuple[bool, ...] = ()
    """Which of the chains that are not to be there are there, and for each family whether one
    of it is."""

    def fits(self, structure: Structure) -> bool:
        """Whether everything stands as it should."""
        return (
            all(table is not None and not table.dormant for table in self.tables)
            and all(map(_as_expected, self.chains, structure.chains))
            and None not in self.sets
            and all(self.jumps)
            and not any(self.strange)
        )


def _as_expected(chain: Chain | None, expected: ExpectedChain) -> bool:
    return (
        chain is not None
        and tuple(rule.comment for rule in chain.rules) == expected.comments
        and chain.hook == expected.hook
    )


def survey(netlink: Netlink, structure: Structure) -> Survey:
    """Look at everything a structure speaks of. Raises HostError."""
    tables = netlink.ask([_table(home) for home in structure.tables])
    heads = netlink.ask([_chain(each.home, each.name) for each in structure.chains])
    sets = netlink.ask([_set(home, name) for home, name in structure.sets])
    strange = netlink.ask([_chain(home, name) for home, name in structure.strange])
    callers = netlink.ask(
        [
            _get(_GET_CHAIN, each.family, each.table, _CHAIN_NAME, each.chain)
            for each, _ in structure.calls
        ]
    )
    return Survey(
        tuple(map(_read_table, tables)),
        tuple(
            None if head is None else _read_chain(head, _rules(netlink, each.home, each.name))
            for head, each in zip(heads, structure.chains, strict=True)
        ),
        tuple(None if each is None else _read_set(each) for each in sets),
        tuple(
            None if head is None else _calls(netlink, each)
            for head, each in zip(callers, structure.calls, strict=True)
        ),
        (
            *(each is not None for each in strange),
            *(_left_over(netlink, structure, home, stem) for home, stem in structure.families),
        ),
    )


def _left_over(netlink: Netlink, structure: Structure, home: Home, stem: str) -> bool:
    """Whether a chain of that family is there which nobody wants any more."""
    wanted = {each.name for each in structure.chains if each.home == home}
    found = netlink.dump(Request(_GET_CHAIN, home.number, b"", NLM_F_DUMP))
    for message in found:
        parts = fields(message.attributes)
        name = read_text(parts.get(_CHAIN_NAME, b""))
        ours = read_text(parts.get(_TABLE_NAME, b"")) == home.table and name.startswith(stem)
        if ours and name not in wanted:
            return True
    return False


class Placed(NamedTuple):
    """A rule, and where it stands."""

    family: int
    table: str
    chain: str
    rule: Rule


def every_rule(netlink: Netlink) -> list[Placed]:
    """Of every table. Raises HostError."""
    placed = []
    for message in netlink.dump(Request(_GET_RULE, AF_UNSPEC, b"", NLM_F_DUMP)):
        parts = fields(message.attributes)
        table, chain = (read_text(parts.get(each, b"")) for each in (_TABLE_NAME, _RULE_CHAIN))
        placed.append(Placed(message.body[0], table, chain, _read_rule(parts)))
    return placed


def maps_of(netlink: Netlink, home: Home, prefix: str) -> list[str]:
    """Names of sets and maps in a table that begin so. Raises HostError."""
    asked = Request(_GET_SET, home.number, text(_TABLE_NAME, home.table), NLM_F_DUMP)
    parts = [fields(each.attributes) for each in netlink.dump(asked)]
    found = [
        read_text(each.get(_SET_NAME, b""))
        for each in parts
        if read_text(each.get(_TABLE_NAME, b"")) == home.table
    ]
    return [each for each in found if each.startswith(prefix)]


def _table(home: Home) -> Request:
    return Request(_GET_TABLE, home.number, text(_TABLE_NAME, home.table), NLM_F_ACK)


def _chain(home: Home, name: str) -> Request:
    return _get(_GET_CHAIN, home.family, home.table, _CHAIN_NAME, name)


def _set(home: Home, name: str) -> Request:
    return _get(_GET_SET, home.family, home.table, _SET_NAME, name)


def _get(kind: int, family: str, table: str, attribute: int, name: str) -> Request:
    payload = text(_TABLE_NAME, table) + text(attribute, name)
    return Request(kind, FAMILIES[family], payload, NLM_F_ACK)


def _rules(netlink: Netlink, home: Home, chain: str) -> tuple[Rule, ...]:
    payload = text(_TABLE_NAME, home.table) + text(_RULE_CHAIN, chain)
    try:
        found = netlink.dump(Request(_GET_RULE, home.number, payload, NLM_F_DUMP))
    except KernelError as refused:
        if refused.number == errno.ENOENT:  # gone since we asked for the chain
            return ()
        raise
    rules = []
    for message in found:
        parts = fields(message.attributes)
        # Kernels may answer with more than was asked for.
        if (
            read_text(parts.get(_TABLE_NAME, b"")) == home.table
            and read_text(parts.get(_RULE_CHAIN, b"")) == chain
        ):
            rules.append(_read_rule(parts))
    return tuple(rules)


def _calls(netlink: Netlink, call: Call) -> tuple[int, ...]:
    """Rules that jump to our chain. The comment alone says little: iptables-restore loses it."""
    caller, chain = call
    rules = _rules(netlink, Home(caller.family, caller.table), caller.chain)
    return tuple(rule.handle for rule in rules if rule.jumps_to == chain)


def _read_set(message: Message) -> SetSeen:
    parts = fields(message.attributes)
    flags = read_number(parts.get(_SET_FLAGS, b""))
    return SetSeen(
        read_number(parts.get(_SET_HANDLE, b"")),
        read_number(parts.get(_SET_KEY_TYPE, b"")),
        bool(flags & _TIMEOUTS),
        bool(flags & _IS_MAP),
    )


def _read_table(message: Message | None) -> Table | None:
    if message is None:
        return None
    parts = fields(message.attributes)
    return Table(
        read_number(parts.get(_TABLE_HANDLE, b"")),
        _comment(parts.get(_TABLE_USERDATA, b"")),
        bool(read_number(parts.get(_TABLE_FLAGS, b"")) & _DORMANT),
    )


def _read_chain(message: Message, rules: tuple[Rule, ...]) -> Chain:
    parts = fields(message.attributes)
    hook = None
    if _CHAIN_HOOK in parts:
        where = fields(parts[_CHAIN_HOOK])
        hook = Hook(
            read_number(where.get(_HOOK_NUMBER, b"")),
            int.from_bytes(where.get(_HOOK_PRIORITY, b""), "big", signed=True),
            read_number(parts.get(_CHAIN_POLICY, b"")),
        )
    return Chain(read_number(parts.get(_CHAIN_HANDLE, b"")), hook, rules)


def _read_rule(parts: dict[int, bytes]) -> Rule:
    target = ""
    for _, expression in walk(parts.get(_RULE_EXPRESSIONS, b"")):
        inner = fields(expression)
        if read_text(inner.get(_EXPR_NAME, b"")) == "immediate":
            data = fields(fields(inner.get(_EXPR_DATA, b"")).get(_IMMEDIATE_DATA, b""))
            verdict = fields(data.get(_DATA_VERDICT, b""))
            target = read_text(verdict.get(_VERDICT_CHAIN, b""))
    handle = read_number(parts.get(_RULE_HANDLE, b""))
    return Rule(handle, _comment(parts.get(_RULE_USERDATA, b"")), target)


def _comment(userdata: bytes) -> str:
    """The comment among nft's user data: type, length, value with a NUL, and so on."""
    offset = 0
    while offset + 2 <= len(userdata):
        kind, length = userdata[offset], userdata[offset + 1]
        if kind == _COMMENT:
            return read_text(userdata[offset + 2 : offset + 2 + length])
        offset += 2 + length
    return ""
