"""A packet that every server grants: when it has opened something, all before it were read.

In here: its credential, what it asks for, for whom. Not in here: sending it (sittings).
"""

from __future__ import annotations

import secrets
import time
from ipaddress import ip_address
from typing import Final

from watchword.conformance.trials import Target
from watchword.model.crypto import Credential, Secret
from watchword.model.services import Proto, Service
from watchword.spa import access, seal

CALLER: Final = "192.0.2.99"
SERVICES: Final = tuple(Service(Proto.TCP, port) for port in range(2201, 2217))
"""Used in turn, so that a grant is over when its service comes round again."""
CREDENTIAL: Final = Credential(
    Secret(b"the yardstick's encryption key"), mac_key=Secret(b"and the yardstick's HMAC key")
)


def packet(target: Target) -> bytes:
    """A packet of this moment that asks for this. No two are alike."""
    message = access(
        ip_address(target.address),
        [target.service],
        user="yardstick",
        now=time.time(),
        random=secrets.token_bytes,
    )
    return seal(message, CREDENTIAL, salt=secrets.token_bytes(8))
