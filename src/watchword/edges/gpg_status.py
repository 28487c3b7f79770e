"""Reads what gpg says to machines: its status lines.

In here: the lines that matter for one decryption, and what follows from them.
Not in here: running gpg (gpg), which signature counts (wire.spa.openpgp).

The exit status of gpg tells little: it is 0 for an untrusted signature and 2
for an unknown one. What counts is what it says. Format: DETAILS of GnuPG.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from watchword.model.openpgp import Decrypted, Signature, SignatureState
from watchword.wire.spa.errors import Code, SpaError
from watchword.wire.spa.fields import MAX_TEXT

_MARK = b"[GNUPG:] "
_STATES = {
    "GOODSIG": SignatureState.GOOD,
    "EXPSIG": SignatureState.EXPIRED,
    "EXPKEYSIG": SignatureState.KEY_EXPIRED,
    "REVKEYSIG": SignatureState.KEY_REVOKED,
    "BADSIG": SignatureState.BAD,
    "ERRSIG": SignatureState.UNKNOWN_KEY,
}
_UNSOUND = {
    "NEED_PASSPHRASE_SYM", "DECRYPTION_FAILED", "ERROR", "FAILURE", "UNEXPECTED", "NODATA",
}  # fmt: skip
"""More than one message, or less, or another kind; whatever else was said."""
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
    length: str = ""
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
    one text, whole, protected against tampering and no longer than a packet's,
    with a secret key; GPGME_BAD_SIGNATURE where it gave up over a signature.
    """
    heard = _listen(keywords(stderr))
    if _is_sound(heard) and len(stdout) <= MAX_TEXT and heard.length in ("", str(len(stdout))):
        return Decrypted(stdout, tuple(heard.signatures))
    if heard.signatures and heard.signatures[0].state is not SignatureState.GOOD:
        raise SpaError(Code.GPGME_BAD_SIGNATURE, f"it is {heard.signatures[0].state}")
    why = (words for keyword, words in _WHY.items() if keyword in heard.words)
    raise SpaError(Code.GPGME_DECRYPT_FAILED, next(why, "it is damaged"))


def _is_sound(heard: _Heard) -> bool:
    return (
        {"DECRYPTION_KEY", "DECRYPTION_OKAY"} <= heard.words
        and ("GOODMDC" in heard.words or heard.aead)
        and heard.counts.get("PLAINTEXT") == 1
        and not heard.words & _UNSOUND
    )


def _listen(lines: Iterable[tuple[str, list[str]]]) -> _Heard:
    heard = _Heard()
    for keyword, arguments in lines:
        heard.words.add(keyword)
        heard.counts[keyword] = heard.counts.get(keyword, 0) + 1
        if keyword in _STATES:
            heard.signatures.append(Signature(_STATES[keyword], _identity(arguments)))
        elif keyword == "VALIDSIG" and heard.signatures and arguments:
            primary = arguments[9].upper() if len(arguments) > 9 else ""
            heard.signatures[-1] = replace(
                heard.signatures[-1], fingerprint=arguments[0].upper(), primary=primary
            )
        elif keyword in _TRUSTED and heard.signatures:
            heard.signatures[-1] = replace(heard.signatures[-1], trusted=True)
        elif keyword == "DECRYPTION_INFO" and len(arguments) > 2:
            heard.aead = arguments[2] != "0"
        elif keyword == "PLAINTEXT_LENGTH" and arguments:
            heard.length = arguments[0]
    return heard


def _identity(arguments: list[str]) -> str:
    """The fingerprint where the line has one (ERRSIG, the last argument), else the key id."""
    last = arguments[-1] if arguments else ""
    best = last if len(last) == 40 and len(arguments) > 6 else (arguments or [""])[0]
    return best.upper()
