"""Every variable of fwknopd.conf: its kind, default and range, and what is missing behind it.

In here: data. ``VARIABLES`` stands in the order in which ``--dump-config``
lists them; ``ALIASES`` are second names of the same variables.
Not in here: reading (fwknopd_conf), meaning (translate).

Defaults are the original's except where a comment says so. Sources: fwknopd
server, sections 3.2 to 3.5, 5 and 12.3.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from watchword.record import record, replace


class Kind(Enum):
    TEXT = "text"
    FLAG = "flag"  # on if the value begins with y
    NOT_NO = "flag, on unless it says no"  # on if set and not beginning with n
    NUMBER = "number"
    CHAIN = "chain"  # target, table, from-chain, position, own chain, position
    PATH = "absolute path"


@record
class Variable:
    name: str
    kind: Kind = Kind.TEXT
    default: str | None = None
    low: int = 0
    high: int = 0
    without: str = ""
    """What happens instead, where switching it on has no effect yet; else empty."""
    honoured: tuple[str, ...] = ()
    """The backends with which it has its effect all the same."""
    listed: bool = True
    """Whether ``--dump-config`` shows it even if it is not set."""

    def is_on(self, value: str) -> bool:
        """Whether a value asks for something; for text, whether it is not the default."""
        match self.kind:
            case Kind.FLAG:
                return value[:1] in ("y", "Y")
            case Kind.NOT_NO:
                return value[:1] not in ("n", "N")
            case Kind.CHAIN:
                return chain_fields(value) != chain_fields(self.default or "")
            case _:
                return value != (self.default or "") and value.upper() not in ("NONE", "__NONE__")


def chain_fields(value: str) -> list[str]:
    """The six fields of a chain; the direction that fwknop 1.9 has in the second is left out."""
    fields = [each.strip() for each in value.split(",")]
    directed = len(fields) == 7 and fields[1] in ("src", "dst", "both")
    return fields[:1] + fields[2:] if directed else fields


def _flag(
    name: str, default: str | None = "N", without: str = "", honoured: tuple[str, ...] = ()
) -> Variable:
    return Variable(name, Kind.FLAG, default, without=without, honoured=honoured)


def _number(name: str, default: str | None, low: int, high: int, without: str = "") -> Variable:
    return Variable(name, Kind.NUMBER, default, low, high, without)


def _chain(family: str, default: str, honoured: tuple[str, ...] = ()) -> Variable:
    return Variable(
        f"IPT_{family}_ACCESS",
        Kind.CHAIN,
        default,
        without="the nftables backend keeps grants in a table of its own (NFT_TABLE)",
        honoured=honoured,
    )


def _for_firewalld(*variables: Variable) -> tuple[Variable, ...]:
    why = "it is for FIREWALL_BACKEND firewalld"
    return tuple(replace(each, without=why, honoured=("firewalld",)) for each in variables)


TABLES: Final = ("iptables", "ipset")
"""The backends that hang into iptables, by chains of fwknop's."""
_RULES: Final = ("iptables", "firewalld")
_PORT: Final = 65535  # the original lets 131071 pass

_COMMON: Final = (
    Variable("PCAP_INTF", default="eth0"),
    Variable("PCAP_FILE", Kind.PATH),
    _flag("ENABLE_PCAP_PROMISC"),
    Variable("PCAP_FILTER", default="udp port 62201"),
    _number("PCAP_DISPATCH_COUNT", "100", 1, 8388608),
    _number("PCAP_LOOP_SLEEP", "100000", 1, 8388608),
    _flag("ENABLE_PCAP_ANY_DIRECTION", None),
    _flag("EXIT_AT_INTF_DOWN"),  # ours is N: an interface that went may come back
    _number("MAX_SNIFF_BYTES", "1500", 1, 32768),
    _flag("ENABLE_SPA_PACKET_AGING", "Y"),
    _number("MAX_SPA_PACKET_AGE", "120", 1, 100000),
    _flag("ENABLE_DIGEST_PERSISTENCE", "Y"),
    _number("RULES_CHECK_THRESHOLD", "20", 0, 131071),
    _number("CMD_EXEC_TIMEOUT", None, 0, 8388608),
    _flag("ENABLE_SPA_OVER_HTTP"),
    _flag("ENABLE_TCP_SERVER"),
    _number("TCPSERV_PORT", "62201", 1, _PORT),
    Variable("ENABLE_UDP_SERVER", Kind.NOT_NO, "N"),
    _number("UDPSERV_PORT", "62201", 1, _PORT),
    _number("UDPSERV_SELECT_TIMEOUT", "500000", 1, 8388608),
    Variable("LOCALE"),
    Variable("SYSLOG_IDENTITY", default="fwknopd"),
    Variable("SYSLOG_FACILITY", default="LOG_DAEMON"),
    _flag("ENABLE_X_FORWARDED_FOR"),
    _flag("ENABLE_DESTINATION_RULE"),
    _flag("ENABLE_RULE_PREPEND"),
    _flag("ENABLE_NAT_DNS", "Y"),
)

