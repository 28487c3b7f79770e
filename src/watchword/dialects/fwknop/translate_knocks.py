"""Where port knocks come from, and by what the systems of those who knock are told.

In here: KNOCK_SOURCE and what follows from AUTH_MODE KNOCK without it, the kernel's log, NFLOG,
the interfaces, P0F_FILE and MAX_HOPS.
Not in here: what has to be knocked (access_conf_knock), packets (translate_sources).

KNOCK_SOURCE, KNOCK_NFLOG_GROUP and TRUST_SYSLOG_FILE are Watchword's own. Source: legacy port
knocking, sections 8 to 10 and 13. Differences: the named pipe is read by the daemon itself; a file
in which others have lines is not read.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from watchword.dialects.fwknop import pf_os
from watchword.dialects.fwknop.fwknopd_conf import Values
from watchword.dialects.fwknop.lines import not_opened, shown
from watchword.dialects.fwknop.server_complaints import Complaints
from watchword.errors import HostError, OperatorError
from watchword.model.old_knocks import Signatures
from watchword.model.policy import Terms
from watchword.model.settings import KnockGroup, KnockLog, KnockSniffer, KnockSource

WAYS: Final = ("log", "pipe", "nflog", "sniff")
KNOCK: Final = "KNOCK"
"""AUTH_MODE of fwknop 1.9 for port knocking."""
_SOURCE, _TRUST = "KNOCK_SOURCE", "TRUST_SYSLOG_FILE"
_FILES: Final = {"log": "IPT_SYSLOG_FILE", "pipe": "KNOPMD_FIFO"}


def is_heard(values: Values) -> bool:
    """Whether anybody listens for knocks."""
    return bool(_way(values))


def _way(values: Values) -> str:
    """Empty: nobody does."""
    if _SOURCE in values.given:
        return values.text(_SOURCE).lower()
    if values.text("AUTH_MODE") != KNOCK:
        return ""
    return "log" if values.flag("ENABLE_SYSLOG_FILE") else "pipe"


def knock_source(values: Values, interfaces: Callable[[], tuple[str, ...]]) -> KnockSource | None:
    """None: nobody listens for knocks. ``interfaces``: those that packets are sniffed on."""
    match _way(values):
        case "log" | "pipe" as way:
            return KnockLog(
                path=Path(values.text(_FILES[way])),
                pipe=way == "pipe",
                mixed=values.flag(_TRUST),
                prefixes=_prefixes(values),
            )
        case "nflog":
            return KnockGroup(values.number("KNOCK_NFLOG_GROUP"))
        case "sniff":
            return KnockSniffer(interfaces())
        case _:
            return None


def _prefixes(values: Values) -> tuple[str, ...]:
    if values.flag("FW_SEARCH_ALL"):
        return ()
    texts = (each.strip() for each in values.text("FW_MSG_SEARCH").split(","))
    return tuple(each for each in texts if each)


def verify(values: Values, stanzas: tuple[Terms, ...], complaints: Complaints) -> None:
    """What is said of knocks, and cannot be."""
    way = _way(values)
    if way and way not in WAYS:
        complaints.refuse(
            f"KNOCK_SOURCE is '{shown(way)}'",
            values.place(_SOURCE),
            f"write one of {', '.join(WAYS)}, or remove the line",
        )
    if way == "log" and values.flag(_TRUST):
        complaints.remark(
            "with TRUST_SYSLOG_FILE Y every user of this host can write a line that looks like the "
            "kernel's, and knock for anybody",
            values.place(_TRUST),
            "have syslog write what the kernel says, and no more, to a file or pipe of its own "
            "(docs/knocking.md), and remove the line",
        )
    elif way in _FILES:
        complaints.remark(
            "knocks are read from the kernel's log: where syslog goes by the facility (kern.*), "
            "every user of this host can send it a line like the kernel's, and knock for anybody",
            values.place(_SOURCE if _SOURCE in values.given else "AUTH_MODE"),
            'have rsyslog go by the input (:inputname, isequal, "imklog"), or use KNOCK_SOURCE '
            "nflog",
        )
    if way in _FILES and not values.text(_FILES[way]).startswith("/"):
        complaints.refuse(
            f"{_FILES[way]} is no absolute path", values.place(_FILES[way]), "begin it with /"
        )
    knocking = [terms for terms in stanzas if terms.knock is not None]
    if way and not knocking:
        complaints.remark(
            "port knocks are listened for, and no stanza has SHARED_SEQUENCE or ENCRYPT_SEQUENCE",
            values.place(_SOURCE if _SOURCE in values.given else "AUTH_MODE"),
            "add one, or have packets sent: AUTH_MODE PCAP",
        )


def signatures(
    values: Values, read: Callable[[str], str], complaints: Complaints, *, needed: bool
) -> Signatures:
    """Of P0F_FILE; of our own where that is not set and its default is not there."""
    if not needed:
        return Signatures()
    file, most_hops = values.text("P0F_FILE"), values.number("MAX_HOPS")
    text = pf_os.OURS
    try:
        text = read(file)
    except (OperatorError, HostError) as error:
        if "P0F_FILE" in values.given:
            complaints.refuse(not_opened("P0F", file), values.place("P0F_FILE"), str(error))
        file = "our own signatures"
    return Signatures(pf_os.read(text, file, complaints), most_hops)
