"""A stanza for another device, and what its owner has to know of it.

In here: which of the two texts, with remarks: that keys are in it, what stays behind.
Not in here: the texts themselves (stanza_uri, stanza_android).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

from watchword.dialects.fwknop import client_keys, stanza_android, stanza_uri
from watchword.dialects.fwknop.client_settings import AllowKind, Given
from watchword.dialects.fwknop.client_verify import uses_gpg
from watchword.errors import Complaint, OperatorError
from watchword.model.crypto import CipherMode, Digest

Told: TypeAlias = tuple[str, list[Complaint]]
"""The text, and remarks."""


def for_everybody(name: str, given: Given, without_keys: bool) -> Told:
    """The whole stanza as a URI; ``given`` has its keys in base64. Raises OperatorError."""
    stanza_uri.check_keys(given)
    remarks: list[Complaint] = []
    if given.key is not None or given.mac_key is not None:
        remarks.append(_has_keys(name))
    elif not without_keys:
        remarks.append(_remark(f"stanza '{name}' has no keys, so there are none in it"))
    remarks += _about_machine(given)
    return stanza_uri.write(name, given), remarks


def for_android(name: str, given: Given) -> Told:
    """The keys alone. Raises OperatorError where they are of no use there."""
    if uses_gpg(given):
        raise OperatorError(
            f"stanza '{name}' is for GnuPG, and the Android client has no use for its passphrase",
            hint="give that client a stanza of its own, with keys of fwknop --key-gen",
        )
    if given.key is None:
        raise OperatorError(
            f"stanza '{name}' has no encryption key", hint="make keys with fwknop --key-gen"
        )
    stanza_uri.check_keys(given)
    mac_key = None if given.mac_key is None else client_keys.octets(given.mac_key)
    remarks = [_has_keys(name), *_by_hand(given)]
    return stanza_android.write(client_keys.octets(given.key), mac_key), remarks


def _has_keys(name: str) -> Complaint:
    return _remark(f"this holds the keys of stanza '{name}': whoever sees it can knock with them")


def _about_machine(given: Given) -> Iterator[Complaint]:
    if left := stanza_uri.left_behind(given):
        yield _remark(f"left out, because another machine has its own: {', '.join(left)}")
    if given.allow is not None and given.allow.kind is AllowKind.ADDRESS:
        yield _remark(f"ALLOW_IP {given.allow.text} goes along, and is where this machine is")
    if uses_gpg(given):
        yield _remark("GnuPG keys do not go along: the other device needs them in its own key ring")


def _by_hand(given: Given) -> Iterator[Complaint]:
    said = stanza_uri.fields(given)
    wanted = ("SPA_SERVER", "SPA_SERVER_PORT", "SPA_SERVER_PROTO", "ACCESS", "FW_TIMEOUT")
    rest = [f"{name} {said[name]}" for name in wanted if name in said]
    if given.mac_digest is not None and given.mac_digest is not Digest.SHA256:
        rest.append(f"HMAC_DIGEST_TYPE {given.mac_digest.name}")
    if given.mode not in (None, CipherMode.CBC):
        rest.append(f"ENCRYPTION_MODE {said['ENCRYPTION_MODE']}")
    if rest:
        yield _remark(f"the rest has to be typed in there: {', '.join(rest)}")


def _remark(text: str) -> Complaint:
    return Complaint(text, fatal=False)
