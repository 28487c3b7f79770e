"""How the sources come to sockets and files for which one needs rights.

In here: one function for each kind, ourselves unless somebody else does it. Not in here: what
is read from them.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

from watchword.edges.capture import file, hit_group, libpcap, log_rights, tap, tcp, udp
from watchword.edges.programs import SystemPrograms
from watchword.record import record
from watchword.wire.bpf import Program


def _compiled(text: str, why: str) -> Program:
    return libpcap.compiled(text, why, SystemPrograms())


def opened_log(path: Path, pipe: bool) -> int:
    return log_rights.opened_pipe(path) if pipe else log_rights.opened_log(path)


@record
class Openers:
    """Each raises what the functions here raise."""

    udp: Callable[[int, int], socket.socket] = udp.bound
    """Family and port."""
    tcp: Callable[[int, int], socket.socket] = tcp.listening
    packets: Callable[[bool], socket.socket] = tap.deaf_socket
    """Whether of all interfaces."""
    capture: Callable[[Path], int] = file.opened
    compiled: Callable[[str, str], Program] = _compiled
    """A capture filter, and what of it we do not understand."""
    log: Callable[[Path, bool], int] = opened_log
    """What the kernel's log is in, a file or, if so, a named pipe."""
    group: Callable[[int], socket.socket] = hit_group.joined
    """Of the firewall's log by netlink."""
    queues: bool = True
    """Whether this process may read netfilter queues; nobody else can do that for it."""
