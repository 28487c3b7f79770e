"""How the firewall is set up: which one, how we hang into it, what is hidden.

Not in here: what is open in it (openings), everything else of fwknopd.conf (settings).
"""

from __future__ import annotations

from enum import StrEnum

from watchword.model.addresses import Address, Network
from watchword.model.doors import Door
from watchword.model.services import Service
from watchword.record import record


class Attach(StrEnum):
    """How the firewall backend hangs into the host's packet path (design, section 5)."""

    GUARD = "guard"
    JUMP = "jump"
    MARK = "mark"
    SETS = "sets"


@record
class JumpFrom:
    """A chain of the operator's own, from which we are called."""

    family: str
    """``inet``, ``ip`` or ``ip6``."""
    table: str
    chain: str


@record
class NamedSet:
    """A set of the operator's own, into which openings are put (attachment ``sets``)."""

    version: int
    """Of IP."""
    to: bool
    """True: its keys have a destination as well."""
    family: str
    """As in JumpFrom."""
    table: str
    name: str

    def __str__(self) -> str:
        """As nft has it."""
        return f"{self.family} {self.table} {self.name}"


@record
class ChainUse:
    """A chain of ours in iptables, and the rule that calls it (fwknopd server, section 3.3)."""

    caller: str
    """The chain of the operator's that calls ours."""
    chain: str
    """Ours."""
    target: str = "ACCEPT"
    table: str = "filter"
    position: int = 1
    """Of the call among the rules of ``caller``; what is below 1 counts as 1."""


@record
class LeadChains:
    """Where iptables leads callers on, and to whom it then lets them (fwknopd server, 3.3)."""

    forward: ChainUse = ChainUse("FORWARD", "FWKNOP_FORWARD")
    """Lets them through to other hosts."""
    dnat: ChainUse = ChainUse("PREROUTING", "FWKNOP_PREROUTING", "DNAT", "nat")
    """Leads them on."""
    snat: ChainUse = ChainUse("POSTROUTING", "FWKNOP_POSTROUTING", "SNAT", "nat")
    """Has them seen as a certain address."""
    masquerade: ChainUse = ChainUse("POSTROUTING", "FWKNOP_MASQUERADE", "MASQUERADE", "nat")
    """Has them seen as that of the interface they go out by."""


MOST_SNAT = 6
"""So many fit into three bits, beside no translation and masquerade."""


@record
class ProgramPace:
    """How programs are run, one after the other."""

    seconds: float | None = None
    """How long each may take; None: as long as whoever runs it allows."""
    pause: float = 0.0
    """Seconds between the end of one and the beginning of the next."""
    tries: int = 1
    """How often one is run until it does not fail; at least once."""


@record
class IpfwSettings:
    """Numbers of rules and sets in ipfw (fwknopd server, section 3.4)."""

    start: int = 10000
    """The first number of a rule of ours."""
    most: int = 65535
    """So many numbers may be used, from the first on."""
    active: int = 1
    """The set of rules that are in force."""
    expire: int = 2
    """The set, always disabled, of rules that are over and have dynamic rules still."""
    purge: float = 30.0
    """Seconds between two looks whether they have any left."""
    check_state: bool = False
    """Whether our set begins with a rule check-state."""
    as_policy: bool = False
    """True: rules make dynamic ones only if others of the host's do, as with fwknop 1.9."""


@record
class AwsSettings:
    """A security group of AWS: what its inbound rules allow reaches the instances that have it."""

    group: str = ""
    """Its id, ``sg-`` and hexadecimal digits."""
    region: str = ""
    """Empty: as AWS's own programs find it."""
    endpoint: str = ""
    """Where AWS is asked; empty: where it usually is."""
    name: str = ""
    """By which rules of this server are known in the group; empty: the host's name."""
    look_every: float = 1.0
    """Seconds between two looks whether others changed something, while anything is open."""


@record
class FirewalldSettings:
    """What is ours in firewalld."""

    direct: bool = False
    """True: rules are in chains of iptables, as fwknop's direct rules were."""
    zones: tuple[str, ...] = ()
    """Those that rich rules are put into; none: active ones and the default one."""
    priority: int = -6220
    """Of our rich rules; the next one is ours as well."""
    reloads: bool = False
    """True: firewalld is reloaded where somebody flushed its rules from the kernel."""


DATED = ("ipfw", "pf", "ipf", "netsh", "aws")
"""Backends whose firewall ends nothing by itself: their rules say when they end."""


