"""Which keys are no keys, which can be guessed, and which are two people's.

In here: the placeholder of sample files, weak keys, keys that stanzas share.
What a key has to be for the cipher (its length, its base64) is not in here:
access_conf_keys for the server, client_keys for the client.

The placeholder is refused. The others are remarked on and used all the same: a
server has to come up with the keys that its callers have. No sentence quotes a
key.
"""

from __future__ import annotations

from binascii import a2b_base64
from itertools import pairwise

from watchword.errors import Complaint
from watchword.model.crypto import CipherMode, Secret

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Final

    from watchword.model.policy import Terms

SHORT: Final = 16  # bytes; the key derivation is a single round of MD5, so guessing is cheap
REMEDY: Final = "make new keys with fwknop --key-gen"
_PLACEHOLDER: Final = "__CHANGEME__"
_FEW: Final = 6  # different bytes; sixteen random ones have fewer once in 10^18 keys
_FEW_DIGITS: Final = 20  # decimal digits; as many as 64 bits have
_LEGACY: Final = 16  # bytes of a passphrase in mode legacy, filled up with zeros (digits)
_PUBLISHED: Final = frozenset(
    {
        # what people type first, and examples of manuals and tutorials
        b"password", b"passphrase", b"passw0rd", b"changeme", b"change me", b"secret", b"letmein",
        b"default", b"admin", b"root", b"test", b"testkey", b"testing", b"thisisatestkey",
        b"fwknop", b"fwknopd", b"fwknoptest", b"knock", b"spa", b"watchword", b"mykey", b"key",
        b"mypassword", b"mysecretpassword", b"thisisasecretkey", b"qwertyuiopasdfgh",
        b"correcthorsebatterystaple", b"correct horse battery staple",
        # examples of access.conf(5) and of the original's fwknop(8)
        a2b_base64("wYLdxSPmvm1RNnHlRplHv2o4oMSqsjLTNb8ZIR1IdvM="),
        a2b_base64("HvUtIOramehLGKimD4ECXOzinaH4h3U8H1WXum7b54Q="),
        a2b_base64(
            "DLeLf93a3yBT2vhEpM+dWlirGta5GU+jdyG5uXp4461HgOtbqMem4gX0Bp2PJGzYZlbbcavcOM00UPm+0GqkXA=="
        ),
    }
)  # fmt: skip
"""Compared in lower case where a key is text."""


def is_placeholder(text: str) -> bool:
    """Whether a key, as it is written, is the sample files' "put a key here", or its base64."""
    if text.upper() == _PLACEHOLDER:
        return True
    try:
        return a2b_base64(text, strict_mode=True).upper() == _PLACEHOLDER.encode("ascii")
    except ValueError:
        return False


def weakness(key: Secret) -> str:
    """What lets somebody guess the key, to follow its name; empty if nothing is known."""
    octets = key.reveal()
    if octets in _PUBLISHED or octets.lower() in _PUBLISHED:
        return "is one that everybody can read or will try first"
    if len(octets) < SHORT:
        return f"is shorter than {SHORT} bytes and can be guessed"
    if _is_simple(octets):
        return "follows a simple pattern and can be guessed"
    return ""


def _is_simple(octets: bytes) -> bool:
    """Few different bytes, a repeated part, bytes in a row, or no more than a number."""
    different = len(set(octets))
    return (
        different < _FEW
        or (different <= len(octets) // 2 and _repeats(octets))
        or len({(after - before) % 256 for before, after in pairwise(octets)}) <= 2
        or (octets.isdigit() and len(octets) < _FEW_DIGITS)
    )


def _repeats(octets: bytes) -> bool:
    """Whether it is one part over and over; the last one may be cut off."""
    parts = range(1, len(octets) // 2 + 1)
    return any(octets[part:] == octets[:-part] for part in parts)


def shared_keys(stanzas: Iterable[Terms]) -> Iterator[Complaint]:
    """A remark on every stanza that has a key of an earlier one."""
    first: dict[tuple[str, bytes], Terms] = {}
    for terms in stanzas:
        kinds: dict[int, list[str]] = {}
        for kind, sign in _signs(terms).items():
            owner = first.setdefault((kind, sign), terms)
            if owner is not terms:
                kinds.setdefault(owner.number, []).append(kind)
        for number, found in kinds.items():
            yield Complaint(
                f"access stanza #{terms.number} has the {' and the '.join(found)} "
                f"of stanza #{number}: who can send for one can send for the other",
                terms.place,
                "unless both are for the same person, make keys for each with fwknop --key-gen",
                fatal=False,
            )


def _signs(terms: Terms) -> dict[str, bytes]:
    """A stand-in for each key, equal for keys that do the same."""
    signs = {}
    if terms.credential is not None:
        key = terms.credential.key.reveal()
        if terms.credential.mode is CipherMode.LEGACY:
            key = key[:_LEGACY].ljust(_LEGACY, b"0")
        signs["encryption key"] = _sign(key)
    if (knocked := getattr(terms.knock, "key", None)) is not None:
        signs["encryption key"] = _sign(knocked.reveal().ljust(_LEGACY, b"0"))
    if terms.mac_key is not None:
        signs["HMAC key"] = _sign(terms.mac_key.reveal())
    return signs


def _sign(octets: bytes) -> bytes:
    from hashlib import blake2s  # noqa: PLC0415  (servers only; loads OpenSSL)

    return blake2s(octets).digest()
