"""Tells a service manager how this process is doing, as systemd understands it.

In here: the datagram, and what the manager asks for in the environment (sd_notify(3)).
Not in here: when there is something to tell (service.daemon.serving).
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from contextlib import suppress


def notify(state: str, environment: Mapping[str, str] = os.environ) -> None:
    """Send a state, such as ``READY=1``, to whoever wants to know. Never raises."""
    place = environment.get("NOTIFY_SOCKET", "")
    if place[:1] not in ("/", "@") or len(place) < 2:
        return
    address = f"\0{place[1:]}" if place[0] == "@" else place
    with suppress(OSError, ValueError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.settimeout(1.0)
        channel.connect(address)
        channel.sendall(state.encode("utf-8"))


def watchdog(environment: Mapping[str, str] = os.environ) -> float | None:
    """Seconds after which the manager takes silence for death; None: it does not watch us."""
    who, wanted = environment.get("WATCHDOG_PID"), environment.get("WATCHDOG_USEC", "")
    if who not in (None, "", str(os.getpid())) or not (wanted.isascii() and wanted.isdecimal()):
        return None
    return int(wanted) / 1e6 or None
