"""The key ring in memory keeps the contract of the real one."""

from __future__ import annotations

import pytest

from tests.contract.openpgp import VECTORS, OpenPgpContract
from tests.gpg_homes import fingerprint, message_of
from watchword.edges.gpg_memory import MemoryOpenPgp
from watchword.model.openpgp import Decrypted, Keyring, Signature, SignatureState


def content(name: str, *signatures: Signature) -> tuple[bytes, Decrypted]:
    vector = VECTORS[name]
    plaintext = f"{vector['fields']['rand_value']}:and so on"
    return message_of(vector), Decrypted(plaintext.encode("ascii"), signatures)


class TestMemoryOpenPgp(OpenPgpContract):
    @pytest.fixture
    def keyring(self) -> Keyring:
        return Keyring("/home")

    @pytest.fixture
    def openpgp(self) -> MemoryOpenPgp:
        good = Signature(SignatureState.GOOD, fingerprint("cli-rsa2048"), trusted=True)
        stranger = Signature(SignatureState.GOOD, fingerprint("cli-untrusted"))
        return MemoryOpenPgp(
            dict(
                [
                    content("gpg-rsa2048", good),
                    content("gpg-untrusted", stranger),
                    content("gpg-unsigned"),
                ]
            )
        )
