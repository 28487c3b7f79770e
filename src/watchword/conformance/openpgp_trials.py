"""The packets of ``gpg.json`` as trials for a server.

In here: the stanzas that they share, and what must become of each packet. Pure.
Not in here: vectors that were recorded at a server (server_vectors).

None of these packets says whose it is before gpg has opened it, so they have the same
stanzas: one for each HMAC and one for each recipient, and every signer is listed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from watchword.conformance import golden
from watchword.conformance.golden import Vector
from watchword.conformance.strictness import NOT_OPENED_FOR_OPENPGP
from watchword.conformance.trials import (
    GPG_HOME,
    LONGEST,
    SECONDS,
    SENDER,
    Knock,
    Must,
    Trial,
    Unseen,
    targets_of,
    watched,
)
from watchword.spa import MessageType

NOT_TRIED: Final = {
    "gpg-neg-hmac-wrong": "tried as srv-gpg-hmac-wrong, where no stanza has its key",
    "gpg-neg-mode-cbc": "tried as srv-gpg-no-stanza, where no stanza is for OpenPGP",
    "gpg-neg-passphrase": "an agent that knows the right passphrase answers in place of the wrong",
}
_SHUT_FOR_THEIR_SIGNER: Final = (None, "cli-untrusted")


def trials(everything: bool) -> Iterator[Trial | Unseen]:
    """All, or those that stand for all."""
    seen: set[tuple[str, object]] = set()
    for vector in (*golden.load("gpg"), *golden.gpg_refused()):
        if why := NOT_TRIED.get(vector["id"]):
            yield Unseen("gpg", vector["id"], why)
            continue
        features = set(_features(vector))
        if everything or not (vector.get("lenient") or features <= seen):
            yield _of_packet(vector)
        seen |= features


def _features(vector: Vector) -> Iterator[tuple[str, object]]:
    yield "recipient", vector["recipient"]
    if code := vector["decode"]["require_good_sig"].get("code"):
        yield "error", code
        return
    yield "signer", vector["signer"]
    yield "HMAC", vector["hmac"]["type"] if vector["hmac"] else None
    yield "type", vector["fields"]["message_type"]


def _of_packet(vector: Vector) -> Trial:
    must, targets = _must(vector), watched(SENDER)
    if must is Must.OPEN:
        targets = targets_of(vector["fields"]["message"])
    knock = Knock(vector["id"], golden.payload_of(vector), must, targets)
    word = vector["recipient_passphrase"]
    return Trial("gpg", (knock,), _stanzas(word), (), shares=False)


def _must(vector: Vector) -> Must:
    if vector["id"] in NOT_OPENED_FOR_OPENPGP:
        return Must.EITHER
    asks = vector.get("fields", {}).get("message_type")
    opens = asks in (MessageType.ACCESS, MessageType.TIMEOUT_ACCESS)
    return Must.OPEN if opens and vector["signer"] not in _SHUT_FOR_THEIR_SIGNER else Must.SHUT


def _stanzas(word: str | None) -> str:
    """Those for recipients with this passphrase: with each HMAC, then without."""
    packets = [each for each in golden.load("gpg") if each["recipient_passphrase"] == word]
    macs = {each["hmac"]["type"]: each["hmac"] for each in packets if each["hmac"]}
    names = dict.fromkeys(each["recipient"] for each in packets)
    with_mac = [_stanza(next(iter(names)), word, mac) for mac in macs.values()]
    return "\n".join([*with_mac, *(_stanza(name, word, None) for name in names)])


def _stanza(recipient: str, word: str | None, mac: Vector | None) -> str:
    keys = golden.gpg_keys()
    signers = [key["fingerprint"] for name, key in keys.items() if name.startswith("cli-")]
    lines = [
        "SOURCE ANY", f"GPG_HOME_DIR {GPG_HOME}",
        f"GPG_DECRYPT_ID {keys[recipient]['fingerprint']}",
        f"GPG_DECRYPT_PW {word}" if word else "GPG_ALLOW_NO_PW Y",
        "GPG_REQUIRE_SIG Y", f"GPG_FINGERPRINT_ID {','.join(signers)}",
        f"FW_ACCESS_TIMEOUT {SECONDS}", f"MAX_FW_TIMEOUT {LONGEST}",
    ]  # fmt: skip
    if mac:
        lines += [f"HMAC_KEY_BASE64 {mac['key_b64']}", f"HMAC_DIGEST_TYPE {mac['name'].lower()}"]
    return "\n".join((*lines, ""))
