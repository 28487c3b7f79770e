"""What the operator allows: stanzas, and what holds for all of them."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass

from watchword.errors import Place
from watchword.model.actions import Action
from watchword.model.addresses import Address, Network
from watchword.model.callers import ONE_ADDRESS, CallerTerms
from watchword.model.commands import CommandTerms, CycleTerms
from watchword.model.crypto import Credential, Digest, Secret
from watchword.model.doors import Door
from watchword.model.old_knocks import NO_SIGNATURES, KnockTerms, Signatures
from watchword.model.openings import Feature, Lead, SourceNat
from watchword.model.openpgp import OpenPgpCredential
from watchword.model.services import Service
from watchword.model.sharing import SHARED_BY_ALL, SharingTerms
from watchword.record import record


@record
class Target:
    """Somewhere that callers may be led on to."""

    network: Network | None
    """None: this host."""
    port: int | None = None
    """None: any."""

    def admits(self, host: Address | None, port: int) -> bool:
        """Whether this is it; ``host`` None: this host."""
        if host is None or self.network is None:
            there = host is None and self.network is None
        else:
            there = host in self.network
        return there and self.port in (None, port)


@dataclass(frozen=True, slots=True)
class NatTerms:
    """Where the callers of one stanza may be led on to, and how."""

    enabled: bool = True
    """False: requests for it are refused, whatever the server allows (ENABLE_FORWARD_ACCESS N)."""
    targets: tuple[Target, ...] = ()
    """Whoever asks to be led on may only name one of these. None for this host: its services are
    those that may be asked for directly. None for others: no other host."""
    forced: tuple[Lead, ...] = ()
    """Everything that is granted leads to one of these, whatever was asked for: the first of the
    caller's IP version (FORCE_NAT). None: it leads where callers ask for."""
    through: bool = False
    """True: who asks to be led on is let through with everything (FORWARD_ALL, DISABLE_DNAT)."""
    sources: tuple[SourceNat, ...] = ()
    """As what another host sees who is led on to it: the first of his IP version. None: as he
    is."""

    def seen_as(self, version: int) -> SourceNat | None:
        """As what a caller of that IP version is seen; None: as he is.

        Where only addresses of the other version are named, as this host's interface.
        """
        if not self.sources:
            return None
        fitting = (s for s in self.sources if s.address is None or s.address.version == version)
        return next(fitting, SourceNat())

    @property
    def local_targets(self) -> bool:
        """Whether it is said which services of this host can be reached by another port."""
        return any(each.network is None for each in self.targets)


@dataclass(frozen=True, slots=True)
class Terms:
    """One stanza: who proves what with which key, and what that is worth."""

    number: int
    """1-based, in load order; what the log calls ``(stanza #1)``."""
    place: Place
    """The line that opens the stanza."""
    label: str
    """The SOURCE list as the operator wrote it, for messages."""
    credential: Credential | None
    """What opens its symmetric packets; None: it takes OpenPGP only."""
    openpgp: OpenPgpCredential | None = None
    """What opens its OpenPGP packets; None: it takes none."""
    sources: tuple[Network, ...] = ()
    """Where packets may come from; empty: anywhere."""
    barred: tuple[Network, ...] = ()
    """Where packets may not come from, although ``sources`` has it."""
    destinations: tuple[Network, ...] = ()
    """Which of this host's addresses packets may be sent to; empty: any."""
    interfaces: frozenset[str] = frozenset()
    """Where packets have to be seen; empty: anywhere, also where nobody can tell."""
    open_services: frozenset[Service] | None = None
    """Every requested service has to be in here; None: any may be asked for."""
    closed_services: frozenset[Service] = frozenset()
    """No requested service may be in here; asked before ``open_services``."""
    users: frozenset[str] = frozenset()
    """Names, one of which the packet has to carry; empty: any name."""
    source_required: bool = False
    """Refuse a packet that asks for "the address it came from"."""
    source_optional_from: tuple[Network, ...] = ()
    """Who may ask for that all the same."""
    default_seconds: int = 30
    """Length of a grant whose packet names none; at most ``max_seconds``."""
    max_seconds: int = 300
    seconds_by_caller: bool = True
    """False: a packet that names a time is refused (fwknop 1.9, PERMIT_CLIENT_TIMEOUT)."""
    expires: float | None = None
    """Unix seconds from which on the stanza is dead; None: never."""
    access: bool = True
    """False: it opens nothing (DISABLE_FW_ACCESS)."""
    commands: CommandTerms | None = None
    """How the commands of its callers are run; None: they are not."""
    actions: tuple[Action, ...] = ()
    """Programs that its callers may have run by their names."""
    keep_seconds: int | None = None
    """A grant goes on while a connection of it lives, up to so long after its last packet;
    None: it ends at its end."""
    owner_closes: bool = False
    """True: a caller may end his own grants before their time (ENABLE_OWNER_CLOSE)."""
    cycle: CycleTerms | None = None
    """Commands that open and close, in place of the firewall."""
    nat: NatTerms = NatTerms()
    knock: KnockTerms | None = None
    """What has to be knocked, in place of a packet; None: packets are wanted."""
    callers: CallerTerms = ONE_ADDRESS
    answers: bool = False
    """True: answers to its callers are let out by openings of their own, because they are not for
    everybody (ENABLE_OUTPUT_ACCESS)."""
    proves: bool = False
    """True: what its packets were is remembered, for connections to prove that they belong to
    them; it has an HMAC key then (PROVE)."""
    sharing: SharingTerms = SHARED_BY_ALL
    key_names: tuple[str, ...] = ()
    """What its keys are called, without giving them away (service.daemon.blocks);
    empty: nobody asked."""
    blocked: bool = False
    """True: the kill switch of one of its keys was thrown."""

    @property
    def mac_key(self) -> Secret | None:
        """The HMAC key, which packets of both kinds share; None: there is none."""
        either = self.credential or self.openpgp
        return either.mac_key if either else None

    @property
    def mac_digest(self) -> Digest:
        either = self.credential or self.openpgp
        return either.mac_digest if either else Digest.SHA256

    def offers(self, service: Service) -> bool:
        """Whether callers may ask for it."""
        listed = self.open_services is None or service in self.open_services
        return self.access and listed and service not in self.closed_services

    def admits(self, source: Address, destination: Address | None, interface: str = "") -> bool:
        """Whether the stanza comes into question for a packet from there, sent to that address,
        and seen on that interface."""
        if self.interfaces and interface not in self.interfaces:
            return False
        return self.admits_source(source) and self.admits_destination(destination)

    def expired(self, wall: float) -> bool:
        """Whether its end has come by that time, Unix seconds."""
        return self.expires is not None and wall >= self.expires

    def admits_source(self, address: Address) -> bool:
        if any(address in network for network in self.barred):
            return False
        return not self.sources or any(address in network for network in self.sources)

    def admits_destination(self, address: Address | None) -> bool:
        """An unknown destination fits no list, so a stanza with a list stays shut."""
        if not self.destinations:
            return True
        return address is not None and any(address in network for network in self.destinations)


