"""How the daemon is set up: sockets, files, attachment to the firewall."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TypeAlias

from watchword.model.addresses import Address, Network
from watchword.model.commands import AT_ONCE
from watchword.model.crypto import Secret
from watchword.model.filters import Filter
from watchword.model.services import Service


class Attach(StrEnum):
    """How the firewall backend hangs into the host's packet path (design, section 5)."""

    GUARD = "guard"
    JUMP = "jump"
    MARK = "mark"
    SETS = "sets"


@dataclass(frozen=True, slots=True)
class JumpFrom:
    """A chain of the operator's own, from which we are called."""

    family: str
    """``inet``, ``ip`` or ``ip6``."""
    table: str
    chain: str


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
class ProgramPace:
    """How programs are run, one after the other."""

    seconds: float | None = None
    """How long each may take; None: as long as whoever runs it allows."""
    pause: float = 0.0
    """Seconds between the end of one and the beginning of the next."""
    tries: int = 1
    """How often one is run until it does not fail; at least once."""


@dataclass(frozen=True, slots=True)
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


DATED = ("ipfw", "pf", "netsh")
"""Backends whose firewall ends nothing by itself: their rules say when they end."""


@dataclass(frozen=True, slots=True)
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

    @property
    def home(self) -> str:
        """What grants are in, for log lines: a table of ours, a chain in iptables, a set."""
        if self.in_dated_rules:
            return self._dated_home
        return self.input.chain if self.in_iptables else self.table

    @property
    def _dated_home(self) -> str:
        homes = {"ipfw": f"set {self.ipfw.active} of ipfw", "pf": f"the anchor {self.anchor}"}
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
        return self.backend in ("iptables", "ipset")

    @property
    def in_dated_rules(self) -> bool:
        """Whether its rules say when they end, because the firewall ends none."""
        return self.backend in DATED


@dataclass(frozen=True, slots=True)
class LogChains:
    """What lines about grants call the places where they are, whatever the firewall."""

    input: str = "FWKNOP_INPUT"
    output: str = ""
    """Empty: nothing is said of answers."""
    forward: str = "FWKNOP_FORWARD"
    dnat: str = "FWKNOP_PREROUTING"
    snat: str = "FWKNOP_POSTROUTING"
    masquerade: str = "FWKNOP_MASQUERADE"


class LogStyle(StrEnum):
    """Which of the wordings that fwknopd had over the years a log has."""

    LATEST = "2.6"  # where 2.6.10 and 2.6.11 differ, both
    OLD = "2.5"  # what 2.0 to 2.5 said of packets and grants


@dataclass(frozen=True, slots=True)
class LogSettings:
    identity: str = "fwknopd"
    facility: str = "LOG_DAEMON"
    verbosity: int = 0
    """0 info and worse, 1 debug as well."""
    chains: LogChains = LogChains()
    style: LogStyle = LogStyle.LATEST
    syslog: bool = True
    """False: nothing is told to the system's log (ALERTING_METHODS nosyslog)."""


@dataclass(frozen=True, slots=True)
class UdpPort:
    """A UDP socket on every address of this host."""

    port: int = 62201


@dataclass(frozen=True, slots=True)
class TcpPort:
    """A TCP socket on every address of this host; each connection is one packet."""

    port: int = 62201


@dataclass(frozen=True, slots=True)
class CaptureFilter:
    """Which packets are looked at, in tcpdump's words."""

    text: str
    """Empty: all."""
    tests: Filter | None = None
    """What the words mean; None: ``text`` is empty, or ``puzzle`` says why not."""
    puzzle: str = ""
    """Not empty: we do not understand the words, and which of them."""


@dataclass(frozen=True, slots=True)
class Sniffer:
    """What passes an interface is looked at; no socket is bound to any port."""

    interfaces: tuple[str, ...]
    """Names; empty: every interface."""
    filter: CaptureFilter
    promiscuous: bool = False
    both_directions: bool = False
    """True: what this host sends is looked at, too."""
    longest: int = 1500
    """Bytes of a packet from its IP header on; longer ones are refused."""
    ends_with_interface: bool = False
    """True: the daemon ends when an interface goes; False: it waits for it to come back."""


@dataclass(frozen=True, slots=True)
class CaptureFile:
    """A capture file is read to its end and then followed as it grows."""

    path: Path
    filter: CaptureFilter


@dataclass(frozen=True, slots=True)
class PacketQueue:
    """Datagrams to a port are taken out of the host's packet path, and never reach a socket."""

    port: int = 62201
    interface: str = ""
    """Where they come in; empty: anywhere."""
    number: int = 1
    """Of the netfilter queue; nobody else may use it."""
    table: str = "mangle"
    """Of iptables: ``mangle`` or ``raw``."""
    chain: str = "FWKNOP_NFQ"
    """Of our own, in that table, for the rules that divert them."""


