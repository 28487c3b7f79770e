"""Names of algorithms, and secrets that do not show themselves."""

from __future__ import annotations

from enum import IntEnum

from watchword.model.undisclosed import Undisclosed, alike
from watchword.record import record


class Digest(IntEnum):
    """Hash functions, numbered as on the SPA wire (wire format, chapter 5)."""

    MD5 = 1
    SHA1 = 2
    SHA256 = 3
    SHA384 = 4
    SHA512 = 5
    SHA3_256 = 6
    SHA3_512 = 7


class CipherMode(IntEnum):
    """Rijndael modes, numbered as on the SPA wire (wire format, chapter 6.2)."""

    ECB = 1
    CBC = 2
    CFB = 3
    OFB = 5
    CTR = 6
    ASYMMETRIC = 7
    LEGACY = 8


class Secret(Undisclosed):
    """Bytes of a key. Compares in constant time; never prints itself."""

    __slots__ = ("_octets",)

    def __init__(self, octets: bytes) -> None:
        """Raises TypeError for what is no bytes, and does not show it."""
        if not isinstance(octets, bytes):
            raise TypeError("a secret is bytes")
        self._octets = octets

    def reveal(self) -> bytes:
        """The key itself, for the one function that computes with it."""
        return self._octets

    def __len__(self) -> int:
        return len(self._octets)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and alike(self._octets, other._octets)

    def __hash__(self) -> int:
        raise TypeError("a secret is not a dictionary key")

    def __repr__(self) -> str:
        return f"<secret of {len(self._octets)} bytes>"


@record
class Credential:
    """What symmetric packets are sealed with. For OpenPGP see ``model.openpgp``."""

    key: Secret
    """1 to 32 bytes."""
    mode: CipherMode = CipherMode.CBC
    mac_key: Secret | None = None
    """1 to 136 bytes; None: the stanza's packets carry no HMAC."""
    mac_digest: Digest = Digest.SHA256

    def __post_init__(self) -> None:
        only_secrets(self.key, *(() if self.mac_key is None else (self.mac_key,)))


def only_secrets(*keys: object) -> None:
    """Raise TypeError for a key that would show itself in the ``repr`` of what it is put into."""
    if not all(isinstance(key, Secret) for key in keys):
        raise TypeError("a key is given as a Secret")
