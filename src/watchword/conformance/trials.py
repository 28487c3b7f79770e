"""What a server program is tried with: datagrams, and what must become of each.

In here: the values, the stanza for a credential, what a message asks for. Pure.
Not in here: which trials there are (repertoire, server_vectors), which share one
start of a server (rounds), trying them (servers).

A packet is recorded with its random value and its time stamp, so a server must be
told not to look at its age, and sees each packet once in its life.
"""

from __future__ import annotations

import re
from base64 import b64encode
from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv4Address, ip_address
from typing import Final, NamedTuple

from watchword.model.crypto import CipherMode, Credential
from watchword.model.services import Service
from watchword.spa import ANY_SOURCE, parse_access

SENDER: Final = "192.0.2.77"
"""Where packets come from that are not recorded with a sender."""
SENDER_SIX: Final = "2001:db8:2::2"
"""The caller of the trio, where somebody asks over IPv6."""
ASKED_FOR: Final = "192.0.2.10"
"""Whom nearly all recorded packets want to let in."""
SECONDS: Final = 2
"""For how long is opened what names no time: what the server vectors were recorded with."""
LONGEST: Final = 3
"""Seconds that a packet may ask for; whoever asks for more gets these."""
SHORTEST_VISIBLE: Final = 2
"""Seconds; fwknopd counts in whole ones, so an opening for one may be over at once."""
GPG_HOME: Final = "<GPG_HOME>"
"""Stands in a stanza for the folder of a key ring, which is made when it is tried."""
USUAL: Final = ("ENABLE_SPA_PACKET_AGING N",)
_WATCHED: Final = tuple(map(Service.parse, ("tcp/22", "tcp/80", "tcp/443", "udp/53")))


class Must(Enum):
    """What must become of what a packet asks for."""

    OPEN = "opens"
    SHUT = "stays shut"
    EITHER = "opens or stays shut"


class Target(NamedTuple):
    """A service as seen from one address."""

    address: str
    service: Service


@dataclass(frozen=True, slots=True)
class Knock:
    """One datagram."""

    name: str
    payload: bytes
    must: Must
    targets: tuple[Target, ...]
    """What has to open, all of it; or what may not open, none of it."""
    source: str = SENDER
    offence: str = "it opens"
    """What is said of a server that opens what must stay shut."""


@dataclass(frozen=True, slots=True)
class Trial:
    """Datagrams in their order, at a server with these stanzas and settings."""

    group: str
    knocks: tuple[Knock, ...]
    access: str
    """Stanzas without a line for the services that may be opened, which is for the round to add."""
    credentials: tuple[Credential, ...]
    settings: tuple[str, ...] = USUAL
    shares: bool = True
    """Whether other stanzas may stand beside these."""
    optional: bool = False
    """Whether a server may have nothing of the sort: it is passed over if nothing opens."""

    @property
    def openpgp(self) -> bool:
        """Whether its packets are opened by gpg, and no lock says what is in them."""
        return GPG_HOME in self.access


class Unseen(NamedTuple):
    """A vector that cannot be judged from outside, and why."""

    group: str
    name: str
    why: str


def targets_of(message: str) -> tuple[Target, ...]:
    """What an access message asks for; empty where nobody could make use of it.

    Numbers with leading zeros name one address or another, as one reads them.
    """
    written = message.partition(",")[0]
    address, services = parse_access(message)
    who = SENDER if address == ANY_SOURCE else str(address)
    four = ip_address(who)
    usable = isinstance(four, IPv4Address) and not (four.is_loopback or four.is_reserved)
    if not usable or re.search(r"(?:^|\.)0[0-9]", written):
        return ()
    return tuple(Target(who, service) for service in dict.fromkeys(services))


def stanza(credential: Credential) -> str:
    """A stanza of access.conf for packets that are sealed with this."""
    lines = ["SOURCE ANY", f"KEY_BASE64 {_encoded(credential.key.reveal())}"]
    lines.append(f"ENCRYPTION_MODE {_mode(credential.mode)}")
    if credential.mac_key:
        lines.append(f"HMAC_KEY_BASE64 {_encoded(credential.mac_key.reveal())}")
        lines.append(f"HMAC_DIGEST_TYPE {credential.mac_digest.name.lower()}")
    return "\n".join((*lines, f"FW_ACCESS_TIMEOUT {SECONDS}", f"MAX_FW_TIMEOUT {LONGEST}", ""))


def _mode(mode: CipherMode) -> str:
    return "legacy" if mode is CipherMode.LEGACY else mode.name


def _encoded(key: bytes) -> str:
    return b64encode(key).decode("ascii")


def watched(source: str) -> tuple[Target, ...]:
    """What is looked at where nothing may open: usual services, for the usual addresses."""
    addresses = dict.fromkeys((ASKED_FOR, source))
    return tuple(Target(address, service) for address in addresses for service in _WATCHED)
