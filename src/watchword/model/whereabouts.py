"""Who can be asked which address the outside sees us under.

In here: the three kinds of resolver as values.
Not in here: how an operator writes them (dialects), asking (edges.whereabouts).
"""

from __future__ import annotations

from enum import StrEnum
from typing import TypeAlias

from watchword.record import record


@record
class Web:
    """A page whose text begins with the caller's address."""

    host: str
    """A name, or an address of either family without brackets."""
    port: int
    path: str
    """From the slash on, query included."""
    tls: bool

    def __str__(self) -> str:
        """The URL, with its port only where that is not the scheme's own."""
        scheme, usual = ("https", 443) if self.tls else ("http", 80)
        port = "" if self.port == usual else f":{self.port}"
        return f"{scheme}://{bracketed(self.host)}{port}{self.path}"


@record
class Stun:
    """A STUN server (RFC 8489), over UDP."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"stun:{bracketed(self.host)}:{self.port}"


class Record(StrEnum):
    """What kind of DNS record has the address."""

    A = "A"
    AAAA = "AAAA"
    TXT = "TXT"


@record
class Dns:
    """A name server that answers one name with the address of whoever asks."""

    name: str
    host: str
    """The server that is asked."""
    port: int
    record: Record | None
    """None: A or AAAA, as suits the family."""

    def __str__(self) -> str:
        record = f"/{self.record}" if self.record else ""
        return f"dns:{self.name}@{bracketed(self.host)}:{self.port}{record}"


Resolver: TypeAlias = Web | Stun | Dns


def bracketed(host: str) -> str:
    """A host as it stands before a port: IPv6 addresses in brackets."""
    return f"[{host}]" if ":" in host else host
