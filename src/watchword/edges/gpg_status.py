"""Reads what gpg says to machines: its status lines.

In here: the lines that matter for one decryption, and what follows from them.
Not in here: running gpg (gpg), which signature counts (wire.spa.openpgp).

The exit status of gpg tells little: it is 0 for an untrusted signature and 2
for an unknown one. What counts is what it says. Format: DETAILS of GnuPG.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from watchword.model.openpgp import Decrypted, Signature, SignatureState
from watchword.wire.spa.errors import Code, SpaError

_MARK = b"[GNUPG:] "
_STATES = {
    "GOODSIG": SignatureState.GOOD,
    "EXPSIG": SignatureState.EXPIRED,
    "EXPKEYSIG": SignatureState.KEY_EXPIRED,
    "REVKEYSIG": SignatureState.KEY_REVOKED,
    "BADSIG": SignatureState.BAD,
    "ERRSIG": SignatureState.UNKNOWN_KEY,
}
_TRUSTED = {"TRUST_MARGINAL", "TRUST_FULLY", "TRUST_ULTIMATE"}
_WHY = {
    "NEED_PASSPHRASE_SYM": "it is encrypted to a passphrase and not to a key",
    "BAD_PASSPHRASE": "the passphrase of the key is wrong",
    "MISSING_PASSPHRASE": "the key has a passphrase, and none is configured",
    "NO_SECKEY": "the key ring has no secret key for it",
    "NODATA": "it is damaged",
}
"""In the order in which they are looked for."""


@dataclass(slots=True)
class _Heard:
    """Everything one run of gpg said."""

    words: set[str] = field(default_factory=set)
    counts: dict[str, int] = field(default_factory=dict)
    aead: bool = False
    signatures: list[Signature] = field(default_factory=list)


def keywords(stderr: bytes) -> Iterator[tuple[str, list[str]]]:
    """The status lines among everything else that gpg writes there."""
    for line in stderr.splitlines():
        if line.startswith(_MARK):
            keyword, *arguments = line[len(_MARK) :].decode("utf-8", "replace").split(" ")
            yield keyword, arguments


def decrypted(stdout: bytes, stderr: bytes) -> Decrypted:
    """What one run of ``gpg --decrypt`` came to.

    Raises SpaError (GPGME_DECRYPT_FAILED) unless gpg says that it decrypted
    one text, whole and protected against tampering, with a secret key.
    """
    heard = _listen(keywords(stderr))
    sound = (
        {"DECRYPTION_KEY", "DECRYPTION_OKAY"} <= heard.words
        and ("GOODMDC" in heard.words or heard.aead)
        and heard.counts.get("PLAINTEXT") == 1
        and "NEED_PASSPHRASE_SYM" not in heard.words
        and "DECRYPTION_FAILED" not in heard.words
    )
    if not sound:
        why = (words for keyword, words in _WHY.items() if keyword in heard.words)
        raise SpaError(Code.GPGME_DECRYPT_FAILED, next(why, "it is damaged"))
    return Decrypted(stdout, tuple(heard.signatures))


def _listen(lines: Iterable[tuple[str, list[str]]]) -> _Heard:
    heard = _Heard()
    for keyword, arguments in lines:
        heard.words.add(keyword)
        heard.counts[keyword] = heard.counts.get(keyword, 0) + 1
        if keyword in _STATES:
            heard.signatures.append(Signature(_STATES[keyword], _identity(arguments)))
        elif keyword == "VALIDSIG" and heard.signatures and arguments:
            last = heard.signatures[-1]
            heard.signatures[-1] = Signature(last.state, arguments[0].upper(), last.trusted)
        elif keyword in _TRUSTED and heard.signatures:
            last = heard.signatures[-1]
            heard.signatures[-1] = Signature(last.state, last.fingerprint, trusted=True)
        elif keyword == "DECRYPTION_INFO" and len(arguments) > 2:
            heard.aead = arguments[2] != "0"
    return heard


def _identity(arguments: list[str]) -> str:
    """The fingerprint where the line has one (ERRSIG, the last argument), else the key id."""
    last = arguments[-1] if arguments else ""
    best = last if len(last) == 40 and len(arguments) > 6 else (arguments or [""])[0]
    return best.upper()
