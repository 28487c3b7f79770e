"""A packet that every server grants: when it has opened something, all before it were read.

In here: its credentials, what it asks for, for whom. Not in here: sending it (sittings).
"""

from __future__ import annotations

import secrets
import time
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from watchword.conformance import golden
from watchword.conformance.keyrings import gpg
from watchword.conformance.trials import GPG_HOME, SECONDS, Target, stanza
from watchword.model.crypto import Credential, Secret
from watchword.model.services import Proto, Service
from watchword.spa import Message, OpenPgpCredential, access, compose, enclose, seal

CALLER: Final = "192.0.2.99"
SERVICES: Final = tuple(Service(Proto.TCP, port) for port in range(2201, 2217))
"""Used in turn, so that a grant is over when its service comes round again."""
CREDENTIAL: Final = Credential(
    Secret(b"the yardstick's encryption key"), mac_key=Secret(b"and the yardstick's HMAC key")
)


RECIPIENT: Final = golden.gpg_keys()["srv-rsa2048"]["fingerprint"]
SIGNER: Final = golden.gpg_keys()["cli-rsa2048"]["fingerprint"]
OPENPGP_STANZA: Final = f"""\
SOURCE ANY
GPG_HOME_DIR {GPG_HOME}
GPG_DECRYPT_ID {RECIPIENT}
GPG_ALLOW_NO_PW Y
GPG_REQUIRE_SIG Y
GPG_FINGERPRINT_ID {SIGNER}
HMAC_KEY the-yardsticks-third-key
FW_ACCESS_TIMEOUT {SECONDS}
"""
_OPENPGP: Final = OpenPgpCredential(mac_key=Secret(b"the-yardsticks-third-key"))


def stanzas(*, openpgp: bool) -> tuple[str, ...]:
    """What a server needs to grant every ``packet``, those with OpenPGP too if they are sent."""
    return (stanza(CREDENTIAL), *([OPENPGP_STANZA] if openpgp else []))


def packet(target: Target, clients: Path | None = None) -> bytes:
    """A packet of this moment that asks for this. No two are alike.

    With a key ring to sign with it is for gpg: while gpg is at work, a server may serve others.
    """
    if clients is None:
        return seal(_message(target), CREDENTIAL, salt=secrets.token_bytes(8))
    made = gpg(
        clients, "--trust-model", "always", "--sign", "--encrypt", "--local-user", SIGNER,
        "--recipient", RECIPIENT, given=compose(_message(target)),
    )  # fmt: skip
    return enclose(made.stdout, _OPENPGP)


def _message(target: Target) -> Message:
    return access(
        ip_address(target.address),
        [target.service],
        user="yardstick",
        now=time.time(),
        random=secrets.token_bytes,
    )
