"""How the daemon is set up: where packets come from, files, log, who may ask and is told.

Not in here: the firewall (firewalls), who may do what (policy).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TypeAlias

from watchword.errors import Place
from watchword.model.addresses import Address, Network
from watchword.model.commands import AT_ONCE
from watchword.model.crypto import Secret
from watchword.model.filters import Filter
from watchword.model.firewalls import FirewallSettings
from watchword.record import record


@record
class LogChains:
    """What lines about grants call the places where they are, whatever the firewall."""

    input: str = "FWKNOP_INPUT"
    output: str = ""
    """Empty: nothing is said of answers."""
    answers_apart: bool = False
    """True: they are let out for some grants only (``Grant.answers``)."""
    forward: str = "FWKNOP_FORWARD"
    dnat: str = "FWKNOP_PREROUTING"
    snat: str = "FWKNOP_POSTROUTING"
    masquerade: str = "FWKNOP_MASQUERADE"


class LogStyle(StrEnum):
    """Which of the wordings that fwknopd had over the years a log has."""

    LATEST = "2.6"  # where 2.6.10 and 2.6.11 differ, both
    OLD = "2.5"  # what 2.0 to 2.5 said of packets and grants


@record
class LogSettings:
    identity: str = "fwknopd"
    facility: str = "LOG_DAEMON"
    verbosity: int = 0
    """0 info and worse, 1 debug as well."""
    chains: LogChains = LogChains()
    style: LogStyle = LogStyle.LATEST
    syslog: bool = True
    """False: nothing is told to the system's log (ALERTING_METHODS nosyslog)."""


@record
class UdpPort:
    """A UDP socket on every address of this host."""

    port: int = 62201


@record
class TcpPort:
    """A TCP socket on every address of this host; each connection is one packet."""

    port: int = 62201


@record
class CaptureFilter:
    """Which packets are looked at, in tcpdump's words."""

    text: str
    """Empty: all."""
    tests: Filter | None = None
    """What the words mean; None: ``text`` is empty, or ``puzzle`` says why not."""
    puzzle: str = ""
    """Not empty: we do not understand the words, and which of them."""
    place: Place | None = None
    """Where the words stand."""

    def __eq__(self, other: object) -> bool:
        """Whether the words are the same, wherever they stand: what is open by them goes on."""
        return isinstance(other, CaptureFilter) and other.text == self.text

    def __hash__(self) -> int:
        return hash(self.text)


@record
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


@record
class CaptureFile:
    """A capture file is read to its end and then followed as it grows."""

    path: Path
    filter: CaptureFilter


@record
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


@record
class KnockLog:
    """Knocks are read from the kernel's log, as the system's log writes it."""

    path: Path
    pipe: bool = False
    """True: a named pipe; False: a file."""
    mixed: bool = False
    """True: a file in which others have lines as well is read all the same."""
    prefixes: tuple[str, ...] = ()
    """With one of these the text of the firewall's rule begins; empty: any will do."""


@record
class KnockGroup:
    """Knocks are what rules of the firewall log to a group by netlink (NFLOG)."""

    group: int


@record
class KnockSniffer:
    """Knocks are what comes in by an interface, before the firewall."""

    interfaces: tuple[str, ...]
    """Empty: all of them."""


KnockSource: TypeAlias = KnockLog | KnockGroup | KnockSniffer
"""The way by which hits of old knocks come."""
SourceSettings: TypeAlias = (
    UdpPort | TcpPort | Sniffer | CaptureFile | PacketQueue | KnockLog | KnockGroup | KnockSniffer
)
"""One way by which packets or hits come."""


@record
class HttpRequests:
    """Packets inside HTTP requests are looked for."""

    any_agent: bool = False
    """True: whatever the User-Agent is; False: it begins with ``Fwknop``."""
    proxies: tuple[Network, ...] = ()
    """Whose X-Forwarded-For is believed, over connections."""
    connections: bool = False
    """Whether connections are taken at all: what proxies send is not looked at elsewhere then."""


@record
class ControlSettings:
    """Who may use the control socket, besides root."""

    group: int | None = None
    """The id of a group whose members may ask; None: there is none."""
    group_changes: bool = False
    """True: they may change what is open, too."""


@record
class UnixSocket:
    path: Path

    def __str__(self) -> str:
        return f"unix:{self.path}"


@record
class LoopbackPort:
    """A TCP port that only this host reaches."""

    address: Address
    port: int

    def __str__(self) -> str:
        host = f"[{self.address}]" if self.address.version == 6 else str(self.address)
        return f"{host}:{self.port}"


MetricsPlace: TypeAlias = UnixSocket | LoopbackPort
"""Where metrics are served."""


@record
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


@record
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


@record
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
