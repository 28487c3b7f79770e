"""Vectors as values of the product.

In here: reading the files (vectors/README.md has the schema). A file whose count is
not the number of its vectors is an error, so that none is lost silently.
Not in here: where the recorded answer is not the one demanded (strictness), judging.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

from watchword.model.crypto import CipherMode, Credential, Digest, Secret
from watchword.wire.spa.message import Message, MessageType

HERE = Path(__file__).parent / "vectors"

Vector: TypeAlias = dict[str, Any]


@cache
def content(name: str) -> Vector:
    """Everything that is in one file, given its name without ``.json``."""
    found: Vector = json.loads((HERE / f"{name}.json").read_text("utf-8"))
    if not len(found["vectors"]) == found["count"] > 0:
        raise ValueError(f"{name}.json does not have the vectors it counts")
    return found


def load(name: str) -> tuple[Vector, ...]:
    """The vectors of one file; of gpg.json those that open."""
    return tuple(content(name)["vectors"])


def gpg_refused() -> tuple[Vector, ...]:
    """The packets of gpg.json that libfko refuses, in one setting at least."""
    return tuple(content("gpg")["negative"])


def gpg_not_written() -> tuple[Vector, ...]:
    """What gpg.json says cannot be made a packet of."""
    return tuple(content("gpg")["encode_errors"])


def gpg_keys() -> dict[str, Vector]:
    """The throw-away OpenPGP keys of gpg.json, by name."""
    return {str(key["name"]): key for key in content("gpg")["keys"]}


def files() -> list[str]:
    return [path.stem for path in sorted(HERE.glob("*.json"))]


def every_id(*names: str) -> dict[str, str]:
    """The file of each vector of these files, or of all; those that gpg.json does not count too."""
    lists = ("vectors", "negative", "encode_errors")
    return {
        str(vector["id"]): name
        for name in names or files()
        for each in lists
        for vector in content(name).get(each, ())
    }


def kind(name: str) -> str:
    return str(content(name)["kind"])


def files_of_kind(wanted: str) -> list[str]:
    return [name for name in files() if kind(name) == wanted]


def all_of_kind(wanted: str) -> list[Vector]:
    return [vector for name in files_of_kind(wanted) for vector in load(name)]


def payload_of(vector: Vector) -> bytes:
    return str(vector["packet"]).encode("latin-1")


def base64_of(text: str) -> bytes:
    """Bytes of base64 without padding, up to where whole groups of four end."""
    return base64.b64decode(text[: len(text) // 4 * 4])


def text_of(value: str | dict[str, str] | None) -> str | None:
    """A field; ``{"b64": ...}`` stands for bytes that are not UTF-8."""
    if isinstance(value, dict):
        return base64.b64decode(value["b64"]).decode("utf-8", "surrogateescape")
    return value


def credential_of(encryption: Vector, hmac: Vector | None) -> Credential:
    """Raises ValueError for modes and digests that have no number of ours."""
    return Credential(
        key=Secret(base64.b64decode(encryption["key_b64"])),
        mode=CipherMode(encryption["mode"]),
        mac_key=Secret(base64.b64decode(hmac["key_b64"])) if hmac else None,
        mac_digest=Digest(hmac["type"]) if hmac else Digest.SHA256,
    )


def message_of(vector: Vector) -> Message:
    fields = vector["fields"]
    return Message(
        random=fields["rand_value"],
        user=text_of(fields["username"]) or "",
        sent_at=fields["timestamp"],
        version=fields["version"],
        type=MessageType(fields["message_type"]),
        text=text_of(fields["message"]) or "",
        nat=text_of(fields["nat_access"]),
        server_auth=text_of(fields["server_auth"]),
        seconds=fields["client_timeout"],
        digest=Digest(vector["digest"]["type"]),
    )


def message_to_write(given: Vector) -> Message:
    """What the setters of an ``encode-error`` vector were given."""
    return Message(
        random=given["rand"],
        user=given["username"],
        sent_at=given["timestamp"],
        version="3.0.0",
        type=MessageType(given["message_type"]),
        text=given.get("message", ""),
        nat=given.get("nat_access"),
        server_auth=given.get("server_auth"),
        seconds=given.get("client_timeout", 0),
        digest=Digest(given.get("digest_type", 3)),
    )


def credential_to_write(given: Vector) -> Credential:
    """The keys of the lengths that an ``encode-error`` vector names."""
    mac_key = Secret(b"h" * given.get("hmac_key_len", 0)) if "hmac_type" in given else None
    return Credential(
        key=Secret(b"k" * given["encryption_key_len"]),
        mode=CipherMode(given["mode"]),
        mac_key=mac_key,
        mac_digest=Digest(given.get("hmac_type", 3)),
    )


_KEY_LINE = re.compile(r"^(HMAC_)?KEY(_BASE64)? +(\S+)$", re.MULTILINE)
_MODE_LINE = re.compile(r"^ENCRYPTION_MODE +(\S+)$", re.MULTILINE)
_MAC_LINE = re.compile(r"^HMAC_DIGEST_TYPE +(\S+)$", re.MULTILINE)


def credentials_in(access_conf: str) -> Iterator[Credential]:
    """The keys of each stanza of a ``server`` vector; just enough of a reader for these files."""
    for stanza in re.split(r"^SOURCE\b", access_conf, flags=re.MULTILINE)[1:]:
        keys = {
            mac: base64.b64decode(text) if encoded else text.encode("ascii")
            for mac, encoded, text in _KEY_LINE.findall(stanza)
        }
        [mode] = _MODE_LINE.findall(stanza) or ["cbc"]
        [digest] = _MAC_LINE.findall(stanza) or ["sha256"]
        legacy = mode.upper() == "LEGACY"
        yield Credential(
            Secret(keys[""][:16] if legacy else keys[""]),
            CipherMode[mode.upper()],
            Secret(keys["HMAC_"]) if "HMAC_" in keys else None,
            Digest[digest.upper()],
        )
