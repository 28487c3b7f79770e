"""The GPG command lines of the vectors, given to the packaged client and to ours alike."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.gpg_homes import CONTENT, KEYS, client_home, fingerprint, patient_gpg, server_home
from tests.plugins.privileges import PACKAGED
from watchword.conformance import openpgp_lines
from watchword.conformance.findings import Verdict
from watchword.conformance.keyrings import end_agents, gpg, hand_over_passphrases
from watchword.conformance.openpgp import Rings
from watchword.model.crypto import Secret
from watchword.model.openpgp import Keyring, OpenPgpCredential, Signers
from watchword.wire.spa.openpgp import OpenPgpLock

pytestmark = [pytest.mark.peer("gpg", "fwknop")]

PROGRAMS = {
    "packaged": ["fwknop"],
    "ours": [sys.executable, "-m", "watchword.programs.fwknop"],
}
LINES = [each for each in CONTENT["vectors"] if "argv" in each]


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Path]]:
    folder = tmp_path_factory.mktemp("gpg")
    with client_home(folder / "clients") as clients, server_home(folder / "servers") as servers:
        # The packaged client leaves it to the user to keep pinentry out of it; ours does not look.
        hand_over_passphrases(clients)
        yield clients, servers


@pytest.fixture(scope="module")
def rings(homes: tuple[Path, Path]) -> Rings:
    clients, servers = homes
    return Rings(servers, clients)


def run(
    program: str, argv: list[str], clients: Path, folder: Path
) -> subprocess.CompletedProcess[str]:
    """A command line of a vector, with its packet kept in a file, and nobody to answer."""
    given = [each.replace("<GPG_HOME>", str(clients)) for each in argv[1:]]
    return subprocess.run(
        [*PROGRAMS[program], "--no-save-args", "--rc-file", str(folder / "rc"), *given,
         "-B", str(folder / "packet")],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=250,
        env={
            "PATH": PACKAGED, "HOME": str(folder), "SPOOF_USER": "tester",
            **({"PYTHONPATH": os.environ["PYTHONPATH"]} if "PYTHONPATH" in os.environ else {}),
        },
    )  # fmt: skip


@pytest.mark.requirement("8.5", "8.10")
@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("vector", LINES, ids=lambda each: str(each["id"]))
def test_a_command_line_makes_a_packet_with_the_content_of_the_vector(
    vector: dict[str, Any], program: str, rings: Rings
) -> None:
    """To its recipient, from its signer, with its HMAC: as ``watchword conformance`` judges it."""
    command = [str(shutil.which(PROGRAMS[program][0], path=PACKAGED)), *PROGRAMS[program][1:]]
    found, _ = openpgp_lines.command_lines(command, [vector], rings, patient_gpg())
    assert (found.verdict, found.detail) == (Verdict.PASS, "")


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("vector", [LINES[0], LINES[-1]], ids=lambda each: str(each["id"]))
def test_a_client_that_has_no_key_to_its_own_packet_says_so_and_saves_it(
    vector: dict[str, Any], program: str, homes: tuple[Path, Path], tmp_path: Path
) -> None:
    """With ``--test`` it opens what it made, which takes the recipient's secret key."""
    ran = run(program, vector["argv"], homes[0], tmp_path)
    assert ran.returncode == 1
    assert "Error 132" in ran.stderr, ran.stderr
    payload = (tmp_path / "packet").read_bytes().strip()
    assert abs(len(payload) - vector["packet_len"]) <= 12  # compressed, and numbers of any length


def options(recipient: str, *more: str) -> list[str]:
    return [
        "fwknop", "--test", "-D", "198.51.100.7", "-a", "192.0.2.10", "-A", "tcp/22",
        "--gpg-home-dir", "<GPG_HOME>", "--gpg-recipient-key", recipient, *more,
    ]  # fmt: skip


