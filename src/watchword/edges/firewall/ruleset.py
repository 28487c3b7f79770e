"""Reads what other hands have put into the firewall, for the doctor.

In here: the base chains of the whole ruleset, what their rules do without looking at
who comes, ports that are translated.
Not in here: our own structure (nft), what it means (service.doctor.server_diagnosis).

A rule is understood as far as ports and verdicts go. What else it looks at (addresses,
marks, states) is only noted to be there.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, Final

from watchword.errors import HostError
from watchword.model.services import Proto, Service
from watchword.ports import ProgramRunner
from watchword.record import record

_MANY: Final = 1024  # ports of a range that are named one by one; a longer one is "conditional"
_VERDICTS: Final = ("accept", "drop", "reject", "return", "goto", "jump", "queue")
_NAT: Final = ("dnat", "redirect")
_NAT_TARGETS: Final = ("DNAT", "REDIRECT")


@record
class Rule:
    verdict: str
    """``accept``, ``drop``, ``reject``, ``jump``...; empty: none."""
    services: frozenset[Service] | None
    """Which ports it is for; None: whichever."""
    conditional: bool
    """True: it looks at something else as well."""
    translates: bool = False
    """It leads a connection elsewhere (DNAT)."""
    target: str = ""
    """The chain that it jumps to."""
    spared: frozenset[Service] | None = None
    """It looks at nothing but whether it is one of these, and is for the others."""


@record
class Chain:
    family: str
    table: str
    name: str
    rules: tuple[Rule, ...]
    hook: str = ""
    """Empty: it is called by others only."""
    priority: int = 0
    policy: str = ""

    def __str__(self) -> str:
        return f"{self.family} {self.table} {self.name}"


def chains(programs: ProgramRunner) -> list[Chain]:
    """Every chain that the kernel has. Raises HostError: nft cannot list them."""
    answer = programs.run(["nft", "-j", "list", "ruleset"])
    if answer.status:
        said = answer.stderr.decode("utf-8", "replace").strip().splitlines()
        raise HostError(
            f"nft list ruleset: {said[0] if said else 'failed'}", hint="run the doctor as root"
        )
    return parse(answer.stdout)


def parse(listing: bytes) -> list[Chain]:
    """Read what ``nft -j list ruleset`` prints. Raises HostError."""
    try:
        things = json.loads(listing)["nftables"]
        return _chains(things)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise HostError("nft list ruleset prints what cannot be read") from error


def _chains(things: Iterable[dict[str, Any]]) -> list[Chain]:
    rules: dict[tuple[str, str, str], list[Rule]] = {}
    heads = []
    for thing in things:
        if head := thing.get("chain"):
            heads.append(head)
        elif rule := thing.get("rule"):
            home = (rule["family"], rule["table"], rule["chain"])
            rules.setdefault(home, []).append(_rule(rule.get("expr", ())))
    return [
        Chain(
            head["family"],
            head["table"],
            head["name"],
            tuple(rules.get((head["family"], head["table"], head["name"]), ())),
            head.get("hook", ""),
            int(head.get("prio", 0)),
            head.get("policy", ""),
        )
        for head in heads
    ]


def _rule(expressions: Iterable[dict[str, Any]]) -> Rule:
    verdict, target, conditional, translates = "", "", False, False
    services: frozenset[Service] | None = None
    spared: frozenset[Service] | None = None
    for each in expressions:
        [(kind, value)] = each.items()
        if kind in _VERDICTS:
            verdict = kind
            target = value.get("target", "") if isinstance(value, dict) else ""
        elif kind in _NAT or (kind == "xt" and value.get("name") in _NAT_TARGETS):
            translates = True
        elif kind == "match" and (ports := _ports(value)) is not None:
            services = ports if services is None else services & ports
        elif kind == "match" and spared is None and (but := _all_but(value)) is not None:
            spared = but
        elif kind not in ("counter", "log", "comment", "limit"):
            conditional = True
    whole = not conditional and services is None  # otherwise it is more than is understood here
    conditional = conditional or spared is not None
    return Rule(verdict, services, conditional, translates, target, spared if whole else None)


def _all_but(match: dict[str, Any]) -> frozenset[Service] | None:
    """The services that a rule such as those of our guards leaves to the ones below it."""
    left, right = match.get("left"), match.get("right")
    parts = left.get("concat") if isinstance(left, dict) else None
    port = {"payload": {"protocol": "th", "field": "dport"}}
    if parts != [{"meta": {"key": "l4proto"}}, port] or match.get("op") != "!=":
        return None
    pairs = right.get("set", ()) if isinstance(right, dict) else ()
    found: list[Any] = [each.get("concat") if isinstance(each, dict) else each for each in pairs]
    try:
        return frozenset(Service(Proto(proto), number) for proto, number in found)
    except (TypeError, ValueError):
        return None


def _ports(match: dict[str, Any]) -> frozenset[Service] | None:
    """The ports that a comparison lets pass; None: it is about something else."""
    left = match.get("left")
    payload = left.get("payload", {}) if isinstance(left, dict) else {}
    protos = {"tcp": (Proto.TCP,), "udp": (Proto.UDP,), "th": tuple(Proto)}.get(
        payload.get("protocol", "")
    )
    if protos is None or payload.get("field") != "dport" or match.get("op") not in ("==", "in"):
        return None
    try:
        numbers = list(_numbers(match["right"]))
    except ValueError:
        return None
    return frozenset(Service(proto, number) for proto in protos for number in numbers)


def _numbers(right: Any) -> Iterator[int]:
    if isinstance(right, int):
        yield right
    elif isinstance(right, dict) and "range" in right:
        low, high = right["range"]
        if high - low > _MANY:
            raise ValueError("too many ports")
        yield from range(max(low, 1), high + 1)
    elif isinstance(right, dict) and "set" in right:
        for each in right["set"]:
            yield from _numbers(each)
    else:
        raise ValueError("a named set, or something else")
