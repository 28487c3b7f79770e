"""Key rings for tests: one for servers, one for clients, as the vectors were made with."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from watchword.conformance.golden import HERE
from watchword.conformance.keyrings import home
from watchword.edges.gpg import Gpg, gpg_programs

CONTENT: dict[str, Any] = json.loads((HERE / "gpg.json").read_text("utf-8"))
KEYS: dict[str, dict[str, Any]] = {each["name"]: each for each in CONTENT["keys"]}
SERVERS = sorted(name for name in KEYS if name.startswith("srv-"))
CLIENTS = sorted(name for name in KEYS if name.startswith("cli-"))


@contextmanager
def server_home(folder: Path) -> Iterator[Path]:
    """The secret keys of all recipients, the public ones of all signers."""
    with home(folder, secret=SERVERS, public=CLIENTS) as made:
        yield made


@contextmanager
def client_home(folder: Path) -> Iterator[Path]:
    """The secret keys of all signers, the public ones of all recipients."""
    with home(folder, secret=CLIENTS, public=SERVERS) as made:
        yield made


def fingerprint(name: str) -> str:
    return str(KEYS[name]["fingerprint"])


def message_of(vector: dict[str, Any]) -> bytes:
    """The OpenPGP message of a vector."""
    text = str(vector["openpgp_b64"])
    return base64.b64decode(text + "=" * (-len(text) % 4))


def patient_gpg() -> Gpg:
    """The program, with more time for a call than a daemon gives it: tests run on busy machines."""
    return Gpg(gpg_programs(), seconds=60)
