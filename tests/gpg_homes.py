"""Key rings for tests: one for servers, one for clients, as the vectors were made with."""

from __future__ import annotations

import base64
from typing import Any

from watchword.conformance import golden
from watchword.conformance.keyrings import clients, servers
from watchword.edges.gpg import Gpg, gpg_programs

CONTENT = golden.content("gpg")
KEYS = golden.gpg_keys()
server_home, client_home = servers, clients


def fingerprint(name: str) -> str:
    return str(KEYS[name]["fingerprint"])


def message_of(vector: dict[str, Any]) -> bytes:
    """The OpenPGP message of a vector."""
    text = str(vector["openpgp_b64"])
    return base64.b64decode(text + "=" * (-len(text) % 4))


def patient_gpg() -> Gpg:
    """The program, with more time for a call than a daemon gives it: tests run on busy machines."""
    return Gpg(gpg_programs(), seconds=60)
