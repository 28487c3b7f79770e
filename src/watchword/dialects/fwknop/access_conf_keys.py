"""Reads a stanza's keys into a credential.

In here: KEY, HMAC_KEY and their base64 forms, mode and digest, and what is
wrong with a key.
Not in here: the other lines of a stanza (access_conf_stanza), weak keys
(key_strength), cryptography (wire).

No message quotes a key, where the original's does. Source: access.conf, 4.3 and 4.7.
"""

from __future__ import annotations

import binascii
import re
from base64 import b64decode
from collections.abc import Iterator

from watchword.dialects.fwknop.access_conf import Stanza
from watchword.dialects.fwknop.access_conf_table import SECRETS
from watchword.dialects.fwknop.key_strength import REMEDY, is_placeholder, weakness
from watchword.dialects.fwknop.lines import Entry, shown
from watchword.errors import Complaint
from watchword.model.crypto import CipherMode, Credential, Digest, Secret

LONGEST_KEY = 32  # bytes; the library refuses to encrypt or decrypt with more
LONGEST_MAC_KEY = 136  # bytes; likewise
_LEGACY_KEY = 16  # bytes that the original keeps in legacy mode
_BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}")
_MODES = {mode.name: mode for mode in CipherMode}
_DIGESTS = {digest.name: digest for digest in Digest}


class UnusableError(Exception):
    """The stanza has no credential; carries the complaint."""

    def __init__(self, complaint: Complaint) -> None:
        super().__init__(str(complaint))
        self.complaint = complaint


def credential(stanza: Stanza) -> Credential:
    """What seals the stanza's packets. Raises UnusableError with the first thing wrong."""
    for name in stanza.given:
        if name in SECRETS:
            _check_placeholder(name, stanza)
    mode, digest = _mode(stanza), _digest(stanza)
    key = _key(stanza, "KEY", LONGEST_KEY if mode is not CipherMode.LEGACY else 10**6)
    if key is None:
        raise UnusableError(_keyless(stanza))
    mac_key = _key(stanza, "HMAC_KEY", LONGEST_MAC_KEY)
    if mac_key is not None and Secret(key) == Secret(mac_key):
        raise _unusable(
            "[*] The encryption passphrase and HMAC key should not be identical "
            f"for access stanza source: '{shown(stanza.source.value)}'",
            stanza.source,
            "make new keys with fwknop --key-gen",
        )
    if mode is CipherMode.LEGACY:
        key = key[:_LEGACY_KEY]
    return Credential(Secret(key), mode, Secret(mac_key) if mac_key else None, digest)


def remarks(stanza: Stanza, found: Credential) -> Iterator[Complaint]:
    """What can be used and had better be otherwise."""
    label = shown(stanza.source.value)
    key_line = stanza.last_of("KEY", "KEY_BASE64") or stanza.source
    mac_line = stanza.last_of("HMAC_KEY", "HMAC_KEY_BASE64")
    if found.mode is CipherMode.LEGACY and len(_raw(key_line)) > _LEGACY_KEY:
        yield Complaint(
            "Warning: truncating encryption key in legacy mode to 16 bytes "
            f"for access stanza source: '{label}'",
            key_line.place,
            "use CBC, with a client of version 2.5 or later",
            fatal=False,
        )
    if mac_line is None:
        yield Complaint(
            f"no HMAC key for access stanza source: '{label}', "
            "so that packets can be tampered with",
            stanza.source.place,
            "add HMAC_KEY_BASE64, which fwknop --key-gen makes",
            fatal=False,
        )
    for line, secret in ((key_line, found.key), (mac_line, found.mac_key)):
        if line is not None and secret is not None and (weak := weakness(secret)):
            name = line.name.removesuffix(":")
            yield Complaint(f"{name} {weak}", line.place, REMEDY, fatal=False)
    if _asks_for_gpg(stanza):
        yield Complaint(
            f"GPG packets are not accepted by this version, for access stanza source: '{label}'",
            stanza.source.place,
            "clients have to use the symmetric key of the stanza",
            fatal=False,
        )