RSA = fingerprint("srv-rsa2048")
WORDS = hashlib.shake_256(b"words").hexdigest(90)  # nothing that gpg could compress
NO_PASSPHRASE = "--gpg-no-signing-pw"


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize(
    ("argv", "number"),
    [
        (options("nobody", NO_PASSPHRASE), 130),
        (options("srv-", NO_PASSPHRASE), 131),
        (options(RSA, "--gpg-signer-key", "nobody", NO_PASSPHRASE), 125),
        (options(RSA, "--gpg-signer-key", RSA, NO_PASSPHRASE), 125),
        (
            options(RSA, "--gpg-signer-key", fingerprint("cli-rsa2048-pw"), "--key-rijndael", "no"),
            122,
        ),
        ([*options(RSA, NO_PASSPHRASE), "--gpg-home-dir", "/nonexistent"], 135),
        (
            [*options(fingerprint("srv-rsa4096"), NO_PASSPHRASE, "--gpg-signer-key",
                      fingerprint("cli-rsa2048")), "-m", "sha512", "-C", WORDS],
            59,
        ),
    ],
    ids=["no-recipient", "ambiguous", "no-signer", "public-only", "passphrase", "home", "too-long"],
)  # fmt: skip
def test_what_cannot_be_sealed_is_refused_with_the_same_number(
    argv: list[str], number: int, program: str, homes: tuple[Path, Path], tmp_path: Path
) -> None:
    end_agents(homes[0])  # which may remember a passphrase
    ran = run(program, argv, homes[0], tmp_path)
    assert ran.returncode == 1
    assert f"Error {number} " in ran.stderr
    assert not (tmp_path / "packet").exists()


@pytest.mark.parametrize("name", ["srv-rsa1024", "srv-cv25519", "srv-nistp256"])
def test_ours_does_not_send_what_no_server_could_open(
    name: str, homes: tuple[Path, Path], tmp_path: Path
) -> None:
    ran = run("ours", options(fingerprint(name), NO_PASSPHRASE), homes[0], tmp_path)
    assert ran.returncode == 1
    assert "RSA or ElGamal of 2048 bits" in ran.stderr
    assert not (tmp_path / "packet").exists()


@pytest.mark.parametrize(
    ("recipients", "signers"),
    [
        (["srv-rsa2048", "srv-rsa2048-pw"], ["cli-ed25519"]),
        (["srv-rsa2048"], ["cli-ed25519", "cli-rsa2048"]),
    ],
)
def test_several_recipients_and_several_signers_go_into_one_packet(
    recipients: list[str], signers: list[str], homes: tuple[Path, Path], tmp_path: Path
) -> None:
    to, by = (",".join(map(fingerprint, names)) for names in (recipients, signers))
    run("ours", options(to, "--gpg-signer-key", by, NO_PASSPHRASE), homes[0], tmp_path)
    payload = (tmp_path / "packet").read_bytes().strip()
    for name in recipients:
        word = KEYS[name]["passphrase"]
        ring = Keyring(str(homes[1]), passphrase=Secret(word.encode()) if word else None)
        lock = OpenPgpLock(OpenPgpCredential(ring, Signers(any_state=True)))
        decrypted = patient_gpg().decrypt(ring, lock.message(payload))
        assert lock.read(decrypted).message.text == "192.0.2.10,tcp/22"
        assert {each.fingerprint for each in decrypted.signatures} == set(map(fingerprint, signers))


def test_ours_says_so_when_keys_make_the_packet_too_long(
    homes: tuple[Path, Path], tmp_path: Path
) -> None:
    to = ",".join(map(fingerprint, ("srv-rsa2048", "srv-rsa2048-pw")))
    signers = ",".join(map(fingerprint, ("cli-rsa2048", "cli-ed25519")))
    argv = options(to, "--gpg-signer-key", signers, NO_PASSPHRASE)
    ran = run("ours", argv, homes[0], tmp_path)
    assert "use fewer or smaller keys" in ran.stderr
    assert not (tmp_path / "packet").exists()


@pytest.mark.parametrize("program", PROGRAMS)
def test_an_agent_that_knows_the_passphrase_is_not_asked_twice_and_nobody_else_is(
    program: str, homes: tuple[Path, Path], tmp_path: Path
) -> None:
    """``--gpg-agent``: what the user unlocked before is enough, and no prompt of ours appears."""
    signer = fingerprint("cli-rsa2048-pw")
    argv = options(RSA, "--gpg-signer-key", signer, "--gpg-agent")
    end_agents(homes[0])
    refused = run(program, argv, homes[0], tmp_path)
    assert "Error 122 " in refused.stderr
    assert not (tmp_path / "packet").exists()

    text = tmp_path / "text"
    text.write_text("something else that is signed", "ascii")
    loopback = ("--pinentry-mode", "loopback", "--passphrase", "client-pass-1")
    gpg(homes[0], *loopback, "--local-user", signer, "--output", f"{text}.gpg", "--sign", str(text))
    ran = run(program, argv, homes[0], tmp_path)
    assert "signing passphrase acquired via gpg-agent" in ran.stdout
    payload = (tmp_path / "packet").read_bytes().strip()
    ring = Keyring(str(homes[1]))
    decrypted = patient_gpg().decrypt(ring, OpenPgpLock(OpenPgpCredential(ring)).message(payload))
    assert [each.fingerprint for each in decrypted.signatures] == [signer]