_FIREWALL: Final = (
    _flag("ENABLE_IPT_FORWARDING"),
    _flag("ENABLE_IPT_LOCAL_NAT"),
    _flag("ENABLE_IPT_SNAT"),
    Variable("SNAT_TRANSLATE_IP"),
    _flag("ENABLE_IPT_OUTPUT"),
    # Ours are N: a restart of the daemon is no reason to cut people off, and
    # the kernel ends each grant on time.
    _flag("FLUSH_IPT_AT_INIT"),
    Variable("FLUSH_IPT_AT_EXIT", Kind.NOT_NO, "N"),
    _chain("INPUT", "ACCEPT, filter, INPUT, 1, FWKNOP_INPUT, 1", (*TABLES, "firewalld")),
    _chain("OUTPUT", "ACCEPT, filter, OUTPUT, 1, FWKNOP_OUTPUT, 1", (*TABLES, "firewalld")),
    _chain("FORWARD", "ACCEPT, filter, FORWARD, 1, FWKNOP_FORWARD, 1", _RULES),
    _chain("DNAT", "DNAT, nat, PREROUTING, 1, FWKNOP_PREROUTING, 1", _RULES),
    _chain("SNAT", "SNAT, nat, POSTROUTING, 1, FWKNOP_POSTROUTING, 1", _RULES),
    _chain("MASQUERADE", "MASQUERADE, nat, POSTROUTING, 1, FWKNOP_MASQUERADE, 1", _RULES),
    _flag("ENABLE_IPT_COMMENT_CHECK", "Y"),
)

_FILES: Final = (
    Variable("FWKNOP_RUN_DIR", Kind.PATH, "/run/fwknop"),
    Variable("FWKNOP_CONF_DIR", default="/etc/fwknop"),
    Variable("ACCESS_FILE", default="/etc/fwknop/access.conf"),
    Variable("ACCESS_FOLDER"),
    Variable("FWKNOP_PID_FILE"),
    Variable("DIGEST_FILE"),
    Variable("GPG_HOME_DIR", default="/root/.gnupg"),
    Variable("GPG_EXE", default="/usr/bin/gpg"),
    Variable("SUDO_EXE", default="/usr/bin/sudo"),
    Variable("FIREWALL_EXE"),
    Variable("VERBOSE"),
    Variable("FAULT_INJECTION_TAG"),
)

_OURS: Final = (
    Variable("FIREWALL_BACKEND"),
    Variable("FIREWALL_ATTACH", default="guard"),
    Variable("GUARD_SERVICES"),
    Variable("GUARD_PUBLIC"),
    Variable("HIDDEN_SERVICES"),
    Variable("HIDDEN_EXCEPT"),
    Variable("HIDDEN_BEHIND"),
    Variable("NFT_TABLE", default="watchword"),
    Variable("NFT_JUMP_FROM"),
    Variable("NFT_FORWARD_FROM"),
    Variable("NFT_OUTPUT_FROM"),
    Variable("NFT_MARK", default="0x01000000"),
    Variable("NFT_SET4"),
    Variable("NFT_SET6"),
    Variable("NFT_SET4_TO"),
    Variable("NFT_SET6_TO"),
    Variable("IPSET_NAME", default="watchword"),
    *_for_firewalld(
        Variable("FIREWALLD_RULES", default="rich"),
        Variable("FIREWALLD_ZONES"),
        Variable("FIREWALLD_PRIORITY", default="-6220"),
        _flag("FIREWALLD_RELOAD_IF_FLUSHED"),
    ),
    Variable("STATE_DIR", Kind.PATH, "/var/lib/watchword"),
    Variable("PACKET_SOURCES"),
    Variable("TRUSTED_PROXIES"),
    _number("MAX_COMMANDS", "32", 1, 1000),
    _number("MAX_CONNECTIONS_PER_ADDRESS", "0", 0, 1_000_000),
    _flag("PRIVILEGE_SEPARATION", "Y"),
    Variable("CONTROL_GROUP"),
    _flag("CONTROL_GROUP_CHANGES"),
    Variable("POLICY_TESTS", Kind.PATH),
    Variable("ACTIONS_FILE", Kind.PATH),
    Variable("KNOCKD_CONF", Kind.PATH),
    Variable("METRICS_LISTEN"),
    Variable("SMTP_SERVER"),
    Variable("WEBHOOK_URL"),
    Variable("WEBHOOK_EVENTS", default="all"),
    Variable("WEBHOOK_KEY_FILE", Kind.PATH),
    Variable("WEBHOOK_CA_FILE", Kind.PATH),
    _number("WEBHOOK_TIMEOUT", "10", 1, 300),
    _flag("AUDIT_LOG"),
    Variable("LOG_STYLE", default="2.6"),
)


