"""Seals and opens packets of the client by gpg (client, section 14).

In here: what gpg inherits of the user's environment, and in which order it is
asked things.
Not in here: options and sentences (dialects.fwknop.client_gpg).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from shutil import which

from watchword.dialects.fwknop import client_gpg, client_keys
from watchword.dialects.fwknop.client_dump import Sealing
from watchword.dialects.fwknop.client_gpg import GpgWish
from watchword.dialects.fwknop.client_values import printable
from watchword.edges.gpg import Gpg, gpg_programs
from watchword.edges.programs import CLEAN_ENVIRONMENT
from watchword.errors import Complaint
from watchword.model.commands import Account
from watchword.model.crypto import CipherMode, Digest, Secret
from watchword.model.openpgp import OpenPgpCredential, Signature, Signers
from watchword.ports import Completed, ProgramRunner
from watchword.wire.spa.errors import SpaError
from watchword.wire.spa.message import Message
from watchword.wire.spa.opened import Opened
from watchword.wire.spa.openpgp import OpenPgpLock, enclose

_OF_THE_USER = (
    "HOME", "GNUPGHOME", "GPG_TTY", "TERM", "DISPLAY", "WAYLAND_DISPLAY", "XAUTHORITY",
    "DBUS_SESSION_BUS_ADDRESS", "XDG_RUNTIME_DIR",
)  # fmt: skip
"""What gpg needs to find the user's keys, and an agent to find the user."""
_OF_AN_AGENT = ("GPG_AGENT_INFO",)
"""Where gpg before 2.1 looks for the agent; later ones find it by themselves."""


class _Overheard:
    """Runs programs, and passes on what they say on standard error."""

    def __init__(self, programs: ProgramRunner, heard: Callable[[str], None]) -> None:
        self._programs = programs
        self._heard = heard

    def run(
        self,
        argv: Sequence[str],
        *,
        stdin: bytes = b"",
        seconds: float = 10.0,
        account: Account | None = None,
    ) -> Completed:
        ran = self._programs.run(argv, stdin=stdin, seconds=seconds, account=account)
        for line in ran.stderr.decode("utf-8", "replace").splitlines():
            self._heard(printable(line))
        return ran


class KeyringSeal:
    """One run's way to gpg."""

    def __init__(
        self,
        wish: GpgWish,
        passphrase: bytes | None,
        mac_key: bytes | None,
        mac_digest: Digest,
        environment: Mapping[str, str],
        *,
        heard: Callable[[str], None] | None = None,
    ) -> None:
        """``heard`` is told every line that gpg says."""
        wanted = (*_OF_THE_USER, *(_OF_AN_AGENT if wish.agent else ()))
        kept = {name: environment[name] for name in wanted if name in environment}
        programs: ProgramRunner = gpg_programs(kept)
        if heard is not None:
            programs = _Overheard(programs, heard)
        self._gpg = Gpg(programs, options_file=wish.options_file)
        self._wish = wish
        self._keyring = wish.keyring(passphrase)
        self._mac_key = None if mac_key is None else Secret(mac_key)
        self._mac_digest = mac_digest

    def seal(self, message: Message, plaintext: bytes) -> bytes:
        """See ``client_seal.Seal``. Raises HostError if gpg cannot be used."""
        wish = self._wish
        try:
            sealed = self._gpg.encrypt(
                self._keyring, plaintext, wish.recipients, wish.signers,
                default_signer=wish.default_signer,
            )  # fmt: skip
            return enclose(sealed, self._credential(Signers()))
        except SpaError as error:
            raise client_gpg.refused(error) from None

    def open(self, payload: bytes) -> tuple[Opened, Sealing]:
        """See ``client_seal.Seal``; the key ring has to have the recipient's secret key."""
        signers = Signers(required=self._wish.signs, any_state=True)
        lock = OpenPgpLock(self._credential(signers))
        try:
            decrypted = self._gpg.decrypt(self._keyring, lock.message(payload))
            signature = next(iter(decrypted.signatures), None)
            return lock.read(decrypted), self.sealing(signature)
        except SpaError as error:
            raise client_gpg.not_decrypted(error) from None

    def _credential(self, signers: Signers) -> OpenPgpCredential:
        return OpenPgpCredential(self._keyring, signers, self._mac_key, self._mac_digest)

    def sealing(self, signature: Signature | None = None) -> Sealing:
        digest = None if self._mac_key is None else self._mac_digest
        return Sealing(CipherMode.ASYMMETRIC, digest, client_gpg.rows(self._wish, signature))

    @property
    def mac_key(self) -> Secret | None:
        return self._mac_key

    def remarks(self) -> Iterable[Complaint]:
        return client_keys.remarks(CipherMode.ASYMMETRIC, None, self._mac_key)


def check_machine(wish: GpgWish) -> None:
    """Raises OperatorError where home or program is not there, before anybody is asked a key."""
    if wish.home and not Path(wish.home).is_dir():
        raise client_gpg.no_home(wish.home)
    if which(wish.program, path=CLEAN_ENVIRONMENT["PATH"]) is None:
        raise client_gpg.no_program(wish.program)
