"""Key rings in memory: answers from a table instead of running gpg."""

from __future__ import annotations

from collections.abc import Mapping

from watchword.errors import HostError
from watchword.model.openpgp import Decrypted, Keyring
from watchword.ports import OpenPgp
from watchword.wire.spa.errors import Code, SpaError


class MemoryOpenPgp:
    """Opens the messages that it was given the content of."""

    def __init__(self, contents: Mapping[bytes, Decrypted | HostError] | None = None) -> None:
        """``contents``: for each message what is in it, or why it cannot be tried."""
        self.contents = dict(contents or {})
        self.calls: list[tuple[Keyring, bytes]] = []

    def decrypt(self, keyring: Keyring, message: bytes) -> Decrypted:
        """See ``ports.OpenPgp``."""
        self.calls.append((keyring, message))
        found = self.contents.get(message)
        if found is None:
            raise SpaError(Code.GPGME_DECRYPT_FAILED)
        if isinstance(found, HostError):
            raise found
        return found


_: type[OpenPgp] = MemoryOpenPgp
