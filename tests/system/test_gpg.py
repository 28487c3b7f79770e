"""The real gpg: the contract, the vectors, and everything that must not happen."""

from __future__ import annotations

import os
import socket
import subprocess
import threading
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.contract.openpgp import VECTORS, OpenPgpContract
from tests.daemon import until
from tests.gpg_homes import CONTENT, client_home, fingerprint, patient_gpg, server_home
from watchword.conformance.keyrings import end_agents, gpg
from watchword.conformance.openpgp import NOT_WRITTEN, SETTINGS, Asked, credential_of
from watchword.conformance.strictness import NOT_OPENED_FOR_OPENPGP, REFUSED_EARLIER
from watchword.edges.gpg import Gpg, gpg_programs
from watchword.edges.programs import MemoryPrograms, SystemPrograms
from watchword.errors import HostError
from watchword.model.crypto import Credential, Secret
from watchword.model.openpgp import Keyring, OpenPgpCredential, Signers
from watchword.ports import Completed
from watchword.wire.spa import base64text
from watchword.wire.spa.errors import Code, SpaError
from watchword.wire.spa.leniency import LenientOpenPgpLock
from watchword.wire.spa.opening import Lock, unseal
from watchword.wire.spa.openpgp import OpenPgpLock, check_signatures, enclose

pytestmark = [pytest.mark.peer("gpg")]

STRICTER = {**NOT_OPENED_FOR_OPENPGP, **REFUSED_EARLIER}
"""What libfko opens, or refuses later: lenient spellings, and a packet too short for OpenPGP."""


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with server_home(tmp_path_factory.mktemp("gpg") / "servers") as home:
        yield home