def _unlisted(*variables: Variable) -> tuple[Variable, ...]:
    return tuple(replace(each, listed=False) for each in variables)


_RARE: Final = _unlisted(
    # 2.6.11 only, and not in the numbered list of 2.6.10.
    _flag("ALLOW_ANY_USER_AGENT"),
    _flag("ENABLE_NFQ_CAPTURE"),
    Variable("NFQ_INTERFACE"),
    _number("NFQ_PORT", "62201", 1, _PORT),
    Variable("NFQ_TABLE", default="mangle"),
    Variable("NFQ_CHAIN", default="FWKNOP_NFQ"),
    _number("NFQ_QUEUE_NUMBER", "1", 0, 65535),
    _number("NFQ_LOOP_SLEEP", "500000", 1, 8388608),
)

_IPFW: Final = "it is for FIREWALL_BACKEND ipfw"


def _ipfw(*variables: Variable) -> tuple[Variable, ...]:
    return tuple(replace(each, without=_IPFW, honoured=("ipfw",)) for each in variables)


_BSD: Final = _unlisted(
    *_ipfw(
        _number("IPFW_START_RULE_NUM", "10000", 0, 131071),
        _number("IPFW_MAX_RULES", "65535", 1, 131071),
        _number("IPFW_ACTIVE_SET_NUM", "1", 0, 63),
        _number("IPFW_EXPIRE_SET_NUM", "2", 0, 63),
        _number("IPFW_EXPIRE_PURGE_INTERVAL", "30", 1, 131071),
        _flag("IPFW_ADD_CHECK_STATE"),
        Variable("ipfwCmd", default="/sbin/ipfw"),
    ),
    Variable(
        "PF_ANCHOR_NAME",
        default="fwknop",
        without="it is for FIREWALL_BACKEND pf",
        honoured=("pf",),
    ),
    Variable(
        "IPF_GROUP_NAME",
        default="fwknop",
        without="it is for FIREWALL_BACKEND ipf",
        honoured=("ipf",),
    ),
    *(
        Variable(name, without="it is for FIREWALL_BACKEND aws", honoured=("aws",))
        for name in ("AWS_SECURITY_GROUP", "AWS_REGION", "AWS_ENDPOINT", "AWS_RULE_NAME")
    ),
    replace(
        _number("AWS_LOOK_INTERVAL", "1", 1, 3600, without="it is for FIREWALL_BACKEND aws"),
        honoured=("aws",),
    ),
    _number("PF_EXPIRE_INTERVAL", "30", 1, 131071, without="grants end when they are over"),
)

