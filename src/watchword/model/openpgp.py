"""OpenPGP as SPA uses it: key rings, who has to have signed, what came out of a message.

In here: values. Not in here: running gpg (edges.gpg), the packet around a
message (wire.spa.openpgp).
"""

from __future__ import annotations

import hashlib
from enum import StrEnum

from watchword.model.crypto import Digest, Secret, only_secrets
from watchword.record import record


@record
class Keyring:
    """A GnuPG home on this machine, and what opens its secret keys."""

    home: str = ""
    """Absolute path; empty: the program's own default."""
    program: str = "gpg"
    passphrase: Secret | None = None
    """None: the key has none."""
    agent: bool = False
    """True: the user's agent may be asked, and may ask the user. Never for a server."""

    def __post_init__(self) -> None:
        if self.passphrase is not None:
            only_secrets(self.passphrase)

    @property
    def name(self) -> bytes:
        """Equal for equal key rings, and gives the passphrase away to nobody."""
        secret = b"-" if self.passphrase is None else b"+" + self.passphrase.reveal()
        text = f"{self.program}\0{self.home}\0{self.agent}\0"
        octets = text.encode("utf-8", "surrogateescape") + secret
        return hashlib.blake2s(octets, key=b"watchword keyring").digest()


class SignatureState(StrEnum):
    """What gpg found out about a signature."""

    GOOD = "good"
    EXPIRED = "expired"
    KEY_EXPIRED = "made with an expired key"
    KEY_REVOKED = "made with a revoked key"
    BAD = "bad"
    UNKNOWN_KEY = "made with a key that is not in the key ring"


@record
class Signature:
    """One signature of an OpenPGP message, as gpg judges it."""

    state: SignatureState
    fingerprint: str
    """Of the signing key, 40 upper-case hex digits; only the last 16 where gpg knows no more."""
    primary: str = ""
    """Of the key that a signing subkey belongs to: the one that gpg shows to people."""
    trusted: bool = False
    """Whether the key is at least marginally valid: this key ring trusts it or has signed it."""


@record
class Decrypted:
    """What was in an OpenPGP message."""

    plaintext: bytes
    signatures: tuple[Signature, ...]
    """In the order in which gpg reports them; empty: the message was not signed."""


@record
class Signers:
    """Whose signature a packet needs (wire format, chapter 10)."""

    required: bool = True
    """False: signatures are not looked at, and whoever has the public key can send."""
    any_state: bool = False
    """True: there has to be a signature that somebody made, be its key expired or not trusted."""
    fingerprints: frozenset[str] = frozenset()
    """Of which one has to have signed, itself or by a subkey; 40 upper-case hex digits.
    Empty: not asked."""
    ids: frozenset[str] = frozenset()
    """The same for ends of fingerprints, 8 or 16 digits. Both kinds have to fit where both are."""


@record
class OpenPgpCredential:
    """What OpenPGP packets are sealed with, or a stanza's are opened with."""

    keyring: Keyring = Keyring()
    signers: Signers = Signers()
    mac_key: Secret | None = None
    """1 to 136 bytes; None: the packets carry no HMAC, and strangers can make gpg work."""
    mac_digest: Digest = Digest.SHA256

    def __post_init__(self) -> None:
        if self.mac_key is not None:
            only_secrets(self.mac_key)
