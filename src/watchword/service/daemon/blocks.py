"""The kill switches of keys, kept for good.

In here: what keys are called, which of them are blocked, and the file that says so.
Not in here: what a block does to packets (grant.decide) and to grants (block_changes).

A key's name is worked out with a secret of this installation, so that it gives
nothing away: whoever sees names cannot try passphrases on them. The secret is in
a file of its own as well, so that keys keep their names, and with them grants
their stanzas, if somebody removes the file with the blocks.

What counts as a stanza's key is what its packets are sealed with: the encryption
key, whatever HMAC key stands beside it; for OpenPGP the HMAC key, or where there
is none each signer that is listed, or where none is listed the key ring. So a
block holds for every stanza with that key, and a stanza that gets one more
signer, or another passphrase for its ring, is as blocked as it was.

A file that cannot be read is an error, and is never taken for no blocks.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from watchword.edges import files, randomness
from watchword.errors import HostError, OperatorError
from watchword.model.old_knocks import Encrypted
from watchword.model.openpgp import OpenPgpCredential
from watchword.model.policy import Policy, Terms
from watchword.record import record

NAME = "blocked.json"
"""In the state directory."""
KEY_NAMES = "key-names.secret"
"""Beside it."""
Read = TypeVar("Read")
_VERSION = 1
_LIMIT = 16 << 20  # bytes of the file
_SECRET = 32  # bytes


@record
class Block:
    """One key whose kill switch was thrown."""

    at: float
    """Unix seconds."""
    uid: int
    """Who did it."""
    stanza: str
    """Where the key was then, for people: ``#2 (access.conf:12)``."""


class Blocks:
    """Which keys are blocked."""

    def __init__(self, path: Path | None, secret: bytes, blocked: Mapping[str, Block]) -> None:
        """``path``: where changes are kept; None: nowhere."""
        self._path = path
        self._secret = secret
        self._blocked = dict(blocked)

    @classmethod
    def for_daemon(cls, state_dir: Path, *, dry_run: bool) -> Blocks:
        """Those of an earlier run, or a new file. Raises HostError."""
        if dry_run:
            return cls.noted(state_dir)
        path = state_dir / NAME
        secret, blocked = _kept(state_dir)
        if not _is_there(state_dir / KEY_NAMES):
            files.create_private(state_dir / KEY_NAMES, secret.hex().encode("ascii") + b"\n")
        if not _is_there(path):
            files.create_private(path, _written(secret, blocked))
        return cls(path, secret, blocked)

    @classmethod
    def noted(cls, state_dir: Path) -> Blocks:
        """For who only looks: nothing is written. Raises HostError."""
        return cls(None, *_kept(state_dir))

    @property
    def blocked(self) -> Mapping[str, Block]:
        """By the names of keys."""
        return self._blocked

    def names(self, terms: Terms) -> tuple[str, ...]:
        """What the keys of a stanza are called, twelve hex digits each."""
        found = []
        if terms.credential is not None:
            found.append(self._name(b"cipher", terms.credential.key.reveal()))
        if isinstance(terms.knock, Encrypted):
            found.append(self._name(b"cipher", terms.knock.key.reveal()))
        if terms.openpgp is not None:
            found += [self._name(kind, octets) for kind, octets in _sealing(terms.openpgp)]
        return tuple(found)

    def has(self, key: str) -> bool:
        """Whether one of these names is blocked; ``key`` as in ``Grant``. For any thread."""
        return not self._blocked.keys().isdisjoint(key.split("+"))

    def applied(self, policy: Policy) -> Policy:
        """The policy as it is with these blocks."""
        return replace(policy, stanzas=tuple(map(self._marked, policy.stanzas)))

    def block(self, names: tuple[str, ...], block: Block) -> None:
        """Raises HostError: it could not be written down, and nothing has changed."""
        self._keep({**dict.fromkeys(names, block), **self._blocked})

    def unblock(self, names: tuple[str, ...]) -> None:
        """Raises HostError: it could not be written down, and nothing has changed."""
        self._keep({name: each for name, each in self._blocked.items() if name not in names})

    def _keep(self, blocked: dict[str, Block]) -> None:
        if self._path is not None:
            files.replace_private(self._path, _written(self._secret, blocked))
        self._blocked = blocked

    def _marked(self, terms: Terms) -> Terms:
        names = self.names(terms)
        return replace(terms, key_names=names, blocked=any(name in self._blocked for name in names))

    def _name(self, kind: bytes, octets: bytes) -> str:
        person = kind.ljust(8, b"\0")[:8]
        return hashlib.blake2s(octets, key=self._secret, person=person, digest_size=6).hexdigest()


