"""OpenPGP packets as far as they are read here, and what gpg says of them.

Invariants: any payload is refused with SpaError, or is the only spelling of
the message that gpg is given; any text that gpg decrypts is refused or read,
and never without the signature that was asked for; whatever gpg says on its
status lines, only a whole and protected decryption counts as one.

An input is a byte that chooses the HMAC, the signature or neither, and a
payload, a plaintext without its digest, or status lines.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from random import Random

from fuzz import keys
from fuzz.target import Scramble, Target
from fuzz.targets import plaintexts
from watchword.conformance import golden
from watchword.edges.gpg_status import decrypted
from watchword.model.crypto import Digest, Secret
from watchword.model.openpgp import (
    Decrypted,
    Keyring,
    OpenPgpCredential,
    Signature,
    SignatureState,
    Signers,
)
from watchword.wire.spa import base64text
from watchword.wire.spa.digests import digest_text
from watchword.wire.spa.errors import SpaError
from watchword.wire.spa.fields import read
from watchword.wire.spa.mac import GPG_PREFIX
from watchword.wire.spa.openpgp import OpenPgpLock

_KEYRING = Keyring("/nowhere")
_ALICE, _BOB = "A" * 40, "B" * 40
_SIGNERS = Signers(fingerprints=frozenset({_ALICE}))
_CREDENTIALS = (
    OpenPgpCredential(_KEYRING, _SIGNERS),
    *(OpenPgpCredential(_KEYRING, _SIGNERS, Secret(b"a MAC key"), kind) for kind in Digest),
)
_LOCKS = tuple(map(OpenPgpLock, _CREDENTIALS))
_SIGNATURES = (
    (),
    (Signature(SignatureState.GOOD, _ALICE, trusted=True),),
    (Signature(SignatureState.GOOD, _BOB, trusted=True),),
    (Signature(SignatureState.GOOD, _ALICE),),
    (Signature(SignatureState.BAD, _ALICE, trusted=True),),
    (
        Signature(SignatureState.GOOD, _BOB, trusted=True),
        Signature(SignatureState.GOOD, _ALICE, trusted=True),
    ),
)
_GOOD = 1
_LONGEST = 1600


def check_packet(octets: bytes) -> str:
    which, payload = octets[0] % len(_LOCKS) if octets else 0, octets[1:]
    lock = _LOCKS[which]
    fits = lock.fits(payload)
    try:
        message = lock.message(payload)
    except SpaError as error:
        return f"refused {error.code.value}"
    body = b64encode(message).rstrip(b"=")[len(GPG_PREFIX) :]
    assert payload[: len(payload) - lock.mac_chars] == body
    assert fits == (payload == _sealed(body, which))
    return "fits" if fits else "does not fit"


def _sealed(body: bytes, which: int) -> bytes:
    """The body and the MAC of that credential behind it."""
    return keys.with_mac(body, _CREDENTIALS[which], GPG_PREFIX)


def check_text(octets: bytes) -> str:
    choice, encoded = octets[0] if octets else 0, octets[1:]
    plaintext = encoded + b":" + digest_text(Digest.SHA256, encoded)
    signatures = _SIGNATURES[choice % len(_SIGNATURES)]
    try:
        opened = _LOCKS[0].read(Decrypted(plaintext, signatures))
    except SpaError as error:
        return f"refused {error.code.value}"
    assert signatures == _SIGNATURES[_GOOD]
    assert opened.plaintext == plaintext
    assert opened.message == read(plaintext)
    return plaintexts.check_written(plaintext, opened.message)


def check_status(octets: bytes) -> str:
    try:
        found = decrypted(b"text", octets)
    except SpaError:
        return "refused"
    said = [line.split(b" ")[1] for line in octets.splitlines() if line.startswith(b"[GNUPG:] ")]
    assert said.count(b"PLAINTEXT") == 1
    assert {b"DECRYPTION_KEY", b"DECRYPTION_OKAY"} <= set(said)
    assert not {b"DECRYPTION_FAILED", b"NEED_PASSPHRASE_SYM"} & set(said)
    good = [each for each in found.signatures if each.state is SignatureState.GOOD]
    assert len(good) == said.count(b"GOODSIG")
    if not any(word.startswith(b"TRUST_") for word in said):
        assert not any(each.trusted for each in found.signatures)
    return f"decrypted, {min(len(found.signatures), 3)} signatures"


def seed_packets() -> Iterator[bytes]:
    for vector in golden.load("gpg"):
        payload = golden.payload_of(vector)
        hmac = vector.get("hmac")
        yield bytes([int(hmac["type"]) if hmac else 0]) + payload
    message = b"\x85\x02" + bytes(range(256)) * 3
    body = base64text.encode(message)[len(GPG_PREFIX) :]
    for number in range(len(_LOCKS)):
        yield bytes([number]) + _sealed(body, number)


def seed_texts() -> Iterator[bytes]:
    for number, encoded in enumerate(keys.golden_texts()):
        yield bytes([number % len(_SIGNATURES) if number % 2 else _GOOD]) + encoded


def mutate_packet(octets: bytes, source: Random, scramble: Scramble) -> bytes:
    """Change the text, or the text and then the MAC after it."""
    choice, payload = octets[:1], octets[1:]
    if source.randrange(3):
        return (choice + scramble(payload, _LONGEST))[:_LONGEST]
    which = choice[0] % len(_LOCKS) if choice else 0
    body = payload[: len(payload) - _LOCKS[which].mac_chars]
    return choice + _sealed(scramble(body, _LONGEST), which)


_SOUND = """\
ENC_TO 1234567890123456 1 0
DECRYPTION_KEY {fpr} {fpr} u
BEGIN_DECRYPTION
DECRYPTION_INFO 2 9
PLAINTEXT 62 1700000000
NEWSIG
GOODSIG 1234567890123456 alice
VALIDSIG {fpr} 2026-01-01 1700000000 0 4 0 1 10 00 {fpr}
TRUST_ULTIMATE 0 pgp
DECRYPTION_OKAY
GOODMDC
END_DECRYPTION
"""


def seed_statuses() -> Iterator[bytes]:
    lines = [f"[GNUPG:] {line}\n" for line in _SOUND.format(fpr=_ALICE).splitlines()]
    yield "".join(lines).encode("ascii")
    for place in range(len(lines)):
        yield "".join([*lines[:place], "gpg: ...\n", *lines[place + 1 :]]).encode("ascii")
        yield "".join([*lines, lines[place]]).encode("ascii")
    for word in _STATUS_WORDS:
        yield "".join([*lines, f"[GNUPG:] {word} 1234567890123456\n"]).encode("ascii")
    for word in ("BADSIG", "ERRSIG", "EXPSIG", "REVKEYSIG"):
        yield "".join(lines).replace("GOODSIG", word).encode("ascii")


_STATUS_WORDS = (
    "[GNUPG:] ", "GOODSIG", "BADSIG", "EXPSIG", "EXPKEYSIG", "REVKEYSIG", "ERRSIG", "VALIDSIG",
    "TRUST_MARGINAL", "TRUST_FULLY", "TRUST_ULTIMATE", "DECRYPTION_INFO 2 9 2", "PLAINTEXT",
    "NEED_PASSPHRASE_SYM", "DECRYPTION_FAILED", "NODATA", "NO_SECKEY", "\r[GNUPG:] ", "GOODMDC",
)  # fmt: skip

PACKETS = Target(
    "openpgp-packets",
    "any payload is refused with SpaError, or is the only spelling of the message in it",
    check_packet,
    seed_packets,
    mutate_packet,
    words=(GPG_PREFIX, b"=", b"=="),
    longest=_LONGEST,
)
TEXTS = Target(
    "openpgp-texts",
    "any text that gpg decrypts is refused or read, and never without its signature",
    check_text,
    seed_texts,
    plaintexts.mutate_long,
    words=plaintexts.TARGET.words,
    longest=1502,
)
STATUS = Target(
    "gpg-status",
    "whatever gpg says, only a whole and protected decryption is one",
    check_status,
    seed_statuses,
    words=tuple(word.encode("ascii") for word in _STATUS_WORDS),
)
