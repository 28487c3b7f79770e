"""Holds the library and a gpg against the vectors of ``gpg.json``, with real key rings.

In here: what opens and who signed it, what is refused with which number, what is not
written. Somebody who runs gpg is given from outside: a library leaves that to its user.
Not in here: packets without OpenPGP (library), client programs (openpgp_lines).
"""

from __future__ import annotations

import hashlib
import tempfile
from base64 import b64decode
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from watchword.conformance import golden, keyrings
from watchword.conformance.findings import Finding, Verdict
from watchword.conformance.golden import Vector
from watchword.conformance.strictness import NOT_OPENED_FOR_OPENPGP, REFUSED_EARLIER
from watchword.spa import (
    Code,
    Credential,
    Decrypted,
    Digest,
    Keyring,
    Lock,
    Message,
    OpenPgpCredential,
    OpenPgpLock,
    Secret,
    Signers,
    SpaError,
    enclose,
    unseal,
)


class OpenPgp(Protocol):
    """Somebody who runs gpg. Refusals are SpaError, a machine that cannot is HostError."""

    def decrypt(self, keyring: Keyring, message: bytes) -> Decrypted: ...

    def encrypt(
        self,
        keyring: Keyring,
        plaintext: bytes,
        recipients: Sequence[str],
        signers: Sequence[str] = ...,
    ) -> bytes: ...


SETTINGS: Final = {
    "require_good_sig": Signers(),
    "ignore_sig_error": Signers(any_state=True),
    "no_sig_check": Signers(required=False),
}
"""What the vectors were opened with; in one of them, ``any``, without OpenPGP."""


class Asked(NamedTuple):
    """What cannot be made a packet of."""

    recipients: Sequence[str]
    signers: Sequence[str]
    text: bytes = b"1234567890123456:dGVzdGVy:1700000000:3.0.0:1:MTkyLjAuMi4xMCx0Y3AvMjI"


def _key(name: str) -> str:
    return str(golden.gpg_keys()[name]["fingerprint"])


_INCOMPRESSIBLE: Final = b"".join(hashlib.sha512(bytes([part])).digest() for part in range(16))
NOT_WRITTEN: Final = {
    "gpg-enc-no-recipient": Asked([], [_key("cli-rsa2048")]),
    "gpg-enc-unknown-recipient": Asked(["nobody"], [_key("cli-rsa2048")]),
    "gpg-enc-ambiguous": Asked(["srv-"], [_key("cli-rsa2048")]),
    "gpg-enc-unknown-signer": Asked([_key("srv-rsa2048")], ["nobody"]),
    "gpg-enc-signer-public-only": Asked([_key("srv-rsa2048")], [_key("srv-rsa3072")]),
    "gpg-enc-bad-passphrase": Asked([_key("srv-rsa2048")], [_key("cli-rsa2048-pw")]),
    "gpg-enc-too-long": Asked([_key("srv-rsa4096")], [_key("cli-rsa2048")], _INCOMPRESSIBLE),
}
"""The titles of the vectors as calls; the passphrase is a wrong one."""


@dataclass(frozen=True, slots=True)
class Rings:
    """The homes of both sides."""

    servers: Path
    clients: Path


@contextmanager
def key_rings() -> Iterator[Rings]:
    """New ones, gone when this ends. They need gpg."""
    with (
        tempfile.TemporaryDirectory(prefix="watchword-rings-") as folder,
        keyrings.servers(Path(folder) / "servers") as servers,
        keyrings.clients(Path(folder) / "clients") as clients,
    ):
        for each in (servers, clients):
            keyrings.hand_over_passphrases(each)
        yield Rings(servers, clients)


def obstacle(openpgp: OpenPgp | None) -> str:
    """Why nothing with OpenPGP can be judged; empty if it can."""
    return keyrings.obstacle() if openpgp else "nobody was given who runs gpg"


def judge(openpgp: OpenPgp | None) -> Iterator[Finding]:
    """One finding for each vector of the file."""
    why = obstacle(openpgp)
    if openpgp is None or why:
        for name in golden.every_id("gpg"):
            yield Finding("gpg", name, Verdict.SKIP, why)
        return
    with key_rings() as rings:
        for vector in golden.load("gpg"):
            group = "gpg lenient" if vector.get("lenient") else "gpg opens"
            yield _found(group, vector, _packet_amiss(vector, rings, openpgp))
        for vector in golden.gpg_refused():
            yield _found("gpg refuses", vector, _packet_amiss(vector, rings, openpgp))
        for vector in golden.gpg_not_written():
            yield _found("gpg does not write", vector, _written_amiss(vector, rings, openpgp))