@pytest.fixture(scope="module")
def clients(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with client_home(tmp_path_factory.mktemp("gpg") / "clients") as home:
        yield home


class TestGpg(OpenPgpContract):
    @pytest.fixture
    def keyring(self, servers: Path) -> Keyring:
        return Keyring(str(servers))

    @pytest.fixture
    def openpgp(self) -> Gpg:
        return patient_gpg()


def outcome(vector: dict[str, Any], home: Path, signers: Signers) -> tuple[Any, ...]:
    """The message and who signed it, or libfko's number."""
    asked = credential_of(vector, home, signers)
    lock = OpenPgpLock(asked)
    payload = str(vector["packet"]).encode("latin-1")
    if not lock.fits(payload):
        return (int(Code.INVALID_DATA_HMAC_COMPAREFAIL),)
    try:
        decrypted = patient_gpg().decrypt(asked.keyring, lock.message(payload))
        opened = lock.read(decrypted)
    except SpaError as error:
        return (int(error.code),)
    signer = decrypted.signatures[0].fingerprint if signers.required else None
    return (0, opened.message.random, opened.message.user, opened.message.text, signer)


ASKED = [
    pytest.param(vector, setting, id=f"{vector['id']}-{setting}")
    for vector in VECTORS.values()
    for setting in SETTINGS
    if setting in vector["decode"]
]


@pytest.mark.requirement("8.5")
@pytest.mark.parametrize(("vector", "setting"), ASKED)
def test_every_gpg_vector_comes_to_what_libfko_makes_of_it(
    vector: dict[str, Any], setting: str, servers: Path
) -> None:
    expected = vector["decode"][setting]
    if vector["id"] == "gpg-neg-passphrase":
        end_agents(servers)  # which remembers the right one
    came = outcome(vector, servers, SETTINGS[setting])
    if vector["id"] in STRICTER:
        assert came == (STRICTER[vector["id"]],)
    elif expected["result"] == "ok":
        fields = vector["fields"]
        asked = (fields["rand_value"], fields["username"], fields["message"])
        assert came == (0, *asked, expected["signer_fpr"])
    else:
        assert came == (expected["code"],)


@pytest.mark.parametrize("name", NOT_OPENED_FOR_OPENPGP)
def test_what_only_libfko_opens_is_opened_by_the_compatibility_switch(
    name: str, servers: Path
) -> None:
    vector = VECTORS[name]
    asked = credential_of(vector, servers, Signers())
    lock = LenientOpenPgpLock(asked)
    message = lock.message(str(vector["packet"]).encode("ascii"))
    opened = lock.read(patient_gpg().decrypt(asked.keyring, message))
    fields = vector["fields"]
    assert vector["lenient"]
    assert opened.message.random == fields["rand_value"]
    assert (opened.message.user, opened.message.text) == (fields["username"], fields["message"])


@pytest.mark.parametrize("name", ["gpg-neg-mode-cbc"])
def test_an_openpgp_packet_is_none_for_a_symmetric_key(name: str) -> None:
    payload = str(VECTORS[name]["packet"]).encode("ascii")
    with pytest.raises(SpaError) as refused:
        unseal(payload, Lock(Credential(Secret(b"key"))))
    assert refused.value.code == VECTORS[name]["decode"]["any"]["code"]


def test_no_gpg_vector_was_lost() -> None:
    assert len(CONTENT["vectors"]) == CONTENT["count"] == 26
    assert len(VECTORS) == 26 + len(CONTENT["negative"])


def written(ring: Keyring, asked: Asked) -> bytes:
    message = patient_gpg().encrypt(ring, asked.text, asked.recipients, asked.signers)
    return enclose(message, OpenPgpCredential())


@pytest.mark.parametrize("vector", CONTENT["encode_errors"], ids=lambda vector: str(vector["id"]))
def test_what_cannot_be_written_is_refused_with_libfko_s_number(
    vector: dict[str, Any], clients: Path
) -> None:
    asked = NOT_WRITTEN[vector["id"]]
    end_agents(clients)  # which remember passphrases
    ring = Keyring(str(clients), passphrase=Secret(b"wrong"))
    with pytest.raises(SpaError) as refused:
        written(ring, asked)
    assert refused.value.code == vector["code"]
    assert ("Bad passphrase" in str(refused.value)) == (vector["id"] == "gpg-enc-bad-passphrase")


def test_what_cannot_be_written_is_tried_with_every_vector() -> None:
    assert NOT_WRITTEN.keys() == {vector["id"] for vector in CONTENT["encode_errors"]}


@pytest.mark.parametrize("name", ["srv-rsa1024", "srv-cv25519", "srv-nistp256"])
def test_a_recipient_whose_packets_would_be_damaged_is_refused_before_sending(
    clients: Path, name: str
) -> None:
    message = patient_gpg().encrypt(
        Keyring(str(clients)), b"x" * 120, [fingerprint(name)], [fingerprint("cli-rsa2048")]
    )
    with pytest.raises(SpaError, match="of a kind that packets cannot carry"):
        enclose(message, OpenPgpCredential())


def test_a_packet_to_several_recipients_signed_by_several_is_opened_by_each(
    clients: Path, servers: Path
) -> None:
    names = ["srv-rsa2048", "srv-rsa2048-pw"]
    message = patient_gpg().encrypt(
        Keyring(str(clients)),
        b"to both",
        [fingerprint(each) for each in names],
        [fingerprint("cli-ed25519"), fingerprint("cli-rsa2048")],
    )
    for word in (None, Secret(b"server-pass-1")):
        opened = patient_gpg().decrypt(Keyring(str(servers), passphrase=word), message)
        assert opened.plaintext == b"to both"
        assert {each.fingerprint for each in opened.signatures} == {
            fingerprint("cli-ed25519"),
            fingerprint("cli-rsa2048"),
        }


def test_the_users_own_options_do_not_change_what_is_sent(clients: Path) -> None:
    """A default ``encrypt-to`` once made packets too long to arrive."""
    options = clients / "gpg.conf"
    options.write_text(f"encrypt-to {fingerprint('srv-rsa4096')}\narmor\n", "ascii")
    try:
        message = patient_gpg().encrypt(
            Keyring(str(clients)), b"x" * 120, [fingerprint("srv-rsa2048")]
        )
    finally:
        options.unlink()
    assert len(enclose(message, OpenPgpCredential())) < 600


@pytest.mark.parametrize("known", [b"known", None])
def test_a_message_that_is_encrypted_to_a_passphrase_counts_for_nothing(
    servers: Path, tmp_path: Path, known: bytes | None
) -> None:
    """Whoever knows the passphrase of the key ring has no key to it."""
    text, sealed = tmp_path / "text", tmp_path / "sealed"
    text.write_bytes(b"plain")
    gpg(
        servers, "--pinentry-mode", "loopback", "--passphrase", "known", "--output", str(sealed),
        "--symmetric", str(text),
    )  # fmt: skip
    ring = Keyring(str(servers), passphrase=Secret(known) if known else None)
    with pytest.raises(SpaError) as refused:
        patient_gpg().decrypt(ring, sealed.read_bytes())
    assert refused.value.code == Code.GPGME_DECRYPT_FAILED


def test_a_small_message_that_unpacks_to_much_is_cut_short(servers: Path, clients: Path) -> None:
    message = patient_gpg().encrypt(
        Keyring(str(clients)), b"A" * 300_000, [fingerprint("srv-rsa2048")]
    )
    assert len(message) < 1500
    with pytest.raises(HostError, match="said too much"):
        patient_gpg().decrypt(Keyring(str(servers)), message)


BOMB = b"\xcb\x02b\x00"  # an empty literal; a compressed million of them is a few hundred bytes


def test_what_is_not_encrypted_to_a_key_never_reaches_gpg() -> None:
    """No key is needed to write it, and gpg would unpack it for as long as it is let."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = b"\x01" + packer.compress(BOMB * 200_000) + packer.flush()
    junk = b"\x85\x01\x0c\x03" + bytes(267)
    bomb = junk + b"\xc8\xff" + len(packed).to_bytes(4, "big") + packed
    text = base64text.encode(bomb)
    assert text.startswith(b"hQ")
    with pytest.raises(SpaError, match="no encrypted OpenPGP message"):
        OpenPgpLock(OpenPgpCredential()).message(text[2:])


def test_a_signing_subkey_counts_as_the_key_it_belongs_to(
    servers: Path, clients: Path, tmp_path: Path
) -> None:
    no_word = ("--pinentry-mode", "loopback", "--passphrase", "")
    gpg(clients, *no_word, "--quick-generate-key", "carol", "ed25519", "cert", "never")
    listing = gpg(clients, "--with-colons", "--list-keys", "carol").stdout.decode("ascii")
    [primary] = [line.split(":")[9] for line in listing.splitlines() if line.startswith("fpr:")]
    gpg(clients, *no_word, "--quick-add-key", primary, "ed25519", "sign", "never")
    gpg(clients, "--output", str(tmp_path / "carol"), "--export", primary)
    gpg(servers, "--import", str(tmp_path / "carol"))
    (tmp_path / "trust").write_text(f"{primary}:6:\n", "ascii")
    gpg(servers, "--import-ownertrust", str(tmp_path / "trust"))
    message = patient_gpg().encrypt(
        Keyring(str(clients)), b"x" * 120, [fingerprint("srv-rsa2048")], [primary]
    )
    opened = patient_gpg().decrypt(Keyring(str(servers)), message)
    [signature] = opened.signatures
    assert signature.primary == primary != signature.fingerprint
    for name in (primary, signature.fingerprint):
        check_signatures(opened.signatures, Signers(fingerprints=frozenset({name})))
    with pytest.raises(SpaError):
        check_signatures(opened.signatures, Signers(fingerprints=frozenset({"F" * 40})))


def test_a_signature_that_has_expired_is_called_that(servers: Path, clients: Path) -> None:
    ran = subprocess.run(
        ["gpg", "--homedir", str(clients), "--batch", "--no-tty", "--faked-system-time",
         "20240701T000000", "--default-sig-expire", "1d", "--trust-model", "always",
         "-r", fingerprint("srv-rsa2048"), "-u", fingerprint("cli-rsa2048"), "-s", "-e"],
        input=b"x" * 120, capture_output=True, check=True,
    )  # fmt: skip
    with pytest.raises(SpaError, match="it is expired") as refused:
        patient_gpg().decrypt(Keyring(str(servers)), ran.stdout)
    assert refused.value.code == Code.GPGME_BAD_SIGNATURE


def test_an_agent_that_cannot_be_reached_is_this_machine_s_error(tmp_path: Path) -> None:
    """gpg says "no secret key" as well, which would send people looking in the wrong place."""
    body = (
        "echo '[GNUPG:] NO_SECKEY 00' >&2; "
        'echo "gpg: can\'t connect to the agent: Read-only file system" >&2; exit 2'
    )
    with pytest.raises(HostError, match="can't connect to the agent: Read-only"):
        patient_gpg().decrypt(fake_gpg(tmp_path, body), b"message")


def test_the_lock_files_of_a_gpg_that_was_killed_are_taken_away(tmp_path: Path) -> None:
    host = socket.gethostname()
    ring = fake_gpg(tmp_path, f"touch {tmp_path}/.#lk0x0abc.{host}.$$; exec sleep 600")
    kept = [f".#lk0x0abc.{host}.{os.getpid()}", f".#lk0x0abc.another-{host}.999999", "pubring.kbx"]
    for name in kept:
        (tmp_path / name).touch()
    with pytest.raises(HostError):
        Gpg(gpg_programs(), seconds=0.3).decrypt(ring, b"message")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*kept, "gpg"])


def fake_gpg(tmp_path: Path, body: str) -> Keyring:
    program = tmp_path / "gpg"
    program.write_text(f"#!/bin/sh\n{body}\n", "utf-8")
    program.chmod(0o700)
    return Keyring(str(tmp_path), str(program), Secret(b"the passphrase"))


def test_a_gpg_that_hangs_is_ended_with_everything_it_started(tmp_path: Path) -> None:
    ring = fake_gpg(tmp_path, f"echo $$ > {tmp_path}/pid; sleep 600 & wait")
    for seconds in (0.5, 10.0):
        with pytest.raises(HostError, match=rf"longer than {seconds:g} s"):
            Gpg(SystemPrograms(), seconds=seconds).decrypt(ring, b"message")
        if (tmp_path / "pid").exists():  # a slow machine may not have come as far as that
            break
    group = int((tmp_path / "pid").read_text("ascii"))
    until(lambda: not members(group))


def members(group: int) -> list[str]:
    """The commands of a process group that still run; dead ones that nobody reaped do not."""
    listed = subprocess.run(
        ["ps", "-eo", "pgid=,stat=,args="], check=True, capture_output=True, text=True
    ).stdout
    rows = (line.split(maxsplit=2) for line in listed.splitlines())
    return [args for pgid, stat, args in rows if int(pgid) == group and stat[0] != "Z"]


def test_a_gpg_that_is_ended_with_the_daemon_ends_at_once(tmp_path: Path) -> None:
    programs = SystemPrograms()
    ring = fake_gpg(tmp_path, "exec sleep 600")
    errors: list[HostError] = []

    def decrypt() -> None:
        with pytest.raises(HostError) as ended:
            Gpg(programs).decrypt(ring, b"message")
        errors.append(ended.value)

    thread = threading.Thread(target=decrypt)
    thread.start()
    programs.end()
    thread.join(60)
    assert "was ended with the program that ran it" in str(errors[0])


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("echo 'gpg: fatal: no home' >&2; exit 2", "fatal: no home"),
        ("kill -9 $$", "ended with status -9"),
        ("yes | head -c 3000000", "said too much"),
    ],
)
def test_a_gpg_that_cannot_work_is_this_machine_s_error(
    tmp_path: Path, body: str, said: str
) -> None:
    with pytest.raises(HostError, match=said):
        Gpg(SystemPrograms(output_limit=1_000_000)).decrypt(fake_gpg(tmp_path, body), b"message")


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (Completed(-9, b"", b""), "gpg: ended with status -9"),
        (Completed(3, b"", b"gpg: out of paper"), "gpg: out of paper"),
        (HostError("gpg: took too long"), "gpg: took too long"),
    ],
)
def test_of_a_gpg_that_cannot_look_keys_up_is_not_said_that_there_is_no_key(
    answer: Completed | HostError, said: str
) -> None:
    keyring = Keyring(program="gpg")
    with pytest.raises(HostError) as caught:
        Gpg(MemoryPrograms([answer])).encrypt(keyring, b"plain", ["somebody"])
    assert str(caught.value) == said
    assert caught.value.hint == "see whether it works by hand: gpg --list-keys"
    none = Completed(2, b"", b"gpg: error reading key: No public key")
    with pytest.raises(SpaError, match="no key of that name"):
        Gpg(MemoryPrograms([none])).encrypt(keyring, b"plain", ["somebody"])


@pytest.mark.parametrize("secret", [b"one\nother", b"one\0other", b"\n"])
def test_no_part_of_a_passphrase_is_taken_for_the_message(secret: bytes) -> None:
    programs = MemoryPrograms()
    with pytest.raises(HostError, match="a line end or a NUL"):
        Gpg(programs).decrypt(Keyring(passphrase=Secret(secret)), b"a message")
    assert not programs.runs


def test_nothing_secret_is_in_an_argument_or_in_the_environment(tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    body = f"tr '\\0' '\\n' </proc/$$/cmdline >{seen}; env >>{seen}; cat >{tmp_path}/in"
    with pytest.raises(HostError):
        patient_gpg().decrypt(fake_gpg(tmp_path, body), b"message")
    assert (tmp_path / "in").read_bytes() == b"the passphrase\nmessage"
    assert "passphrase-fd" in seen.read_text("utf-8")
    assert "the passphrase" not in seen.read_text("utf-8")
