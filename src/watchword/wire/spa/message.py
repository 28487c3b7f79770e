"""The content of one SPA packet as values.

In here: the message types and what each carries (wire format, 4.1 and 4.10).
Not in here: text to values and back (fields), what the message asks for (grammar).
"""

from __future__ import annotations

from enum import IntEnum

from watchword.model.crypto import Digest
from watchword.record import record


class MessageType(IntEnum):
    """What a packet asks for, numbered as on the wire."""

    COMMAND = 0
    ACCESS = 1
    NAT_ACCESS = 2
    TIMEOUT_ACCESS = 3
    TIMEOUT_NAT_ACCESS = 4
    LOCAL_NAT_ACCESS = 5
    TIMEOUT_LOCAL_NAT_ACCESS = 6

    @property
    def display(self) -> str:
        """The name that fwknop shows and logs."""
        return _DISPLAY[self]

    @property
    def has_nat(self) -> bool:
        """Whether a NAT field follows the message."""
        return self in (2, 4, 5, 6)

    @property
    def has_timeout(self) -> bool:
        """Whether the last field is a timeout."""
        return self in (3, 4, 6)

    def for_seconds(self, seconds: int) -> MessageType:
        """The type that says the same with, or for 0 without, a timeout (4.10).

        A command never carries one and stays a command.
        """
        return (_TIMED if seconds else _UNTIMED).get(self, self)


_DISPLAY = {
    MessageType.COMMAND: "Command msg",
    MessageType.ACCESS: "Access msg",
    MessageType.NAT_ACCESS: "NAT access msg",
    MessageType.TIMEOUT_ACCESS: "Client timeout access msg",
    MessageType.TIMEOUT_NAT_ACCESS: "Client timeout NAT access msg",
    MessageType.LOCAL_NAT_ACCESS: "Local NAT access msg",
    MessageType.TIMEOUT_LOCAL_NAT_ACCESS: "Client timeout local NAT access msg",
}

_TIMED = {
    MessageType.ACCESS: MessageType.TIMEOUT_ACCESS,
    MessageType.NAT_ACCESS: MessageType.TIMEOUT_NAT_ACCESS,
    MessageType.LOCAL_NAT_ACCESS: MessageType.TIMEOUT_LOCAL_NAT_ACCESS,
}
_UNTIMED = {timed: plain for plain, timed in _TIMED.items()}


@record
class Message:
    """The fields of one packet.

    A message that was opened is valid; one that is to be sealed is checked
    when it is sealed. ``text``, ``nat`` and ``server_auth`` hold UTF-8; bytes
    that are none stand as surrogates (``surrogateescape``), so that nothing
    is lost.
    """

    random: str
    """Sixteen decimal digits, a nonce and nothing else."""
    user: str
    sent_at: int
    """The sender's clock, Unix seconds."""
    version: str
    """What the sender's protocol calls itself, for example ``3.0.0``."""
    type: MessageType
    text: str
    """``ip,proto/port,...`` or, for a command, ``ip,command``."""
    nat: str | None = None
    """``host,port``; None where the type has no NAT field."""
    server_auth: str | None = None
    """Free text that no server of the C line looks at."""
    seconds: int = 0
    """Duration asked for, 1 to 65536; 0: none named."""
    digest: Digest = Digest.SHA256
    """Which inner digest closes the plaintext."""
