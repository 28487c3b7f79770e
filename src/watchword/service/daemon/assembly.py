"""Chooses and opens the edges that a configuration asks for.

In here: settings to backends, stores, reporters; what the chosen backend has to
be able to do.
Not in here: what is done with them (daemon).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Protocol

from watchword.dialects.fwknop.translate import Configuration
from watchword.dialects.fwknop.voice_dump import PROGRAMS
from watchword.edges import file_rights, files
from watchword.edges.clock import boot_id
from watchword.edges.firewall.at_best import at_best
from watchword.edges.firewall.firewalld.system_bus import bus_environment
from watchword.edges.firewall.live import KernelConnections, MemoryConnections
from watchword.edges.firewall.memory import MemoryFirewall
from watchword.edges.paced import PacedPrograms
from watchword.edges.programs import SystemPrograms
from watchword.edges.replay.memory import MemoryJournal, MemoryReplayStore
from watchword.edges.replay.sqlite import SqliteReplayStore, SqliteStore
from watchword.errors import Complaint, HostError, OperatorError
from watchword.model.firewalls import Attach, FirewallSettings
from watchword.model.openings import Feature, Opening, Tag
from watchword.model.policy import Policy
from watchword.model.settings import Settings
from watchword.ports import (
    Clock,
    ConnectionTable,
    FirewallBackend,
    Interest,
    Journal,
    KeepsNoTags,
    ProgramRunner,
    ReplayStore,
)
from watchword.record import record
from watchword.service.daemon.firewall_news import Told, nobody
from watchword.service.daemon.process import PidFile
from watchword.wire.spa.envelope import FIRST_CHARACTERS, OPENPGP_FIRST_CHARACTERS
from watchword.wire.spa.errors import SpaError
from watchword.wire.spa.keyed import Mac
from watchword.wire.spa.lengths import LONGEST, SHORTEST

DIGEST_CACHE_LIMIT = 256 * 1024 * 1024  # bytes; about two million packets of fwknopd's
LOCK = "fwknopd.lock"  # in the state directory
RULES_LOCK = "firewall.lock"  # likewise
_FEATURES = {
    Feature.LOCAL_NAT: "another port of this host (ENABLE_IPT_LOCAL_NAT)",
    Feature.FORWARD: "another host (ENABLE_IPT_FORWARDING, FORCE_NAT)",
    Feature.FORWARD_ALL: "everything through this host (FORWARD_ALL)",
    Feature.SOURCE_NAT: "another source address (ENABLE_IPT_SNAT, FORCE_SNAT, FORCE_MASQUERADE)",
    Feature.OUTPUT: "answers let out for its callers only (ENABLE_OUTPUT_ACCESS)",
    Feature.SOURCE_PORT: "a grant to one source port (BIND_SOURCE_PORT)",
    Feature.PREFIX: "a grant to a prefix (PREFIXES_IPV4, PREFIXES_IPV6)",
    Feature.FIRST: "a grant to the first of a prefix that connects (FIRST_CONNECTS_ONLY)",
    Feature.COUNT: "a number of connections (COUNT_CONNECTIONS, MAX_CONNECTIONS)",
    Feature.AT_ONCE: "a number of connections at once (MAX_CONNECTIONS_PER_ADDRESS)",
}
_SHARED = (
    "it uses the state directory {} as well: end it, or give this one a STATE_DIR and an "
    "NFT_TABLE of its own"
)


@record
class Memory:
    """What a daemon remembers, wherever that is kept."""

    store: ReplayStore
    journal: Journal
    aclose: Callable[[], Awaitable[None]]
    remembered: Callable[[], Awaitable[int]]
    """How many packets are remembered; walks over all of them."""
    keys: SqliteReplayStore | None = None
    """The store, where it is on disk."""


def digests_of(settings: Settings) -> str | None:
    """The text of fwknop's own memory; None: there is none. Raises OperatorError."""
    path = settings.digest_file
    return files.read_text(path, limit=DIGEST_CACHE_LIMIT) if path.exists() else None


