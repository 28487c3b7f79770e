"""What everything that opens OpenPGP messages has to do."""

from __future__ import annotations

import pytest

from tests.gpg_homes import CONTENT, fingerprint, message_of
from watchword.errors import PeerError
from watchword.model.openpgp import Keyring, SignatureState
from watchword.ports import OpenPgp

VECTORS = {each["id"]: each for each in CONTENT["vectors"] + CONTENT["negative"]}


class OpenPgpContract:
    """``openpgp`` has the servers' key ring behind ``keyring``."""

    def test_a_message_is_opened_and_its_signer_told(
        self, openpgp: OpenPgp, keyring: Keyring
    ) -> None:
        vector = VECTORS["gpg-rsa2048"]
        opened = openpgp.decrypt(keyring, message_of(vector))
        assert opened.plaintext.startswith(vector["fields"]["rand_value"].encode("ascii") + b":")
        [signature] = opened.signatures
        assert signature.state is SignatureState.GOOD
        assert signature.trusted
        assert signature.fingerprint == fingerprint("cli-rsa2048")

    def test_a_signer_that_nobody_vouches_for_is_not_trusted(
        self, openpgp: OpenPgp, keyring: Keyring
    ) -> None:
        [signature] = openpgp.decrypt(keyring, message_of(VECTORS["gpg-untrusted"])).signatures
        assert (signature.state, signature.trusted) == (SignatureState.GOOD, False)

    def test_a_message_without_a_signature_has_none(
        self, openpgp: OpenPgp, keyring: Keyring
    ) -> None:
        assert openpgp.decrypt(keyring, message_of(VECTORS["gpg-unsigned"])).signatures == ()

    @pytest.mark.parametrize("name", ["gpg-neg-flip", "gpg-neg-truncated", "gpg-badprefix-rsa1024"])
    def test_what_is_damaged_is_the_sender_s_error(
        self, openpgp: OpenPgp, keyring: Keyring, name: str
    ) -> None:
        with pytest.raises(PeerError):
            openpgp.decrypt(keyring, message_of(VECTORS[name]))

    def test_any_bytes_are_the_sender_s_error(self, openpgp: OpenPgp, keyring: Keyring) -> None:
        for octets in (b"", b"\x85\x01", b"\x85\x01\x0c" + bytes(300), b"no OpenPGP at all" * 30):
            with pytest.raises(PeerError):
                openpgp.decrypt(keyring, octets)
