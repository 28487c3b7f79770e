"""What a client asks for that an access message has no field for: the rc file's words, and the
command message that says it to a Watchword server.

In here: BIND_SOURCE_PORT, ASK_PREFIX, ALSO_ALLOW and PROVE, their values, and the message.
Not in here: how a server reads it (grant.asking), every other message (client_request), which port
it is and what follows from that (service.tool).
"""

from __future__ import annotations

from watchword.dialects.fwknop import client_values as values
from watchword.dialects.fwknop.client_settings import AllowKind, Given
from watchword.errors import OperatorError
from watchword.model.actions import ADMIT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Final

BIND, PREFIX, ALSO, PROVE = "BIND_SOURCE_PORT", "ASK_PREFIX", "ALSO_ALLOW", "PROVE"
NO, FIRST, ONLY = "no", "first", "only"
OTHER: Final = "other"
"""In ALSO_ALLOW: this machine's own address of the other IP version."""
_MOST: Final = 6


def binding(text: str) -> str:
    """``first``, ``only`` or ``no``; yes is ``first``. Raises ValueError."""
    found = {"y": FIRST, "n": NO}.get(text.lower(), text.lower())
    if found not in (NO, FIRST, ONLY):
        raise ValueError(f"{text!r} is none of first, only and N")
    return found


def prefix(text: str) -> int:
    """Bits. Raises ValueError."""
    return values.number(text.removeprefix("/"), 1, 128)


def also(text: str) -> tuple[str, ...]:
    """Addresses, and ``other``, each once. Raises ValueError."""
    from ipaddress import ip_address  # noqa: PLC0415  (few runs need it)

    words = [each.lower() for each in text.replace(",", " ").split()]
    if not 1 <= len(set(words)) <= _MOST:
        raise ValueError(f"name 1 to {_MOST} addresses")
    for word in words:
        if word != OTHER and ("%" in word or not ip_address(word)):
            raise ValueError(f"{word!r} is no address")
    return tuple(dict.fromkeys(words))


def is_bound(settings: Given) -> str:
    """``first``, ``only`` or ``no``."""
    return binding(settings.elsewhere.get(BIND, NO))


def proves(settings: Given) -> bool:
    """Whether the first bytes of a connection prove that it is the knocker's."""
    return values.is_yes(settings.elsewhere.get(PROVE, "N"))


def _fitting(bits: int, settings: Given) -> int:
    """The length of a prefix, if the address in the packet has so many bits."""
    allow = settings.allow
    if (
        bits > 32
        and allow is not None
        and allow.kind is AllowKind.ADDRESS
        and ":" not in allow.text
    ):
        raise OperatorError(
            f"{PREFIX} {bits} is more than the 32 bits of {allow.text}",
            hint="write 1 to 32, or name an IPv6 address with -a",
        )
    return bits


def message(settings: Given, access: str, from_port: int, others: Sequence[str]) -> str:
    """What follows the address in the packet.

    Args:
        access: Services, as an access message has them.
        from_port: The caller's own, if the grant is to be for that; else 0.
        others: Addresses, beside the one that the packet names first.

    Raises OperatorError: it contradicts itself.
    """
    if settings.nat_access or settings.nat_local or settings.nat_rand_port:
        raise OperatorError(
            "Who is led on cannot be admitted in part: NAT options do not go with "
            f"{BIND}, {PREFIX} and {ALSO}.",
            hint="leave the one or the other out",
        )
    words = [ADMIT, access]
    if from_port:
        words += ["port", str(from_port)]
    elif PREFIX in settings.elsewhere:
        words += ["prefix", str(_fitting(prefix(settings.elsewhere[PREFIX]), settings))]
    for each in others:
        words += ["also", each]
    if settings.seconds:
        words += ["for", str(settings.seconds)]
    return " ".join(words)