async def open_memory(
    settings: Settings, digests: Callable[[Settings], str | None] = digests_of
) -> tuple[Memory, Sequence[Complaint]]:
    """The replay store and the journal; on disk, except for a dry run.

    fwknop's own digest.cache is taken over where it exists; what is wrong
    with it comes back as complaints. Raises HostError: the database cannot
    be used.
    """
    if settings.dry_run:
        store, journal = MemoryReplayStore(), MemoryJournal(boot_id())
        return Memory(store, journal, store.aclose, store.remembered), ()
    stored = SqliteStore.open(settings.state_dir, boot_id=boot_id())
    try:
        complaints = await _take_over(settings, digests, stored)
    except HostError:
        await stored.aclose()
        raise
    keys = stored.keys
    return Memory(keys, stored.journal, stored.aclose, keys.remembered, keys), complaints


def keep_to_ourselves(settings: Settings) -> PidFile | None:
    """The lock of a daemon on its state directory; None for a dry run, which has none.

    Without it a second daemon would take the grants of the first for those of
    an earlier run. Raises HostError: another one holds it.
    """
    if settings.dry_run:
        return None
    return PidFile(settings.state_dir / LOCK, _SHARED.format(settings.state_dir))


async def _take_over(
    settings: Settings, digests: Callable[[Settings], str | None], stored: SqliteStore
) -> Sequence[Complaint]:
    try:
        text = digests(settings)
    except OperatorError as error:
        return [replace(each, fatal=False) for each in error.complaints]
    if text is None:
        return ()
    _, complaints = await stored.keys.import_digest_cache(text, str(settings.digest_file))
    return [*file_rights.permission_complaints(settings.digest_file), *complaints]


def firewall_for(settings: Settings, clock: Clock, told: Told = nobody) -> FirewallBackend:
    """The backend that the configuration names; nothing is touched yet.

    ``told`` hears of whom it cut off and, if the log is to have that much, of the programs that
    it runs: in whichever thread.
    """
    in_memory = settings.dry_run or not settings.firewall.needed
    if in_memory or settings.firewall.backend == "memory":
        return MemoryFirewall(clock)
    everything = told if settings.log.verbosity >= PROGRAMS else None
    system = SystemPrograms(bus_environment())
    programs = PacedPrograms(system, settings.firewall.pace, told=everything)
    if settings.firewall.in_dated_rules:
        from watchword.edges.firewall.dated.backend import DatedFirewall

        lock = settings.state_dir / RULES_LOCK
        return DatedFirewall(settings.firewall, lock, programs=programs, clock=clock)
    made = _backend(settings.firewall)
    return made(settings.firewall, programs=programs, clock=clock, told=told)


class _Maker(Protocol):
    def __call__(
        self, settings: FirewallSettings, /, *, programs: ProgramRunner, clock: Clock, told: Told
    ) -> FirewallBackend: ...


def _backend(firewall: FirewallSettings) -> _Maker:
    """What makes it. One of them is imported, and no other."""
    match firewall.backend:
        case "iptables":
            from watchword.edges.firewall.tables.backend import TablesFirewall

            return TablesFirewall
        case "firewalld":
            from watchword.edges.firewall.firewalld.assembling import firewalld_firewall

            return firewalld_firewall
        case "ipset":
            from watchword.edges.firewall.ipset.backend import IpsetFirewall

            return IpsetFirewall
        case _:
            from watchword.edges.firewall.nft.backend import NftFirewall

            return NftFirewall


def connections_for(settings: Settings) -> ConnectionTable:
    """Who knows who is connected; nothing is touched yet."""
    in_memory = settings.dry_run or settings.firewall.backend == "memory"
    return MemoryConnections() if in_memory else KernelConnections()


def installed_of_earlier(
    settings: Settings, clock: Clock, openings: Sequence[Opening]
) -> frozenset[Tag]:
    """Which openings of a daemon that is gone are in force. Raises HostError."""
    backend = firewall_for(settings, clock)
    if isinstance(backend, KeepsNoTags):
        return backend.recognise(openings)
    return backend.installed()