def _sealing(credential: OpenPgpCredential) -> list[tuple[bytes, bytes]]:
    """What distinguishes the callers of an OpenPGP stanza from those of another, with its kind.

    Each signer by himself: a list that somebody edits is another list, and
    whoever was blocked is on it still.
    """
    if credential.mac_key is not None:
        return [(b"openpgp", credential.mac_key.reveal())]
    signers = credential.signers
    listed = sorted(signers.fingerprints or signers.ids) if signers.required else []
    if listed:
        return [(b"signer", each.encode("ascii")) for each in listed]
    return [(b"ring", credential.keyring.home.encode("utf-8", "surrogateescape"))]


def _is_there(path: Path) -> bool:
    """Raises HostError: that cannot be found out."""
    try:
        return path.exists() or path.is_symlink()
    except OSError as error:
        raise HostError(f"{path}: {error.strerror}", hint="look as root") from error


def _kept(state_dir: Path) -> tuple[bytes, dict[str, Block]]:
    """The secret, a new one if there is none, and the blocks. Raises HostError."""
    path, secret_path = state_dir / NAME, state_dir / KEY_NAMES
    secret, blocked = _read(path, _understood) if _is_there(path) else (b"", {})
    kept = _read(secret_path, _secret) if _is_there(secret_path) else secret
    if secret and kept != secret:
        raise HostError(
            f"{path} and {secret_path} are of two installations, so nobody knows which keys are "
            "blocked",
            hint="remove the one that is not of this installation",
        )
    return kept or randomness.key_bytes(_SECRET), blocked


def _written(secret: bytes, blocked: Mapping[str, Block]) -> bytes:
    keys = [
        {"key": name, "at": each.at, "uid": each.uid, "stanza": each.stanza}
        for name, each in blocked.items()
    ]
    told = {"version": _VERSION, "secret": secret.hex(), "blocked": keys}
    return json.dumps(told, indent=1).encode("ascii") + b"\n"


def _read(path: Path, understood: Callable[[bytes], Read]) -> Read:
    try:
        return understood(files.read_bytes(path, _LIMIT))
    except (OperatorError, ValueError, KeyError, TypeError, RecursionError) as error:
        said = error if isinstance(error, OperatorError) else "it is damaged"
        raise HostError(
            f"{path} cannot be read, so nobody knows which keys are blocked: {said}",
            hint=f"restore it; or remove {NAME}, if no key is to be blocked",
        ) from error


def _secret(text: bytes) -> bytes:
    """Raises ValueError if it is none of ours."""
    secret = bytes.fromhex(text.decode("ascii"))
    if len(secret) != _SECRET:
        raise ValueError("another length")
    return secret


def _understood(text: bytes) -> tuple[bytes, dict[str, Block]]:
    """Raises ValueError, KeyError, TypeError or RecursionError if it is none of ours."""
    told = json.loads(text)
    if told["version"] != _VERSION:
        raise ValueError("another version")
    return _secret(told["secret"].encode("ascii")), {
        str(each["key"]): Block(float(each["at"]), int(each["uid"]), str(each["stanza"]))
        for each in told["blocked"]
    }
