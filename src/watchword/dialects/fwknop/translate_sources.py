"""By which ways packets come.

In here: PACKET_SOURCES, NFQ_*, PCAP_FILE, ENABLE_UDP_SERVER, ENABLE_TCP_SERVER and their ports,
PCAP_* and what else is about sniffing.
Not in here: HTTP requests (translate_requests), what is hidden (translate_guard), receiving
(edges.capture), the words of filters (pcap_filter).

PACKET_SOURCES is Watchword's own. Source: fwknopd server, section 7.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from watchword.dialects import pcap_filter
from watchword.dialects.fwknop import translate_knocks
from watchword.dialects.fwknop.fwknopd_conf import Values
from watchword.dialects.fwknop.lines import shown
from watchword.dialects.fwknop.server_complaints import Complaints
from watchword.model.policy import Terms
from watchword.model.services import Proto, Service
from watchword.model.settings import (
    CaptureFile,
    CaptureFilter,
    KnockGroup,
    KnockLog,
    KnockSniffer,
    PacketQueue,
    Sniffer,
    SourceSettings,
    TcpPort,
    UdpPort,
)

WAYS: Final = ("udp", "tcp", "sniff", "file", "nfq")
_FILES_OF_PERL: Final = ("FILE_PCAP", "ULOG_PCAP")
"""Values of AUTH_MODE."""
_SOCKET: Final = "SOCKET"
_FILE_OF_PERL: Final = "/var/log/sniff.pcap"
_INTERFACE = re.compile(r"[!-.0-~]{1,15}")  # no blank and no slash, as the kernel has it
_QUOTABLE_INTERFACE = re.compile(r"[A-Za-z0-9._@:-]{1,15}")
_CHAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,27}")


def sources(values: Values, complaints: Complaints) -> tuple[SourceSettings, ...]:
    """Every way by which packets come, at least one."""
    made: dict[str, Callable[[], SourceSettings]] = {
        "tcp": lambda: TcpPort(_port(values, "TCPSERV_PORT")),
        "udp": lambda: UdpPort(_port(values, "UDPSERV_PORT")),
        "sniff": lambda: _sniffer(values, complaints),
        "nfq": lambda: _queue(values, complaints),
        "file": lambda: CaptureFile(Path(_capture_file(values)), _filter(values)),
    }
    found = tuple(made[name]() for name in named_ways(values) if name in made)
    knocks = translate_knocks.knock_source(values, lambda: _interfaces(values, complaints))
    return (*found, knocks) if knocks is not None else found


def doors(values: Values) -> frozenset[Service]:
    """The ports of our own that have to stay reachable for packets."""
    ways = named_ways(values)
    names = (("udp", Proto.UDP, "UDPSERV_PORT"), ("tcp", Proto.TCP, "TCPSERV_PORT"))
    return frozenset(
        Service(proto, _port(values, name)) for way, proto, name in names if way in ways
    )


def verify(values: Values, complaints: Complaints) -> None:
    """What is said of the ways by which packets come, and cannot be."""
    ways = named_ways(values)
    for unknown in (each for each in ways if each not in WAYS):
        complaints.refuse(
            f"PACKET_SOURCES has '{shown(unknown)}', which is no way for packets to come",
            values.place("PACKET_SOURCES"),
            f"write some of {', '.join(WAYS)}",
        )
    if not ways and "PACKET_SOURCES" in values.given:
        complaints.refuse(
            "PACKET_SOURCES is empty: no packet would ever come",
            values.place("PACKET_SOURCES"),
            f"write some of {', '.join(WAYS)}, or remove the line",
        )
    _verify_file(values, ways, complaints)
    _verify_mode(values, complaints)
    if "sniff" not in ways and values.text("KNOCK_SOURCE") != "sniff":
        _remark_on_options(values, complaints)


def _verify_file(values: Values, ways: tuple[str, ...], complaints: Complaints) -> None:
    if "file" in ways and not _capture_file(values):
        complaints.refuse(
            "PACKET_SOURCES has file, and PCAP_FILE is not set",
            values.place("PACKET_SOURCES"),
            "add PCAP_FILE and the path of the capture file",
        )
    if "file" not in ways and values.text("PCAP_FILE"):
        complaints.remark(
            "PCAP_FILE has no effect: packets come in another way",
            values.place("PCAP_FILE"),
            "to read them from the file, write ENABLE_UDP_SERVER N",
        )
    if any_age(values):
        complaints.remark(
            "packets from a capture file may be of any age",
            values.place("PCAP_FILE"),
            "write ENABLE_SPA_PACKET_AGING Y if the file is being written now",
        )


def _remark_on_options(values: Values, complaints: Complaints) -> None:
    """Options that are about sniffing, where nobody sniffs."""
    for name, option in (("PCAP_INTF", "--interface"), ("PCAP_FILTER", "--pcap-filter")):
        if name in values.given and values.given[name].name == option:
            complaints.remark(
                f"{option} has no effect: packets come to a socket, and it listens on every "
                "interface",
                values.place(name),
                "to sniff, write ENABLE_UDP_SERVER N",
            )


def verify_interfaces(
    stanzas: Sequence[Terms], sources: Sequence[SourceSettings], complaints: Complaints
) -> None:
    """A stanza for some interfaces needs packets of which it is known where they were seen."""
    knocks = KnockLog | KnockGroup | KnockSniffer
    if all(isinstance(each, Sniffer | PacketQueue | knocks) for each in sources):
        return
    for terms in stanzas:
        if terms.interfaces and terms.knock is None:
            complaints.refuse(
                "RESTRICT_INTF counts for packets that are sniffed, and here they come in another "
                "way as well: nobody could tell where those were seen",
                terms.place,
                "write ENABLE_UDP_SERVER N and PCAP_INTF, or use DESTINATION",
            )


def _verify_mode(values: Values, complaints: Complaints) -> None:
    """AUTH_MODE of fwknop 1.9. Where it wants no SPA packets none may open anything."""
    mode, place = values.text("AUTH_MODE"), values.place("AUTH_MODE")
    if mode == _SOCKET and not _served(values):
        complaints.refuse(
            "AUTH_MODE SOCKET, and neither ENABLE_TCP_SERVER nor ENABLE_UDP_SERVER is Y: no packet "
            "would ever come",
            place,
            "write ENABLE_TCP_SERVER Y, or AUTH_MODE PCAP to sniff",
        )
    elif mode not in ("PCAP", _SOCKET, *_FILES_OF_PERL, translate_knocks.KNOCK):
        complaints.refuse(
            f"AUTH_MODE {shown(mode)} is none that fwknop 1.9 knew",
            place,
            "write AUTH_MODE PCAP to take SPA packets, or KNOCK for port knocks",
        )


def _served(values: Values) -> tuple[str, ...]:
    """The ways of AUTH_MODE SOCKET: sockets only."""
    switches = (("tcp", "ENABLE_TCP_SERVER"), ("udp", "ENABLE_UDP_SERVER"))
    return tuple(way for way, name in switches if values.flag(name))


def named_ways(values: Values) -> tuple[str, ...]:
    """Names of the ways: those that are listed or, as in fwknopd, one and perhaps TCP."""
    if "PACKET_SOURCES" in values.given:
        listed = [each.strip().lower() for each in values.text("PACKET_SOURCES").split(",")]
        return tuple(dict.fromkeys(filter(None, listed)))
    if values.text("AUTH_MODE") == _SOCKET:
        return _served(values)
    if values.text("AUTH_MODE") == translate_knocks.KNOCK:
        return ()
    way = "udp" if values.flag("ENABLE_UDP_SERVER") else "sniff"
    if way == "sniff" and _capture_file(values):
        way = "file"
    if values.flag("ENABLE_NFQ_CAPTURE"):
        way = "nfq"
    return ("tcp", way) if values.flag("ENABLE_TCP_SERVER") else (way,)


def _capture_file(values: Values) -> str:
    """The file that packets are read from; empty: none."""
    if values.text("PCAP_FILE") or values.text("AUTH_MODE") not in _FILES_OF_PERL:
        return values.text("PCAP_FILE")
    return values.text("PCAP_PKT_FILE") or _FILE_OF_PERL


def any_age(values: Values) -> bool:
    """Whether packets may be of any age because they come from a file, and nothing else is said.

    fwknopd's own habit: who reads an old capture wants to see what was in it. Not
    where packets come in another way as well: the limit is one for all of them.
    The perl line followed files as they were written, and kept the limit.
    """
    return (
        named_ways(values) == ("file",)
        and bool(values.text("PCAP_FILE"))
        and "ENABLE_SPA_PACKET_AGING" not in values.given
    )


def _interfaces(values: Values, complaints: Complaints) -> tuple[str, ...]:
    """Empty: all of them."""
    names = dict.fromkeys(each.strip() for each in values.text("PCAP_INTF").split(","))
    for name in names:
        if not _INTERFACE.fullmatch(name):
            complaints.refuse(
                f"PCAP_INTF has '{shown(name)}', which cannot be the name of an interface",
                values.place("PCAP_INTF"),
                "write names as ip link shows them, such as eth0, or any",
            )
    return () if "any" in names else tuple(names)


def _sniffer(values: Values, complaints: Complaints) -> Sniffer:
    gone = "EXIT_AT_INTF_DOWN"
    return Sniffer(
        interfaces=_interfaces(values, complaints),
        filter=_filter(values),
        promiscuous=values.flag("ENABLE_PCAP_PROMISC"),
        both_directions=values.flag("ENABLE_PCAP_ANY_DIRECTION"),
        longest=values.number("MAX_SNIFF_BYTES"),
        ends_with_interface=values.flag(gone),
    )


def _queue(values: Values, complaints: Complaints) -> PacketQueue:
    chain, interface = values.text("NFQ_CHAIN"), values.text("NFQ_INTERFACE")
    if not _CHAIN.fullmatch(chain):
        complaints.refuse(
            f"NFQ_CHAIN is '{shown(chain)}', which cannot be the name of a chain",
            values.place("NFQ_CHAIN"),
            "use up to 28 letters, digits and _",
        )
    if interface and not _QUOTABLE_INTERFACE.fullmatch(interface):
        complaints.refuse(
            f"NFQ_INTERFACE is '{shown(interface)}', which cannot be the name of an interface",
            values.place("NFQ_INTERFACE"),
            "write a name as ip link shows it, such as eth0",
        )
    if (table := values.text("NFQ_TABLE")) not in ("mangle", "raw"):
        complaints.refuse(
            f"NFQ_TABLE is '{shown(table)}': the rules have to stand before the firewall's",
            values.place("NFQ_TABLE"),
            "write NFQ_TABLE mangle, or raw",
        )
    return PacketQueue(
        port=_port(values, "NFQ_PORT"),
        interface=interface,
        number=values.number("NFQ_QUEUE_NUMBER"),
        table=table,
        chain=chain,
    )


def _filter(values: Values) -> CaptureFilter:
    text, place = values.text("PCAP_FILTER"), values.place("PCAP_FILTER")
    try:
        return CaptureFilter(text, pcap_filter.parse(text), place=place)
    except pcap_filter.NotUnderstoodError as puzzle:
        return CaptureFilter(text, puzzle=shown(str(puzzle)), place=place)


def _port(values: Values, name: str) -> int:
    """Some port if the value has been complained about."""
    port = values.number(name)
    return port if 1 <= port <= 65535 else 62201