def fitted(policy: Policy, name: str, features: frozenset[Feature]) -> Policy:
    """The policy, limited to the address families that a firewall with these features can open.

    Raises OperatorError: the policy needs what the backend of this name cannot do.
    """
    if policy.destination_rule and Feature.DESTINATION not in features:
        raise OperatorError(
            f"ENABLE_DESTINATION_RULE is Y, and the firewall backend {name} "
            "cannot limit a grant to one destination",
            hint="set it to N, or use FIREWALL_BACKEND nftables",
        )
    for terms in policy.stanzas:
        if missing := sorted(policy.features(terms) - features):
            raise OperatorError(
                f"stanza #{terms.number} needs what the firewall backend {name} does not "
                f"do here: {', '.join(_FEATURES[each] for each in missing)}",
                place=terms.place,
                hint=(
                    "use FIREWALL_BACKEND nftables, attached as guard, or switch off what asks "
                    "for it"
                ),
            )
    followed = [each for each in policy.doors if each.kernel]
    if followed and Feature.KERNEL_DOORS not in features:
        raise OperatorError(
            f"[{followed[0].name}] cannot be followed by the kernel: the firewall backend {name} "
            "has none that could",
            place=followed[0].place,
            hint="leave Kernel = yes out, or use FIREWALL_BACKEND nftables, FIREWALL_ATTACH guard",
        )
    families = {4: Feature.IPV4, 6: Feature.IPV6}
    able = tuple(version for version, feature in families.items() if feature in features)
    return replace(policy, families=able)


def check_needs(settings: Settings, policy: Policy) -> None:
    """Before the firewall is asked: whether any of its kind could do what the policy needs.

    Raises OperatorError.
    """
    if settings.firewall.needed:
        fitted(policy, settings.firewall.backend, at_best(settings.firewall))


def check_hidden(firewall: FirewallSettings, name: str, features: frozenset[Feature]) -> None:
    """Before anything is changed: whoever slips in can be cut off, if that was asked for.

    Raises OperatorError.
    """
    if firewall.hidden and Feature.SLIPPED not in features:
        raise OperatorError(
            f"HIDDEN_SERVICES is set, and the firewall backend {name} cannot end connections here: "
            "this kernel was built without CONFIG_INET_DIAG_DESTROY",
            hint="remove the line, or use FIREWALL_BACKEND nftables with FIREWALL_ATTACH guard",
        )


def check_hmacs(policy: Policy) -> None:
    """Before anything is changed: an OpenSSL in FIPS mode may not have what a stanza asks for.

    Raises OperatorError.
    """
    for terms in policy.stanzas:
        if terms.mac_key is not None:
            try:
                Mac(terms.mac_key, terms.mac_digest)
            except SpaError as error:
                raise OperatorError(
                    str(error), place=terms.place, hint="use HMAC_DIGEST_TYPE sha256 on both sides"
                ) from None


def interest_of(configuration: Configuration) -> Interest:
    """What packets of this configuration look like from outside."""
    openpgp = any(terms.openpgp for terms in configuration.policy.stanzas)
    requests = configuration.settings.requests is not None
    first = FIRST_CHARACTERS + (OPENPGP_FIRST_CHARACTERS if openpgp else b"")
    return Interest(SHORTEST, LONGEST, first, base64=True, requests=requests)


def place_of(firewall: FirewallSettings) -> tuple[object, ...]:
    """Where a backend hangs: two that hang in one place are one and the same to the kernel."""
    if not firewall.needed:
        return ()
    if firewall.in_iptables:
        chains = (firewall.input, firewall.output, firewall.prepend, firewall.lead_chains)
        return (firewall.backend, firewall.exe, chains, firewall.set_prefix)
    if firewall.in_dated_rules:
        return (firewall.backend, firewall.exe, firewall.home, firewall.ipfw)
    if firewall.in_zones:
        return (firewall.backend, firewall.firewalld)
    if firewall.attach is Attach.JUMP:
        return (firewall.backend, firewall.attach, firewall.jump_from)
    return (firewall.backend, firewall.attach, firewall.table)


def way_of(firewall: FirewallSettings) -> str:
    """The same, in words for the log."""
    if firewall.in_iptables:
        use = firewall.input
        return f"jump from {use.table} {use.caller} to {use.chain}"
    if firewall.in_dated_rules or firewall.in_zones:
        return firewall.home
    if firewall.attach is Attach.GUARD:
        return f"guard inet {firewall.table}"
    if firewall.attach is Attach.MARK:
        return f"mark {firewall.mark:#x} in inet {firewall.table}"
    if firewall.attach is Attach.SETS:
        return f"sets {', '.join(map(str, firewall.sets))}"
    chains = ", ".join(f"{each.family} {each.table} {each.chain}" for each in firewall.jump_from)
    return f"jump from {chains}"
