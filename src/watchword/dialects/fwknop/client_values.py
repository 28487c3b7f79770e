"""Reads the values of client options and rc variables.

In here: numbers, names of algorithms, time offsets, base64, the server's name;
each as the original reads it (client, sections 2 and 3).
Not in here: which option or variable takes which (client_options, rcfile_read),
what contradicts what (client_verify).

Functions raise ValueError with the sentence that the original prints, except
that no sentence quotes a key.
"""

from __future__ import annotations

from watchword.dialects.fwknop.client_settings import RelayForm, RelayWord
from watchword.model.crypto import CipherMode, Digest
from watchword.model.routes import Carrier
from watchword.record import record
from watchword.wire.spa import base64text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Final

MAX_SECONDS: Final = 131072  # of --fw-timeout; packets carry half of it
MAX_FILED_SECONDS: Final = 65536  # of FW_TIMEOUT
MAX_AGENT: Final = 99  # characters of a user agent
MAX_ICMP: Final = 255  # the original stops at 40 and 15, where IPv6 only begins
MAX_USER: Final = 29  # characters of a user name that was chosen
MAX_ANY_USER: Final = 63  # characters of one that was found
MAX_KEY_TEXT: Final = 128  # bytes of a passphrase; the rest is cut, as the original does

_TRUE: Final = frozenset({"y", "yes", "1", "true", "on"})
_DIGITS: Final = "0123456789"
_LONGEST_NUMBER: Final = 18
_OFFSET_UNITS: Final = {"m": 60, "h": 3600, "d": 86400}
_OFFSET_DIGITS: Final = 8
OFFSET_LIMIT: Final = 65536  # of whatever unit a time offset is given in


def leading_number(text: str) -> int:
    """Read as C's ``strtol`` does: trailing garbage is ignored, a word counts as 0."""
    said = text.lstrip(" \t\n\v\f\r")
    sign = said[:1] if said[:1] in ("+", "-") else ""
    rest = said.removeprefix(sign)
    digits = rest[: len(rest) - len(rest.lstrip(_DIGITS))]
    return int(sign + digits[:_LONGEST_NUMBER]) if digits else 0


def number(text: str, low: int, high: int) -> int:
    """A number within a range. Raises ValueError naming the range."""
    value = leading_number(text)
    if not low <= value <= high:
        raise ValueError(f"[*] Value {value} out of range [({low})-({high})]")
    return value


def port(text: str) -> int:
    return number(text, 0, 65535)


def seconds(text: str, most: int = MAX_SECONDS) -> int:
    value = leading_number(text)
    if not 0 <= value <= most:
        raise ValueError(f"--fw-timeout must be within [0-{most}]")
    return value


def length(text: str, what: str) -> int:
    """A length for ``--key-len`` or ``--hmac-key-len``; ``what`` is ``key`` or ``hmac key``."""
    value = leading_number(text)
    if not 1 <= value <= MAX_KEY_TEXT:
        raise ValueError(f"Invalid {what} length '{text}', must be in [1-{MAX_KEY_TEXT}]")
    return value


def is_yes(text: str) -> bool:
    """Whether a value switches something on; everything that is not a yes is a no."""
    return text.lower() in _TRUE


def digest(text: str, what: str = "digest") -> Digest:
    """A digest by its name; ``what`` is ``digest`` or ``hmac digest``."""
    try:
        return Digest[text.upper()]
    except KeyError:
        names = _listed(each.name.lower() for each in Digest)
        raise ValueError(f"* Invalid {what} type: {text}, use {names}") from None


def mode(text: str) -> CipherMode:
    try:
        return CipherMode[text.upper()]
    except KeyError:
        names = _listed(("CBC", "CTR", "legacy", "Asymmetric"))
        raise ValueError(f"* Invalid encryption mode: {text}, use {names}") from None


def transport(text: str) -> str:
    """A carrier by its name, in lower case."""
    try:
        return Carrier(text.lower()).value
    except ValueError:
        raise ValueError(f"Unrecognized protocol: {text}") from None


def http_proxy(text: str) -> RelayWord:
    """An HTTP proxy as -H has it. Raises ValueError; the text is not quoted."""
    from watchword.dialects.fwknop.client_relays import checked  # noqa: PLC0415  (few have one)

    return checked(RelayWord(RelayForm.HTTP, text))


def socks(text: str) -> RelayWord:
    """The same for --socks."""
    from watchword.dialects.fwknop.client_relays import checked  # noqa: PLC0415  (few have one)

    return checked(RelayWord(RelayForm.SOCKS, text))


@record
class Stop:
    """One carrier of a list, with the port that stands behind it."""

    carrier: Carrier
    port: int | None


def via(text: str) -> str:
    """A list of carriers as it is kept: ``udp,tcp:443,https``. Raises ValueError."""
    stops(text)
    return text.lower()


