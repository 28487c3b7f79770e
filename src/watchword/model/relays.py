"""Through whom a packet goes to its server, where it does not go by itself.

In here: relays, and who we are to them.
Not in here: options and variables that choose one (dialects), what is spoken with
them (wire.carriers.relays, edges.send.relays).
"""

from __future__ import annotations

from enum import Enum

from watchword.model.crypto import Secret
from watchword.model.routes import endpoint
from watchword.record import record


class RelayKind(Enum):
    """What is spoken with a relay."""

    HTTP = "HTTP proxy"
    SOCKS4 = "SOCKS4 proxy"
    SOCKS5 = "SOCKS5 proxy"


@record
class Login:
    """Who we are to a relay."""

    user: str
    password: Secret


@record
class Relay:
    """Somebody who connects to the server for us, and looks its name up."""

    kind: RelayKind
    host: str
    port: int
    login: Login | None = None

    def __str__(self) -> str:
        """For messages; says nothing of the login."""
        return f"{self.kind.value} {endpoint(self.host, self.port)}"
