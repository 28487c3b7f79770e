"""What is known of a packet that was sent."""

from __future__ import annotations

from watchword.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

NOT_SENT: Final = "send_spa_packet: packet not sent."
"""The last line of fwknop's messages about a packet that stays here."""
UNKNOWN: Final = "send_spa_packet: whether the packet arrived is not known."
"""The same where somebody has the packet and does not say what became of it."""
NO_SIGN: Final = "no sign that it arrived"


@record
class Sent:
    """A packet that went out. Whether it arrived is another matter."""

    address: str
    """Which of the server's addresses was taken, or of the relay's."""
    port: int
    octets: int
    """Bytes handed over: the packet and what this carrier puts around it."""
    confirmed: bool = False
    """Whether the other side showed that it has the packet; that it opens the port is not said."""
    sign: str = ""
    """What was seen of that, for a person; empty: nobody looked."""
