"""Says what is wrong between a server and its firewall, from what was seen of both.

In here: our own part of it, what strangers reach, what others' rules do to grants.
Nothing here looks at anything.
Not in here: looking (server_examination), everything else (server_diagnosis).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from watchword.edges.firewall.ruleset import Chain, Rule
from watchword.edges.listeners import Listener
from watchword.edges.stranger import Reply, Tried
from watchword.model.firewalls import Attach, FirewallSettings
from watchword.model.policy import Policy
from watchword.model.services import Proto, Service
from watchword.record import replace
from watchword.service.doctor.findings import Finding, fault, fine, remark, warning

_UFW = "ufw-before-input"
"""The chain that INPUT calls while ufw is switched on."""


def attachment(
    firewall: FirewallSettings, there: Sequence[Chain], in_step: bool | None
) -> Iterator[Finding]:
    """``in_step``: the daemon's own word; None: it was not asked."""
    if not firewall.needed:
        yield remark("attachment", "no stanza opens anything in the firewall, so nothing hides")
        return
    missing = _missing(firewall, there)
    if missing:
        yield fault(
            "attachment",
            f"{missing} is not in the kernel: nothing is hidden, and no grant lets anybody in",
            "start fwknopd; if it runs, it puts this back within seconds, so see its log",
        )
    elif in_step is False:
        yield fault(
            "attachment",
            "the firewall does not have what fwknopd wants it to have",
            "see the log of fwknopd for what the firewall's program says",
        )
    else:
        yield fine("attachment", "our part of the firewall is in the kernel")


def _missing(firewall: FirewallSettings, there: Sequence[Chain]) -> str:
    if firewall.attach in (Attach.GUARD, Attach.MARK):
        guards = (each for each in there if each.hook and _is_ours(firewall, each))
        return "" if any(guards) else f"the table inet {firewall.table}"
    for name, own in _callers(firewall, there):
        found = [chain for chain in there if str(chain) == name]
        if not found or not any(rule.target == own for rule in found[0].rules):
            return f"the jump from {name}"
    return ""


def _callers(firewall: FirewallSettings, there: Sequence[Chain]) -> Iterator[tuple[str, str]]:
    """The chains that are to call ours, and what ours is called."""
    if firewall.in_iptables:
        use = firewall.input
        families = dict.fromkeys(chain.family for chain in there) or {"ip": None}
        yield from ((f"{family} {use.table} {use.caller}", use.chain) for family in families)
    for each in firewall.jump_from:
        yield f"{each.family} {each.table} {each.chain}", "watchword"


def _is_ours(firewall: FirewallSettings, chain: Chain) -> bool:
    return chain.family == "inet" and chain.table == firewall.table


def hides(firewall: FirewallSettings, service: Service) -> bool:
    """Whether the guard, once it is in the kernel, hides the service."""
    if not firewall.needed or firewall.attach is not Attach.GUARD:
        return False
    if firewall.guard_all:
        return service not in firewall.public
    return service in firewall.guarded


def published(firewall: FirewallSettings, there: Sequence[Chain]) -> frozenset[Service]:
    """Ports that somebody's rules lead on to elsewhere, such as those of containers."""
    return frozenset(
        service
        for chain in there
        if not _is_ours(firewall, chain)
        for rule in chain.rules
        if rule.translates and rule.services is not None
        for service in rule.services
    )


def reach(
    firewall: FirewallSettings,
    policy: Policy,
    found: Sequence[Listener],
    translated: Iterable[Service],
    own: Iterable[Service],
) -> Iterator[Finding]:
    """What strangers can get at, as far as the guard goes; ``own``: for packets."""
    if firewall.needed and firewall.attach is not Attach.GUARD:
        jumps = firewall.attach is Attach.JUMP
        whose = "the chains to say that we are called from" if jumps else "your own rules to say"
        yield remark(
            "reach",
            f"what strangers reach is for {whose}",
            "watchword doctor --server --probe tries",
        )
        return
    names = dict.fromkeys(translated, "published")
    names |= {each.service: each.program for each in found if not each.address.is_loopback}
    bare = {each: name for each, name in names.items() if not hides(firewall, each)}
    bare = {each: name for each, name in bare.items() if each not in set(own)}
    offered = [each for each in bare if _is_offered(policy, each)]
    for service in sorted(offered):
        yield fault(
            "reach",
            f"{service} ({bare.pop(service) or 'program not known'}) is what stanzas open for "
            "callers, and everybody reaches it",
            f"add {service} to GUARD_SERVICES"
            + (", or take it out of GUARD_PUBLIC" if firewall.guard_all else ""),
        )
    if bare:
        listed = ", ".join(
            f"{each} ({name or 'program not known'})" for each, name in sorted(bare.items())
        )
        yield remark(
            "reach",
            f"the guard lets everybody reach {listed}",
            "if that is not meant: GUARD_SERVICES names what is hidden, ALL hides everything",
        )
    elif not offered:
        yield fine("reach", "everything that listens here is hidden, or on loopback only")


def _is_offered(policy: Policy, service: Service) -> bool:
    return any(
        terms.open_services is not None and terms.offers(service) and terms.cycle is None
        for terms in policy.stanzas
    )


def probed(firewall: FirewallSettings, tried: Sequence[Tried]) -> Iterator[Finding]:
    """What a stranger beside this host was told."""
    answering = [each for each in tried if each.reply is Reply.ANSWERS]
    for each in answering:
        service = Service(Proto.TCP, each.port)
        if hides(firewall, service):
            yield fault(
                "reach",
                f"{service} is to be hidden, and answers a stranger by IPv{each.family}",
                "see the findings about the attachment and about rules",
            )
    rest = sorted({f"tcp/{each.port}" for each in answering
                   if not hides(firewall, Service(Proto.TCP, each.port))})  # fmt: skip
    if rest:
        yield remark("reach", f"a stranger was answered by {', '.join(rest)}")
    elif not answering:
        yield fine("reach", f"a stranger tried {len(tried)} ways to TCP ports: none answers")


