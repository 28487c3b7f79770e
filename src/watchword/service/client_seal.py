"""Asks for the keys of a run, and seals with them.

In here: whose keys are taken in which order, and the symmetric way.
Not in here: the way by gpg (client_gpg), what a key has to be (dialects), the
packet itself (wire).

Source: client, section 8.1.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from watchword.dialects.fwknop import client_gpg as gpg_words
from watchword.dialects.fwknop import client_keys, client_request, client_values
from watchword.dialects.fwknop.client_dump import Sealing
from watchword.dialects.fwknop.client_gpg import GpgWish
from watchword.dialects.fwknop.client_options import CommandLine
from watchword.dialects.fwknop.client_settings import Given, KeyForm, KeyWord
from watchword.edges import files, prompt, randomness
from watchword.errors import OperatorError
from watchword.model.crypto import CipherMode, Credential, Digest
from watchword.service.client_console import Console
from watchword.service.client_files import check_permissions, exists
from watchword.wire.spa.errors import SpaError
from watchword.wire.spa.message import Message
from watchword.wire.spa.opened import Opened


class Seal(Protocol):
    """What makes a packet of a message, and opens it again as its server will."""

    def seal(self, message: Message, plaintext: bytes) -> bytes:
        """The payload. ``plaintext`` is what the message is composed to. Raises OperatorError."""
        ...

    def open(self, payload: bytes) -> tuple[Opened, Sealing]:
        """Raises OperatorError where the keys of this run do not open it."""
        ...

    def sealing(self) -> Sealing: ...


class SymmetricSeal:
    """By a key that both sides have."""

    def __init__(self, credential: Credential) -> None:
        self._credential = credential

    def seal(self, message: Message, plaintext: bytes) -> bytes:
        from watchword.wire.spa.sealing import seal  # noqa: PLC0415  (cryptography loads slowly)

        try:
            return seal(message, self._credential, salt=randomness.salt())
        except SpaError as error:
            raise client_request.library_complaint(error, message) from None

    def open(self, payload: bytes) -> tuple[Opened, Sealing]:
        from watchword.wire.spa.opening import Lock, unseal  # noqa: PLC0415  (loads slowly)

        try:
            return unseal(payload, Lock(self._credential)), self.sealing()
        except SpaError as error:
            raise OperatorError(
                f"fwknop: fko_decrypt_spa_data: Error {int(error.code)} - {error.code.text}"
            ) from None

    def sealing(self) -> Sealing:
        credential = self._credential
        digest = None if credential.mac_key is None else credential.mac_digest
        return Sealing(credential.mode, digest)


def seal_of(
    line: CommandLine, settings: Given, environment: Mapping[str, str], console: Console
) -> Seal:
    """The keys of this run: settings, files, or whoever can be asked."""
    asker: prompt.Terminal | prompt.Descriptor = prompt.Terminal()
    if line.descriptor is not None:
        asker = prompt.Descriptor(line.descriptor)
    wish = gpg_words.wish(settings)
    if wish is None:
        return _symmetric(settings, asker, console)
    return _by_gpg(wish, settings, asker, environment, console)


def _symmetric(
    settings: Given, asker: prompt.Terminal | prompt.Descriptor, console: Console
) -> SymmetricSeal:
    mode = settings.mode or CipherMode.CBC
    key = _octets(settings.key, settings, console)
    if key is None:
        key = asker.ask("Enter encryption key: ")
    if mode is CipherMode.LEGACY and len(key) > client_keys.LEGACY:
        console.warn(client_keys.LEGACY_WARNING)
    key = client_keys.check_key(key, mode)
    mac_key = _mac_key(settings, asker, console, key)
    digest = settings.mac_digest or Digest.SHA256
    return SymmetricSeal(client_keys.credential(key, mode, mac_key, digest))


def _by_gpg(
    wish: GpgWish,
    settings: Given,
    asker: prompt.Terminal | prompt.Descriptor,
    environment: Mapping[str, str],
    console: Console,
) -> Seal:
    from watchword.service.client_gpg import KeyringSeal, check_machine  # noqa: PLC0415

    check_machine(wish)
    passphrase = None
    if wish.asks:
        passphrase = _octets(settings.key, settings, console)
        if passphrase is None:
            passphrase = asker.ask(gpg_words.PROMPT)
    elif wish.signers or wish.agent or wish.no_passphrase:
        console.say(gpg_words.BY_AGENT if wish.agent else gpg_words.NOT_NEEDED)
    mac_key = _mac_key(settings, asker, console, passphrase or b"")
    digest = settings.mac_digest or Digest.SHA256
    return KeyringSeal(wish, passphrase, mac_key, digest, environment)


def _mac_key(
    settings: Given, asker: prompt.Terminal | prompt.Descriptor, console: Console, key: bytes
) -> bytes | None:
    if not settings.use_hmac:
        return None
    mac_key = _octets(settings.mac_key, settings, console)
    if mac_key is None:
        mac_key = asker.ask("Enter HMAC key: ")
    return client_keys.check_mac_key(mac_key, key)


def _octets(word: KeyWord | None, settings: Given, console: Console) -> bytes | None:
    if word is None:
        return None
    if word.form is not KeyForm.FILE:
        return client_keys.octets(word)
    path = Path(word.text)
    if not exists(path):
        raise OperatorError(f"Could not open config file: {path}")
    check_permissions(path, console)
    host = settings.server or ""
    text = files.read_text(path)
    for name in (host, client_values.server(host).host if host else ""):
        if (key := client_keys.from_file(text, name)) is not None:
            return key
    raise OperatorError(f"Could not get key for IP: {host} from: {path}")
