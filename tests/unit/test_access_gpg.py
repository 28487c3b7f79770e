"""What the GPG lines of a stanza mean, and what is unwise about them (access.conf, 4.4)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.fwknopd_files import CONFIG, GNUPG, GPG, QUIET, SIGNER, STANZA, configure, fatal, remarks
from watchword.dialects.fwknop.server_files import Sources
from watchword.dialects.fwknop.server_options import parse
from watchword.dialects.fwknop.translate import Configuration, load
from watchword.model.crypto import Secret
from watchword.model.openpgp import OpenPgpCredential, Signers

START = f"SOURCE ANY\n{QUIET}HMAC_KEY a sentence that nobody knows\n"


def credential(lines: str, config: str = "", **others: str) -> OpenPgpCredential:
    [found] = configure(config, START + lines, **others).policy.stanzas
    assert found.openpgp is not None
    return found.openpgp


def test_a_stanza_with_gpg_lines_only_takes_openpgp_packets_only() -> None:
    [found] = configure("", START + GPG).policy.stanzas
    assert found.credential is None
    assert found.openpgp is not None
    assert found.mac_key == Secret(b"a sentence that nobody knows")
    assert remarks("", START + GPG) == []


def test_a_stanza_may_take_both_kinds() -> None:
    [found] = configure("", STANZA + GPG).policy.stanzas
    assert found.credential is not None
    assert found.openpgp is not None
    assert found.openpgp.mac_key == found.credential.mac_key


def test_the_key_ring_is_the_stanza_s_else_the_one_of_fwknopd_conf() -> None:
    folders = {"/etc/ring/x": "", "/var/ring/x": ""}
    config = "GPG_HOME_DIR /etc/ring\nGPG_EXE /opt/gpg\n"
    texts = {"f": CONFIG + config, **GNUPG, **folders, "/opt/gpg": "", "/opt/gpg2": ""}
    for lines, home, program in (
        ("", "/etc/ring", "/opt/gpg"),
        ("GPG_HOME_DIR /var/ring\nGPG_EXE /opt/gpg2\n", "/var/ring", "/opt/gpg2"),
    ):
        found = loaded(texts | {"a": START + GPG + lines}).policy.stanzas[0].openpgp
        assert found is not None
        assert (found.keyring.home, found.keyring.program) == (home, program)
        assert not found.keyring.agent


def loaded(texts: dict[str, str]) -> Configuration:
    return load(Sources.of(texts), parse(["-c", "f", "-a", "a"]))


def test_a_key_ring_that_is_not_there_ends_the_start() -> None:
    [said] = fatal("", START + GPG + "GPG_HOME_DIR /nowhere\n")
    assert "[*] GPG_HOME_DIR directory '/nowhere' stat()/existence problem" in said
    assert "access.conf:7" in said


@pytest.mark.requirement("5.13")
def test_without_gpg_only_the_stanzas_that_need_it_are_out_of_use() -> None:
    texts = {"f": CONFIG, "a": STANZA + "\n" + START + GPG, "/root/.gnupg/x": ""}
    found = loaded(texts)
    assert [each.number for each in found.policy.stanzas] == [1]
    [said] = found.complaints
    assert "access stanza #2 is out of use: there is no program /usr/bin/gpg" in str(said)


def test_without_gpg_a_stanza_with_both_kinds_keeps_the_other() -> None:
    found = loaded({"f": CONFIG, "a": STANZA + GPG, "/root/.gnupg/x": ""})
    assert found.policy.stanzas[0].credential is not None
    assert found.policy.stanzas[0].openpgp is None
    assert "OpenPGP packets are not taken" in str(found.complaints[0])


@pytest.mark.parametrize(
    ("lines", "passphrase"),
    [
        ("GPG_ALLOW_NO_PW Y\n", None),
        ("GPG_DECRYPT_PW two words\n", b"two words"),
        ("GPG_ALLOW_NO_PW Y\nGPG_DECRYPT_PW pass\n", b"pass"),
    ],
)
def test_the_passphrase_is_the_one_that_is_given(lines: str, passphrase: bytes | None) -> None:
    found = credential(f"{lines}GPG_FINGERPRINT_ID {SIGNER}\n").keyring.passphrase
    assert found == (None if passphrase is None else Secret(passphrase))


@pytest.mark.parametrize(
    ("lines", "signers"),
    [
        (f"GPG_FINGERPRINT_ID {SIGNER}", Signers(fingerprints=frozenset({SIGNER}))),
        (f"GPG_FINGERPRINT_ID {SIGNER.lower()}", Signers(fingerprints=frozenset({SIGNER}))),
        (
            f"GPG_REMOTE_ID 9b545508, 0x{SIGNER[-16:]}",
            Signers(ids=frozenset({"9B545508", SIGNER[-16:]})),
        ),
        ("GPG_REMOTE_ID 8, ANY", Signers(ids=frozenset({"no key: 8", "no key: ANY"}))),
        ("GPG_DISABLE_SIG Y", Signers(required=False)),
        (
            f"GPG_IGNORE_SIG_VERIFY_ERROR Y\nGPG_FINGERPRINT_ID {SIGNER}",
            Signers(any_state=True, fingerprints=frozenset({SIGNER})),
        ),
        (
            f"GPG_DISABLE_SIG Y\nGPG_REQUIRE_SIG Y\nGPG_FINGERPRINT_ID {SIGNER}",
            Signers(fingerprints=frozenset({SIGNER})),
        ),
        (
            f"GPG_REQUIRE_SIG N\nGPG_FINGERPRINT_ID {SIGNER}",
            Signers(fingerprints=frozenset({SIGNER})),
        ),
    ],
)  # fmt: skip
def test_signatures_are_asked_for_unless_that_is_switched_off(lines: str, signers: Signers) -> None:
    assert credential(f"GPG_ALLOW_NO_PW Y\n{lines}\n").signers == signers


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("GPG_DISABLE_SIG Y", "Warning: GPG_REQUIRE_SIG should really be enabled for stanza"),
        (
            f"GPG_DISABLE_SIG Y\nGPG_REQUIRE_SIG Y\nGPG_FINGERPRINT_ID {SIGNER}",
            "are both set, will check sigs (stanza source: 'ANY' #1)",
        ),
        ("GPG_REMOTE_ID 9B545508", "a key id of eight digits can be forged"),
        (f"GPG_FINGERPRINT_ID {SIGNER},9B545508", "has '9B545508', which fits no key"),
        ("GPG_REMOTE_ID ANY", "has 'ANY', which fits no key"),
        (
            f"GPG_IGNORE_SIG_VERIFY_ERROR Y\nGPG_FINGERPRINT_ID {SIGNER}",
            "signatures of keys that are expired or not trusted count",
        ),
    ],
)
def test_what_is_unwise_is_remarked_on(lines: str, said: str) -> None:
    told = remarks("", f"{START}GPG_ALLOW_NO_PW Y\n{lines}\n")
    assert any(said in each for each in told), told


def test_a_placeholder_is_no_passphrase() -> None:
    [said] = fatal("", f"{START}GPG_DECRYPT_PW __CHANGEME__\nGPG_FINGERPRINT_ID {SIGNER}\n")
    assert "GPG_DECRYPT_PW value is not properly set" in said


def test_a_key_ring_that_others_can_write_into_is_remarked_on() -> None:
    texts = {"f": CONFIG, "a": START + GPG, **GNUPG}
    sources = replace(Sources.of(texts), is_private=lambda path: False)
    [said] = load(sources, parse(["-c", "f", "-a", "a"])).complaints
    assert "others can write into GPG_HOME_DIR '/root/.gnupg'" in str(said)
