"""OpenPGP by the program gpg (wire format, chapter 10).

In here: command lines that no user option, agent or terminal can change, and
what is at fault when one fails: the packet (SpaError), the operator's words
(SpaError with libfko's number), or this machine (HostError).
Not in here: what the status lines mean (gpg_status), the packet around a
message (wire.spa.openpgp), how many run at once (service.daemon.vault).

Nothing secret is in an argument: passphrase and message go in by standard
input. Every call has a limit in time and output, and its own process group.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from watchword.edges.gpg_locks import sweep
from watchword.edges.gpg_status import decrypted, keywords
from watchword.edges.programs import SystemPrograms
from watchword.errors import HostError
from watchword.model.openpgp import Decrypted, Keyring
from watchword.ports import Completed, OpenPgp, ProgramRunner
from watchword.wire.spa.errors import Code, SpaError

SECONDS = 10.0  # limit of one call; milliseconds, but for a passphrase on a busy machine
SECONDS_OF_A_PERSON = 120.0  # where an agent may ask somebody for a passphrase
OUTPUT_LIMIT = 1 << 18  # bytes that gpg may say: a small message can unpack to very much
_STEADY = ("--batch", "--no-tty", "--status-fd", "2")


def gpg_programs(environment: Mapping[str, str] | None = None) -> SystemPrograms:
    """A runner for gpg: with these variables, and no more output than a packet can need."""
    return SystemPrograms(environment, OUTPUT_LIMIT)


class Gpg:
    """Runs gpg for one message at a time. Methods block."""

    def __init__(
        self, programs: ProgramRunner, *, seconds: float = SECONDS, options_file: bool = False
    ) -> None:
        """``options_file``: what stands in gpg.conf counts; else it is not looked at."""
        self._programs = programs
        self._seconds = seconds
        self._options_file = options_file

    def decrypt(self, keyring: Keyring, message: bytes) -> Decrypted:
        """See ``ports.OpenPgp``."""
        options = [*_asking(keyring), "--decrypt"]
        ran = self._run(keyring, options, _first_line(keyring) + message)
        if trouble := _NO_AGENT.search(ran.stderr):
            raise HostError(f"{keyring.program}: {_printable(trouble[1])}", hint=_HINT)
        if not any(keywords(ran.stderr)):
            raise HostError(f"{keyring.program}: {_complaint(ran)}", hint=_HINT)
        return decrypted(ran.stdout, ran.stderr)

    def encrypt(
        self,
        keyring: Keyring,
        plaintext: bytes,
        recipients: Sequence[str],
        signers: Sequence[str] = (),
        *,
        default_signer: bool = False,
    ) -> bytes:
        """A message to all recipients, signed by all signers; binary.

        With ``default_signer`` and no signers gpg chooses the key: the
        ``default-key`` of its options file, which is read for that, or the first one.

        Names are whatever gpg takes for one key: an id, a fingerprint, a part
        of a user id. Raises SpaError with libfko's number: no such key, more
        than one, or no success. Raises HostError: gpg cannot be used.
        """
        if not recipients:
            raise SpaError(Code.MISSING_GPG_KEY_DATA)
        to = [self._find(keyring, name, secret=False) for name in recipients]
        by = [self._find(keyring, name, secret=True) for name in signers]
        options = [*_asking(keyring), "--trust-model", "always", "--no-armor"]
        if not self._options_file:
            options.append("--no-encrypt-to")
        for fingerprint in to:
            options += ["--recipient", fingerprint]
        for fingerprint in by:
            options += ["--local-user", fingerprint]
        by_default = default_signer and not by
        options += ["--sign", "--encrypt"] if by or by_default else ["--encrypt"]
        message = _first_line(keyring) + plaintext
        ran = self._run(keyring, options, message, options_file=by_default)
        if ran.status or "END_ENCRYPTION" not in {keyword for keyword, _ in keywords(ran.stderr)}:
            raise SpaError(Code.GPGME_ENCRYPT_SIGN, _complaint(ran))
        return ran.stdout

    def _find(self, keyring: Keyring, name: str, *, secret: bool) -> str:
        """The fingerprint of the one key that a name stands for."""
        missing, ambiguous = _LOOKUP_CODES[secret]
        listing = "--list-secret-keys" if secret else "--list-keys"
        ran = self._run(keyring, ["--with-colons", listing, "--", name], b"")
        found = list(_fingerprints(ran.stdout))
        if not found:
            if ran.status not in _ENDED_BY_ITSELF:
                raise HostError(f"{keyring.program}: {_complaint(ran)}", hint=_by_hand(keyring))
            raise SpaError(missing, f"no {'secret ' if secret else ''}key of that name")
        if len(found) > 1:
            raise SpaError(ambiguous, "write the fingerprint of the key that is meant")
        return found[0]

    def _run(
        self, keyring: Keyring, options: Sequence[str], stdin: bytes, *, options_file: bool = False
    ) -> Completed:
        home = ["--homedir", keyring.home] if keyring.home else []
        seconds = SECONDS_OF_A_PERSON if keyring.agent else self._seconds
        read = self._options_file or options_file
        argv = [keyring.program, *home, *([] if read else ["--no-options"]), *_STEADY, *options]
        try:
            return self._programs.run(argv, stdin=stdin, seconds=seconds)
        except HostError as error:
            if keyring.home:
                sweep(Path(keyring.home))
            error.hint = error.hint or _by_hand(keyring)
            raise


_NO_AGENT = re.compile(rb"^gpg: (can't connect to the (?:gpg-)?agent.*)", re.MULTILINE)
"""Said beside "no secret key", which is not true then."""
_HINT = "look at GPG_HOME_DIR and GPG_EXE, and at the permissions of both"
_ENDED_BY_ITSELF = (0, 2)
"""What gpg ends with when it has listed keys, and when there is none of that name."""
_LOOKUP_CODES = {
    False: (Code.GPGME_RECIPIENT_KEY_NOT_FOUND, Code.GPGME_RECIPIENT_KEY_AMBIGUOUS),
    True: (Code.GPGME_SIGNER_KEY_NOT_FOUND, Code.GPGME_SIGNER_KEY_AMBIGUOUS),
}


def _by_hand(keyring: Keyring) -> str:
    return f"see whether it works by hand: {keyring.program} --list-keys"


def _asking(keyring: Keyring) -> list[str]:
    """Where a passphrase comes from. Only a user's own agent may ask a person."""
    if keyring.passphrase is not None:
        return ["--pinentry-mode", "loopback", "--passphrase-fd", "0"]
    return [] if keyring.agent else ["--pinentry-mode", "error"]