def _found(group: str, vector: Vector, amiss: str) -> Finding:
    return Finding(group, vector["id"], Verdict.FAIL if amiss else Verdict.PASS, amiss)


def _packet_amiss(vector: Vector, rings: Rings, openpgp: OpenPgp) -> str:
    """What is wrong in the first setting in which something is."""
    if vector["id"] == "gpg-neg-passphrase":
        keyrings.end_agents(rings.servers)  # which remember the right one
    for setting, recorded in vector["decode"].items():
        try:
            told = _opened_amiss(vector, setting, rings, openpgp)
        except SpaError as error:
            told = _code_amiss(error.code, _code_wanted(vector, recorded))
        if told:
            return f"{setting.replace('_', ' ')}: {told}"
    return ""


def _code_wanted(vector: Vector, recorded: Vector) -> int:
    """The number to refuse with; 0: it has to open."""
    ours: dict[str, int] = {**NOT_OPENED_FOR_OPENPGP, **REFUSED_EARLIER}
    return ours.get(vector["id"], int(recorded.get("code", 0)))


def _code_amiss(code: int, wanted: int) -> str:
    if code == wanted:
        return ""
    instead = f" instead of {Code(wanted).label}" if wanted else ""
    return f"is refused with {Code(code).label}{instead}"


def _opened_amiss(vector: Vector, setting: str, rings: Rings, openpgp: OpenPgp) -> str:
    """Raises SpaError where the library or gpg refuses."""
    recorded, payload = vector["decode"][setting], golden.payload_of(vector)
    if setting == "any":
        unseal(payload, Lock(Credential(Secret(b"a symmetric key"))))
        return f"is opened; {recorded['error']} was to come"
    credential = credential_of(vector, rings.servers, SETTINGS[setting])
    decrypted, message = opened(payload, credential, openpgp)
    if wanted := _code_wanted(vector, recorded):
        return f"is opened; {Code(wanted).label} was to come"
    if message != golden.message_of(vector):
        return f"the fields are not those recorded: {message}"
    if decrypted.plaintext.decode("ascii") != vector["plaintext"]:
        return "the plaintext is not the one recorded"
    if (signer := recorded["signer_fpr"]) and decrypted.signatures[0].fingerprint != signer:
        return f"{decrypted.signatures[0].fingerprint} signed it, and not {signer}"
    return ""


def credential_of(vector: Vector, servers: Path, signers: Signers) -> OpenPgpCredential:
    """What a stanza for the packet of a vector has."""
    word, mac = vector.get("recipient_passphrase"), vector.get("hmac")
    return OpenPgpCredential(
        Keyring(str(servers), passphrase=Secret(word.encode("utf-8")) if word else None),
        signers,
        Secret(b64decode(mac["key_b64"])) if mac else None,
        Digest(mac["type"]) if mac else Digest.SHA256,
    )


def opened(
    payload: bytes, credential: OpenPgpCredential, openpgp: OpenPgp
) -> tuple[Decrypted, Message]:
    """Open a packet in the steps that the library asks for. Raises SpaError."""
    lock = OpenPgpLock(credential)
    if not lock.fits(payload):
        raise SpaError(Code.INVALID_DATA_HMAC_COMPAREFAIL)
    decrypted = openpgp.decrypt(credential.keyring, lock.message(payload))
    return decrypted, lock.read(decrypted).message


def _written_amiss(vector: Vector, rings: Rings, openpgp: OpenPgp) -> str:
    asked = NOT_WRITTEN[vector["id"]]
    keyrings.end_agents(rings.clients)  # which remember passphrases
    ring = Keyring(str(rings.clients), passphrase=Secret(b"wrong"))
    try:
        message = openpgp.encrypt(ring, asked.text, asked.recipients, asked.signers)
        enclose(message, OpenPgpCredential())
    except SpaError as error:
        return _code_amiss(error.code, vector["code"])
    return f"is written; {vector['error']} was to come"
