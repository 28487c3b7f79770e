"""Keys that the targets seal and open with, and the golden packets as seeds.

In here: every credential of the golden vectors under a number, so that an
input can name one, and packets sealed by hand, whatever their plaintext says.
Not in here: the sealing that the product does (wire.spa.sealing): it would
refuse what is fuzzed here.
"""

from __future__ import annotations

import hmac
from base64 import b64encode
from collections.abc import Iterator
from functools import cache

from watchword.conformance import golden
from watchword.model.crypto import Credential
from watchword.model.openpgp import OpenPgpCredential
from watchword.wire.spa import base64text, rijndael
from watchword.wire.spa.errors import SpaError
from watchword.wire.spa.mac import PREFIX
from watchword.wire.spa.opening import Lock

SALT = b"saltsalt"


def _sealed_vectors() -> Iterator[tuple[golden.Vector, Credential]]:
    """Every vector that is a packet and a credential that we have a value for."""
    for kind, key in (("positive", "encryption"), ("negative", "decode")):
        for vector in golden.all_of_kind(kind):
            mac = vector["hmac"] if kind == "positive" else vector["decode"]["hmac"]
            try:
                credential = golden.credential_of(vector[key], mac)
                Lock(credential)
            except (ValueError, SpaError):
                continue
            yield vector, credential


@cache
def _golden() -> tuple[tuple[Credential, ...], tuple[tuple[int, bytes], ...]]:
    """The credentials, and each packet behind the number of its own."""
    credentials: list[Credential] = []
    packets = []
    for vector, credential in _sealed_vectors():
        if credential not in credentials:
            credentials.append(credential)
        packets.append((credentials.index(credential), golden.payload_of(vector)))
    return tuple(credentials), tuple(packets)


def named(octets: bytes) -> tuple[Credential, bytes]:
    """The credential that the first two bytes of an input name, and the rest."""
    credentials, _ = _golden()
    return credentials[int.from_bytes(octets[:2], "big") % len(credentials)], octets[2:]


def golden_packets() -> Iterator[bytes]:
    """Inputs for ``named``: the golden packets, each with its credential."""
    for number, packet in _golden()[1]:
        yield number.to_bytes(2, "big") + packet


def golden_texts() -> Iterator[bytes]:
    """What is inside the golden packets, without the digest."""
    for vector in golden.all_of_kind("positive"):
        yield str(vector["encoded"]).encode("latin-1")


def packet(plaintext: bytes, credential: Credential, salt: bytes = SALT) -> bytes:
    """The one packet for a plaintext, a key and a salt. The mode is one of Rijndael's."""
    container = rijndael.encrypt(plaintext, credential.key, credential.mode, salt)
    return with_mac(base64text.encode(container)[len(PREFIX) :], credential)


def with_mac(
    body: bytes, credential: Credential | OpenPgpCredential, prefix: bytes = PREFIX
) -> bytes:
    """The body, and the MAC that belongs to it if the credential has one, made by the standard
    library: over the text with its prefix, in base64 without padding (wire format, chapter 8)."""
    if credential.mac_key is None:
        return body
    name = credential.mac_digest.name.lower()
    mac = hmac.digest(credential.mac_key.reveal(), prefix + body, name)
    return body + b64encode(mac).rstrip(b"=")
