"""What a network says of a packet that it could not deliver (RFC 792, RFC 4443).

In here: whether an ICMP message speaks of a packet to some address, and what
it says.
Not in here: hearing such messages (edges.send.raw).

That nobody listens on the port is not among them: servers that sniff take
packets for ports where nobody listens.
"""

from __future__ import annotations

from typing import Final

from watchword.model.addresses import Address

_FOUR: Final = {
    (3, 0): "no route to it", (3, 1): "no such host", (3, 9): "forbidden", (3, 10): "forbidden",
    (3, 13): "forbidden", (11, 0): "too far away",
}  # fmt: skip
_SIX: Final = {
    (1, 0): "no route to it", (1, 1): "forbidden", (1, 3): "no such host", (1, 5): "forbidden",
    (1, 6): "no route to it", (3, 0): "too far away",
}  # fmt: skip


def undelivered(message: bytes, destination: Address) -> str:
    """Why a packet to this address did not arrive; empty if the message says nothing of that.

    Args:
        message: As a raw socket gives it: for IPv4 with its IP header, for IPv6
            without.
    """
    if destination.version == 6:
        reason = _SIX.get((message[0], message[1])) if len(message) >= 48 else None
        return reason or "" if message[32:48] == destination.packed else ""
    icmp = message[(message[0] & 15) * 4 :] if message else b""
    reason = _FOUR.get((icmp[0], icmp[1])) if len(icmp) >= 28 else None
    return reason or "" if icmp[24:28] == destination.packed else ""
