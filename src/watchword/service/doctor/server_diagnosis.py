"""Says what is wrong with a server, from what was seen of it; each finding with a remedy.

In here: what each sight means: clock, process, ports, packets, files, disk. Nothing here
looks at anything.
Not in here: looking (server_examination), the firewall (firewall_diagnosis), options and
printing (doctor_server).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from watchword.dialects.fwknop import key_strength
from watchword.edges.firewall.ruleset import Chain
from watchword.edges.keeping import Looseness, Room
from watchword.edges.listeners import Listener
from watchword.errors import Complaint
from watchword.model.services import Service
from watchword.service.doctor.findings import Finding, fault, fine, remark, warning

LITTLE: Final = 16 << 20  # bytes; a database of a hundred thousand packets
SCANT: Final = 256 << 20  # bytes
FEW_NAMES: Final = 100  # files


def configuration(complaints: Iterable[Complaint]) -> Iterator[Finding]:
    """What the files' reader said, weak keys under their own topic."""
    for each in complaints:
        where = f"{each.place}: " if each.place else ""
        weak = each.hint.startswith(key_strength.REMEDY) or "key of stanza" in each.message
        topic = "keys" if weak else "configuration"
        if each.fatal:
            yield fault(topic, f"{where}{each.message}", each.hint)
        elif weak:
            yield warning(topic, f"{where}{each.message}", each.hint)
        else:
            yield remark(topic, f"{where}{each.message}", each.hint)


def clock(synchronised: bool | None, max_age: int | None) -> Finding:
    if max_age is None:
        return remark("clock", "time stamps of packets are not looked at, so the clock is not")
    if synchronised is None:
        return remark("clock", "whether the clock is kept right cannot be told here")
    if synchronised:
        return fine("clock", "the clock is kept right by a time service")
    return warning(
        "clock",
        "nothing keeps the clock of this host right, as far as the kernel knows; packets whose "
        f"time stamp is more than {max_age} seconds off are refused",
        "run a time service (chrony, systemd-timesyncd, ntpd); inside a container, on its host",
    )


def daemon(pid: int | None, others: Sequence[int]) -> Iterator[Finding]:
    """``others``: processes called fwknopd in this network that are not ours."""
    if pid is None:
        yield fault(
            "daemon", "fwknopd does not run, so nobody is let in", "start it: fwknopd, or its unit"
        )
    else:
        yield fine("daemon", f"fwknopd runs (process {pid})")
    for other in others:
        yield warning(
            "daemon",
            f"another fwknopd runs here (process {other}), with another PID file",
            "end the one that is not meant to be: two of them judge the same packets",
        )


def ports(
    wanted: Iterable[Service], found: Sequence[Listener], pid: int | None
) -> Iterator[Finding]:
    """``wanted``: what fwknopd's own sockets should be bound to."""
    for service in wanted:
        holders = [each for each in found if each.service == service]
        others = {each.pid: each.program for each in holders if each.pid and each.pid != pid}
        for other, program in others.items():
            yield fault(
                "daemon",
                f"the port {service} for packets is held by {program or 'a program'} "
                f"(process {other})",
                "end that program, or give fwknopd another UDPSERV_PORT or TCPSERV_PORT",
            )
        if pid is not None and not holders:
            yield fault(
                "daemon",
                f"fwknopd runs, and has no socket on {service}",
                "reload it (fwknopd -R), and see its log",
            )


def capture(heard: bool | None, way: str) -> Finding:
    """``heard``: whether the daemon counted a packet that was sent to it by ``way``."""
    if heard is None:
        return remark(
            "capture",
            f"whether packets are seen was not tried ({way})",
            "knock from outside, and look at watchword status",
        )
    if heard:
        return fine("capture", f"a packet of the doctor's own was seen ({way})")
    return fault(
        "capture",
        f"a packet of the doctor's own was not seen ({way})",
        "look at watchword status for drops, and at PCAP_INTF, PCAP_FILTER and UDPSERV_PORT",
    )


def files(
    loose: Iterable[tuple[Looseness, bool]], folders: Iterable[Path], gone: Iterable[Path]
) -> Iterator[Finding]:
    """``loose``: paths with whether they hold keys or who was let in; ``gone``: missing folders."""
    found = False
    for each, private in loose:
        if each.writable:
            found = True
            yield fault(
                "files",
                f"others than root can change {each.path}",
                f"chown root {each.path}; chmod go-w {each.path}",
            )
        if each.readable and private:
            found = True
            yield warning(
                "files", f"others than root can read {each.path}", f"chmod go-rwx {each.path}"
            )
    for folder in folders:
        found = True
        yield fault(
            "files",
            f"others than root can exchange what lies in {folder}",
            f"chown root {folder}; chmod go-w {folder}",
        )
    for folder in gone:
        found = True
        yield warning("files", f"{folder} is not there", "fwknopd makes it when it starts")
    if not found:
        yield fine("files", "configuration, keys and state belong to root alone")


def disk(folder: Path, left: Room | None) -> Finding:
    if left is None:
        return remark("disk", f"how much room there is for {folder} cannot be told")
    names = left.names is not None and left.names < FEW_NAMES
    if left.free < LITTLE or names:
        what = f"{left.names} more files" if names else f"{left.free >> 10} KiB"
        return fault(
            "disk",
            f"there is room for {what} only where {folder} lies; once it is full, every packet "
            "is refused, since it could be replayed",
            "make room there, or move STATE_DIR",
        )
    if left.free < SCANT:
        return warning(
            "disk",
            f"there are {left.free >> 20} MiB left where {folder} lies",
            "make room there, or move STATE_DIR",
        )
    return fine("disk", f"there are {left.free >> 20} MiB left where {folder} lies")


def old_tables(found: Mapping[str, Sequence[str]]) -> Iterator[Finding]:
    """The kernel's old tables, by the program that lists them, where grants are elsewhere."""
    for program, names in found.items():
        yield remark(
            "rules",
            f"{program} has tables as well ({', '.join(names)}): what a rule there drops, no "
            "grant lets in",
            f"look at {program}-save, and keep all rules with one make of iptables",
        )


def new_tables(there: Iterable[Chain]) -> Iterator[Finding]:
    """Chains of nftables that packets pass, where grants are in the kernel's old tables."""
    names = [str(each) for each in there if each.hook in ("prerouting", "input") and each.rules]
    if names:
        yield remark(
            "rules",
            f"nftables has chains as well ({', '.join(names)}): what a rule there drops, no "
            "grant lets in",
            "look at nft list ruleset, and keep all rules with one make of iptables",
        )