def stops(text: str) -> tuple[Stop, ...]:
    """The carriers of a list, at least one, each at most once with the same port."""
    found = []
    for word in text.lower().split(","):
        name, colon, behind = word.partition(":")
        found.append(Stop(Carrier(transport(name)), _written_port(behind) if colon else None))
    if len(set(found)) < len(found):
        raise ValueError(f"a carrier stands twice in {text!r}")
    return tuple(found)


def agent(text: str) -> str | None:
    """A user agent: one line of printable ASCII; an empty one is none.

    What is too long is cut, as the original does.
    """
    if not text:
        return None
    if not text.isascii() or not text.isprintable() or text != text.strip():
        raise ValueError("a user agent is one line of printable ASCII characters")
    return text[:MAX_AGENT].rstrip()


def icmp(text: str, what: str) -> int:
    """A type or code of ICMP; ``what`` says which."""
    value = leading_number(text)
    if not 0 <= value <= MAX_ICMP:
        raise ValueError(f"Invalid icmp {what} '{text}', must be in [0-{MAX_ICMP}]")
    return value


def spoof(text: str) -> str:
    """An address to send from, of either family."""
    from ipaddress import ip_address  # noqa: PLC0415  (few runs need it)

    try:
        address = ip_address(text)
    except ValueError:
        raise ValueError("Invalid spoof IP") from None
    if "%" in text:
        raise ValueError("Invalid spoof IP")
    return str(address)


def base64_key(text: str, what: str) -> str:
    """Check the alphabet of a key; ``what`` is ``Rijndael`` or ``HMAC``. Never quotes it.

    A ``=`` with more behind it is refused too: the original drops what follows.
    """
    key = text.rstrip("=")
    if text == "__CHANGEME__":
        raise ValueError(f"The {what} key is the placeholder of a sample file: put in a key.")
    if not (text and key.isascii() and base64text.is_text(key.encode("ascii"))) or "=" in key:
        raise ValueError(f"Base64 encoded {what} argument doesn't look like base64-encoded data.")
    return text


def time_offset(text: str) -> int:
    """Seconds, never negative. Digits are collected up to the first m, h or d (section 3)."""
    digits, factor = "", 1
    for letter in text:
        if letter.lower() in _OFFSET_UNITS:
            factor = _OFFSET_UNITS[letter.lower()]
            break
        if letter.isascii() and letter.isdecimal():
            digits += letter
    if not 1 <= len(digits) <= _OFFSET_DIGITS or int(digits) > OFFSET_LIMIT:
        raise ValueError(f"Invalid time offset: '{text}'")
    return int(digits) * factor


def signed_time_offset(text: str) -> int:
    """The same for the rc file, where a leading ``-`` selects subtraction."""
    return -time_offset(text[1:]) if text.startswith("-") else time_offset(text)


def offset_text(seconds: int) -> str:
    """An offset as it can be read back: in a unit in which the number is not too large."""
    sign, size = ("-", -seconds) if seconds < 0 else ("", seconds)
    for unit, factor in (("", 1), *_OFFSET_UNITS.items()):
        if size % factor == 0 and size // factor <= OFFSET_LIMIT:
            return f"{sign}{size // factor}{unit}"
    raise ValueError(f"{seconds} seconds is no time offset that can be written")


def perl_time_offset(text: str) -> int:
    """The same as the perl client reads it: a number without a unit is minutes."""
    if text.isascii() and text.isdecimal():
        return time_offset(f"{text}m")
    return time_offset(text)


def packet_version(text: str) -> str:
    if text not in ("1.9", "2.6"):
        raise ValueError(f"--packet-version is 1.9 or 2.6, and not {text}")
    return text


@record
class Server:
    host: str
    port: int | None
    """None: not written with the host."""


def server(text: str) -> Server:
    """Split ``host``, ``host:port``, an IPv6 address, or ``[address]:port``.

    Raises ValueError for a port outside 1 to 65535.
    """
    host, closed, behind = text.removeprefix("[").partition("]")
    if text.startswith("[") and closed and host and "[" not in host and _is_port_behind(behind):
        return Server(host, _written_port(behind[1:]) if behind else None)
    host, colon, rest = text.partition(":")
    if not colon or ":" in rest:
        return Server(text, None)
    return Server(host, _written_port(rest))


def _is_port_behind(text: str) -> bool:
    """Whether this may follow the bracket of an address: nothing, or a colon and digits."""
    digits = text.removeprefix(":")
    return not text or (text != digits and 1 <= len(digits) <= 5 and not digits.strip(_DIGITS))


def printable(text: str) -> str:
    """Text that cannot steer a terminal; characters that could are written as escapes."""
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode("ascii")
        for each in text
    )


def _written_port(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 5 and 1 <= int(text) <= 65535):
        raise ValueError(f"the port {text!r} is not within 1 to 65535")
    return int(text)


def _listed(names: Iterable[str]) -> str:
    return "{" + ",".join(names) + "}"
