"""The kill switches of keys, kept for good.

In here: what keys are called, which of them are blocked, and the file that says so.
Not in here: what a block does to packets (grant.decide) and to grants (block_changes).

A key's name is worked out with a secret of this installation, so that it gives
nothing away: whoever sees names cannot try passphrases on them. What counts as
a stanza's key is what its packets are sealed with: the encryption key, whatever
HMAC key stands beside it; for OpenPGP the HMAC key, or where there is none the
key ring and the signers. So a block holds for every stanza with that key.

A file that cannot be read is an error, and is never taken for no blocks.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from watchword.edges import files, randomness
from watchword.errors import HostError, OperatorError
from watchword.model.openpgp import OpenPgpCredential
from watchword.model.policy import Policy, Terms

NAME = "blocked.json"
"""In the state directory."""
_VERSION = 1
_LIMIT = 16 << 20  # bytes of the file
_SECRET = 32  # bytes


@dataclass(frozen=True, slots=True)
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
        path = state_dir / NAME
        if dry_run:
            return cls.noted(state_dir)
        if not path.exists() and not path.is_symlink():
            files.create_private(path, _written(randomness.key_bytes(_SECRET), {}))
        return cls(path, *_read(path))

    @classmethod
    def noted(cls, state_dir: Path) -> Blocks:
        """For who only looks: nothing is written. Raises HostError."""
        path = state_dir / NAME
        try:
            there = path.exists() or path.is_symlink()
        except OSError as error:
            raise HostError(f"{path}: {error.strerror}", hint="look as root") from error
        return cls(None, *(_read(path) if there else (randomness.key_bytes(_SECRET), {})))

    @property
    def blocked(self) -> Mapping[str, Block]:
        """By the names of keys."""
        return self._blocked

    def names(self, terms: Terms) -> tuple[str, ...]:
        """What the keys of a stanza are called, twelve hex digits each."""
        found = []
        if terms.credential is not None:
            found.append(self._name(b"cipher", terms.credential.key.reveal()))
        if terms.openpgp is not None:
            found.append(self._name(b"openpgp", _sealing(terms.openpgp)))
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


def _sealing(credential: OpenPgpCredential) -> bytes:
    """What distinguishes the callers of an OpenPGP stanza from those of another."""
    if credential.mac_key is not None:
        return credential.mac_key.reveal()
    signers = credential.signers
    listed = sorted(signers.fingerprints) + sorted(signers.ids)
    return b"\0".join((credential.keyring.name, *(each.encode() for each in listed)))


def _written(secret: bytes, blocked: Mapping[str, Block]) -> bytes:
    keys = [
        {"key": name, "at": each.at, "uid": each.uid, "stanza": each.stanza}
        for name, each in blocked.items()
    ]
    told = {"version": _VERSION, "secret": secret.hex(), "blocked": keys}
    return json.dumps(told, indent=1).encode("ascii") + b"\n"


def _read(path: Path) -> tuple[bytes, dict[str, Block]]:
    try:
        return _understood(files.read_bytes(path, _LIMIT))
    except (OperatorError, ValueError, KeyError, TypeError, RecursionError) as error:
        said = error if isinstance(error, OperatorError) else "it is damaged"
        raise HostError(
            f"{path} cannot be read, so nobody knows which keys are blocked: {said}",
            hint="restore it; or remove it, if no key is to be blocked",
        ) from error


def _understood(text: bytes) -> tuple[bytes, dict[str, Block]]:
    """Raises ValueError, KeyError, TypeError or RecursionError if it is none of ours."""
    told = json.loads(text)
    secret = bytes.fromhex(told["secret"])
    if told["version"] != _VERSION or len(secret) != _SECRET:
        raise ValueError("another version, or another length of the secret")
    return secret, {
        str(each["key"]): Block(float(each["at"]), int(each["uid"]), str(each["stanza"]))
        for each in told["blocked"]
    }
