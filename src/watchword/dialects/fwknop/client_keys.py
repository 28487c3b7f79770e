"""Keys as the client takes them: from options, rc file, key files, and made anew.

In here: which octets a key word stands for, the lookup in a key file, what a
usable pair of keys is, lengths of new keys (client, section 8).
Not in here: prompts and files (service.client.seal), cryptography (wire).

No message quotes a key. Differences: empty keys and the placeholder of sample
files are refused, a key that is too long is refused before anybody is asked for
the next one, and what makes a packet weak is remarked on.
"""

from __future__ import annotations

from binascii import b2a_base64

from watchword.dialects.fwknop.client_settings import KeyForm, KeyWord
from watchword.dialects.fwknop.client_values import MAX_KEY_TEXT
from watchword.dialects.fwknop.key_strength import REMEDY, is_placeholder, weakness
from watchword.errors import Complaint, OperatorError
from watchword.model.crypto import CipherMode, Credential, Digest, Secret
from watchword.wire.spa import base64text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Final

LONGEST: Final = 32
"""Bytes of an encryption key."""
LEGACY: Final = 16
"""Bytes of it that ``-M legacy`` uses."""
LEGACY_WARNING: Final = (
    "WARNING: Encryption key in '-M legacy' mode must be <= 16 bytes\n"
    "long - truncating before sending SPA packet. Upgrading remote\n"
    "fwknopd is recommended."
)


def octets(word: KeyWord) -> bytes:
    """The key that stands in an option or a variable. Raises OperatorError.

    Text beyond 128 bytes is cut off, as the original does.
    """
    text = word.text.encode("utf-8", "surrogateescape")
    if word.form is KeyForm.TEXT:
        return text[:MAX_KEY_TEXT]
    key = base64text.decode_leniently(text)
    if not 1 <= len(key) <= MAX_KEY_TEXT:
        raise OperatorError(
            f"[*] Invalid key length: '{len(key)}', must be in [1,{MAX_KEY_TEXT}]",
            hint="make new keys with fwknop --key-gen",
        )
    return key


def from_file(text: str, server: str, *, first: bool = False) -> bytes | None:
    """The key of a server in a key file, None if there is none (section 8.2).

    The last line that names the server counts, or the first, if asked. Raises
    OperatorError for a key of more than 128 bytes.
    """
    found: str | None = None
    for line in text.split("\n"):
        said = line.removesuffix("\r").lstrip(" \t=")
        if said[:1] not in ("#", ";") and said.startswith(f"{server}:"):
            found = said[len(server) + 1 :].lstrip(" \t=")
            if first:
                break
    if found is None:
        return None
    key = found.encode("utf-8", "surrogateescape")
    if len(key) > MAX_KEY_TEXT:
        raise OperatorError(
            f"The key for {server} is longer than {MAX_KEY_TEXT} bytes.",
            hint="shorten it in the file, for example by a key from fwknop --key-gen",
        )
    return key


def check_key(key: bytes, mode: CipherMode) -> bytes:
    """An encryption key that can be used in this mode, cut if the mode says so."""
    _check_filled(key, "encryption")
    if mode is CipherMode.LEGACY:
        return key[:LEGACY]
    if len(key) > LONGEST:
        raise OperatorError(
            "fwknop: fko_spa_data_final: Error 95 - Invalid key length",
            hint=f"the encryption key has {len(key)} bytes, and {LONGEST} are possible",
        )
    return key


def check_mac_key(key: bytes, encryption_key: bytes) -> bytes:
    _check_filled(key, "HMAC")
    if len(key) > MAX_KEY_TEXT:
        raise OperatorError(
            f"The HMAC key is longer than {MAX_KEY_TEXT} bytes.",
            hint="make new keys with fwknop --key-gen",
        )
    if Secret(key) == Secret(encryption_key):
        raise OperatorError(
            "[*] The encryption passphrase and HMAC key should not be identical, "
            "no SPA packet sent. Exiting.",
            hint="give two keys; fwknop --key-gen makes a pair",
        )
    return key


def _check_filled(key: bytes, what: str) -> None:
    if not key:
        raise OperatorError(
            f"The {what} key is empty: no packet was sent.",
            hint="type it, or keep it in the rc file (--save-rc-stanza)",
        )
    if is_placeholder(key.decode("ascii", "replace")):
        raise OperatorError(
            f"The {what} key is the placeholder of a sample file: no packet was sent.",
            hint="put in the server's keys, or make new ones for both with fwknop --key-gen",
        )


def credential(
    key: bytes, mode: CipherMode, mac_key: bytes | None, mac_digest: Digest
) -> Credential:
    """Checked keys as what a packet is sealed with."""
    return Credential(Secret(key), mode, None if mac_key is None else Secret(mac_key), mac_digest)


def remarks(mode: CipherMode, key: Secret | None, mac_key: Secret | None) -> Iterator[Complaint]:
    """What can be sent and had better be sealed otherwise; the sentences are ours.

    ``key`` is None for a packet by gpg.
    """
    if mac_key is None:
        yield _without_mac(mode)
    for what, secret in (("encryption", key), ("HMAC", mac_key)):
        if secret is not None and (weak := weakness(secret)):
            yield Complaint(f"[-] WARNING: the {what} key {weak}", hint=REMEDY, fatal=False)


def _without_mac(mode: CipherMode) -> Complaint:
    effect, remedy = "packets can be tampered with", f"{REMEDY} --use-hmac, for the server as well"
    if mode is CipherMode.ASYMMETRIC:
        effect = "strangers can make the server's gpg work"
    elif mode is CipherMode.LEGACY:
        remedy = "use mode CBC and an HMAC key, with a server of version 2.5 or later"
    return Complaint(
        f"[-] WARNING: no HMAC key is used, so that {effect}", hint=remedy, fatal=False
    )


def check_new_lengths(key: int, mac_key: int) -> None:
    """What new keys may measure. ``mac_key`` is 1 to 128 already."""
    if key > LONGEST:
        raise OperatorError(
            "fwknop: fko_key_gen: Error 68 - Args contain invalid data: "
            "FKO_ERROR_INVALID_DATA_FUNCS_GEN_KEYLEN_VALIDFAIL",
            hint=f"an encryption key has 1 to {LONGEST} bytes",
        )
    if mac_key > MAX_KEY_TEXT:
        raise ValueError("an HMAC key has 1 to 128 bytes")


def new_key_lines(key: bytes, mac_key: bytes) -> dict[str, str]:
    """New keys as the variables of rc and access files, in the order in which they are shown."""
    return {
        "KEY_BASE64": b2a_base64(key, newline=False).decode("ascii"),
        "HMAC_KEY_BASE64": b2a_base64(mac_key, newline=False).decode("ascii"),
    }