@record
class FirewallSettings:
    backend: str = "nftables"
    attach: Attach = Attach.GUARD
    table: str = "watchword"
    """Name of our own table, family inet (attachment ``guard``)."""
    guard_all: bool = False
    """Everything new from outside is dropped except ``public``."""
    guarded: tuple[Service, ...] = ()
    """What is hidden until granted (attachment ``guard``, unless ``guard_all``)."""
    public: tuple[Service, ...] = ()
    """What stays reachable for everybody with ``guard_all``."""
    hidden: tuple[Service, ...] = ()
    """What the operator's own rules hide: who gets in while others change the firewall is cut off
    (every attachment but ``guard``); sorted."""
    hidden_except: tuple[Network, ...] = ()
    """For whom those rules make exceptions."""
    hidden_behind: tuple[Network, ...] = ()
    """Hosts behind this one of which they hide the same services."""
    jump_from: tuple[JumpFrom, ...] = ()
    """Chains that filter what is for this host (attachment ``jump``)."""
    forward_from: tuple[JumpFrom, ...] = ()
    """Chains that filter what passes through; they let go on who is led on to another host."""
    output_from: tuple[JumpFrom, ...] = ()
    """Chains that filter what this host sends; they let answers out."""
    sets: tuple[NamedSet, ...] = ()
    """Attachment ``sets``."""
    leads: bool = False
    """True: openings may lead somewhere."""
    binds: bool = False
    """True: openings may be for one port of their caller's."""
    prefixes: tuple[tuple[int, int], ...] = ()
    """IP version and length of prefixes that openings may be for; sorted."""
    firsts: tuple[tuple[int, int], ...] = ()
    """The same of those of which only the first address that connects is let in; sorted."""
    doors: tuple[Door, ...] = ()
    """Those that the kernel follows (backend nftables, attachment ``guard``)."""
    door_interfaces: tuple[str, ...] = ()
    """Where it does; empty: on every interface."""
    door_versions: tuple[int, ...] = (4, 6)
    """IP versions for which it does."""
    door_barred: tuple[Network, ...] = ()
    """Whose knocks are nothing."""
    counts: bool = False
    """True: openings may be good for a number of connections."""
    at_once: int = 0
    """So many connections may there be at once from one address (attachment ``guard``); 0: any
    number."""
    secret_ports: tuple[tuple[int, int], ...] = ()
    """First and last of ports that are hidden beside ``guarded``, as each may lead somewhere for
    somebody; sorted, not overlapping."""
    snat: tuple[Address, ...] = ()
    """Addresses as which others may be seen; at most MOST_SNAT."""
    mark: int = 0x0100_0000
    """The bit that is set in the mark of packets that are let in (attachment ``mark``) or led
    on (any). The three above it say as whom."""
    own: tuple[Service, ...] = ()
    """What the daemon itself listens on: it is not led away with everything else."""
    exe: str = "iptables"
    """The program; of iptables, the one for IPv4. Not for nftables."""
    input: ChainUse = ChainUse("INPUT", "FWKNOP_INPUT")
    output: ChainUse | None = None
    """Where answers to callers are let out; None: not our affair."""
    answers_apart: bool = False
    """True: answers are let out by openings of their own (``Hole.answers``), there and where
    ``output_from`` calls us; False: by every opening."""
    lead_chains: LeadChains = LeadChains()
    """With ``leads`` (backend iptables)."""
    seen_as: bool = False
    """True: others may be seen as somebody else; chains for that are made (backend iptables)."""
    prepend: bool = False
    """True: each new rule goes before all others (backend iptables)."""
    set_prefix: str = "watchword"
    """What the names of our sets begin with, up to 28 characters (backend ipset)."""
    ipfw: IpfwSettings = IpfwSettings()
    """Backend ipfw."""
    anchor: str = "fwknop"
    """Whose rules are ours; up to 63 characters (backend pf)."""
    group: str = "fwknop"
    """In which rules are ours; up to 15 characters (backend ipf)."""
    aws: AwsSettings = AwsSettings()
    """Backend aws."""
    firewalld: FirewalldSettings = FirewalldSettings()
    """Backend firewalld."""
    pace: ProgramPace = ProgramPace()
    """How its programs are run."""
    needed: bool = True
    """False: no stanza opens anything in it, and nothing is to be hidden; it is not touched."""
    flush_at_start: bool = False
    """True: grants of an earlier run end at start (FLUSH_*_AT_INIT Y)."""
    flush_at_exit: bool = False
    """True: grants end when the daemon stops on request (FLUSH_*_AT_EXIT Y).

    The guard itself stays either way: stopping the daemon must not open what it hides.
    """

    def is_secret(self, service: Service) -> bool:
        """Whether it is one of the ports that stand for others, and are known to one caller."""
        return any(low <= service.port <= high for low, high in self.secret_ports)

    @property
    def home(self) -> str:
        """What grants are in, for log lines: a table of ours, a chain in iptables, a set."""
        if self.in_dated_rules:
            return self._dated_home
        if self.in_zones:
            return "zones of firewalld"
        return self.input.chain if self.in_iptables else self.table

    @property
    def _dated_home(self) -> str:
        homes = {
            "ipfw": f"set {self.ipfw.active} of ipfw",
            "pf": f"the anchor {self.anchor}",
            "ipf": f"the group {self.group} of ipf",
            "aws": f"the security group {self.aws.group}",
        }
        return homes.get(self.backend, "the rules of Windows")

    @property
    def chains(self) -> tuple[ChainUse, ...]:
        """Those of ours that are in iptables, in the order in which they are made; else none."""
        if not self.in_iptables:
            return ()
        leads = self.lead_chains
        found = [self.input]
        if self.output is not None:
            found.append(self.output)
        if self.leads:
            found += [leads.forward, leads.dnat]
            if self.seen_as:
                found += [leads.snat, leads.masquerade]
        return tuple(found)

    @property
    def in_iptables(self) -> bool:
        """Whether it hangs into iptables by a chain of ours there."""
        return self.backend in ("iptables", "ipset") or (
            self.backend == "firewalld" and self.firewalld.direct
        )

    @property
    def in_zones(self) -> bool:
        """Whether it has rich rules in zones of firewalld's."""
        return self.backend == "firewalld" and not self.firewalld.direct

    @property
    def in_dated_rules(self) -> bool:
        """Whether its rules say when they end, because the firewall ends none."""
        return self.backend in DATED