_PERL: Final = _unlisted(
    _flag("ENABLE_EXTERNAL_CMDS"),
    Variable("EXTERNAL_CMD_OPEN"),
    Variable("EXTERNAL_CMD_CLOSE"),
    _number("EXTERNAL_CMD_ALARM", "30", 0, 8388608),
    _flag("ENABLE_EXT_CMD_PREFIX"),
    Variable("EXT_CMD_PREFIX", default="FWKNOP_"),
    _number("IPT_CMD_ALARM", "30", 1, 3600),
    Variable("IPT_EXEC_STYLE", default="waitpid"),
    _number("IPT_EXEC_SLEEP", "0", 0, 60),
    _number("IPT_EXEC_TRIES", "1", 0, 100),
    Variable("EMAIL_ADDRESSES"),
    Variable("ALERTING_METHODS", default="ALL"),
    Variable("HOSTNAME"),
    Variable("sendmailCmd", default="/usr/sbin/sendmail"),
    Variable("mailCmd", default="/usr/bin/mail"),
    Variable("FIREWALL_TYPE", without="other variables choose the firewall",
             honoured=("ipfw", *TABLES)),
    Variable("iptablesCmd", without="the firewall is not iptables", honoured=TABLES),
    Variable("AUTH_MODE", default="PCAP"),
    Variable("KNOCK_SOURCE"),
    _number("KNOCK_NFLOG_GROUP", "5", 0, 65535),
    _flag("ENABLE_SYSLOG_FILE", "Y"),
    Variable("IPT_SYSLOG_FILE", default="/var/log/messages"),
    _flag("TRUST_SYSLOG_FILE"),
    Variable("KNOPMD_FIFO", default="/var/lib/fwknop/fwknopfifo"),
    _flag("FW_SEARCH_ALL", "Y"),
    Variable("FW_MSG_SEARCH", default="DROP"),
    Variable("P0F_FILE", default="/etc/fwknop/pf.os"),
    _number("MAX_HOPS", "20", 1, 255),
    _flag("REQUIRE_SOURCE_ADDRESS"),
    Variable("BLACKLIST", default="NONE"),
    Variable("DIGEST_TYPE", default="ALL"),
    _flag("ENABLE_CONNTRACK_PERSIST", without="established connections go on in any case"),
    *(Variable(name) for name in (
        "shCmd", "ifconfigCmd", "mknodCmd",
        "fwknopdCmd", "fwknop_servCmd", "knopmdCmd", "knoptmCmd",
        "knopwatchdCmd", "PCAP_PKT_FILE", "SYSLOG_PRIORITY", "SYSLOG_DAEMON",
        "KNOPTM_SYSLOG_IDENTITY", "KNOPTM_SYSLOG_FACILITY", "KNOPTM_SYSLOG_PRIORITY",
        "FWSERV_SYSLOG_IDENTITY", "FWSERV_SYSLOG_FACILITY", "FWSERV_SYSLOG_PRIORITY",
        "ENABLE_COOKED_INTF", "ENABLE_DIGEST_INCLUDE_SRC",
        "ENABLE_PROC_IP_FORWARD", "PROC_IP_FORWARD_FILE", "ENABLE_VOLUNTARY_EXITS",
        "EXIT_INTERVAL", "ENABLE_INTF_CHECKS", "INTF_CHECKS_INTERVAL",
        "ENABLE_INTF_EXISTS_CHECK", "ENABLE_INTF_RUNNING_CHECK", "ENABLE_INTF_BYTES_CHECK",
        "CONNTRACK_ESTAB_PORTS", "IPT_CONNTRACK_FILE", "MIN_SPA_PKT_LEN", "MIN_GNUPG_MSG_SIZE",
        "ENABLE_FKO_MODULE", "SLEEP_INTERVAL", "KNOPWATCHD_CHECK_INTERVAL",
        "KNOPWATCHD_MAX_RETRIES", "KNOPTM_IP_TIMEOUT_SOCK", "FWKNOP_SERV_SOCK",
    )),
)  # fmt: skip

VARIABLES: Final = {
    each.name: each for each in (*_COMMON, *_FIREWALL, *_FILES, *_OURS, *_RARE, *_BSD, *_PERL)
}

_FIREWALLD: Final = {each.name.replace("IPT", "FIREWD"): each.name for each in _FIREWALL}

ALIASES: Final = {
    **{alias: name for alias, name in _FIREWALLD.items() if alias != name},
    "FLUSH_IPFW_AT_INIT": "FLUSH_IPT_AT_INIT",
    "FLUSH_IPFW_AT_EXIT": "FLUSH_IPT_AT_EXIT",
    "IPFW_RULE_NUM": "IPFW_START_RULE_NUM",
    "IPFW_SET_NUM": "IPFW_EXPIRE_SET_NUM",
    "IPFW_DYNAMIC_INTERVAL": "IPFW_EXPIRE_PURGE_INTERVAL",
    "DIGEST_DB_FILE": "DIGEST_FILE",
    "ACCESS_CONF": "ACCESS_FILE",
    "GPG_DEFAULT_HOME_DIR": "GPG_HOME_DIR",
    "PCAP_CMD_TIMEOUT": "CMD_EXEC_TIMEOUT",
    "gpgCmd": "GPG_EXE",
}

RESTRICTIONS: Final = frozenset({
    "ENABLE_SPA_PACKET_AGING", "MAX_SPA_PACKET_AGE", "ENABLE_DIGEST_PERSISTENCE",
    "ENABLE_DESTINATION_RULE", "REQUIRE_SOURCE_ADDRESS", "BLACKLIST", "DIGEST_TYPE",
    "GUARD_SERVICES", "HIDDEN_SERVICES",
    "FIREWALL_ATTACH", "FLUSH_IPT_AT_INIT", "FLUSH_IPT_AT_EXIT", "CONTROL_GROUP",
    "POLICY_TESTS",
})  # fmt: skip
"""Variables that can make less open than their defaults: a misspelt one is not passed over."""