def _unusable(message: str, line: Entry, hint: str) -> UnusableError:
    return UnusableError(Complaint(message, line.place, hint))


def _check_placeholder(name: str, stanza: Stanza) -> None:
    line = stanza.given[name]
    if is_placeholder(line.value):
        raise _unusable(
            f"[*] {name} value is not properly set in stanza source "
            f"'{shown(stanza.source.value)}' in access file: '{shown(line.place.file)}'",
            line,
            "put in a key of your own, which fwknop --key-gen makes",
        )


def _mode(stanza: Stanza) -> CipherMode:
    line = stanza.given.get("ENCRYPTION_MODE")
    mode = _MODES.get(line.value.upper()) if line else CipherMode.CBC
    if line is not None and mode is None:
        raise _unusable(
            f"[*] Unrecognized ENCRYPTION_MODE '{shown(line.value)}', "
            "use {CBC,CTR,legacy,Asymmetric}",
            line,
            "write ENCRYPTION_MODE CBC, or remove the line",
        )
    if line is not None and mode is CipherMode.ASYMMETRIC:
        raise _unusable(
            "ENCRYPTION_MODE Asymmetric needs GnuPG, which this version does not support",
            line,
            "use a symmetric key and ENCRYPTION_MODE CBC, or remove the stanza",
        )
    return mode or CipherMode.CBC


def _digest(stanza: Stanza) -> Digest:
    line = stanza.given.get("HMAC_DIGEST_TYPE")
    digest = _DIGESTS.get(line.value.upper()) if line else Digest.SHA256
    if line is not None and digest is None:
        raise _unusable(
            f"[*] HMAC_DIGEST_TYPE argument '{shown(line.value)}' must be one of "
            "{md5,sha1,sha256,sha384,sha512,sha3_256,sha3_512}",
            line,
            "write the digest type that the client uses, mostly sha256",
        )
    return digest or Digest.SHA256


def _key(stanza: Stanza, name: str, longest: int) -> bytes | None:
    line = stanza.last_of(name, f"{name}_BASE64")
    if line is None:
        return None
    key = _raw(line)
    if len(key) > longest:
        raise _unusable(
            f"{line.name.removesuffix(':')} is longer than the {longest} bytes that work",
            line,
            "make new keys with fwknop --key-gen",
        )
    return key


def _raw(line: Entry) -> bytes:
    name = line.name.removesuffix(":")
    if not name.endswith("_BASE64"):
        return line.value.encode("utf-8", "surrogateescape")
    if not _BASE64.fullmatch(line.value):
        raise _unusable(
            f"[*] {name} argument (not shown) doesn't look like base64-encoded data.",
            line,
            f"copy the whole key again, or use {name.removesuffix('_BASE64')} for a passphrase",
        )
    text = line.value.rstrip("=")
    try:
        return b64decode(text + "=" * (-len(text) % 4), validate=True)
    except binascii.Error:
        raise _unusable(
            f"[*] base64 decoding returned error for: {name} (not shown)",
            line,
            "copy the whole key again",
        ) from None


def _asks_for_gpg(stanza: Stanza) -> bool:
    allowed = stanza.given.get("GPG_ALLOW_NO_PW")
    return "GPG_DECRYPT_PW" in stanza.given or (
        allowed is not None and allowed.value[:1] in ("y", "Y")
    )


def _keyless(stanza: Stanza) -> Complaint:
    label = shown(stanza.source.value)
    if _asks_for_gpg(stanza):
        return Complaint(
            f"GnuPG is not supported by this version, for access stanza source: '{label}'",
            stanza.source.place,
            "add KEY_BASE64 and HMAC_KEY_BASE64, or remove the stanza",
        )
    return Complaint(
        f"[*] No keys found for access stanza source: '{label}'",
        stanza.source.place,
        "add KEY_BASE64 and HMAC_KEY_BASE64, which fwknop --key-gen makes",
    )
