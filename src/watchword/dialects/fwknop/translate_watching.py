"""How the daemon can be watched: the variables about it, all of them Watchword's own.

In here: METRICS_LISTEN, and the name of AUDIT_LOG.
Not in here: logs (translate), what is served there (service.daemon.metrics).
"""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path
from typing import Final

from watchword.dialects.fwknop.fwknopd_conf import Values
from watchword.dialects.fwknop.lines import shown
from watchword.dialects.fwknop.server_complaints import Complaints
from watchword.model.settings import LoopbackPort, MetricsPlace, UnixSocket

METRICS: Final = "METRICS_LISTEN"
AUDIT: Final = "AUDIT_LOG"
_UNIX: Final = "unix:"
_LONGEST_SOCKET: Final = 107  # bytes of a path that the kernel takes
_REMEDY: Final = "write unix:/path, 127.0.0.1:port or [::1]:port, or remove the line"


def metrics(values: Values, complaints: Complaints) -> MetricsPlace | None:
    """Where metrics are served; None: nowhere, or what is written has been complained about."""
    text = values.text(METRICS)
    if not text or text.upper() == "NONE":
        return None
    try:
        return _socket(text.removeprefix(_UNIX)) if text.startswith(_UNIX) else _port(text)
    except ValueError as error:
        complaints.refuse(f"{METRICS} is '{shown(text)}': {error}", values.place(METRICS), _REMEDY)
        return None


def _socket(path: str) -> UnixSocket:
    if not path.startswith("/"):
        raise ValueError("the path is not absolute")
    if len(path.encode("utf-8", "surrogateescape")) > _LONGEST_SOCKET:
        raise ValueError(f"the path of a socket has {_LONGEST_SOCKET} bytes at the most")
    return UnixSocket(Path(path))


def _port(text: str) -> LoopbackPort:
    host, colon, port = text.rpartition(":")
    if not colon or not (port.isascii() and port.isdecimal()) or not 1 <= int(port[:9]) <= 65535:
        raise ValueError("that is no place with a port from 1 to 65535")
    try:
        bracketed = host.startswith("[") and host.endswith("]")
        address = ip_address(host[1:-1] if bracketed else host)
    except ValueError:
        raise ValueError("that is no address with a port") from None
    if bracketed != (address.version == 6):
        raise ValueError("an IPv6 address stands in brackets, and no other")
    if not address.is_loopback:
        raise ValueError("metrics are served to this host only, and that is no loopback address")
    return LoopbackPort(address, int(port))
