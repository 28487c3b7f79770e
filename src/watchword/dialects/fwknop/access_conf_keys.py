"""Reads a stanza's keys into a credential.

In here: KEY, HMAC_KEY and their base64 forms, mode and digest, and what is
wrong with a key.
Not in here: OpenPGP (access_conf_gpg), weak keys (key_strength), the other
lines of a stanza (access_conf_stanza), cryptography (wire).

No message quotes a key, where the original's does. Source: access.conf, 4.3 and 4.7.
"""

from __future__ import annotations

import binascii
import re
from base64 import b64decode
from collections.abc import Iterator
from typing import NamedTuple

from watchword.dialects.fwknop.access_conf import Stanza
from watchword.dialects.fwknop.access_conf_table import SECRETS
from watchword.dialects.fwknop.key_strength import REMEDY, is_placeholder, weakness
from watchword.dialects.fwknop.lines import Entry, data_error, shown, shown_file
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


class Keys(NamedTuple):
    """What a stanza's packets are sealed with, as far as it is not OpenPGP."""

    credential: Credential | None
    """None: there is no symmetric key."""
    mac_key: Secret | None
    mac_digest: Digest


def keys(stanza: Stanza) -> Keys:
    """The stanza's symmetric key, if it has one, and HMAC key.

    Raises UnusableError with the first thing wrong.
    """
    for name in stanza.given:
        if name in SECRETS:
            _check_placeholder(name, stanza)
    mode, digest = _mode(stanza), _digest(stanza)
    key = _key(stanza, "KEY", LONGEST_KEY if mode is not CipherMode.LEGACY else 10**6)
    mac_octets = _key(stanza, "HMAC_KEY", LONGEST_MAC_KEY)
    mac_key = Secret(mac_octets) if mac_octets else None
    if key is None or mode is CipherMode.ASYMMETRIC:
        return Keys(None, mac_key, digest)
    if mac_key is not None and Secret(key) == mac_key:
        said = "[*] The encryption passphrase and HMAC key should not be identical"
        said = f"{said} for access stanza source: '{shown(stanza.source.value)}'"
        raise _unusable(
            data_error(said, stanza.source.place.file),
            stanza.source,
            "make new keys with fwknop --key-gen",
        )
    if mode is CipherMode.LEGACY:
        key = key[:_LEGACY_KEY]
    return Keys(Credential(Secret(key), mode, mac_key, digest), mac_key, digest)


def keyless(stanza: Stanza) -> UnusableError:
    """The complaint about a stanza that nothing could be sealed for."""
    said = f"[*] No keys found for access stanza source: '{shown(stanza.source.value)}'"
    return _unusable(
        data_error(said, stanza.source.place.file),
        stanza.source,
        "add KEY_BASE64 and HMAC_KEY_BASE64, which fwknop --key-gen makes",
    )


def remarks(stanza: Stanza, found: Keys) -> Iterator[Complaint]:
    """What can be used and had better be otherwise."""
    label = shown(stanza.source.value)
    key_line = stanza.last_of("KEY", "KEY_BASE64") or stanza.source
    mac_line = stanza.last_of("HMAC_KEY", "HMAC_KEY_BASE64")
    credential, mac_key, _ = found
    legacy = credential is not None and credential.mode is CipherMode.LEGACY
    if legacy and len(_raw(key_line)) > _LEGACY_KEY:
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
    key = credential.key if credential else None
    for line, secret in ((key_line, key), (mac_line, mac_key)):
        if line is not None and secret is not None and (weak := weakness(secret)):
            name = line.name.removesuffix(":")
            yield Complaint(f"{name} {weak}", line.place, REMEDY, fatal=False)
    if credential is None and key_line is not stanza.source:
        yield Complaint(
            f"{key_line.name.removesuffix(':')} has no effect with ENCRYPTION_MODE Asymmetric",
            key_line.place,
            "remove one of the two lines",
            fatal=False,
        )


def _unusable(message: str, line: Entry, hint: str) -> UnusableError:
    return UnusableError(Complaint(message, line.place, hint))


def _check_placeholder(name: str, stanza: Stanza) -> None:
    line = stanza.given[name]
    if is_placeholder(line.value):
        raise _unusable(
            f"[*] {name} value is not properly set in stanza source "
            f"'{shown(stanza.source.value)}' in access file: '{shown_file(line.place.file)}'",
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