@record
class Policy:
    """Every stanza and the rules that are common to them."""

    stanzas: tuple[Terms, ...]
    """In ascending order of their numbers."""
    max_age: int | None = 120
    """Seconds that a time stamp may lie in the past or the future; None: not looked at."""
    remember: bool = True
    """False: replays are not detected (ENABLE_DIGEST_PERSISTENCE N). Never the default."""
    digests: frozenset[Digest] | None = None
    """Inner digests that packets may have; None: any."""
    blacklist: tuple[Network, ...] = ()
    """Nothing is done for packets from there, and nothing is opened for anybody there."""
    proxies: tuple[Network, ...] = ()
    """From these comes what others ask for, whom they name (TRUSTED_PROXIES)."""
    destination_rule: bool = False
    """True: a grant opens only the address that the packet was sent to."""
    forwarding: bool = False
    """True: callers may ask to be led on to another host (ENABLE_IPT_FORWARDING)."""
    local_nat: bool = False
    """True: callers may ask for a service of this host by another port (ENABLE_IPT_LOCAL_NAT)."""
    nat_names: bool = True
    """True: they may name the other host by its name (ENABLE_NAT_DNS)."""
    signatures: Signatures = NO_SIGNATURES
    """By which the systems of those who knock are told (P0F_FILE, MAX_HOPS)."""
    doors: tuple[Door, ...] = ()
    """What knocks open, in the order of their file (KNOCKD_CONF)."""
    door_answers: bool = False
    """True: who comes by a door gets his answers by openings of their own, as ``Terms.answers``."""
    at_once: bool = False
    """True: connections at once from one address are limited (MAX_CONNECTIONS_PER_ADDRESS)."""
    families: tuple[int, ...] = (4, 6)
    """Address families that the firewall can open; what the backend's probe said."""

    def features(self, terms: Terms) -> frozenset[Feature]:
        """What a firewall has to be able to do for one stanza, beyond opening a service."""
        if terms.cycle is not None or not terms.access:
            return frozenset()
        nat, needed = terms.nat, {*terms.callers.features, *terms.sharing.features}
        if self.at_once:
            needed.add(Feature.AT_ONCE)
        if terms.answers:
            needed.add(Feature.OUTPUT)
        for lead in nat.forced:
            needed |= lead.features
        if nat.through:
            needed.add(Feature.FORWARD_ALL)
        elif not nat.forced and nat.enabled:
            if self.local_nat:
                needed.add(Feature.LOCAL_NAT)
            if self.forwarding and any(each.network for each in nat.targets):
                needed.add(Feature.FORWARD)
        if nat.sources and needed & {Feature.FORWARD, Feature.FORWARD_ALL}:
            needed.add(Feature.SOURCE_NAT)
        return frozenset(needed)

    def door(self, number: int) -> Door | None:
        """The door of that number; None: there is none."""
        return self.doors[number - 1] if 1 <= number <= len(self.doors) else None

    def terms(self, number: int) -> Terms:
        """The stanza of that number. IndexError is a bug in the caller.

        Numbers ascend and may have gaps: a stanza that lost its key file keeps its number.
        """
        found = self.stanzas[bisect_left(self.stanzas, number, key=lambda each: each.number)]
        if found.number != number:
            raise IndexError(number)
        return found