def rules(firewall: FirewallSettings, policy: Policy, there: Sequence[Chain]) -> Iterator[Finding]:
    """What others' rules make of our grants: a drop that no grant passes, an accept before us."""
    if not firewall.needed:
        return
    found = list(
        _around_guard(firewall, there)
        if firewall.attach is Attach.GUARD
        else _around_jump(firewall, policy, there)
    )
    if _is_ufw(there):
        found.append(_beside_ufw(firewall))
    if firewall.attach in (Attach.MARK, Attach.SETS):
        found.append(
            remark(
                "rules",
                "whom your own rules let in, and whom not, is not looked at",
                "watchword doctor --server --probe tries what strangers reach",
            )
        )
    yield from found or [fine("rules", "no rule of others is in the way of grants")]


def _is_ufw(there: Sequence[Chain]) -> bool:
    """Whether ufw is switched on: off, it leaves chains behind that are called, and empty."""
    called = any(
        rule.target == _UFW for chain in there if chain.hook == "input" for rule in chain.rules
    )
    return called and any(chain.name == _UFW and chain.rules for chain in there)


def _beside_ufw(firewall: FirewallSettings) -> Finding:
    guard = firewall.attach is Attach.GUARD and not firewall.in_iptables
    hidden = " and each hidden port, which the guard hides (ufw allow 22/tcp)" if guard else ""
    return warning(
        "rules",
        "ufw is active: what it was not told to allow it drops, packets for us "
        f"{'and granted ports ' if guard else ''}included",
        f"allow the port that packets come to (ufw allow 62201/udp){hidden}, "
        "or hand over to rules of your own (ufw disable)",
    )


def _around_guard(firewall: FirewallSettings, there: Sequence[Chain]) -> Iterator[Finding]:
    for chain in there:
        if chain.hook not in ("input", "prerouting") or _is_ours(firewall, chain):
            continue
        hit = _hit(firewall, chain.rules)
        if hit is not None:
            what = "everything" if hit.services is None else _listed(hit.services)
            remedy = "remove that rule; the guard hides what is to be hidden"
            if chain.table.startswith(FirewallSettings().table):
                remedy = (
                    "another fwknopd or knockd of this host hides that, too: have one of them do "
                    "it (KNOCKD_CONF in fwknopd.conf), or take that out: knockd --flush"
                )
            yield fault("rules", f"the chain {chain} drops {what}, whoever has a grant", remedy)
        elif chain.policy == "drop":
            yield warning(
                "rules",
                f"the chain {chain} drops what it does not accept, and a grant of the guard "
                "accepts nothing there",
                "accept the hidden ports there, since the guard hides them; or use "
                f"FIREWALL_ATTACH jump with NFT_JUMP_FROM {chain}",
            )


def _hit(firewall: FirewallSettings, rules: Sequence[Rule]) -> Rule | None:
    """The first rule that drops what is hidden, whoever sends it."""
    left: frozenset[Service] | None = None  # what still comes as far as this; None: everything
    for rule in rules:
        passes = rule.verdict in ("accept", "return")
        if passes and rule.spared is not None:
            left = rule.spared if left is None else left & rule.spared
        if rule.conditional or not rule.verdict:
            continue
        if rule.services is None and passes:
            return None
        services = left if rule.services is None else rule.services
        concerned = services is None or any(hides(firewall, each) for each in services)
        if rule.verdict in ("drop", "reject") and concerned:
            return replace(rule, services=services)
    return None


def _around_jump(
    firewall: FirewallSettings, policy: Policy, there: Sequence[Chain]
) -> Iterator[Finding]:
    offered = {each for terms in policy.stanzas for each in terms.open_services or ()}
    guard = "" if firewall.in_iptables else "; or use FIREWALL_ATTACH guard"
    for name, own in _callers(firewall, there):
        for chain in (chain for chain in there if str(chain) == name):
            before, after = _around(chain.rules, own)
            yield from _before(name, before, offered, own)
            ends = chain.policy == "drop" or any(
                rule.verdict in ("drop", "reject") and rule.services is None
                for rule in after
            )  # fmt: skip
            if not ends:
                yield fault(
                    "rules",
                    f"the chain {name} drops nothing at its end: strangers get in without a grant",
                    f"give it the policy drop, or a last rule that drops{guard}",
                )


def _around(rules: Sequence[Rule], own: str) -> tuple[Sequence[Rule], Sequence[Rule]]:
    """The rules before our jump, and those after it."""
    at = next((at for at, rule in enumerate(rules) if rule.target == own), len(rules))
    return rules[:at], rules[at + 1 :]


def _before(name: str, rules: Sequence[Rule], offered: set[Service], own: str) -> Iterator[Finding]:
    for rule in rules:
        if rule.conditional or not (rule.services is None or rule.services & offered):
            continue
        what = "everything" if rule.services is None else _listed(rule.services & offered)
        if rule.verdict == "accept":
            yield fault(
                "rules",
                f"the chain {name} accepts {what} from everybody before it calls us",
                "remove that rule: who has a grant is accepted by our chain",
            )
        elif rule.verdict in ("drop", "reject"):
            yield fault(
                "rules",
                f"the chain {name} drops {what} before it calls us, whoever has a grant",
                f"move that rule behind the jump to the chain {own}",
            )


def _listed(services: Iterable[Service]) -> str:
    return ", ".join(map(str, sorted(services)))
