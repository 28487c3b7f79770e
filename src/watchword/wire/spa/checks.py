"""Whether a field says what it may, without making anything of it (wire format, 4.3 to 4.8).

In here: user names, ports, and messages as nearly all are: a plain IPv4 address and ports.
Not in here: what fields mean, and whatever is not plain (grammar): this module says of every
text what ``grammar`` would say. Lengths, base64 and error numbers (fields, composing).

Whoever only sends has no use for addresses as objects, and starts sooner without them.
"""

from __future__ import annotations

from watchword.wire.spa.message import MessageType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

NOT_OF_USERS: Final = b'"/\\[]:;|=,+*?<>'
"""The printable ASCII characters that no user name has (4.3)."""
_OF_USERS: Final = bytes(range(0x20, 0x7F)).translate(None, NOT_OF_USERS)


class BadAddressError(ValueError):
    """The allow address is none."""


def is_user(octets: bytes) -> bool:
    """Whether these are one or more characters that user names are made of."""
    return bool(octets) and not octets.translate(None, _OF_USERS)


def check_text(text: str, type_: MessageType) -> None:
    """Raises ValueError where a message is not what its type says; BadAddressError is one."""
    if type_ is not MessageType.COMMAND:
        check_access(text)
        return
    from watchword.wire.spa.grammar import parse_command  # noqa: PLC0415  (few runs need it)

    parse_command(text)


def check_access(text: str) -> None:
    """``ip,proto/port[,proto/port...]``. Raises BadAddressError, ValueError for what follows."""
    address, *items = text.split(",")
    if not items:
        raise ValueError("no port is asked for")
    check_allow(address)
    for item in items:
        split_service(item)


def split_service(item: str) -> tuple[str, int]:
    """Read ``tcp/port`` or ``udp/port``. Raises ValueError."""
    name, _, port = item.partition("/")
    if name not in ("tcp", "udp"):
        raise ValueError("an item is not of the form tcp/port or udp/port")
    return name, parse_port(port)


def check_allow(text: str) -> None:
    """An allow address, as ``grammar.parse_allow`` takes it. Raises BadAddressError."""
    if _is_plain_ipv4(text):
        return
    from watchword.wire.spa.grammar import parse_allow  # noqa: PLC0415  (few runs need it)

    parse_allow(text)


def _is_plain_ipv4(text: str) -> bool:
    """Four decimal numbers without zeros in front: what is read in one way only."""
    parts = text.split(".")
    return len(parts) == 4 and all(
        part.isascii() and part.isdecimal() and len(part) <= 3 and str(int(part)) == part
        and int(part) <= 255
        for part in parts
    )  # fmt: skip


def parse_port(text: str) -> int:
    """Read 1 to 5 digits, leading zeros allowed. Raises ValueError outside 1 to 65535."""
    digits = text.isascii() and text.isdecimal() and len(text) <= 5
    if not digits or not 1 <= int(text) <= 65535:
        raise ValueError("a port is not a number from 1 to 65535")
    return int(text)
