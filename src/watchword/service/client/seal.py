"""Asks for the keys of a run, and seals with them.

In here: whose keys are taken in which order, and the symmetric way.
Not in here: the way by gpg (client_gpg), what a key has to be (dialects), the
packet itself (wire).

Source: client, section 8.1.
"""

from __future__ import annotations

from watchword.dialects.fwknop import client_keys, client_request, client_values
from watchword.dialects.fwknop.client_options import CommandLine
from watchword.dialects.fwknop.client_settings import Given, KeyForm, KeyWord
from watchword.dialects.fwknop.client_verify import uses_gpg
from watchword.edges import randomness
from watchword.errors import Complaint, OperatorError
from watchword.model.crypto import CipherMode, Credential, Digest, Secret
from watchword.service.client.console import Console
from watchword.service.client.files import exists, read_own
from watchword.wire.spa.errors import SpaError
from watchword.wire.spa.message import Message

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from typing import Protocol, TypeAlias

    from watchword.dialects.fwknop.client_dump import Sealing
    from watchword.wire.spa.opened import Opened
else:
    Protocol = object

Ask: TypeAlias = "Callable[[str], bytes]"
"""Puts a question; the answer without its end of line. Raises OperatorError."""


class Seal(Protocol):
    """What makes a packet of a message, and opens it again as its server will."""

    def seal(self, message: Message, plaintext: bytes) -> bytes:
        """The payload. ``plaintext`` is what the message is composed to. Raises OperatorError."""

    def open(self, payload: bytes) -> tuple[Opened, Sealing]:
        """Raises OperatorError where the keys of this run do not open it."""

    def sealing(self) -> Sealing: ...

    def remarks(self) -> Iterable[Complaint]:
        """What is weak about the keys."""

    @property
    def mac_key(self) -> Secret | None:
        """The HMAC key; None: there is none."""


class SymmetricSeal:
    """By a key that both sides have."""

    def __init__(self, credential: Credential) -> None:
        self._credential = credential

    def seal(self, message: Message, plaintext: bytes) -> bytes:
        from watchword.wire.spa.sealing import seal  # noqa: PLC0415  (after the checks)

        try:
            return seal(message, self._credential, salt=randomness.salt())
        except SpaError as error:
            raise client_request.library_complaint(error) from None

    def open(self, payload: bytes) -> tuple[Opened, Sealing]:
        from watchword.wire.spa.opening import Lock, unseal  # noqa: PLC0415  (loads slowly)

        try:
            return unseal(payload, Lock(self._credential)), self.sealing()
        except SpaError as error:
            raise OperatorError(
                f"fwknop: fko_decrypt_spa_data: Error {int(error.code)} - {error.code.text}",
                hint="this is a bug: the packet was made with the same key",
            ) from None

    def sealing(self) -> Sealing:
        from watchword.dialects.fwknop.client_dump import Sealing  # noqa: PLC0415  (for dumps)

        credential = self._credential
        digest = None if credential.mac_key is None else credential.mac_digest
        return Sealing(credential.mode, digest)

    def remarks(self) -> Iterable[Complaint]:
        credential = self._credential
        return client_keys.remarks(credential.mode, credential.key, credential.mac_key)

    @property
    def mac_key(self) -> Secret | None:
        return self._credential.mac_key


def seal_of(
    line: CommandLine, settings: Given, environment: Mapping[str, str], console: Console
) -> Seal:
    """The keys of this run: settings, files, or whoever can be asked."""
    ask = asker(line)
    if uses_gpg(settings):
        return _by_gpg(line, settings, ask, environment, console)
    return _symmetric(settings, ask, console)


def asker(line: CommandLine) -> Ask:
    """Who is asked for a key that stands nowhere."""

    def ask(question: str) -> bytes:
        from watchword.edges import prompt  # noqa: PLC0415  (few runs ask)

        if line.descriptor is None:
            return prompt.Terminal().ask(question)
        return prompt.Descriptor(line.descriptor).ask(question)

    return ask


def _symmetric(settings: Given, ask: Ask, console: Console) -> SymmetricSeal:
    mode = settings.mode or CipherMode.CBC
    key = octets(settings.key, settings, console)
    if key is None:
        key = ask("Enter encryption key: ")
    if mode is CipherMode.LEGACY and len(key) > client_keys.LEGACY:
        console.warn(client_keys.LEGACY_WARNING)
    key = client_keys.check_key(key, mode)
    mac_key = _mac_key(settings, ask, console, key)
    digest = settings.mac_digest or Digest.SHA256
    return SymmetricSeal(client_keys.credential(key, mode, mac_key, digest))


def _by_gpg(
    line: CommandLine,
    settings: Given,
    ask: Ask,
    environment: Mapping[str, str],
    console: Console,
) -> Seal:
    from watchword.dialects.fwknop import client_gpg as gpg_words  # noqa: PLC0415
    from watchword.service.client.gpg import KeyringSeal, check_machine  # noqa: PLC0415

    wish = gpg_words.wish(settings, line.perl)
    if line.perl.gpg_agent_info is not None:
        environment = {**environment, "GPG_AGENT_INFO": line.perl.gpg_agent_info}
    check_machine(wish)
    passphrase = None
    if wish.asks:
        passphrase = octets(settings.key, settings, console)
        if passphrase is None:
            passphrase = ask(gpg_words.PROMPT)
    elif wish.signs or wish.agent or wish.no_passphrase:
        console.notice(gpg_words.BY_AGENT if wish.agent else gpg_words.NOT_NEEDED)
    mac_key = _mac_key(settings, ask, console, passphrase or b"")
    digest = settings.mac_digest or Digest.SHA256
    heard = console.warn if line.perl.gpg_verbose else None
    return KeyringSeal(wish, passphrase, mac_key, digest, environment, heard=heard)


def _mac_key(settings: Given, ask: Ask, console: Console, key: bytes) -> bytes | None:
    if not settings.use_hmac:
        return None
    mac_key = octets(settings.mac_key, settings, console)
    if mac_key is None:
        mac_key = ask("Enter HMAC key: ")
    return client_keys.check_mac_key(mac_key, key)


def octets(
    word: KeyWord | None,
    settings: Given,
    console: Console,
    *,
    first: bool = False,
    others: Callable[[], Sequence[str]] = tuple,
) -> bytes | None:
    """The key that a word stands for; None if there is no word. Raises OperatorError.

    Args:
        first: Of several lines for the server in a key file, the first counts.
        others: More names of the server; called if the file does not have it as typed.
    """
    if word is None:
        return None
    if word.form is not KeyForm.FILE:
        return client_keys.octets(word)
    path = word.text
    if not exists(path):
        raise OperatorError(
            f"Could not open config file: {path}",
            hint="name the file with the key with -G or --get-hmac-key",
        )
    text = read_own(path, console)
    host = settings.server or ""
    for name in _names_of(host, others):
        if (key := client_keys.from_file(text, name, first=first)) is not None:
            return key
    raise OperatorError(
        f"Could not get key for IP: {host} from: {path}", hint=f"add a line to it: {host}: key"
    )


def _names_of(host: str, others: Callable[[], Sequence[str]]) -> Iterator[str]:
    yield host
    if host:
        yield client_values.server(host).host
    yield from others()
