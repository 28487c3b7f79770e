"""The port that a grant gets of its own, as both ends work it out.

In here: the rule. Not in here: whether a stanza has such ports (sharing), leading callers from
there to the service (grant.secret).

Who cannot open the packet cannot know it: it comes of the packet's plaintext, which begins with
random digits. No two packets have the same, and nothing has to be sent back.
"""

from __future__ import annotations

import hmac

from watchword.model.services import Service


def assigned(plaintext_digest: bytes, service: Service, ports: tuple[int, int]) -> int:
    """The port outside that leads to a service, for one packet.

    Args:
        plaintext_digest: SHA-256 of what is in the packet, 32 bytes.
        service: What the packet asks for.
        ports: The first and the last that there are.

    Returns:
        The first 16 hex digits of HMAC-SHA256, with the digest as key and ``watchword port
        tcp/22`` as message, as a number; its remainder by the number of ports, from the first on.
    """
    low, high = ports
    message = f"watchword port {service}".encode("ascii")
    number = int.from_bytes(hmac.digest(plaintext_digest, message, "sha256")[:8], "big")
    return low + number % (high - low + 1)
