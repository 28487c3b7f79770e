"""The client's GPG options as values, and what is said about them (client, section 14).

In here: recipients, signers and key ring of a run; the library's lines for what
gpg refuses; the rows of a dump.
Not in here: gpg (edges.gpg), when it is run (service.client.gpg).

One option may name several keys, with commas, if each of them is a key id or a
fingerprint: a comma in a user id stays a part of it.
"""

from __future__ import annotations

import re
from typing import Final

from watchword.dialects.fwknop.client_perl import NO_PERL, Perl
from watchword.dialects.fwknop.client_settings import Given
from watchword.dialects.fwknop.client_values import is_yes
from watchword.errors import OperatorError
from watchword.model.crypto import Secret
from watchword.model.openpgp import Keyring, Signature, SignatureState
from watchword.record import record
from watchword.wire.spa.errors import Code, SpaError

PROGRAM: Final = "/usr/bin/gpg"
PROMPT: Final = "Enter passphrase for signing: "
BY_AGENT: Final = "[+] GPG mode set, signing passphrase acquired via gpg-agent"
NOT_NEEDED: Final = "[+] GPG mode set, signing passphrase not required"

_KEY: Final = re.compile(r"(?:0x)?(?:[0-9A-Fa-f]{8}|[0-9A-Fa-f]{16}|[0-9A-Fa-f]{40})")
_FUNCTIONS: Final = {
    Code.GPGME_RECIPIENT_KEY_NOT_FOUND: "fko_set_gpg_recipient",
    Code.GPGME_RECIPIENT_KEY_AMBIGUOUS: "fko_set_gpg_recipient",
    Code.GPGME_SIGNER_KEY_NOT_FOUND: "fko_set_gpg_signer",
    Code.GPGME_SIGNER_KEY_AMBIGUOUS: "fko_set_gpg_signer",
}


_WRONG_KEY: Final = "gpg --list-keys and gpg --list-secret-keys show the keys there are"
_OTHER_SECRET: Final = "it has to be that of the key that signs, --gpg-signer-key"  # noqa: S105


@record
class GpgWish:
    """What a run wants of gpg."""

    recipients: tuple[str, ...]
    signers: tuple[str, ...]
    """Empty: the packet is not signed, which servers refuse unless told otherwise."""
    home: str
    """Empty: gpg's own default."""
    program: str
    agent: bool
    no_passphrase: bool
    default_signer: bool = False
    """Whether gpg chooses the key that signs: ``default-key`` of its options file, or the first."""
    options_file: bool = False
    """Whether the whole options file counts."""

    @property
    def signs(self) -> bool:
        return bool(self.signers) or self.default_signer

    @property
    def asks(self) -> bool:
        """Whether a passphrase has to come from somewhere."""
        return self.signs and not (self.agent or self.no_passphrase)

    def keyring(self, passphrase: bytes | None) -> Keyring:
        secret = None if passphrase is None else Secret(passphrase)
        return Keyring(self.home, self.program, secret, self.agent)


def wish(settings: Given, perl: Perl = NO_PERL) -> GpgWish:
    """What a run asks for that uses GPG."""
    said = settings.elsewhere
    return GpgWish(
        recipients=_names(said.get("GPG_RECIPIENT", "")),
        signers=_names(said.get("GPG_SIGNER", "")),
        home=_home(said.get("GPG_HOMEDIR", "")),
        program=said.get("GPG_EXE") or PROGRAM,
        agent=is_yes(said.get("USE_GPG_AGENT", "N")),
        no_passphrase=is_yes(said.get("GPG_NO_SIGNING_PW", "N")),
        default_signer=perl.gpg_default_key,
        options_file=perl.gpg_options,
    )


def _names(text: str) -> tuple[str, ...]:
    names = [each.strip() for each in text.split(",")]
    if len(names) > 1 and all(_KEY.fullmatch(each) for each in names):
        return tuple(names)
    return (text,) if text.strip() else ()


def _home(text: str) -> str:
    return text.removesuffix("/") or text


def no_home(home: str) -> OperatorError:
    return OperatorError(
        f"fwknop: fko_set_gpg_home_dir: Error 135 - {Code.GPGME_BAD_HOME_DIR.text}",
        hint=f"{home} is no directory",
    )


def no_program(program: str) -> OperatorError:
    return OperatorError(
        f"fwknop: fko_set_gpg_exe: Error 134 - {Code.GPGME_BAD_GPG_EXE.text}",
        hint=f"{program} is no program; install gnupg, or name it with --gpg-exe",
    )


def refused(error: SpaError) -> OperatorError:
    """The two lines that the original prints when a key or a passphrase is wrong."""
    function = _FUNCTIONS.get(error.code, "fko_spa_data_final")
    first = f"fwknop: {function}: Error {int(error.code)} - {error.code.text}"
    return OperatorError(
        f"{first}\nGPG ERR: {error.detail}" if error.detail else first,
        hint=_OTHER_SECRET if error.code is Code.GPGME_BAD_PASSPHRASE else _WRONG_KEY,
    )


def not_decrypted(error: SpaError) -> OperatorError:
    """The same where a packet of one's own cannot be opened again."""
    said = f"fwknop: fko_decrypt_spa_data: Error {int(error.code)} - {error.code.text}"
    if error.code is Code.GPGME_DECRYPT_FAILED:
        said += f"\nGPG ERR: {error.detail}\nNo access to recipient private key?"
    return OperatorError(said, hint="only the server's key opens it: leave -T out to send it")


def _no_signer(asked: GpgWish) -> str:
    return "(gpg's default key)" if asked.default_signer else "<NULL>"


def rows(asked: GpgWish, signature: Signature | None = None) -> tuple[tuple[str, str], ...]:
    """The ten rows that a dump has in GPG mode. ``signature`` is known once it was opened."""
    good = signature is not None and signature.state is SignatureState.GOOD
    summary = 3 if good and signature is not None and signature.trusted else 0
    return (
        ("GPG signer", ",".join(asked.signers) or _no_signer(asked)),
        ("GPG recipient", ",".join(asked.recipients) or "<NULL>"),
        ("GPG sig verify", "Yes"),
        ("GPG ignore sig", "No"),
        ("GPG sig ID", signature.fingerprint[-8:] if signature else "<NULL>"),
        ("GPG sig fpr", signature.fingerprint if signature else "<NULL>"),
        ("GPG sig summary", str(summary) if signature else "-1"),
        ("GPG sig status", ("0" if good else "1") if signature else "-1"),
        ("GPG home dir", asked.home or "<NULL>"),
        ("GPG exe", asked.program),
    )