def _first_line(keyring: Keyring) -> bytes:
    """gpg reads the passphrase up to a line end, and the rest of its input after that.

    Raises HostError where a part of it would be taken for the message.
    """
    if keyring.passphrase is None:
        return b""
    secret = keyring.passphrase.reveal()
    if b"\n" in secret or b"\0" in secret:
        raise HostError(f"{keyring.program}: takes no passphrase with a line end or a NUL in it")
    return secret + b"\n"


def _fingerprints(listing: bytes) -> Iterator[str]:
    """Of the primary keys in a listing; the first ``fpr`` after each of them."""
    primary = False
    for line in listing.splitlines():
        kind, *fields = line.decode("utf-8", "replace").split(":")
        if kind in ("pub", "sec"):
            primary = True
        elif kind == "fpr" and primary:
            primary = False
            yield fields[8]


def _complaint(ran: Completed) -> str:
    """The last thing that gpg said to people, for a person who set it up."""
    said = [
        line
        for line in ran.stderr.decode("utf-8", "replace").splitlines()
        if line.strip() and not line.startswith("[GNUPG:]")
    ]
    last = said[-1].removeprefix("gpg: ") if said else f"ended with status {ran.status}"
    return _printable(last.encode("utf-8"))


def _printable(octets: bytes) -> str:
    text = octets.decode("utf-8", "replace")[:200]
    return "".join(each if each.isprintable() else "?" for each in text)


_: type[OpenPgp] = Gpg
