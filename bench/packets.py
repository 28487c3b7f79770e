"""What is sent: valid packets, forged ones, and garbage.

In here: keys of numbered stanzas, the stanzas' text, packets sealed by the
product's own wire room, bytes that look like packets and are none.
Not in here: sending (sending, flood).
"""

from __future__ import annotations

import os
import time
from base64 import b64encode
from hashlib import sha256
from ipaddress import IPv4Address
from itertools import count

from watchword import spa

USER = "bench"
SERVICE_PORT = 22
SPA_PORT = 62201
LONG = 7200  # seconds a grant of the benchmark lasts unless its packet says otherwise

_allowed = count(int(IPv4Address("10.1.0.1")))


def fresh_addresses(number: int) -> list[str]:
    """Addresses of 10.0.0.0/8 that nobody was given before in this run."""
    return [str(IPv4Address(next(_allowed))) for _ in range(number)]


def _key(purpose: str, stanza: int) -> bytes:
    return sha256(f"benchmark {purpose} {stanza}".encode("ascii")).digest()


def credential(stanza: int) -> spa.Credential:
    return spa.Credential(
        key=spa.Secret(_key("key", stanza)), mac_key=spa.Secret(_key("mac", stanza))
    )


def key_text(stanza: int) -> str:
    """The lines of access.conf with a stanza's keys."""
    return (
        f"KEY_BASE64          {b64encode(_key('key', stanza)).decode('ascii')}\n"
        f"HMAC_KEY_BASE64     {b64encode(_key('mac', stanza)).decode('ascii')}\n"
    )


def access_text(stanzas: int, more: str = "") -> str:
    """access.conf with stanzas numbered from 1; ``more``: lines that each of them has."""
    return "\n".join(
        f"SOURCE              ANY\n"
        f"OPEN_PORTS          tcp/{SERVICE_PORT}\n"
        f"{key_text(number)}"
        f"FW_ACCESS_TIMEOUT   {LONG}\n"
        f"MAX_FW_TIMEOUT      {LONG}\n"
        f"{more}"
        for number in range(1, stanzas + 1)
    )


def sealed(allow: str, *, stanza: int = 1, seconds: int = 0, admit: str = "") -> bytes:
    """A valid packet that asks for the service on behalf of an address; ``admit``: from where, in
    the words of that message."""
    service = f"tcp/{SERVICE_PORT}"
    noise = os.urandom(16)
    message = spa.Message(
        random=f"{int.from_bytes(noise[:8], 'big') % 10**16:016d}",
        user=USER,
        sent_at=int(time.time()),
        version=spa.VERSION,
        type=spa.MessageType.COMMAND if admit else spa.MessageType.ACCESS,
        text=f"{allow},admit {service} {admit}" if admit else f"{allow},{service}",
        seconds=seconds,
    )
    return spa.seal(message, credential(stanza), salt=noise[8:])


def forged(number: int) -> list[bytes]:
    """Distinct packets that nothing but the HMAC tells from valid ones."""
    valid = sealed("10.0.0.1", stanza=0)  # no stanza has this number
    return [valid[:20] + b64encode(os.urandom(96)) + valid[148:] for _ in range(number)]


def random_bytes(number: int) -> list[bytes]:
    """As long as a packet; 1.6 % of them begin with one of the four right characters."""
    size = len(sealed("10.0.0.1"))
    return [os.urandom(size) for _ in range(number)]


def too_short(number: int) -> list[bytes]:
    """The right alphabet, and 100 characters, 40 fewer than the shortest packet there can be."""
    return [b"8" + b64encode(os.urandom(75))[:99] for _ in range(number)]


def wrong_alphabet(number: int) -> list[bytes]:
    """Random bytes behind the right first character, so that length and beginning are right."""
    return [b"8" + each[1:] for each in random_bytes(number)]