SourceSettings: TypeAlias = UdpPort | TcpPort | Sniffer | CaptureFile | PacketQueue
"""One way by which packets come."""


@dataclass(frozen=True, slots=True)
class HttpRequests:
    """Packets inside HTTP requests are looked for."""

    any_agent: bool = False
    """True: whatever the User-Agent is; False: it begins with ``Fwknop``."""
    proxies: tuple[Network, ...] = ()
    """Whose X-Forwarded-For is believed, over connections."""
    connections: bool = False
    """Whether connections are taken at all: what proxies send is not looked at elsewhere then."""


@dataclass(frozen=True, slots=True)
class ControlSettings:
    """Who may use the control socket, besides root."""

    group: int | None = None
    """The id of a group whose members may ask; None: there is none."""
    group_changes: bool = False
    """True: they may change what is open, too."""


@dataclass(frozen=True, slots=True)
class UnixSocket:
    path: Path

    def __str__(self) -> str:
        return f"unix:{self.path}"


@dataclass(frozen=True, slots=True)
class LoopbackPort:
    """A TCP port that only this host reaches."""

    address: Address
    port: int

    def __str__(self) -> str:
        host = f"[{self.address}]" if self.address.version == 6 else str(self.address)
        return f"{host}:{self.port}"


MetricsPlace: TypeAlias = UnixSocket | LoopbackPort
"""Where metrics are served."""


@dataclass(frozen=True, slots=True)
class MailSettings:
    """Alerts are sent by mail."""

    addresses: tuple[str, ...]
    """At least one; none begins with ``-``."""
    program: str
    """Absolute path; empty: there is a ``server``."""
    takes_message: bool
    """True: it wants a whole message, as sendmail does; False: it is told the subject, as mail."""
    host: str = ""
    """What this host is called in them; empty: what it calls itself."""
    server: tuple[str, int] | None = None
    """Host and port of a server that takes them by SMTP; None: the program does."""


class WebhookKind(StrEnum):
    """What a notice is about."""

    GRANTED = "granted"
    ENDED = "ended"
    REFUSED = "refused"
    COMMAND = "command"
    TROUBLE = "trouble"
    MORE = "more"  # so many that they were not told one by one


@dataclass(frozen=True, slots=True)
class Webhook:
    """A place that alerts are posted to. What names it to people has no path: that may be a
    password."""

    host: str
    """A name, or an address without brackets."""
    port: int
    path: str = field(repr=False)
    """From the slash on, query included."""
    tls: bool = True

    def __str__(self) -> str:
        scheme, usual = ("https", 443) if self.tls else ("http", 80)
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{scheme}://{host}" + ("" if self.port == usual else f":{self.port}")


@dataclass(frozen=True, slots=True)
class WebhookSettings:
    """Alerts are posted to web servers."""

    places: tuple[Webhook, ...]
    """At least one; no two alike."""
    kinds: frozenset[WebhookKind] = frozenset(WebhookKind)
    """Of what is posted."""
    key: Secret | None = None
    """What each body is signed with; None: they are not signed."""
    seconds: float = 10.0
    """For one try, from the lookup of the name to the answer."""
    authorities: str = ""
    """Path of a PEM file with the authorities that count; empty: the system's."""
    host: str = ""
    """As in ``MailSettings``."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything of fwknopd.conf that is not about who may do what."""

    sources: tuple[SourceSettings, ...] = (UdpPort(),)
    """At least one; no two alike."""
    requests: HttpRequests | None = None
    """None: packets inside HTTP requests are not looked for."""
    firewall: FirewallSettings = FirewallSettings()
    log: LogSettings = LogSettings()
    run_dir: Path = Path("/run/fwknop")
    state_dir: Path = Path("/var/lib/watchword")
    pid_file: Path = Path("/run/fwknop/fwknopd.pid")
    digest_file: Path = Path("/run/fwknop/digest.cache")
    """fwknop's own replay memory, imported at start where it exists."""
    commands_at_once: int = AT_ONCE
    """Commands of callers that may run at the same time."""
    control: ControlSettings = ControlSettings()
    metrics: MetricsPlace | None = None
    """None: they are not served."""
    mail: MailSettings | None = None
    """None: no alerts are mailed."""
    webhooks: WebhookSettings | None = None
    """None: no alerts are posted."""
    audit_log: bool = False
    """True: what happened is written down in a chain in the state directory."""
    locale: str = ""
    """Of the daemon's process; empty: it is left as it is."""
    rotate: bool = False
    """True: the memory of packets is begun anew at the start."""
    packet_limit: int = 0
    """After this many packets the daemon ends; 0: it does not."""
    apart: bool = True
    """True: what reads packets and what may do things are two processes."""
    dry_run: bool = False
    """True: packets are judged and nothing is changed (``--test``)."""
